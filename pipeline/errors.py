"""How a stage runs: a user's mistake is answered in lines that name the file and the key, and say what to do, never by a
traceback; and what a stage reads holds still while it runs.

DVC takes the digests of a stage's dependencies when it has ended. A file that changed meanwhile would be recorded as what the
result was made of. So what is read is noted when it is read, and looked at again before an out is put in place.
"""

from __future__ import annotations

import difflib
import errno
import gc
import hashlib
import os
import re
import select
import sys
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from pathlib import Path

from pydantic import ValidationError

MISTAKE = 2
"""The exit status of a user's mistake; that of a fault of ours, which ends in a traceback, is 1."""

PLACE = {
    errno.ENOSPC: "the disk is full: free some space",
    errno.EDQUOT: "the quota of this disk is used up: free some space",
    errno.EFBIG: "no file may grow so large here: raise the limit (ulimit -f)",
    errno.EROFS: "this place is read-only: put data/ and .scratch/ where they can be written",
    errno.EACCES: "no permission: see who owns it",
    errno.EPERM: "no permission: see who owns it",
}
"""What is wrong with the place of a file, and what to do."""
NO_GIT = "not a git clone, and DVC needs its history; clone the repository (a ZIP has none)"
"""What is wrong with a checkout in which DVC finds no git, and what to do."""

LONGEST = 1200
"""Characters of one line that somebody may be asked to read."""
NO_MEMORY = ("out of memory", "can't allocate memory")
"""What torch says where a GPU, and where a machine, has no memory left."""

# Of ours every stage imports this module first, and by then `python -m` has named the stage. Until it runs the collector
# sleeps: while torch and transformers are imported it would go through all their objects again and again, a third of that time.
_main = getattr(sys.modules["__main__"], "__spec__", None)
if _main is not None and _main.name.split(".")[0] in ("pipeline", "analysis"):
    gc.disable()


class InputError(Exception):
    """A user's mistake, said in lines that name the file, row or key, and what to do. Each argument is a line, and stays one
    whatever a cell or a name of the user's holds: line breaks, NUL, what turns the direction of a terminal, a megabyte."""

    def __init__(self, *lines: str) -> None:
        super().__init__(*lines)

    def __str__(self) -> str:
        return "\n".join("".join(map(_visible, _readable(str(line)))) for line in self.args)


def _readable(line: str) -> str:
    """A line whose beginning says where the mistake is, and whose end what to do."""
    return line if len(line) <= LONGEST else f"{line[: LONGEST // 2]} ... {line[-LONGEST // 2 :]}"


def _visible(c: str) -> str:
    return c if c.isprintable() else " " if c.isspace() else c.encode("unicode_escape", "surrogatepass").decode()


def one_line(error: object, limit: int = 300) -> str:
    """The first line of what a library said, short enough to end our own line with."""
    lines = str(error).strip().splitlines()
    return lines[0][:limit] if lines else repr(error)[:limit]


def some(items: Sequence[object], most: int = 5) -> str:
    """The first of many things, and how many more there are."""
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return ", ".join(map(str, items[:most])) + more


