"""Two model entries that are one: the same weights under two names, one family in two spellings."""

from __future__ import annotations

import filecmp
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path

from pipeline.errors import InputError
from pipeline.models.entries import MODELS, ModelEntry
from pipeline.texts.stimuli import alike


def check(entries: Mapping[str, ModelEntry]) -> None:
    """Raise InputError, a line for each, for two entries that would count as two models or two families, and are one."""
    if found := [*_weights(entries), *_families(entries)]:
        raise InputError(*found)


def _weights(entries: Mapping[str, ModelEntry]) -> Iterator[str]:
    trained = [(name, entry) for name, entry in entries.items() if not entry.untrained]
    for (one, a), (other, b) in combinations(trained, 2):
        if _are_one(a, b):
            yield (
                f"{MODELS / f'{other}.yaml'}: its weights are those of {MODELS / f'{one}.yaml'}: one model would count as two;"
                " take one out of read.models"
            )


def _are_one(a: ModelEntry, b: ModelEntry) -> bool:
    if a.hub and b.hub:
        return (a.hub.id.lower(), a.hub.revision) == (b.hub.id.lower(), b.hub.revision)
    if a.gguf and b.gguf:
        return a.gguf.sha256 == b.gguf.sha256
    if a.folder and b.folder:
        noted = {a.folder.sha256, b.folder.sha256}
        return len(noted) == 1 if None not in noted else _same_files(a.folder.path, b.folder.path)
    return False


def _same_files(a: Path, b: Path) -> bool:
    """Whether two folders hold the same weights. Those of two models differ early, so that few bytes of them are read."""
    names = sorted(path.name for path in a.glob("*.safetensors"))
    if not names or names != sorted(path.name for path in b.glob("*.safetensors")):
        return False
    return all(filecmp.cmp(a / name, b / name, shallow=False) for name in names)


def _families(entries: Mapping[str, ModelEntry]) -> Iterator[str]:
    for key in ("family", "lineage"):
        known: dict[str, tuple[str, str]] = {}
        for name, entry in entries.items():
            said = str(getattr(entry, key))
            other, first = known.setdefault("".join(filter(str.isalnum, alike(said))), (name, said))
            if said != first:
                yield (
                    f"{MODELS / f'{name}.yaml'}: {key} '{said}' and '{first}' of {MODELS / f'{other}.yaml'} differ in spelling"
                    " alone and would count as two; write them alike"
                )
