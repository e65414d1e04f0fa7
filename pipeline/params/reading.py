"""What `params.yaml` says of reading: who reads which texts, at which positions and precisions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from pipeline.params.base import Name, Names, Sections, Strict, are_among, without_repeats

Precision = Literal["fp32", "bf16", "fp16", "int8", "nf4"]  # the most exact first
QUANTISED: frozenset[str] = frozenset({"int8", "nf4"})

Precisions = Annotated[list[Precision], Field(min_length=1), AfterValidator(without_repeats)]
STORIES, NEUTRAL = "stories", "neutral"
"""The readings that every profile has."""

Bos = Literal["native", "other", "always", "as_published", "never"]


class Position(Strict):
    """Which tokens of a text are read. Tokens are counted from 0 at the first token of the text itself; words, which are what
    stands between blanks, from 1, so that every tokenizer is read from the same place."""

    rule: Literal["last", "middle", "mean", "word"]
    start: int = Field(default=0, ge=0, description="mean: the first token counted")
    word: int | None = Field(default=None, ge=1, description="word: the word whose last token counts; mean: the first counted")

    @model_validator(mode="after")
    def _what_belongs_to_the_rule(self) -> Position:
        if self.rule != "mean" and self.start:
            raise PydanticCustomError("start", "'start' belongs to the rule 'mean'")
        if self.rule == "word" and self.word is None:
            raise PydanticCustomError("word", "the rule 'word' needs a 'word': the number of one, from 1")
        if self.rule not in ("mean", "word") and self.word is not None:
            raise PydanticCustomError("word", "'word' belongs to the rules 'word' and 'mean'")
        if self.word is not None and self.start:
            raise PydanticCustomError("word", "'start' counts tokens and 'word' words: one of the two")
        return self

    @property
    def tokens_needed(self) -> int:
        """At least: of a word that a tokenizer breaks up there are more."""
        return self.word or self.start + 1

    def span(self, length: int, word_ends: Sequence[int] = ()) -> tuple[int, int]:
        """The first token that counts and the one after the last, in a text of `length` tokens; `word_ends`: of each word, the
        token that ends it (`pipeline.reading.words`), for a position that counts words."""
        if self.rule == "mean":
            return self.start if self.word is None else word_ends[self.word - 2] + 1 if self.word > 1 else 0, length
        first = {"last": length - 1, "middle": length // 2}.get(self.rule)
        if first is None:
            assert self.word is not None
            first = word_ends[self.word - 1]
        return first, first + 1

    def in_words(self) -> str:
        if self.rule == "word":
            return f"token that ends word {self.word}"
        if self.rule == "mean":
            return f"mean over the tokens from {'' if self.word is None else 'word '}{self.word or self.start} on"
        return f"{self.rule} token"


class Columns(Strict):
    """The user's names for what a stimulus has. `id: null` = content hash; `topic: null` = stories are not crossed."""

    text: str = "text"
    emotion: str | None = "emotion"
    topic: str | None = "topic"
    id: str | None = "id"


class Reading(Strict):
    """A text source that models read, and how."""

    path: Path
    columns: Columns = Columns()
    emotions: Literal["all"] | list[str] = "all"
    positions: Annotated[Names, Field(min_length=1)]
    bos: Bos = "native"


class Varied(Strict):
    """The stories read once more by the trained models, at one precision, with an option changed: a control."""

    name: Name
    precision: Precision
    positions: Annotated[Names, Field(min_length=1)]
    bos: Bos = "native"
    batch_texts: int | None = Field(default=None, ge=1, description="texts that share a pass, even in a quantised model")


class Second(Reading):
    """Another source's stories with labels in common, read by the trained models at one precision."""

    name: Name
    precision: Precision


class Read(Strict):
    models: Names
    precisions: Precisions
    device: Literal["auto", "cpu", "cuda"] = "auto"
    batch_tokens: int = Field(default=1024, ge=1)
    batch_texts: int = Field(default=16, ge=1)
    gpu_batch_tokens: int = Field(default=8192, ge=1, description="in place of both on a GPU, at every precision")


class ReadUntrained(Strict):
    models: Names
    precisions: Precisions
    draws: int | None = Field(default=None, ge=1, description="of each twin, its first seeds; null: all that its entry names")


