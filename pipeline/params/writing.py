"""What `params.yaml` says of writings: which settings there are, who writes, who reads what was written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from pipeline.params.base import Name, Names, Strict
from pipeline.params.reading import ReadingSections

Context = Literal["alone", "prompted"]
LayerRule = Literal["best_layer_cv", "best_layer_paper", "middle"]
Baseline = Literal["emotions", "neutral"]

CONTEXTS: tuple[Context, ...] = ("alone", "prompted")
"""A written text is read alone, or after the prompt that it answered; the prompt's tokens never count."""


class Setting(Strict):
    """How a text is asked for and decoded, and how its vectors are formed."""

    prompts: Name = Field(description="the set of prompts")
    only: list[str] | None = Field(default=None, description="ids of the prompts, where not all of the set are used")
    samples: int = Field(ge=1, description="of each prompt")
    temperature: float | None = Field(default=None, gt=0, description="null: greedy")
    top_p: float = Field(default=1.0, gt=0, le=1)
    seed: int = Field(default=0, ge=0)
    max_new_tokens: int = Field(ge=1)
    template: bool
    position: Name
    layer: LayerRule
    baseline: Baseline = "emotions"
    unit_norm: bool = False


class Write(Strict):
    models: Names
    prompts: Path
    positions: Annotated[Names, Field(min_length=1)]
    fewest_tokens: int = Field(default=8, ge=1)
    batch_texts: int = Field(default=64, ge=1)
    settings: dict[Name, Setting]


class Writing(Strict):
    """One setting, written at one precision."""

    setting: Name
    precision: str


def reading_name(setting: str, written: str | None, context: str) -> str:
    """The name in the store of what a precision wrote in a setting, as it was read in a context."""
    return f"{setting}-{written}/{context}"


class WritingRead(Strict):
    """What one precision wrote, read by the same or another, in one context or both."""

    setting: Name
    written: str
    read: str
    contexts: Literal["alone", "prompted", "both"]

    @property
    def readings(self) -> dict[Context, str]:
        """By context, the name of each reading in the store."""
        asked = CONTEXTS if self.contexts == "both" else (self.contexts,)
        return {context: reading_name(self.setting, self.written, context) for context in asked}


class WritingSections(ReadingSections):
    """Who writes what, and who reads what was written; beside what is read anyway."""

    write: Write
    writings: list[Writing]
    writings_read: list[WritingRead]

    @model_validator(mode="after")
    def _settings_lead_somewhere(self) -> Self:
        known = self.write.settings
        for name, setting in known.items():
            if name.endswith(f"_{CONTEXTS[1]}"):
                raise PydanticCustomError(
                    "setting",
                    "write.settings: '{name}': vectors after the prompt have names that end so; give it another",
                    {"name": name},
                )
            if setting.position not in self.write.positions:
                raise PydanticCustomError(
                    "position",
                    "write.settings.{name}.position: '{position}' is not among write.positions ({known})",
                    {"name": name, "position": setting.position, "known": ", ".join(self.write.positions)},
                )
        written = [(w.setting, w.precision) for w in self.writings]
        for w in self.writings:
            if w.setting not in known:
                raise PydanticCustomError(
                    "setting",
                    "writings: '{name}' is not among write.settings ({known})",
                    {"name": w.setting, "known": ", ".join(known)},
                )
            if written.count((w.setting, w.precision)) > 1:
                raise PydanticCustomError(
                    "setting", "writings: '{name}' at {precision} stands twice", {"name": w.setting, "precision": w.precision}
                )
        for r in self.writings_read:
            if (r.setting, r.written) not in written:
                raise PydanticCustomError(
                    "setting",
                    "writings_read: '{name}' is not written at {precision}; add it to writings",
                    {"name": r.setting, "precision": r.written},
                )
            if sum((r.setting, r.written, r.read) == (o.setting, o.written, o.read) for o in self.writings_read) > 1:
                raise PydanticCustomError(
                    "setting", "writings_read: '{name}' stands twice", {"name": f"{r.setting}, {r.written}, {r.read}"}
                )
        return self

    def readings_of(self, model: str, precision: str) -> list[str]:
        """What `model` reads at `precision`, by name: what was written, too."""
        read = self.writings_read if model in self.write.models else []
        written = [name for r in read if r.read == precision for name in r.readings.values()]
        return super().readings_of(model, precision) + written
