"""Text that is fetched from its source and not kept in this project: where it comes from, and where it lies."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from pipeline.params.base import Sections, Strict

FETCHED = Path("data/fetched")

FetchName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]
"""The name of a fetched file; no dot, which DVC takes for a key within a key."""


class Fetched(Strict):
    """A file of the published study's form: rows `emotion,number,"text"` without a header, comments after `#`."""

    url: Annotated[str, Field(pattern=r"^https?://")]
    md5: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


def fetched_path(name: str) -> Path:
    """Where the stage `fetch` puts it, as a CSV with the header emotion, passage, text."""
    return FETCHED / f"{name}.csv"


class FetchSections(Sections):
    fetch: dict[FetchName, Fetched]
