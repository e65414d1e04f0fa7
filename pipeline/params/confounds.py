"""What `params.yaml` says of experiments that are held against each other: whose texts, read how."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from pipeline.params.base import Name, Sections, Strict
from pipeline.params.writing import Baseline, Context, LayerRule


class Experiment(Strict):
    """One way to a geometry. `source`: the stories, or a setting of writing; `written`: the precision that wrote (null: the
    one that reads). What is left out is as the setting says."""

    source: Name
    precision: str
    written: str | None = None
    context: Context = "prompted"
    position: Name | None = None
    layer: LayerRule | None = None
    baseline: Baseline | None = None
    unit_norm: bool | None = None


Pair = Annotated[list[Name], Field(min_length=2, max_length=2)]


class Confounds(Strict):
    experiments: dict[Name, Experiment]
    published: dict[Name, Pair]
    bias: Pair | None = None  # of the published comparisons: what the first says more than the second
    attributions: list[Pair]

    @model_validator(mode="after")
    def _a_pair_is_published_once(self) -> Confounds:
        names: dict[tuple[str, ...], str] = {}
        for name, pair in self.published.items():
            if (first := names.setdefault(tuple(pair), name)) != name:
                raise PydanticCustomError(
                    "experiment",
                    "published: '{first}' and '{name}' compare the same two experiments",
                    {"first": first, "name": name},
                )
        return self

    @model_validator(mode="after")
    def _pairs_are_of_experiments(self) -> Confounds:
        for pair in [*self.published.values(), *self.attributions]:
            for name in pair:
                if name not in self.experiments:
                    raise PydanticCustomError(
                        "experiment",
                        "'{name}' is not among confounds.experiments ({known})",
                        {"name": name, "known": ", ".join(self.experiments)},
                    )
        for name in self.bias or []:
            if name not in self.published:
                raise PydanticCustomError(
                    "experiment",
                    "bias: '{name}' is not among confounds.published ({known})",
                    {"name": name, "known": ", ".join(self.published)},
                )
        return self


class ConfoundsSections(Sections):
    confounds: Confounds
