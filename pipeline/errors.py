"""How a user's mistake is answered: in lines that name the file and the key, and say what to do; never by a traceback."""

from __future__ import annotations

import difflib
import gc
import sys
from collections.abc import Callable, Iterable

# Of ours every stage imports this module first, and by then `python -m` has named the stage. Until it runs the collector
# sleeps: while torch and transformers are imported it would go through all their objects again and again, a third of that time.
_main = getattr(sys.modules["__main__"], "__spec__", None)
if _main is not None and _main.name.split(".")[0] in ("pipeline", "analysis"):
    gc.disable()


class InputError(Exception):
    """A user's mistake, said in lines that name the file, row or key, and what to do."""


def one_line(error: object, limit: int = 300) -> str:
    """The first line of what a library said, short enough to end our own line with."""
    lines = str(error).strip().splitlines()
    return lines[0][:limit] if lines else repr(error)[:limit]


def nearest(word: str, known: Iterable[str], otherwise: str) -> str:
    """A hint at the known word that a user may have meant; `otherwise` where none is near."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"did you mean '{near[0]}'?" if near else otherwise


def run_stage(main: Callable[[list[str]], None]) -> None:
    """Run a stage's `main(arguments)`: a user's mistake ends in its message and exit status 1, never in a traceback."""
    gc.freeze()  # what has been imported stays
    gc.enable()
    try:
        main(sys.argv[1:])
    except InputError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("stopped; what was finished is kept and the next run goes on from there")
