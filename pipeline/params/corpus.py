"""What `params.yaml` says of the corpus: what its labels and topics are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from pipeline.params.base import Sections, Strict


class Corpus(Strict):
    """The files that say what labels and topics are, and the sizes at which reliability is estimated."""

    emotions: Path = Path("data/stimuli/emotions.csv")
    topics: Path | None = None
    label_words: Path = Path("data/stimuli/label_words.csv")
    length: tuple[int, int] | None = None
    topics_per_half: list[Annotated[int, Field(ge=2)]] = Field(default=[])
    draws: int = Field(default=100, ge=1)


class CorpusSections(Sections):
    corpus: Corpus
