"""Stage `human`: each reader's geometry beside that of human ratings of the emotion words. Of table `choices` the part
`human`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.readers.readers import Headline, Reader, Readout, readouts
from analysis.readers.sections import ReaderSections
from analysis.rsa import gram, names, parallel, rdm, split_half
from analysis.rsa.gram import Floats
from pipeline.errors import run_stage
from pipeline.models.entries import load_entries
from pipeline.params.corpus import CorpusSections
from pipeline.params.human import HumanSections
from pipeline.params.report import ReportSections
from pipeline.schemas.choices import CHOICES, EVERY_LAYER, HUMAN, PEOPLE
from pipeline.store import parts
from pipeline.texts import labels
from pipeline.texts.labels import NORMS

Row = dict[str, Any]
VARIANT = "centred"
ALL_NORMS = "all"


class Params(ReaderSections, CorpusSections, HumanSections, ReportSections):
    """The sections that this stage loads."""


def norm_distances(emotions: list[str], params: Params) -> tuple[dict[str, Floats], list[int]]:
    """Distances (P') between the norms of the labels that have them, by norm; and these labels' indices. All three: Euclidean,
    each norm in standard deviations."""
    norms = labels.emotions(params.corpus.emotions, emotions)
    values = norms.select(NORMS).to_numpy().astype(float)
    rated = [int(n) for n in np.flatnonzero(~np.isnan(values).any(axis=1))]
    own = values[rated]
    i, j = rdm.pairs(len(rated))
    made = {name: np.abs(own[i, n] - own[j, n]) for n, name in enumerate(NORMS)}
    z = (own - own.mean(axis=0)) / np.where((sd := own.std(axis=0)) > 0, sd, np.nan) if rated else own
    return made | {ALL_NORMS: np.linalg.norm(z[i] - z[j], axis=1)}, rated


def human_rows(readout: Readout, params: Params) -> list[Row]:
    """Rows of one reader, every layer: its RDM over the labels with norms against the distances between norms.

    The interval is over topics, from the spread of bootstrap draws: the norms are of these labels.
    """
    headline = Headline.of(readout, params.vectors.neutral_label)
    design = headline.design
    distances, rated = norm_distances(design.labels, params)
    enough = len(rated) >= split_half.FEWEST_UNITS
    ranked = {name: rdm.ranks(d) for name, d in distances.items()} if enough else {}
    draws = split_half.bootstrap(len(design.units), params.human.bootstrap, params.geometry.seed)
    keys = CHOICES.blank() | readout.reader.keys("_a") | {"choice": PEOPLE, "position": readout.position, "variant": VARIANT}
    keys |= {"layer_rule": EVERY_LAYER, "emotions": names.ALL_PAIRS, "n_emotions": len(rated), "n_units": len(design.units)}
    dof = len(design.units) - 1

    def at(index: int) -> list[Row]:
        base = keys | {"layer_a": index, "depth": index / readout.n_layers}
        values, reason = _against_norms(readout, index, headline, rated, draws, ranked, params)
        rows = []
        for name in distances:
            row: Row = base | Reader(PEOPLE, None, None, name).keys("_b") | {"reason": reason}
            if values is not None:
                value, drawn = values[name]
                half = split_half.t_quantile(0.975, dof) * float(drawn.std(ddof=1))
                row |= {"rho_whole": value, "rho_whole_low": value - half, "rho_whole_high": value + half}
            rows.append(row)
        return rows

    return [row for rows in parallel.each(at, range(readout.n_layers)) for row in rows]


def _against_norms(
    readout: Readout,
    index: int,
    headline: Headline,
    rated: list[int],
    draws: NDArray[np.int64],
    ranked: dict[str, Floats],
    params: Params,
) -> tuple[dict[str, tuple[float, Floats]] | None, str | None]:
    """`ranked`: by norm, the ranks of its distances (P').

    By norm: rho on all topics and on each draw (B); or the reason why there is none."""
    e, units = len(rated), len(headline.design.units)
    topics = units if headline.design.crossed else 0
    if min(e, topics) < split_half.FEWEST_UNITS:
        return (
            None,
            f"{e} labels with norms, {topics} topics that every label has; {split_half.FEWEST_UNITS} of each are needed",
        )
    layer = readout.layer(index, params.vectors.neutral_variance, (VARIANT,))
    if layer.grams is None:
        return None, layer.reason
    weights = np.concatenate([np.ones((1, units)), draws])
    products = gram.label_products(headline.cells(layer.grams[VARIANT]), headline.design, weights)
    own = products[:, rated][:, :, rated]
    ranks = rdm.ranks(rdm.rdms(gram.centred_products(own)))
    if not np.isfinite(ranks).all():
        return None, "a label's centred vector is zero"
    made = {name: (float(ranks[0] @ of_norm), ranks[1:] @ of_norm) for name, of_norm in ranked.items()}
    if not all(np.isfinite(value) for value, _ in made.values()):
        return None, "a norm is the same for all labels"
    return made, None


@parallel.one_thread
def main(arguments: list[str]) -> None:
    params = Params.load()
    entries = load_entries(params)
    made = [row for here in readouts(params, entries, params.report.position) for row in human_rows(here, params)]
    parts.write_part(CHOICES, HUMAN, made)


if __name__ == "__main__":
    run_stage(main)
