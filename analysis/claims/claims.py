"""Stage `claims`: every published claim beside what this run found, with a verdict. Table `claims`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from math import inf
from typing import Any

from analysis.behaviour import behaviour
from analysis.claims import pair_evidence, power, reference, single_evidence, text_evidence
from analysis.claims.known import ClaimSections, Judged, Known
from analysis.claims.protocols import OTHER, on_others
from analysis.claims.reference import Claim
from analysis.claims.rules import NOT_TESTABLE, UNDECIDED, Side
from pipeline.errors import run_stage
from pipeline.models.entries import load_entries
from pipeline.schemas.claims import CLAIMS
from pipeline.schemas.every import TABLES
from pipeline.store import chosen_layers, provenance, tables

Row = dict[str, Any]
READ = ("geometry", "paper", "paper_pairs", "pairs", "beyond", "maturity", "confounds", "steering")
QWEN, LLAMA = "qwen2.5-1.5b-instruct", "llama-3.2-3b-instruct"

EVIDENCE: dict[str, Callable[[Known, Claim], list[Judged]]] = {
    "pairs": pair_evidence.across_families,
    "pairs_without_llama": pair_evidence.across_lineages,
    "falsifier": pair_evidence.across_lineages,
    "any_pair": pair_evidence.any_pair,
    "new_lineage": pair_evidence.new_lineage,
    "valence": pair_evidence.valence,
    "beyond_words": pair_evidence.beyond_words,
    "words": pair_evidence.words,
    "learned": pair_evidence.learned,
    "opposite_behaviour": partial(pair_evidence.of_named, a=QWEN, b=LLAMA),
    "base_instruct": pair_evidence.base_instruct,
    "immature_restructured": pair_evidence.restructured,
    "emotions": pair_evidence.emotions,
    "opposite_behaviour_flips": partial(text_evidence.flips, more=QWEN, fewer=LLAMA),
    "gemma_anisotropy": partial(single_evidence.outlier, column="anisotropy"),
    "gemma_rdm_std": partial(single_evidence.outlier, column="rdm_std"),
    "gemma_overflow": single_evidence.overflow,
    "gemma_wide": single_evidence.still_outlier,
    "gemma_best_layer": single_evidence.layer_shift,
    "gemma_regime": single_evidence.regime,
    "size_anisotropy": partial(single_evidence.size, column="anisotropy"),
    "size_rdm_std": partial(single_evidence.size, column="rdm_std"),
    "method_clean": text_evidence.confound,
    "method_loose": text_evidence.confound,
    "subparameters": text_evidence.confound,
    "precision": text_evidence.confound,
    "cross_experiment_bias": text_evidence.opposite_bias,
    "backend": partial(single_evidence.elsewhere, command="make peers"),
    "best_layer": single_evidence.best_layer,
    "int8_layer": single_evidence.int8_layer,
    "three_passages": single_evidence.three_passages,
}
"""Where the numbers of each claim of the reference come from."""
OF_PAIRS = {name for name, own in EVIDENCE.items() if getattr(own, "func", own).__module__ == pair_evidence.__name__}
"""Claims about pairs of readers, which are judged at every position that pairs are compared at."""


def rows(known: Known, claims: list[Claim]) -> list[Row]:
    """Rows of `claims`: of every claim, one for each protocol under which it has a number; one for all, where it has none. Then
    one for each other position at which it has one."""
    digest, chances = digest_of(known.params, claims), power.simulated()
    made = []
    for claim in claims:
        judged = EVIDENCE[claim.name](known, claim)
        has_number = [j for j in judged if j.verdict.verdict != NOT_TESTABLE]
        # what cannot be judged under any protocol lacks one thing, and is said once, whatever other positions give
        judged = [*(judged if has_number else judged[:1]), *at_other_positions(known, claim)]
        made += [row_of(claim, j, digest) for j in judged]
    for row in made:
        if row["protocol"] == OTHER and reaches_both_sides(row):  # which is what was simulated
            row["if_true"] = power.chances(chances, row["claim"], known.reliability if known.design == power.DESIGN else None)
    order = sorted(range(len(made)), key=lambda n: (made[n]["verdict"] == NOT_TESTABLE, n))
    return [made[n] | {"order": place} for place, n in enumerate(order)]


def at_other_positions(known: Known, claim: Claim) -> list[Judged]:
    """A claim about pairs on other stories, at the positions that are not the report's, where it can be judged."""
    made = []
    for position in known.params.geometry.positions if claim.name in OF_PAIRS else ():
        if position != known.params.report.position:
            there = EVIDENCE[claim.name](replace(known, position=position), claim)
            made += [
                replace(j, protocol=on_others(position))
                for j in there
                if j.protocol == OTHER and j.verdict.verdict != NOT_TESTABLE
            ]
    return made


