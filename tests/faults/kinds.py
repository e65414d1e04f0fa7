"""How what happened after a fault is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

SAME, CLEAR, SILENT, TRACEBACK, STUCK = "same bytes", "clear error", "SILENT", "TRACEBACK", "STUCK"
OUTCOMES = (SAME, CLEAR, SILENT, TRACEBACK, STUCK)
BAD = frozenset({SILENT, TRACEBACK, STUCK})


class Found(NamedTuple):
    """One fault: where it was put, of which kind, what came of it, and the words for a human."""

    place: str
    kind: str
    outcome: str
    words: str = ""


def table(found: Iterable[Found]) -> str:
    """Counts by kind, and a line of sums."""
    listed = list(found)
    kinds = list(dict.fromkeys(f.kind for f in listed))
    width = max(map(len, [*kinds, "kind"]), default=4)
    rows = [f"{'kind':{width}}  tried  " + "  ".join(f"{o:>11}" for o in OUTCOMES)]
    for kind in [*kinds, None]:
        counted = Counter(f.outcome for f in listed if kind in (f.kind, None))
        name = "all" if kind is None else kind
        rows.append(f"{name:{width}}  {counted.total():5}  " + "  ".join(f"{counted[o]:11}" for o in OUTCOMES))
    return "\n".join(rows)


def bad(found: Iterable[Found]) -> list[str]:
    """A line for each fault that nobody may meet."""
    return [f"{f.outcome}: {f.kind}: {f.place}: {f.words}" for f in found if f.outcome in BAD]
