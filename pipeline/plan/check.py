"""Stage `check`: whatever a later stage would refuse is refused before anything runs, by a bare `dvc repro`, too.

python -m pipeline.plan.check

Everything that measures depends on its out, which says the same whenever nothing was refused: so no reading waits for more than
this, and none is made anew because a file was looked at again.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from pipeline.errors import run_stage
from pipeline.models import packages
from pipeline.models.entries import MODELS, Gguf, ModelEntry, load_entries
from pipeline.params.base import PARAMS
from pipeline.params.reading import STORIES
from pipeline.params.whole import Params
from pipeline.plan import claims, corpora, files, names, sections, told, twice
from pipeline.store import layout

OUT = Path("data/checked.txt")
SAID = "Nothing that a stage would refuse.\n"


@dataclass(frozen=True)
class Inputs:
    """What a params file names, none of it refused: its sections, the entries of its models, and the texts of each reading by
    its name."""

    params: Params
    entries: dict[str, ModelEntry]
    texts: dict[str, pl.DataFrame]

    @property
    def carried(self) -> dict[Path, Gguf]:
        """The GGUF files of models, by the path of the entry."""
        return {MODELS / f"{model}.yaml": entry.gguf for model, entry in self.entries.items() if entry.gguf is not None}

    @property
    def lacking(self) -> dict[Path, Gguf]:
        """Those of `carried` whose packages are not installed, or are of another version."""
        return {where: gguf for where, gguf in self.carried.items() if packages.not_installed([gguf])}

    @property
    def labels(self) -> list[str]:
        """Of the stories, sorted."""
        return self.texts[STORIES]["emotion"].unique().sort().to_list()

    def precisions_of(self, model: str) -> list[str]:
        """All that a model is loaded at."""
        params = self.params
        found = params.precisions_of(model)
        for listed, more in (
            (params.write.models, [w.precision for w in params.writings]),
            (params.steering.models, params.steering.precisions),
            (params.behaviour.models, params.behaviour.precisions),
        ):
            found += more if model in listed else []
        return found

    def check_models(self) -> None:
        """Raise InputError for models that a stage would refuse, by their configs, tokenizers and headers, as far as these are
        here. Takes seconds, for it imports torch."""
        from pipeline.plan import tokens, trial

        params = self.params
        writers = {*params.write.models, *params.steering.models, *params.behaviour.models}
        trial.check(self.entries, {model: self.precisions_of(model) for model in self.entries}, writers)
        tokens.check(params, self.entries, self.texts)


def inputs(path: Path, *, chosen: bool = True) -> Inputs:
    """What a params file names. Raises InputError for what a stage would refuse of it, but for packages with weights that lack,
    which only what loads a model needs (`Inputs.lacking`). `chosen`: it is not only looked at, so that files of banks are
    here."""
    params = sections.load(path)
    entries = load_entries(params)
    twice.check(entries)
    found = Inputs(params, entries, corpora.load(params))
    lacking = found.lacking
    packages.check({where: gguf for where, gguf in found.carried.items() if where not in lacking})
    names.check(params, found.texts)
    claims.check()
    files.check(params, entries, found.texts, chosen=chosen)
    told.check(params, found.labels)
    return found


def main(arguments: list[str]) -> None:
    # a model whose package is not installed is refused by the stage that reads it: what is pulled can be concluded from without
    inputs(PARAMS).check_models()
    with layout.whole_or_nothing(OUT) as out:
        out.write_text(SAID, encoding="utf-8")


if __name__ == "__main__":
    run_stage(main)
