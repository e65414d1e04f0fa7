"""Table of the stage `claims`: every published claim with its verdict."""

from __future__ import annotations

import polars as pl

from pipeline.schemas.keys import interval
from pipeline.schemas.table import Column, Table

CLAIMS = Table(
    "claims",
    title="Published claims and their verdicts",
    question="Which published claims hold?",
    grain="One claim under one protocol.",
    described={
        "claim": Column(pl.String, "Short name of the claim."),
        "protocol": Column(
            pl.String,
            "as published (three passages, last token, the published layer), same stories (all of them, rho_same at"
            " best_layer_cv), or other stories (each side on its own half of the topics, rho_dis); `other stories, last`: the"
            " same at another position than the report's.",
        ),
        "order": Column(pl.Int64, "Place of the row: what was judged first, each part in the order of the reference."),
        "kind": Column(
            pl.String,
            "paper (a claim of the paper), test (what it implies and leaves open), method (what its method assumes).",
        ),
        "text": Column(pl.String, "The claim in a sentence."),
        "source": Column(pl.String, "Where it stands in the paper, or that it is implied."),
        "published": Column(pl.String, "The published figure."),
        "scale": Column(pl.String, "What the number is; a side counts on the scale that it was published on."),
        "at_least": Column(pl.Float64, "The claim says: at least this; null: no lower end."),
        "at_most": Column(pl.Float64, "The claim says: at most this; null: no upper end."),
        "about": Column(pl.String, "The pair or model that decides."),
        "n": Column(pl.Int64, "Pairs or models that the claim is about and that have a number."),
        "n_unknown": Column(pl.Int64, "Those that have none."),
        "estimate": Column(
            pl.Float64, "The number of the pair or model that decides, as found here. Its interval is of the claim as a whole."
        ),
        **interval("what the claim says of all its pairs", "topics"),
        "verdict": Column(pl.String, "holds, does not hold, undecided, explained by <control>, or not testable."),
        "why": Column(pl.String, "What the verdict rests on; of what is not testable, what it lacks."),
        "if_true": Column(
            pl.String,
            "Where an interval reaches both sides: the chance of each verdict if the truth were as named, simulated with the"
            " paper's models at the reliability next to this run's (data/reference/power.csv). Null where this run has other"
            " numbers of emotions and topics than were simulated.",
        ),
        "rules": Column(
            pl.String, "Digest of the code, rules and sides that gave the verdict: the same in two runs, the same rules."
        ),
    },
    keys=["claim", "protocol"],
)
