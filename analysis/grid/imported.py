"""Stage `imported`: vectors that others published, beside ours and beside one another. Of table `choices` the part
`imported`.

Of a bank there are means alone: an RDM, and no halves. So there is one rank correlation at matched depth on the labels
in common that count as emotions, of banks as of our readings; no rho_cross and no reliability, and every row says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.rsa import gram, layers, names, parallel, rdm
from pipeline.banks import load as banks
from pipeline.errors import run_stage
from pipeline.models.entries import load_entries
from pipeline.params.imported import ImportedSections
from pipeline.params.reading import STORIES, ReadingSections
from pipeline.params.report import ReportSections
from pipeline.params.vectors import VectorsSections
from pipeline.schemas.choices import BANKS, CHOICES, IMPORTED
from pipeline.store import arrays, parts
from pipeline.store.layout import METHODS

Row = dict[str, Any]
FEWEST_EMOTIONS = 4
NO_RHO_CROSS = "rho_cross: of a bank there are means alone, no stories, so no halves"


class Params(ReadingSections, VectorsSections, ReportSections, ImportedSections):
    """The sections that this stage loads."""


@dataclass(frozen=True)
class Patterns:
    """Label means (hidden,) of one reader by layer, then by label; and what it read."""

    name: str
    imported: bool
    precision: str | None
    n_layers: int
    stories: str | None  # None: not known
    position: str | None  # where it was read; None: not known
    means: dict[int, dict[str, NDArray[np.floating]]]

    def keys(self, suffix: str) -> Row:
        """The table columns that name this reader."""
        method = IMPORTED if self.imported or self.stories is None else METHODS.get(self.stories, self.stories)
        keys = {"model": self.name, "seed": None, "precision": self.precision, "method": method, "setting": self.stories}
        return {f"{key}{suffix}": value for key, value in keys.items()}

    def nearest(self, depth: float) -> int:
        """The layer nearest in depth, of those that there are; of two, the lower."""
        wanted = layers.layer_at(depth, self.n_layers)
        return min(self.means, key=lambda layer: (abs(layer - wanted), layer))


def counts(label: str, params: Params) -> bool:
    """Whether a label is an emotion that is compared: the neutral one is none, whoever read it."""
    return label != params.vectors.neutral_label and params.vectors.counts(label)


def of_bank(found: banks.Imported, params: Params) -> Patterns:
    bank = found.bank
    means: dict[int, dict[str, NDArray[np.floating]]] = {
        layer: {label: vector for label, vector in own.items() if counts(label, params)} for layer, own in found.vectors.items()
    }
    return Patterns(found.name, True, bank.precision, bank.n_layers, bank.stories, bank.position, means)


def of_model(model: str, reading: str, params: Params) -> Patterns:
    """A trained model's label means of a reading, at the report's position and the reading's most exact precision; layers with
    a state that is not finite are left out."""
    precisions = [p for p in params.precisions_of(model) if reading in params.readings_of(model, p)]
    precision = params.reference_of(model) if params.reference_of(model) in precisions else precisions[0]
    read = arrays.activations(model, precision, reading, position=[params.report.position]).isel(position=0)
    states, emotion = read["activation"].values, np.array(read["emotion"].values.tolist())
    good = np.flatnonzero(read["finite"].values.all(axis=0))
    wanted = [e for e in np.unique(emotion).tolist() if counts(e, params)]
    means = {int(n): {e: states[emotion == e, n].mean(axis=0, dtype=np.float64) for e in wanted} for n in good}
    return Patterns(model, False, precision, states.shape[1], reading, params.report.position, means)


def rho(a: dict[str, NDArray[np.floating]], b: dict[str, NDArray[np.floating]], labels: list[str]) -> float:
    """Spearman's rho of the cosine RDMs of two readers over some labels, each centred over them."""
    both = []
    for means in (a, b):
        x = gram.centre(np.stack([means[label] for label in labels]))
        both.append(rdm.rdms(x @ x.T))
    return float(rdm.spearman(*both))


def rows_of(a: Patterns, b: Patterns) -> list[Row]:
    """Rows of a pair: one for each layer of the bank `b`. The position is that of our reading; of two banks what both say."""
    made, position = [], a.position if not a.imported or a.position == b.position else None
    number = "rho_same" if a.stories is not None and a.stories == b.stories else "rho_whole"
    for layer in sorted(b.means):
        depth = layer / b.n_layers
        row: Row = CHOICES.blank() | a.keys("_a") | b.keys("_b")
        row |= {"choice": BANKS, "layer_rule": names.DEPTH, "layer_b": layer, "depth": depth, "emotions": names.ALL_PAIRS}
        row |= {"position": position, "variant": "centred", "reason": NO_RHO_CROSS}
        if a.means:
            near = a.nearest(depth)
            common = sorted(set(a.means[near]) & set(b.means[layer]))
            row |= {"layer_a": near, "n_emotions": len(common)}
            if len(common) < FEWEST_EMOTIONS:
                row["reason"] = f"{number}: {len(common)} labels in common, {FEWEST_EMOTIONS} are needed; {NO_RHO_CROSS}"
            else:
                value = rho(a.means[near], b.means[layer], common)
                row[number] = value if np.isfinite(value) else None
                row["reason"] = NO_RHO_CROSS if np.isfinite(value) else f"{number}: an RDM has no order; {NO_RHO_CROSS}"
        else:
            row["reason"] = f"{number}: no layer of {a.name} is finite; {NO_RHO_CROSS}"
        made.append(row)
    return made


@parallel.one_thread
def main(arguments: list[str]) -> None:
    params = Params.load()
    load_entries(params)
    found = [banks.load(name) for name in params.imported]
    theirs = {one.name: of_bank(one, params) for one in found}
    ours = cache(partial(of_model, params=params))
    rows: list[Row] = []
    for one in found:
        known = {s.name for s in params.second}
        reading = str(one.bank.stories) if one.bank.stories in known else STORIES
        for model in params.read.models:
            rows += rows_of(ours(model, reading), theirs[one.name])
    for a, b in combinations(theirs.values(), 2):
        rows += rows_of(a, b)
    parts.write_part(CHOICES, IMPORTED, rows)


if __name__ == "__main__":
    run_stage(main)
