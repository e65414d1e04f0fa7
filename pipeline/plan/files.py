"""What stages read besides texts and models: every file that params name is there and can be read, before anything starts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.banks import load as banks
from pipeline.behaviour import questionnaire
from pipeline.errors import InputError, nearest
from pipeline.models import inspection
from pipeline.models.entries import MODELS, Folder, ModelEntry
from pipeline.params.base import PARAMS, load_yaml
from pipeline.params.imported import BANKS, Bank
from pipeline.params.reading import STORIES
from pipeline.params.whole import Params
from pipeline.store import layout
from pipeline.texts import labels, prompts


def check(params: Params, entries: Mapping[str, ModelEntry], emotions: Sequence[str], chosen: bool) -> None:
    """Raise InputError for a file that a stage would refuse. `emotions`: labels of the stories; `chosen`: of a profile that is
    only looked at, files of banks need not be there yet."""
    questionnaire.only_instruct(params.behaviour.models, entries)
    questionnaire.questions(params.behaviour.questions)
    questionnaire.tasks(params.behaviour.constraints)
    labels.emotions(params.corpus.emotions, list(emotions))
    labels.label_words(params.corpus.label_words)
    if params.corpus.topics is not None:
        labels.topics(params.corpus.topics)
    for name in dict.fromkeys(w.setting for w in params.writings) if params.write.models else ():
        setting = params.write.settings[name]
        prompts.asked(prompts.load(params.write.prompts, setting.prompts, setting.only), emotions, params.vectors.neutral_label)
    for name in params.imported:
        _bank(name, params, chosen)
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


def _bank(name: str, params: Params, chosen: bool) -> None:
    path = BANKS / f"{name}.yaml"
    if not path.is_file():
        known = sorted(p.stem for p in BANKS.glob("*.yaml"))
        hint = nearest(name, known, f"there are {', '.join(known) or 'none'}")
        raise InputError(f"{PARAMS}: imported: no {path}; {hint}")
    bank = load_yaml(path, Bank)
    read = next((s for s in params.second if s.name == bank.stories), None)
    if read is not None and params.report.position not in read.positions:
        raise InputError(
            f"{PARAMS}: second.{read.name}.positions: the bank {name} is held against these stories at report.position,"
            f" '{params.report.position}'; add it"
        )
    if chosen and bank.path is not None:
        banks.vectors_of(banks.file_of(path, bank), path, bank)
