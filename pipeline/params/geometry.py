"""What `params.yaml` says of each reader's geometry: which positions count, how topics are halved, who reads words alone."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from pipeline.params.base import Names, Sections, Strict, without_repeats

WordReader = Literal["tfidf", "char_ngrams"]
INPUT_EMBEDDINGS = "input_embeddings"
"""The reading of one who knows a model's input embeddings and nothing of its blocks: words again, as this model has them."""


class Geometry(Strict):
    positions: Annotated[Names, Field(min_length=1)]
    halvings: int = Field(default=100, ge=1)
    seed: int = Field(default=0, ge=0)


class GeometrySections(Sections):
    words: Annotated[list[WordReader], AfterValidator(without_repeats)]
    geometry: Geometry
