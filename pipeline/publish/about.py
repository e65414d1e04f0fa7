"""What may be said of the data of a checkout to others: of this study's own, all that is known of it; of a run of one's own
that alone which its params, its models' files and its stores say."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML

from pipeline import opening
from pipeline.errors import InputError, some
from pipeline.models.entries import MODELS, load_entry
from pipeline.params.base import PARAMS
from pipeline.params.reading import NEUTRAL, STORIES, Reading, ReadingSections
from pipeline.publish import profiles
from pipeline.store.provenance import ROOT
from pipeline.texts import stimuli

ENGLISH = (
    "92b6b653a00f84156d005973204f30539d2c07e61a0c3118ee26e9a9e4f9de83",  # stories.csv
    "1b60b67f85cfcbacab873bf5ba16f0c409e2d3ecd3a4b68263cd3cb91ae53522",  # second.csv
    "f4afe1362c7cca0d9fe2899e6ffd8c97c57482c9ad8aab1a0394edd5a31c1720",  # neutral.csv
)
"""SHA-256 of the texts of data/stimuli as this project has them. A file of such a name that holds others is somebody's own."""

PIPELINE = "emotion-geometry (CITATION.cff), whose pipeline replicates arXiv 2604.11050"
MADE = "tables of every similarity between models with its interval and its controls"


@dataclass(frozen=True)
class About:
    """What a dataset is called, and what is known of it; None: nothing, so nothing is said."""

    name: str
    title: str
    summary: str
    citation: str
    language: str | None
    """As BCP 47 writes it."""
    licence: str | None
    """As SPDX writes it, in lower case."""
    licence_url: str | None
    url: str | None
    version: str | None
    published: str | None
    """A date, ISO 8601."""
    weights: dict[str, str]
    """The terms of the weights of every trained model that was read: vectors of a twin derive from none."""


def about(root: Path) -> About:
    """What may be said of the data of a checkout. They are this study's own where its dvc.lock is one that was published, which
    `opening` holds them to. Raises InputError for params that are not readable."""
    name = profiles.recorded(root)
    own = root / profiles.PROFILES / f"{name}.yaml"  # params.yaml may have been edited since
    params = ReadingSections.load(own if name is not None and own.is_file() else root / PARAMS)
    return _of_own(root, params) if name is None else _of_study(root, params)


def _of_study(root: Path, params: ReadingSections) -> About:
    cited = YAML(typ="safe").load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    return About(
        name="emotion-geometry",
        title="Emotion geometry of language models",
        summary=f"{' '.join(str(cited['abstract']).split())[:-1]}: an open replication, and correction, of arXiv 2604.11050.",
        citation="Emotion geometry of language models: an open replication of arXiv 2604.11050. See CITATION.cff.",
        language="en",
        licence="cc-by-4.0",
        licence_url="https://creativecommons.org/licenses/by/4.0/",
        url="https://arxiv.org/abs/2604.11050",
        version=str(cited["version"]),
        published=str(cited["date-released"]),
        weights=_weights(root, params),
    )


def _of_own(root: Path, params: ReadingSections) -> About:
    models = f"{n} language models" if (n := len(params.read.models)) != 1 else "a language model"
    texts = _texts(root, params)
    return About(
        name="emotion-vectors",
        title=f"Emotion vectors of {some(params.read.models, 3)}",
        summary=f"Emotion vectors from the residual streams of {models} on {texts or 'texts'}, Gram matrices of the texts, and"
        f" {MADE}. Made with {PIPELINE}.",
        citation=f"Made with {PIPELINE}.",
        language="en" if texts is not None and texts_are_ours(root, params) else None,
        licence=None,
        licence_url=None,
        url=None,
        version=None,
        published=None,
        weights=_weights(root, params),
    )


def _weights(root: Path, params: ReadingSections) -> dict[str, str]:
    terms = {}
    for model in params.read.models:
        try:
            licence = load_entry(model, root / MODELS).licence
        except InputError:  # its file has gone since: what it said is not known
            licence = None
        terms[model] = "unstated" if licence is None else licence.name
    return terms


def _texts(root: Path, params: ReadingSections) -> str | None:
    """The texts that the vectors are of, in words; None where params.yaml names others by now, or their file is not there."""
    reading = params.readings[STORIES]
    try:
        frame = stimuli.load(reading.model_copy(update={"path": root / reading.path}))
    except InputError:
        return None
    if stimuli.digest(frame) not in _read_digests(root, params):
        return None
    return f"the {frame.height} texts of {reading.path.name} with {frame['emotion'].n_unique()} labels"


def _read_digests(root: Path, params: ReadingSections) -> set[str]:
    """The digests of the texts that the vectors of the trained models say they are of."""
    found = set()
    for model in params.read.models:
        try:
            found |= set(opening.vectors_of(model, root=root).attrs["stimuli_sha256"].values())
        except (InputError, KeyError, AttributeError):  # none is there, or they are of another's making
            continue
    return found


def texts_are_ours(root: Path, params: ReadingSections) -> bool:
    """Whether every text that was read is one of this project's own, to the byte."""
    read: list[Reading] = [params.readings[STORIES], params.readings[NEUTRAL], *params.second]
    return all(_is_ours(root / reading.path) for reading in read)


def _is_ours(path: Path) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() in ENGLISH
