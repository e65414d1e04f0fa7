"""Labels that people read as one and a computer as two: another case, another Unicode form."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from unicodedata import normalize

from pipeline.errors import nearest
from pipeline.texts.stimuli import alike


def misspelt(wanted: Iterable[str], there: Collection[str]) -> Iterator[str]:
    """Of each label that is not `there` and looks like one that is: both, and what tells them apart."""
    known = {alike(label): label for label in there}
    for label in dict.fromkeys(wanted):
        if label not in there and (other := known.get(alike(label))) is not None:
            yield f"'{label}' and '{other}' {_difference(label, other)}"


def hint(label: str, there: Collection[str], otherwise: str) -> str:
    """As `pipeline.errors.nearest`; of two that look the same, what tells them apart."""
    return next(misspelt([label], there), None) or nearest(label, there, otherwise)


def _difference(one: str, other: str) -> str:
    if normalize("NFC", one) == normalize("NFC", other):
        return "look the same and differ in their Unicode form; write both in NFC"
    return "differ in case, width or what cannot be seen; write them alike"
