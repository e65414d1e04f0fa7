"""What stages read besides texts and models: every file that params name is there and can be read, before anything starts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import polars as pl

from pipeline.banks import load as banks
from pipeline.behaviour import questionnaire
from pipeline.errors import InputError, nearest
from pipeline.models import inspection
from pipeline.models.entries import MODELS, Folder, ModelEntry
from pipeline.params.base import PARAMS, load_yaml
from pipeline.params.imported import BANKS, Bank
from pipeline.params.reading import STORIES
from pipeline.params.whole import Params
from pipeline.plan import spelling
from pipeline.store import layout
from pipeline.texts import labels, prompts

Texts = Mapping[str, pl.DataFrame]
FEWEST_IN_COMMON = 4
"""Labels over which a bank is compared (`analysis.grid.imported`)."""


def check(params: Params, entries: Mapping[str, ModelEntry], texts: Texts, chosen: bool) -> None:
    """Raise InputError for a file that a stage would refuse. `texts`: of each reading by its name; `chosen`: of a profile that
    is only looked at, files of banks need not be there yet."""
    emotions = texts[STORIES]["emotion"].unique().sort().to_list()
    questionnaire.only_instruct(params.behaviour.models, entries)
    for path, rows in (
        (params.behaviour.questions, questionnaire.questions(params.behaviour.questions)),
        (params.behaviour.constraints, questionnaire.tasks(params.behaviour.constraints)),
    ):
        if params.behaviour.models and not rows:
            raise InputError(f"{path}: no rows, and behaviour.models in {PARAMS} has models; add some, or take them out")
    labels.emotions(params.corpus.emotions, emotions)
    labels.label_words(params.corpus.label_words)
    if params.corpus.topics is not None:
        labels.topics(params.corpus.topics)
    for name in params.settings_written:
        _prompts(name, params, emotions)
    for name in params.imported:
        _bank(name, params, texts, chosen)
    for model, entry in entries.items() if chosen else ():
        if entry.folder is not None and entry.folder.path.is_dir():
            _is_as_read(model, entry.folder, params)


def _is_as_read(model: str, folder: Folder, params: Params) -> None:
    """DVC does not look into a folder of weights: what was overwritten there would be up to date."""
    where = MODELS / f"{model}.yaml"
    inspection.is_noted(folder.path, folder.sha256, where)
    for precision in params.precisions_of(model) if folder.sha256 is None else ():
        read = layout.activations_path(model, precision, STORIES)
        if (known := _attribute(read / "zarr.json")) and known != (found := inspection.digest(folder.path)):
            raise InputError(
                f"{where}: folder: the files of {folder.path} are others than {read} was read with; add `sha256: {found}` to"
                " `folder`, and its stages run again"
            )


def _attribute(node: Path) -> str | None:
    """What a reading says of its model's files; None where there is none, or where it says nothing."""
    try:
        return str(json.loads(node.read_text(encoding="utf-8"))["attributes"]["files_sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _prompts(name: str, params: Params, emotions: Sequence[str]) -> None:
    """What a setting asks for is of labels that stories have, the neutral one included where something is taken against it."""
    path, setting, neutral = params.write.prompts, params.write.settings[name], params.vectors.neutral_label
    found = prompts.load(path, setting.prompts, setting.only)
    # a file of prompts may be for more labels than a list of params reads this time
    otherwise = "" if params.readings[STORIES].emotions != "all" else f"labels are {', '.join(emotions)}"
    for label in sorted({*found["emotion"]} - {"", neutral, *emotions}):
        if hint := spelling.hint(label, emotions, otherwise):
            raise InputError(f"{path}: set {setting.prompts}: no story has the label '{label}'; {hint}")
    asked = prompts.asked(found, emotions, neutral)
    _are_crossed(f"{path}: set {setting.prompts}", _told_by(asked, neutral))
    if any(label == neutral for label, _, _ in asked):
        return
    baselines = {f"confounds.experiments.{k}": e.baseline for k, e in params.confounds.experiments.items() if e.source == name}
    for key, baseline in {f"write.settings.{name}": setting.baseline, **baselines}.items():
        if baseline == "neutral":
            why = f"no prompt of the set '{setting.prompts}' in {path} is for a label '{neutral}' that stories have"
            why = "vectors.neutral_label is null" if neutral is None else why
            raise InputError(f"{PARAMS}: {key}.baseline: neutral, and {why}; write emotions, or add what it lacks")


def _told_by(asked: Iterable[tuple[str, str, str]], neutral: str | None) -> dict[str, set[str]]:
    """The ids of the prompts of each emotion, from what `prompts.asked` gives."""
    ids: dict[str, set[str]] = {}
    for label, id_, _ in asked:
        if label != neutral:
            ids.setdefault(label, set()).add(id_)
    return ids


def _are_crossed(where: str, ids: Mapping[str, set[str]]) -> None:
    """Raise InputError for prompts, their ids by label, of which every half would leave a label without a text."""
    n = len(set().union(*ids.values()))
    if n > 1 and (single := [label for label, own in ids.items() if len(own) == 1]):
        raise InputError(
            f"{where}: of its {n} prompts '{single[0]}' has one: prompts are what is halved, and a half without it has no text"
            " of this label, so that no number would come of it; write every prompt for every label, under one id"
        )


def told_unevenly(params: Params, emotions: Sequence[str]) -> Iterator[str]:
    """Of each set of prompts that is asked of some labels in half of its prompts or fewer: which, and what it means."""
    for name in params.settings_written:
        path, setting, neutral = params.write.prompts, params.write.settings[name], params.vectors.neutral_label
        ids = _told_by(prompts.asked(prompts.load(path, setting.prompts, setting.only), emotions, neutral), neutral)
        n = len(set().union(*ids.values()))
        if n > 1 and (few := [label for label, own in ids.items() if 2 * len(own) <= n]):
            yield (
                f"{path}: set {setting.prompts}: '{few[0]}' has {len(ids[few[0]])} of its {n} prompts: a half of the prompts"
                f" may hold none of them, and then no number of write.settings.{name} can come"
            )


def _bank(name: str, params: Params, texts: Texts, chosen: bool) -> None:
    path = BANKS / f"{name}.yaml"
    if name in (*params.models, *params.words):
        raise InputError(f"{PARAMS}: imported: '{name}' is a reader of this run, too; give the file {path} another name")
    if not path.is_file():
        known = sorted(p.stem for p in BANKS.glob("*.yaml"))
        hint = nearest(name, known, f"there are {', '.join(known) or 'none'}")
        raise InputError(f"{PARAMS}: imported: no {path}; {hint}")
    bank = load_yaml(path, Bank)
    read = next((s for s in params.second if s.name == bank.stories), None)
    if bank.stories not in (None, STORIES) and read is None:
        hint = nearest(bank.stories, there := [s.name for s in params.second], f"there are {', '.join(there) or 'none'}.")
        raise InputError(
            f"{path}: stories: '{bank.stories}' is no entry of `second` in {PARAMS}, and the bank would be held against our own"
            f" stories; {hint} Write null where its stories are not read"
        )
    if read is not None and params.report.position not in read.positions:
        raise InputError(
            f"{PARAMS}: second.{read.name}.positions: the bank {name} is held against these stories at report.position,"
            f" '{params.report.position}'; add it"
        )
    if _is_here(bank) and chosen:
        own = _labels(path, bank)
        for line in spelling.misspelt(own, labels_of(bank, params, texts)):
            raise InputError(f"{path}: labels: {line} (the stories have the second); map the first to it")


def labels_of(bank: Bank, params: Params, texts: Texts) -> list[str]:
    """Labels of what our models read and a bank is held against: its own stories, where they are read, or ours."""
    name = str(bank.stories) if bank.stories in {s.name for s in params.second} else STORIES
    return texts[name]["emotion"].unique().sort().to_list()


def _is_here(bank: Bank) -> bool:
    return bank.path is not None or (layout.SCRATCH / "banks" / bank.sha256).is_file()  # where `banks.file_of` keeps it


def _labels(path: Path, bank: Bank) -> list[str]:
    """The labels of a bank whose file is here, in our names. Raises InputError for a file that the stage would refuse, and for
    two labels that people read as one."""
    found = sorted({label for own in banks.vectors_of(banks.file_of(path, bank), path, bank).values() for label in own})
    for n, label in enumerate(found):
        for line in spelling.misspelt([label], found[:n]):
            raise InputError(f"{path}: labels: {line}; the file has both, so take one out or map it to another name")
    return found


def banks_in_vain(params: Params, texts: Texts) -> Iterator[str]:
    """Of each bank that is here and gives no number beside our models: why."""
    for name in params.imported:
        path = BANKS / f"{name}.yaml"
        bank = load_yaml(path, Bank)
        if not _is_here(bank) or not (there := labels_of(bank, params, texts)):  # stories that are fetched first
            continue
        counted = {e for e in there if params.vectors.counts(e)} - {params.vectors.neutral_label}
        if (n := len(counted.intersection(_labels(path, bank)))) < FEWEST_IN_COMMON:
            yield (
                f"Of the bank {name} no number beside our models can come: {n} of its labels are emotions of the stories,"
                f" {FEWEST_IN_COMMON} are needed; name them in {path}, labels"
            )
