"""What `params.yaml` says of vector banks of others: which files of data/banks are held beside our models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from pipeline.params.base import Names, Sections, Strict

BANKS = Path("data/banks")


class Bank(Strict):
    """A file of data/banks: another group's vectors. What they do not say stays null: unknown, never guessed."""

    model: str = Field(description="as its makers call it")
    path: Path | None = Field(default=None, description="of a local file; else url")
    url: Annotated[str, Field(pattern=r"^https?://")] | None = None
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    n_layers: int = Field(ge=1, description="their layers are taken as counted like ours, by the output of each block from 0")
    labels: dict[str, str] = Field(default_factory=dict, description="their label: ours; others keep their names")
    stories: str | None = Field(
        default=None, description="who has the bank's own stories: an entry of `second`; or stories, ours"
    )
    position: str | None = Field(default=None, description="which tokens they read, in our names where these say the same")
    precision: str | None = None
    license: str | None = None
    source: str | None = None

    @model_validator(mode="after")
    def _is_somewhere(self) -> Self:
        if (self.path is None) == (self.url is None):
            raise PydanticCustomError("bank", "give either path or url")
        return self


class ImportedSections(Sections):
    imported: Names = Field(default_factory=list)
