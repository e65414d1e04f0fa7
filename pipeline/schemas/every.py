"""Every table, by name: for users, the report and tests. A stage names its own, so that it depends on no other's columns."""

from __future__ import annotations

from pipeline.schemas.behaviour import BEHAVIOUR, COMPLIANCE
from pipeline.schemas.choices import CHOICES
from pipeline.schemas.claims import CLAIMS
from pipeline.schemas.confounds import ATTRIBUTIONS, CONFOUNDS, VARIANCE
from pipeline.schemas.corpus import CONFUSION, CORPUS
from pipeline.schemas.geometry import DISTANCES, GEOMETRY, LAYERS, OVERFLOW
from pipeline.schemas.maturity import MATURITY
from pipeline.schemas.pairs import BEYOND, LINEAGES, PAIRS
from pipeline.schemas.paper import PAPER, PAPER_PAIRS
from pipeline.schemas.shared import PREDICTION
from pipeline.schemas.steered import STEERED_TEXTS
from pipeline.schemas.steering import DOSES, REGIMES, STEERING
from pipeline.schemas.table import Table
from pipeline.schemas.transcripts import TRANSCRIPTS
from pipeline.schemas.writings import SAMPLES, WRITINGS
from pipeline.schemas.written import WRITTEN

_ALL: list[Table] = [
    GEOMETRY,
    OVERFLOW,
    LAYERS,
    DISTANCES,
    CORPUS,
    CONFUSION,
    PAIRS,
    CHOICES,
    BEYOND,
    PREDICTION,
    LINEAGES,
    PAPER,
    PAPER_PAIRS,
    WRITINGS,
    SAMPLES,
    CONFOUNDS,
    ATTRIBUTIONS,
    VARIANCE,
    STEERING,
    REGIMES,
    DOSES,
    BEHAVIOUR,
    COMPLIANCE,
    MATURITY,
    CLAIMS,
]
TABLES: dict[str, Table] = {table.name: table for table in _ALL}

TEXTS: dict[str, Table] = {
    "data/writings/<model>/<precision>/<setting>.parquet": WRITTEN,
    "data/steered/<model>/<precision>.parquet": STEERED_TEXTS,
    "data/transcripts/<model>/<precision>.parquet": TRANSCRIPTS,
}
"""The files of texts, by their path."""
