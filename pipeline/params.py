"""What a user may ask for: `params.yaml`, checked before anything runs; and how a user's mistake is answered.

The file is read with the parser that DVC uses (YAML 1.2), so that a value means the same to both.
Every mistake becomes an `InputError`: lines that name the file and the key, and say what to do.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Iterable
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

PARAMS = Path("params.yaml")

Precision = Literal["fp32", "bf16", "fp16", "int8", "nf4"]
WordReader = Literal["tfidf", "char_ngrams"]
QUANTISED: frozenset[str] = frozenset({"int8", "nf4"})

STORIES, NEUTRAL = "stories", "neutral"
"""The readings that every profile has."""


class InputError(Exception):
    """A user's mistake, said in lines that name the file, row or key, and what to do."""


def one_line(error: object, limit: int = 300) -> str:
    """The first line of what a library said, short enough to end our own line with."""
    lines = str(error).strip().splitlines()
    return lines[0][:limit] if lines else repr(error)[:limit]


def nearest(word: str, known: Iterable[str], otherwise: str) -> str:
    """A hint at the known word that a user may have meant; `otherwise` where none is near."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"did you mean '{near[0]}'?" if near else otherwise


def run_stage(main: Callable[[list[str]], None]) -> None:
    """Run a stage's `main(arguments)`: a user's mistake ends in its message and exit status 1, never in a traceback."""
    try:
        main(sys.argv[1:])
    except InputError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("stopped; what was finished is kept and the next run goes on from there")


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _keys_are_known(cls, data: Any) -> Any:
        for key in data if isinstance(data, dict) else ():
            if key not in cls.model_fields:
                hint = nearest(str(key), cls.model_fields, f"known keys: {', '.join(cls.model_fields)}")
                raise PydanticCustomError("unknown_key", "unknown key '{key}'; {hint}", {"key": str(key), "hint": hint})
        return data


def _is_a_name(name: str) -> str:
    if not name or name in {".", ".."} or not all(c.isalnum() or c in "._-" for c in name):
        raise PydanticCustomError("name", "'{name}' may hold letters, digits, '.', '_' and '-' only", {"name": name})
    return name


def _without_repeats(values: list[str]) -> list[str]:
    repeated = sorted({value for value in values if values.count(value) > 1})
    if repeated:
        raise PydanticCustomError("repeated", "named twice: {names}", {"names": ", ".join(repeated)})
    return values


Name = Annotated[str, AfterValidator(_is_a_name)]
Names = Annotated[list[Name], AfterValidator(_without_repeats)]
Precisions = Annotated[list[Precision], Field(min_length=1), AfterValidator(_without_repeats)]
Share = Annotated[float, Field(ge=0, le=1)]


class Position(Strict):
    """Which tokens of a text are read. Tokens are counted from 0 at the first token of the text itself."""

    rule: Literal["last", "mean"]
    start: int = Field(default=0, ge=0, description="mean: the first token counted")

    @model_validator(mode="after")
    def _start_belongs_to_mean(self) -> Position:
        if self.rule == "last" and self.start:
            raise PydanticCustomError("start", "'start' belongs to the rule 'mean'")
        return self

    @property
    def tokens_needed(self) -> int:
        return self.start + 1

    def in_words(self) -> str:
        return "last token" if self.rule == "last" else f"mean over the tokens from {self.start} on"


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
    bos: Literal["native", "always", "never"] = "native"


class Read(Strict):
    models: Names
    precisions: Precisions
    device: Literal["auto", "cpu", "cuda"] = "auto"
    batch_tokens: int = Field(default=1024, ge=1)
    batch_texts: int = Field(default=16, ge=1)


class ReadUntrained(Strict):
    models: Names
    precisions: Precisions


class Vectors(Strict):
    neutral_label: str | None = "neutral"
    neutral_variance: Share = 0.5


class Corpus(Strict):
    """The files that say what labels and topics are, and the sizes at which reliability is estimated."""

    emotions: Path = Path("data/stimuli/emotions.csv")
    topics: Path | None = None
    label_words: Path | None = None
    length: tuple[int, int] | None = None
    topics_per_half: list[Annotated[int, Field(ge=2)]] = []
    draws: int = Field(default=100, ge=1)


class Geometry(Strict):
    halvings: int = Field(default=100, ge=1)
    seed: int = Field(default=0, ge=0)


class Rsa(Strict):
    depths: list[Share]
    bootstrap: int = Field(default=1000, ge=2)
    permutations: int = Field(default=9999, ge=1)


class Controls(Strict):
    shuffles: int = Field(default=200, ge=2)
    bootstrap: int = Field(default=1000, ge=2)


class Report(Strict):
    position: Name
    variant: Literal["centred", "denoised"] = "centred"


class Params(Strict):
    """The whole of `params.yaml`; each section belongs to the stage of its name."""

    profile: str
    positions: dict[Name, Position]
    readings: dict[Name, Reading]
    read: Read
    read_untrained: ReadUntrained
    words: Annotated[list[WordReader], AfterValidator(_without_repeats)]
    vectors: Vectors
    corpus: Corpus
    geometry: Geometry
    rsa: Rsa
    controls: Controls
    report: Report

    @model_validator(mode="after")
    def _names_lead_somewhere(self) -> Params:
        for wanted in (STORIES, NEUTRAL):
            if wanted not in self.readings:
                raise PydanticCustomError("reading", "readings: '{name}' is missing", {"name": wanted})
        for name, reading in self.readings.items():
            for position in reading.positions:
                if position not in self.positions:
                    raise PydanticCustomError(
                        "position",
                        "readings.{name}.positions: '{position}' is not among positions ({known})",
                        {"name": name, "position": position, "known": ", ".join(self.positions)},
                    )
        for position in self.readings[STORIES].positions:
            if position not in self.readings[NEUTRAL].positions:
                raise PydanticCustomError(
                    "position",
                    "readings.neutral.positions: '{position}' is read in the stories and must be read here too,"
                    " since anisotropy and the neutral components come from it",
                    {"position": position},
                )
        if self.report.position not in self.readings[STORIES].positions:
            raise PydanticCustomError(
                "position",
                "report.position: '{position}' is not among readings.stories.positions",
                {"position": self.report.position},
            )
        lists: dict[str, list[str]] = {
            "read.models": self.read.models,
            "read_untrained.models": self.read_untrained.models,
            "words": [*self.words],
        }
        for (one, names), (other, more) in combinations(lists.items(), 2):
            if both := sorted(set(names) & set(more)):
                raise PydanticCustomError(
                    "models", "{names}: in {one} and in {other}", {"names": ", ".join(both), "one": one, "other": other}
                )
        return self

    def precisions_of(self, model: str) -> list[str]:
        """The precisions that `model` is read at, in the order of params.yaml."""
        return list(self.read.precisions if model in self.read.models else self.read_untrained.precisions)

    @property
    def models(self) -> list[str]:
        return [*self.read.models, *self.read_untrained.models]

    @property
    def cells(self) -> list[tuple[str, str]]:
        """Every (model, precision) that is read."""
        return [(model, precision) for model in self.models for precision in self.precisions_of(model)]


_Schema = TypeVar("_Schema", bound=BaseModel)


def load_yaml(path: Path, schema: type[_Schema]) -> _Schema:
    """Read a YAML file and check it against a schema; raises InputError, one line per mistake."""
    try:
        data = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not readable as YAML: {' '.join(str(error).split())[:300]}") from None
    try:
        return schema.model_validate(data)
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" if e["loc"] else e["msg"] for e in error.errors()]
        raise InputError("\n".join(f"{path}: {line}" for line in lines)) from None


def load_params(path: Path = PARAMS) -> Params:
    """Read and check `params.yaml`; raises InputError."""
    return load_yaml(path, Params)
