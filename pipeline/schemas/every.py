"""Every table, by name: for users, the report and tests. A stage names its own, so that it depends on no other's columns."""

from __future__ import annotations

from pipeline.schemas.behaviour import BEHAVIOUR
from pipeline.schemas.choices import CHOICES
from pipeline.schemas.claims import CLAIMS
from pipeline.schemas.confounds import CONFOUNDS
from pipeline.schemas.corpus import CORPUS, EMOTION_PAIRS
from pipeline.schemas.geometry import GEOMETRY, LAYERS
from pipeline.schemas.maturity import MATURITY
from pipeline.schemas.pairs import BEYOND, LINEAGES, PAIRS
from pipeline.schemas.paper import PAPER, PAPER_PAIRS
from pipeline.schemas.shared import PREDICTION
from pipeline.schemas.steered import STEERED_TEXTS
from pipeline.schemas.steering import STEERING
from pipeline.schemas.table import Table
from pipeline.schemas.transcripts import TRANSCRIPTS
from pipeline.schemas.writings import WRITINGS
from pipeline.schemas.written import WRITTEN

_ALL: list[Table] = [
    GEOMETRY,
    CORPUS,
    EMOTION_PAIRS,
    PAIRS,
    CHOICES,
    BEYOND,
    PREDICTION,
    LINEAGES,
    PAPER,
    PAPER_PAIRS,
    WRITINGS,
    CONFOUNDS,
    STEERING,
    BEHAVIOUR,
    MATURITY,
    CLAIMS,
]
TABLES: dict[str, Table] = {table.name: table for table in _ALL}

FILES: dict[str, Table] = {
    "data/layers/<model>.parquet": LAYERS,
    "data/writings/<model>/<precision>/<setting>.parquet": WRITTEN,
    "data/steered/<model>/<precision>.parquet": STEERED_TEXTS,
    "data/transcripts/<model>/<precision>.parquet": TRANSCRIPTS,
}
"""Files of each model, by their path."""
