"""Stage `claims`: every published claim beside what this run found, with a verdict. Table `claims`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from analysis import evidence, evidence_alone, verdicts
from analysis.evidence import Known
from analysis.verdicts import Evidence, Side
from pipeline import opening, tables
from pipeline.checked import run_stage
from pipeline.entries import load_entries
from pipeline.params import Params, load_params

Row = dict[str, Any]
REFERENCE = Path("data/reference/claims.csv")
READ = (
    *("paper", "paper_pairs", "rsa", "intervals", "controls", "layers", "maturity"),
    *("confounds", "attributions", "regimes", "compliance"),
)
QWEN, LLAMA = "qwen2.5-1.5b-instruct", "llama-3.2-3b-instruct"
GEMMA, GEMMA_TUNED = "gemma-3-1b-pt", "gemma-3-1b-it"

EVIDENCE: dict[str, Callable[[Known], dict[str, list[Evidence]]]] = {
    "pairs": partial(evidence.across_families, by_lineage=False),
    "pairs_without_llama": partial(evidence.across_families, by_lineage=True),
    "falsifier": partial(evidence.across_families, by_lineage=True),
    "opposite_behaviour": partial(evidence.named, a=QWEN, b=LLAMA),
    "opposite_behaviour_flips": partial(evidence_alone.flips, more=QWEN, fewer=LLAMA),
    "base_instruct": evidence.tuned,
    "gemma_anisotropy": partial(evidence_alone.paper_figure, model=GEMMA, column="anisotropy"),
    "gemma_rdm_std": partial(evidence_alone.paper_figure, model=GEMMA, column="rdm_std"),
    "gemma_best_layer": partial(evidence_alone.layer_shift, base=GEMMA, tuned_=GEMMA_TUNED),
    "gemma_regime": partial(evidence_alone.regime, base=GEMMA, tuned_=GEMMA_TUNED),
    "size_anisotropy": partial(evidence_alone.size, column="anisotropy"),
    "size_rdm_std": partial(evidence_alone.size, column="rdm_std"),
    "method_clean": partial(evidence_alone.confound, comparison="method_clean"),
    "method_loose": partial(evidence_alone.confound, comparison="method_loose"),
    "subparameters": partial(evidence_alone.confound, comparison="subparameters"),
    "precision": partial(evidence_alone.confound, comparison="precision"),
    "cross_experiment_bias": evidence_alone.opposite_bias,
    "backend": partial(evidence_alone.elsewhere, command="make peers"),
    "best_layer": evidence_alone.best_layer,
    "three_passages": evidence_alone.three_passages,
    "emotions": evidence.above_the_floor,
    "learned": evidence.untrained,
}
"""Where the numbers of each claim of the reference come from."""


def rows(known: Known, claims: pl.DataFrame) -> list[Row]:
    """Rows of `claims`: of every published claim, one for each protocol under which it has a number or a reason for none."""
    rules = known.params.claims
    digest = hashlib.sha256(f"{rules.model_dump_json()}{known.params.maturity.model_dump_json()}".encode()).hexdigest()[:12]
    made = []
    for number, claim in enumerate(claims.iter_rows(named=True)):
        side = Side(**{end: claim[end] for end in ("at_least", "at_most") if claim[end] is not None})
        for protocol, members in EVIDENCE[claim["claim"]](known).items():
            found = verdicts.of_every(members, side, rules.largest_se)
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


def load_claims(path: Path = REFERENCE) -> pl.DataFrame:
    """The published claims: a row each, in their order."""
    return pl.read_csv(path, schema_overrides={"at_least": pl.Float64, "at_most": pl.Float64})


def load_known(params: Params) -> Known:
    return Known({name: opening.table(name) for name in READ}, params, load_entries(params))


def main(arguments: list[str]) -> None:
    tables.write_table("claims", rows(load_known(load_params()), load_claims()))


if __name__ == "__main__":
    run_stage(main)