def reaches_both_sides(row: Row) -> bool:
    """Whether a row is undecided for want of stories, and not because a control may explain it or a pair has no number."""
    if row["verdict"] != UNDECIDED or row["ci_low"] is None:
        return False
    low, high = (inf * sign if row[end] is None else row[end] for end, sign in (("at_least", -1), ("at_most", 1)))
    return Side(low, high).where(row["ci_low"], row["ci_high"]) == UNDECIDED


def row_of(claim: Claim, judged: Judged, digest: str) -> Row:
    number, verdict = judged.number, judged.verdict
    side = (claim.other if judged.protocol.startswith(OTHER) and claim.other is not None else claim.side) or Side()
    has_ends = number.interval is not None and not number.exact
    return {
        "claim": claim.name,
        "protocol": judged.protocol,
        "order": 0,
        **{name: getattr(claim, name) for name in ("kind", "text", "source", "published")},
        "scale": number.scale,
        "at_least": end_of(side.at_least),
        "at_most": end_of(side.at_most),
        "about": number.about or None,
        "n": number.n,
        "n_unknown": number.n_unknown,
        "estimate": number.estimate,
        "ci_low": number.low if has_ends else None,
        "ci_high": number.high if has_ends else None,
        "verdict": verdict.verdict,
        "why": (verdict.why if verdict.why != number.about else "") or None,
        "if_true": None,
        "rules": digest,
    }


def end_of(value: float) -> float | None:
    """An end of a side as people read it: above 0 begins at 0."""
    return None if abs(value) == inf else round(value, 9) + 0.0


def digest_of(params: ClaimSections, claims: list[Claim]) -> str:
    """Digest of all that decides and is not measured: the code that judges, the rules in params, the margin, and the claims'
    sides."""
    sides = [(c.name, c.side, c.other) for c in claims]
    decided = f"{of_code()}{params.maturity.model_dump_json()}{params.rsa.equivalence}{sides}"
    return hashlib.sha256(decided.encode()).hexdigest()[:12]


@cache
def of_code() -> str:
    """Digest of the code of `analysis` that this stage runs, comments and empty lines aside."""
    digest = hashlib.sha256()
    for path in provenance.sources("claims"):
        if path.parts[0] == "analysis":
            lines = (provenance.ROOT / path).read_text(encoding="utf-8").splitlines()
            digest.update("\n".join(x for x in lines if x.strip() and not x.lstrip().startswith("#")).encode())
    return digest.hexdigest()


def load_known(params: ClaimSections) -> Known:
    read = {name: tables.read_table(TABLES[name]) for name in READ}
    read |= {"layers": chosen_layers.read(params.read.models), "transcripts": behaviour.transcripts(params.behaviour)}
    return Known(read, params, load_entries(params))


def main(arguments: list[str]) -> None:
    known = load_known(ClaimSections.load())
    tables.write_table(CLAIMS, rows(known, reference.load(known.margin)))


if __name__ == "__main__":
    run_stage(main)