def nearest(word: str, known: Iterable[str], otherwise: str) -> str:
    """A hint at the known word that a user may have meant; `otherwise` where none is near."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"did you mean '{near[0]}'?" if near else otherwise


# --- inputs that hold still ----------------------------------------------------------------------------------------------

_noted: ContextVar[dict[tuple[str, str], Callable[[], bool]] | None] = ContextVar("noted", default=None)
"""The inputs of the stage that runs, by file and part of it; None while none does."""


def note(name: str, is_same: Callable[[], bool], part: str = "") -> None:
    """Note an input of the stage that runs, a file or a part of it; `is_same` says later whether it is as it was."""
    if (noted := _noted.get()) is not None:
        noted.setdefault((name, part), is_same)


def note_file(path: Path) -> None:
    """Note a file that is about to be read, by its digest."""
    if (noted := _noted.get()) is not None and (str(path), "") not in noted:
        before = _digest(path)
        note(str(path), lambda: _digest(path) == before)


def note_folder(path: Path) -> None:
    """Note a folder of large files, by their names, sizes and times of change."""

    def found() -> list[tuple[str, int, int]]:
        files = [(str(p.relative_to(path)), p.stat()) for p in sorted(path.rglob("*")) if p.is_file()]
        return [(name, s.st_size, s.st_mtime_ns) for name, s in files]

    if _noted.get() is not None:
        before = found()
        note(str(path), lambda: found() == before)


def check_noted() -> None:
    """Raise InputError, naming them, for inputs that changed since they were noted."""
    if changed := {name for (name, _), is_same in (_noted.get() or {}).items() if not is_same()}:
        raise InputError(
            f"{', '.join(sorted(changed))}: changed while this stage ran, so that nobody could say what its result was made of."
            " Run `dvc repro` again"
        )


def _digest(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


# --- running -------------------------------------------------------------------------------------------------------------


def _arguments_are_as_asked(arguments: list[str], asked: str | None) -> None:
    """Raise InputError for too few or too many; `asked` is the docstring of what runs, with a line `python -m module NAME ...`.
    What has another form than names in capitals checks its arguments itself."""
    lines = re.findall(r"^ *(python -m [\w.]+((?: [A-Z]+)*)((?: \[[A-Z]+(?: \.\.\.)?\])*)) *$", asked or "", re.M)
    if len(lines) == 1:
        usage, names, optional = lines[0]
        fewest, most = len(names.split()), len(names.split()) + optional.count("[")
        if not fewest <= len(arguments) <= (sys.maxsize if "..." in optional else most):
            raise InputError(f"{len(arguments)} arguments: {' '.join(arguments) or 'none'}; write {usage}")


def run_stage(main: Callable[[list[str]], None]) -> None:
    """Run a stage's `main(arguments)`: a user's mistake, a place that cannot be written, and a memory that is short end in a
    message and exit status 2, never in a traceback. Code and inputs that change while it runs are such a mistake. Where nobody
    reads what it prints any more (`| head`), it ends with status 1 and without a word."""
    gc.freeze()  # what has been imported stays
    gc.enable()
    before = _noted.set({})
    try:
        _arguments_are_as_asked(sys.argv[1:], sys.modules["__main__"].__doc__)
        for name, module in list(sys.modules.items()):
            if name.split(".")[0] in ("pipeline", "analysis") and (file := getattr(module, "__file__", None)):
                note_file(Path(file))
        main(sys.argv[1:])
        check_noted()
    except BrokenPipeError:
        if not _nobody_reads():
            raise
        sys.exit(1)  # not 0: what was to follow was not done
    except (InputError, ValidationError, OSError) as error:
        print(f"error: {_in_words(error)}", file=sys.stderr)
        sys.exit(MISTAKE)
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not any(words in str(error) for words in NO_MEMORY):
            raise
        print(f"error: memory is short: {one_line(error)}; free some, then run `dvc repro` again", file=sys.stderr)
        sys.exit(MISTAKE)
    except KeyboardInterrupt:
        sys.exit("stopped; what was finished is kept and the next run goes on from there")
    finally:
        _noted.reset(before)
        _say_the_rest()


def _nobody_reads() -> bool:
    """Whether the other end of stdout, a pipe, is closed."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)  # errors alone
    return bool(poll.poll(0))


def _say_the_rest() -> None:
    """Print what waits to be printed, or drop it where nobody reads: when it exits the interpreter would complain of it
    (https://docs.python.org/3/library/signal.html#note-on-sigpipe)."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _in_words(error: InputError | ValidationError | OSError) -> str:
    """What to tell the user. Raises an OSError that is not of a place but a fault of ours."""
    if isinstance(error, ValidationError):
        return "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']} ({e['input']})" for e in error.errors())
    if isinstance(error, InputError):
        return str(error)
    if error.errno not in PLACE:
        raise error
    return f"{error.filename or 'a file'}: {PLACE[error.errno]}, then run `dvc repro` again; what was finished is kept"
