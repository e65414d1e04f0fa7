"""What kind of pair two readers are: by it tables are filtered, claims find their members, and the report sorts."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.readers.readers import Reader
from pipeline.models.entries import ModelEntry
from pipeline.params.reading import ReadingSections

TWO_LINEAGES, ONE_LINEAGE, ONE_MODEL = "two lineages", "one lineage", "one model"
UNTRAINED, TWO_UNTRAINED = "untrained", "two untrained"
WORDS, TWO_WORDS, UNTRAINED_AND_WORDS = "words", "two word readers", "untrained and words"


@dataclass(frozen=True)
class Kinds:
    """Who is trained, of which lineage, and at which precision a model is stood for."""

    family: dict[str, str]
    lineage: dict[str, str]
    untrained: frozenset[str]
    reference: dict[str, str]

    @classmethod
    def of(cls, params: ReadingSections, entries: dict[str, ModelEntry]) -> Kinds:
        return cls(
            {m: e.family for m, e in entries.items()},
            {m: e.lineage for m, e in entries.items()},
            frozenset(m for m, e in entries.items() if e.untrained),
            {m: params.reference_of(m) for m in params.models},
        )

    def is_words(self, reader: Reader) -> bool:
        return reader.word_reader is not None

    def is_trained(self, reader: Reader) -> bool:
        return not self.is_words(reader) and reader.model not in self.untrained

    def is_reference(self, reader: Reader) -> bool:
        """At its model's most exact precision; a reader of words has none other."""
        return reader.precision in (None, self.reference.get(reader.model))

    def kind(self, a: Reader, b: Reader) -> str:
        if (a.model, a.seed) == (b.model, b.seed):
            return ONE_MODEL
        n_words, n_trained = (sum(is_one(r) for r in (a, b)) for is_one in (self.is_words, self.is_trained))
        if n_words == 2:
            return TWO_WORDS
        if n_words == 1:
            return WORDS if n_trained else UNTRAINED_AND_WORDS
        if n_trained < 2:
            return UNTRAINED if n_trained else TWO_UNTRAINED
        return ONE_LINEAGE if self.lineage[a.model] == self.lineage[b.model] else TWO_LINEAGES
