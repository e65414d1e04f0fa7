"""Stage `claims`: every published claim beside what this run found, with a verdict. Table `claims`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from analysis.claims import pair_evidence, single_evidence, verdicts
from analysis.claims.pair_evidence import ClaimSections, Known
from analysis.claims.rules import Side
from analysis.claims.verdicts import Evidence
from pipeline.errors import run_stage
from pipeline.models.entries import load_entries
from pipeline.schemas.claims import CLAIMS
from pipeline.schemas.every import TABLES
from pipeline.store import tables

Row = dict[str, Any]
REFERENCE = Path("data/reference/claims.csv")
READ = (
    *("paper", "paper_pairs", "rsa", "intervals", "controls", "layers", "maturity"),
    *("confounds", "attributions", "regimes", "compliance"),
)
QWEN, LLAMA = "qwen2.5-1.5b-instruct", "llama-3.2-3b-instruct"
GEMMA, GEMMA_TUNED = "gemma-3-1b-pt", "gemma-3-1b-it"

EVIDENCE: dict[str, Callable[[Known], dict[str, list[Evidence]]]] = {
    "pairs": partial(pair_evidence.across_families, by_lineage=False),
    "pairs_without_llama": partial(pair_evidence.across_families, by_lineage=True),
    "falsifier": partial(pair_evidence.across_families, by_lineage=True),
    "opposite_behaviour": partial(pair_evidence.named, a=QWEN, b=LLAMA),
    "opposite_behaviour_flips": partial(single_evidence.flips, more=QWEN, fewer=LLAMA),
    "base_instruct": pair_evidence.tuned,
    "gemma_anisotropy": partial(single_evidence.paper_figure, model=GEMMA, column="anisotropy"),
    "gemma_rdm_std": partial(single_evidence.paper_figure, model=GEMMA, column="rdm_std"),
    "gemma_best_layer": partial(single_evidence.layer_shift, base=GEMMA, tuned_=GEMMA_TUNED),
    "gemma_regime": partial(single_evidence.regime, base=GEMMA, tuned_=GEMMA_TUNED),
    "size_anisotropy": partial(single_evidence.size, column="anisotropy"),
    "size_rdm_std": partial(single_evidence.size, column="rdm_std"),
    "method_clean": partial(single_evidence.confound, comparison="method_clean"),
    "method_loose": partial(single_evidence.confound, comparison="method_loose"),
    "subparameters": partial(single_evidence.confound, comparison="subparameters"),
    "precision": partial(single_evidence.confound, comparison="precision"),
    "cross_experiment_bias": single_evidence.opposite_bias,
    "backend": partial(single_evidence.elsewhere, command="make peers"),
    "best_layer": single_evidence.best_layer,
    "three_passages": single_evidence.three_passages,
    "emotions": pair_evidence.emotions,
    "learned": pair_evidence.untrained,
}
"""Where the numbers of each claim of the reference come from."""


def rows(known: Known, claims: pl.DataFrame) -> list[Row]:
    """Rows of `claims`: of every published claim, one for each protocol under which it has a number or a reason for none."""
    margin, digest = known.params.rsa.equivalence, digest_of(known.params, claims)
    made = []
    for number, claim in enumerate(claims.iter_rows(named=True)):
        side = Side(**{end: claim[end] for end in ("at_least", "at_most") if claim[end] is not None})
        for protocol, members in EVIDENCE[claim["claim"]](known).items():
            found = verdicts.of_every(members, side, margin)
            of = found.of or Evidence("", None)
            made.append(
                {
                    "order": number,
                    **{k: claim[k] for k in ("claim", "text", "source", "published", "at_least", "at_most")},
                    "protocol": protocol,
                    "about": of.about or None,
                    "n": sum(e.estimate is not None for e in members),
                    "estimate": of.estimate,
                    "ci_low": of.low,
                    "ci_high": of.high,
                    "ceiling": of.ceiling,
                    "floor": of.floor,
                    "verdict": found.verdict,
                    "why": found.why or None,
                    "rules": digest,
                }
            )
    return made


def digest_of(params: ClaimSections, claims: pl.DataFrame) -> str:
    """Digest of all that decides and is not measured: the rules in params, the margin, and the claims' sides."""
    sides = claims.select("claim", "at_least", "at_most").write_csv()
    rules = f"{params.claims.model_dump_json()}{params.maturity.model_dump_json()}{params.rsa.equivalence}{sides}"
    return hashlib.sha256(rules.encode()).hexdigest()[:12]


def load_claims(path: Path = REFERENCE) -> pl.DataFrame:
    """The published claims: a row each, in their order."""
    return pl.read_csv(path, schema_overrides={"at_least": pl.Float64, "at_most": pl.Float64})


def load_known(params: ClaimSections) -> Known:
    return Known({name: tables.read_table(TABLES[name]) for name in READ}, params, load_entries(params))


def main(arguments: list[str]) -> None:
    tables.write_table(CLAIMS, rows(load_known(ClaimSections.load()), load_claims()))


if __name__ == "__main__":
    run_stage(main)
