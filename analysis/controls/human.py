"""Stage `human`: each reader's geometry beside that of human ratings of the emotion words. Table `human`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.readers.readers import Headline, Readout, readouts
from analysis.readers.sections import ReaderSections
from analysis.rsa import gram, parallel, rdm, split_half
from analysis.rsa.gram import Floats
from pipeline.errors import run_stage
from pipeline.models.entries import load_entries
from pipeline.params.corpus import CorpusSections
from pipeline.params.human import HumanSections
from pipeline.params.report import ReportSections
from pipeline.schemas.human import HUMAN
from pipeline.store import tables
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
    """Rows of `human` of one reader, every layer: its RDM over the labels with norms against the distances between norms.

    Over topics the spread of bootstrap draws, over labels the jackknife, both with the distances as they are. The interval is
    over topics: the norms are of these labels.
    """
    headline = Headline.of(readout, params.vectors.neutral_label)
    design = headline.design
    distances, rated = norm_distances(design.labels, params)
    enough = len(rated) >= split_half.FEWEST_UNITS
    ranked = {name: (rdm.ranks(d), _ranks_without_each(d, len(rated))) for name, d in distances.items()} if enough else {}
    draws = split_half.bootstrap(len(design.units), params.human.bootstrap, params.geometry.seed)
    keys = {**readout.reader.keys(), "position": readout.position, "variant": VARIANT}
    dof = len(design.units) - 1

    def at(index: int) -> list[Row]:
        base = keys | {"layer": index, "depth": index / readout.n_layers, "n_emotions": len(rated)}
        values, reason = _against_norms(readout, index, headline, rated, draws, ranked, params)
        rows = []
        for name in distances:
            row: Row = HUMAN.blank() | base | {"norm": name, "reason": reason}
            if values is not None:
                value, drawn, fewer = values[name]
                se_topic, se_label = float(drawn.std(ddof=1)), split_half.jackknife_se(fewer)
                half = split_half.t_quantile(0.975, dof) * se_topic
                row |= {"spearman": value, "se_topic": se_topic, "se_label": se_label}
                row |= {"ci_low": value - half, "ci_high": value + half}
            rows.append(row)
        return rows

    return [row for rows in parallel.each(at, range(readout.n_layers)) for row in rows]


def _against_norms(
    readout: Readout,
    index: int,
    headline: Headline,
    rated: list[int],
    draws: NDArray[np.int64],
    ranked: dict[str, tuple[Floats, Floats]],
    params: Params,
) -> tuple[dict[str, tuple[float, Floats, Floats]] | None, str | None]:
    """`ranked`: by norm, the ranks of its distances (P'), and without each label (E', P'').

    By norm: rho on all topics, on each draw (B), without each label (E'); or the reason why there is none."""
    e, units = len(rated), len(headline.design.units)
    if e < split_half.FEWEST_UNITS or units < split_half.FEWEST_UNITS or not headline.design.crossed:
        return None, f"{e} labels with norms, {units} topics; {split_half.FEWEST_UNITS} of each are needed, crossed"
    layer = readout.layer(index, params.vectors.neutral_variance, (VARIANT,))
    if layer.grams is None:
        return None, layer.reason
    weights = np.concatenate([np.ones((1, units)), draws])
    products = gram.label_products(headline.cells(layer.grams[VARIANT]), headline.design, weights)
    own = products[:, rated][:, :, rated]
    ranks = rdm.ranks(rdm.rdms(gram.centred_products(own)))
    if not np.isfinite(ranks).all():
        return None, "a label's centred vector is zero"
    left = [np.delete(np.arange(e), n) for n in range(e)]
    fewer = rdm.ranks(rdm.rdms(gram.centred_products(np.stack([own[0][np.ix_(k, k)] for k in left]))))
    made = {
        name: (float(ranks[0] @ whole), ranks[1:] @ whole, (fewer * without).sum(-1))
        for name, (whole, without) in ranked.items()
    }
    if not all(np.isfinite(v[0]) and np.isfinite(v[2]).all() for v in made.values()):
        return None, "a norm is the same for all labels"
    return made, None


def _ranks_without_each(distances: Floats, n_labels: int) -> Floats:
    """Ranks of the distances without those of each label: (E', P'')."""
    i, j = rdm.pairs(n_labels)
    return rdm.ranks(np.stack([distances[(i != label) & (j != label)] for label in range(n_labels)]))


@parallel.one_thread
def main(arguments: list[str]) -> None:
    params = Params.load()
    entries = load_entries(params)
    made = [row for here in readouts(params, entries, params.report.position) for row in human_rows(here, params)]
    tables.write_table(HUMAN, made)


if __name__ == "__main__":
    run_stage(main)
