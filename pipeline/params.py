"""What a user may ask for: `params.yaml` and `data/models/<name>.yaml`, checked before anything runs.

Both files are read with the parser that DVC uses (YAML 1.2), so that a value means the same to both.
Every mistake becomes an `InputError`: lines that name the file and the key, and say what to do.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable
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
MODELS = Path("data/models")

Precision = Literal["fp32", "bf16", "fp16", "int8", "nf4"]
QUANTISED: frozenset[str] = frozenset({"int8", "nf4"})


class InputError(Exception):
    """A user's mistake, said in lines that name the file, row or key, and what to do."""


def one_line(error: object, limit: int = 300) -> str:
    """The first line of what a library said, short enough to end our own line with."""
    lines = str(error).strip().splitlines()
    return lines[0][:limit] if lines else repr(error)[:limit]


def run_stage(main: Callable[[list[str]], None]) -> None:
    """Run a stage's `main(arguments)`: a user's mistake ends in its message and exit status 1, never in a traceback."""
    try:
        main(sys.argv[1:])
    except InputError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("stopped; what was finished is kept and the next run goes on from there")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _keys_are_known(cls, data: Any) -> Any:
        for key in data if isinstance(data, dict) else ():
            if key not in cls.model_fields:
                near = difflib.get_close_matches(str(key), cls.model_fields, n=1, cutoff=0.5)
                hint = f"did you mean '{near[0]}'?" if near else f"known keys: {', '.join(cls.model_fields)}"
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


class Position(_Strict):
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


class Columns(_Strict):
    """The user's names for what a stimulus has. `id: null` = content hash; `topic: null` = stories are not crossed."""

    text: str = "text"
    emotion: str | None = "emotion"
    topic: str | None = "topic"
    id: str | None = "id"


class Reading(_Strict):
    """A text source that models read, and how."""

    path: Path
    columns: Columns = Columns()
    emotions: Literal["all"] | list[str] = "all"
    positions: Annotated[Names, Field(min_length=1)]
    bos: Literal["native", "always", "never"] = "native"


class Read(_Strict):
    models: Names
    precisions: Precisions
    device: Literal["auto", "cpu", "cuda"] = "auto"
    batch_tokens: int = Field(default=1024, ge=1)
    batch_texts: int = Field(default=16, ge=1)


class ReadUntrained(_Strict):
    models: Names
    precisions: Precisions


class Vectors(_Strict):
    neutral_label: str | None = "neutral"
    neutral_variance: Share = 0.5


class Geometry(_Strict):
    halvings: int = Field(default=100, ge=1)
    seed: int = Field(default=0, ge=0)


class Rsa(_Strict):
    depths: list[Share]


class Report(_Strict):
    position: Name
    variant: Literal["centred", "denoised"] = "centred"


class Params(_Strict):
    """The whole of `params.yaml`; each section belongs to the stage of its name."""

    profile: str
    positions: dict[Name, Position]
    readings: dict[Name, Reading]
    read: Read
    read_untrained: ReadUntrained
    vectors: Vectors
    geometry: Geometry
    rsa: Rsa
    report: Report

    @model_validator(mode="after")
    def _names_lead_somewhere(self) -> Params:
        for wanted in ("stories", "neutral"):
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
        for position in self.readings["stories"].positions:
            if position not in self.readings["neutral"].positions:
                raise PydanticCustomError(
                    "position",
                    "readings.neutral.positions: '{position}' is read in the stories and must be read here too,"
                    " since anisotropy and the neutral components come from it",
                    {"position": position},
                )
        if self.report.position not in self.readings["stories"].positions:
            raise PydanticCustomError(
                "position",
                "report.position: '{position}' is not among readings.stories.positions",
                {"position": self.report.position},
            )
        both = set(self.read.models) & set(self.read_untrained.models)
        if both:
            raise PydanticCustomError(
                "models", "{names}: in read.models and in read_untrained.models", {"names": ", ".join(sorted(both))}
            )
        return self

    def precisions_of(self, model: str) -> list[str]:
        """The precisions that `model` is read at, in the order of params.yaml."""
        return list(self.read.precisions if model in self.read.models else self.read_untrained.precisions)

    @property
    def models(self) -> list[str]:
        return [*self.read.models, *self.read_untrained.models]


class Hub(_Strict):
    id: str
    revision: Annotated[str, Field(pattern="^[0-9a-f]{40}$")]


class Folder(_Strict):
    path: Path


class Gguf(_Strict):
    """A GGUF file: in an installed Python package (found without importing it), or at a path."""

    file: str
    package: str | None = None
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class ModelEntry(_Strict):
    """One `data/models/<name>.yaml`. With `seeds` it is an untrained twin: architecture and tokenizer of its
    source, and one set of random weights per seed."""

    family: str
    lineage: str
    tuning: Literal["base", "instruct"]
    bos: bool
    parameters: float = Field(gt=0)
    hub: Hub | None = None
    folder: Folder | None = None
    gguf: Gguf | None = None
    seeds: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)] | None = None
    note: str | None = None

    @model_validator(mode="after")
    def _has_one_source(self) -> ModelEntry:
        if sum(source is not None for source in (self.hub, self.folder, self.gguf)) != 1:
            raise PydanticCustomError("source", "exactly one of hub, folder, gguf says where the model comes from")
        if self.seeds is not None and len(set(self.seeds)) < len(self.seeds):
            raise PydanticCustomError("seeds", "seeds: a seed stands twice")
        return self

    @property
    def untrained(self) -> bool:
        return self.seeds is not None

    @property
    def draws(self) -> list[int | None]:
        """The seeds of an untrained twin; one None for a trained model."""
        return [None] if self.seeds is None else list(self.seeds)


_Schema = TypeVar("_Schema", bound=BaseModel)


def _load(path: Path, schema: type[_Schema]) -> _Schema:
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
    return _load(path, Params)


def load_entry(model: str, folder: Path = MODELS) -> ModelEntry:
    """Read and check `data/models/<model>.yaml`; raises InputError."""
    path = folder / f"{model}.yaml"
    if not path.exists():
        known = sorted(p.stem for p in folder.glob("*.yaml"))
        near = difflib.get_close_matches(model, known, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(known) or 'none'}"
        raise InputError(f"{path}: no such model entry; {hint}")
    return _load(path, ModelEntry)


def load_entries(params: Params, folder: Path = MODELS) -> dict[str, ModelEntry]:
    """The entries of every model that `params` names, each checked against the list that it stands in."""
    entries = {model: load_entry(model, folder) for model in params.models}
    for model, entry in entries.items():
        listed = "read_untrained.models" if model in params.read_untrained.models else "read.models"
        if entry.untrained != (listed == "read_untrained.models"):
            mistake = "has no seeds" if listed == "read_untrained.models" else "has seeds (an untrained twin)"
            raise InputError(f"{PARAMS}: {listed}: {model}: {folder / f'{model}.yaml'} {mistake}; move it to the other list")
        if entry.untrained and (quantised := QUANTISED.intersection(params.read_untrained.precisions)):
            raise InputError(
                f"{PARAMS}: read_untrained.precisions: {', '.join(sorted(quantised))} needs trained weights;"
                " an untrained twin is read at fp32, bf16 or fp16"
            )
    return entries
