"""What params.yaml says of readers."""

from __future__ import annotations

from pipeline.params.geometry import GeometrySections
from pipeline.params.reading import ReadingSections
from pipeline.params.vectors import VectorsSections


class ReaderSections(ReadingSections, VectorsSections, GeometrySections):
    """What says who reads the stories, and which numbers count."""

    @property
    def readers(self) -> list[str]:
        """Who reads the stories, by name: models, and readers of words alone."""
        return [*self.models, *self.words]
