"""Text that is fetched from its source and not kept in this project: where it comes from, and where it lies."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from pipeline.params.base import Sections, Strict

FETCHED = Path("data/fetched")

FetchName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]
"""The name of a fetched file; no dot, which DVC takes for a key within a key."""


MD5 = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")]


class Fetched(Strict):
    """A file, or several that become one. JSON, an object a line, where a name ends in .jsonl; else the published study's form:
    rows `emotion,number,"text"` without a header, comments after `#`."""

    url: Annotated[str, Field(pattern=r"^https?://")] = Field(description="of the file; with `files`, of their folder")
    md5: MD5 | None = None
    files: dict[FileName, MD5] = Field(default_factory=dict, description="names below the url, each with its md5")

    @model_validator(mode="after")
    def _has_digests(self) -> Self:
        if (self.md5 is None) == (not self.files):
            raise PydanticCustomError("fetch", "give either md5, of one file, or files")
        return self

    def sources(self) -> dict[str, str]:
        """The md5 of each file by its url, in the order of the rows."""
        if self.md5 is not None:
            return {self.url: self.md5}
        return {f"{self.url.rstrip('/')}/{name}": md5 for name, md5 in self.files.items()}


def fetched_path(name: str) -> Path:
    """Where the stage `fetch` puts it, as a CSV with a header: emotion, passage, text, or the keys of the objects."""
    return FETCHED / f"{name}.csv"


class FetchSections(Sections):
    fetch: dict[FetchName, Fetched]