def _differing(one: Varied | Second, other: Varied | Second) -> str:
    """In which keys two readings differ that may differ in precision and positions alone; "" where in none."""
    if type(one) is not type(other):
        return "their section, varied and second"
    keys = type(one).model_fields.keys() - {"name", "precision", "positions"}
    return ", ".join(sorted(key for key in keys if getattr(one, key) != getattr(other, key)))


class ReadingSections(Sections):
    """Who reads what, where and at which precision."""

    positions: dict[Name, Position]
    readings: dict[Name, Reading]
    varied: list[Varied]
    second: list[Second]
    read: Read
    read_untrained: ReadUntrained

    @model_validator(mode="after")
    def _names_lead_somewhere(self) -> Self:
        for wanted in (STORIES, NEUTRAL):
            if wanted not in self.readings:
                raise PydanticCustomError("reading", "readings: '{name}' is missing", {"name": wanted})
        places: dict[str, list[str]] = {f"readings.{k}.positions": list(r.positions) for k, r in self.readings.items()}
        places |= {f"varied.{r.name}.positions": list(r.positions) for r in self.varied}
        places |= {f"second.{r.name}.positions": list(r.positions) for r in self.second}
        for place, names in places.items():
            are_among(names, list(self.positions), place, "positions")
        for position in self.readings[STORIES].positions:
            if position not in self.readings[NEUTRAL].positions:
                raise PydanticCustomError(
                    "position",
                    "readings.neutral.positions: '{position}' is read in the stories and must be read here too,"
                    " since anisotropy and the neutral components come from it",
                    {"position": position},
                )
        more = [(r.name, r.precision) for r in self.more]
        for name, precision in more:
            if name in self.readings or more.count((name, precision)) > 1:
                raise PydanticCustomError(
                    "reading",
                    "'{name}' at {precision} is read twice; give one reading another name",
                    {"name": name, "precision": precision},
                )
            if precision not in self.read.precisions:
                raise PydanticCustomError(
                    "reading",
                    "'{name}': {precision} is not among read.precisions, where the stories are read that it is compared with;"
                    " add it there, or take '{name}' out",
                    {"name": name, "precision": precision},
                )
        for one, other in combinations(self.more, 2):
            if one.name == other.name and (differing := _differing(one, other)):
                raise PydanticCustomError(
                    "reading",
                    "'{name}' at {precision} and at {other} differ in {differing}, and tables know them by their name alone;"
                    " give one another name",
                    {"name": one.name, "precision": one.precision, "other": other.precision, "differing": differing},
                )
        return self

    def precisions_of(self, model: str) -> list[str]:
        """The precisions that `model` is read at, in the order of params.yaml."""
        return list(self.read.precisions if model in self.read.models else self.read_untrained.precisions)

    def reference_of(self, model: str) -> str:
        """The precision that stands for `model` where precision is not the question: the most exact that it is read at."""
        return min(self.precisions_of(model), key=get_args(Precision).index)

    def readings_of(self, model: str, precision: str) -> list[str]:
        """What `model` reads at `precision`, by name."""
        own = list(self.readings) if precision in self.precisions_of(model) else []
        more = self.more if model in self.read.models else []
        return own + [r.name for r in more if r.precision == precision]

    def reading(self, name: str, precision: str) -> Reading | None:
        """The reading of a name: of `readings`, of `second`, or the stories with the options of `varied`."""
        for second in self.second:
            if (second.name, second.precision) == (name, precision):
                return second
        for varied in self.varied:
            if (varied.name, varied.precision) == (name, precision):
                return self.readings[STORIES].model_copy(update={"positions": varied.positions, "bos": varied.bos})
        return self.readings.get(name)

    @property
    def more(self) -> list[Varied | Second]:
        """What trained models read beside `readings`, each at one precision."""
        return [*self.varied, *self.second]

    @property
    def models(self) -> list[str]:
        return [*self.read.models, *self.read_untrained.models]

    @property
    def cells(self) -> list[tuple[str, str]]:
        """Every (model, precision) that is read."""
        return [(model, precision) for model in self.models for precision in self.precisions_of(model)]
