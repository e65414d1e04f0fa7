"""Model entries: `data/models/<name>.yaml`, one form for a hub id, a local folder, a GGUF file and an untrained twin."""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from pipeline.errors import InputError, nearest
from pipeline.params.base import PARAMS, Strict, load_yaml
from pipeline.params.reading import QUANTISED, ReadingSections

MODELS = Path("data/models")


def is_an_id(id_: str) -> str:
    """The id of a model of the hub. Raises PydanticCustomError for what is none to the library of the hub, as an address."""
    from huggingface_hub.errors import HFValidationError  # of a stage that asks no hub the import would be its longest
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(id_)
    except HFValidationError:
        raise PydanticCustomError("id", "'{id}' is no id of a model of the hub; write org/model", {"id": id_}) from None
    return id_


class Hub(Strict):
    """A model of the hub at a pinned commit. `gated`: its page asks for consent, and its files for a token."""

    id: Annotated[str, AfterValidator(is_an_id)]
    revision: Annotated[str, Field(pattern="^[0-9a-f]{40}$")]
    gated: bool = False


Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Folder(Strict):
    """A folder of safetensors. With a digest of its files, one that changed is refused; DVC itself does not look into it."""

    path: Path
    sha256: Digest | None = None


# Without dots: a package inside another could be found only by importing that one.
Package = Annotated[str, Field(pattern="^[A-Za-z0-9]+([_-][A-Za-z0-9]+)*$")]


def is_within(file: str) -> str:
    """A file's path within a folder. Raises PydanticCustomError for one that leads out of it."""
    if PurePath(file).is_absolute() or ".." in PurePath(file).parts:
        raise PydanticCustomError("within", "'{file}' leads out of its package", {"file": file})
    return file


class Part(Strict):
    """A file in an installed Python package: all of a GGUF file, or a piece of it."""

    package: Package
    file: Annotated[str, AfterValidator(is_within)]
    sha256: Digest


class Gguf(Strict):
    """A GGUF file: at a path, in an installed Python package, or in `parts`, each in a package, in their order. `version` is
    that of every package; `sha256` that of the whole file, whose name is the last part of `file`."""

    file: str
    package: Package | None = None
    version: str | None = None
    parts: Annotated[list[Part], Field(min_length=2)] | None = None
    sha256: Digest

    @model_validator(mode="after")
    def _comes_one_way(self) -> Gguf:
        if self.package is not None and self.parts is not None:
            raise PydanticCustomError("gguf", "package and parts: a file lies in one package or in parts, not both")
        if (self.package is not None or self.parts is not None) != (self.version is not None):
            raise PydanticCustomError("gguf", "version: the exact version of the package or packages, and of nothing else")
        if self.package is not None:
            is_within(self.file)
        if self.parts is not None and self.file != self.name:
            raise PydanticCustomError("gguf", "file: with parts, the name of the whole file, without folders")
        return self

    @property
    def name(self) -> str:
        return PurePath(self.file).name

    @property
    def carried(self) -> list[Part]:
        """The files in packages that make up the whole; none where it lies at a path."""
        if self.package is not None:
            return [Part(package=self.package, file=self.file, sha256=self.sha256)]
        return self.parts or []


class Licence(Strict):
    """The terms that weights come under, and where their text lies."""

    name: str
    text: str


class Shape(Strict):
    """Sizes that costs are computed from before a model is there; checked against its config when it loads."""

    layers: int = Field(gt=0)
    hidden: int = Field(gt=0)
    vocabulary: int = Field(gt=0)
    tied: bool | None = Field(default=None, description="whether the head is the input embeddings once more; null: not said")


class ModelEntry(Strict):
    """One `data/models/<name>.yaml`. With `seeds` it is an untrained twin: architecture and tokenizer of its
    source, and one set of random weights per seed."""

    family: str
    lineage: str
    tuning: Literal["base", "instruct"]
    bos: bool
    parameters: float = Field(gt=0)
    compute_dtype: Literal["fp16", "bf16"] = Field(
        default="fp16",
        description="what int8 and nf4 compute in, and keep what they do not quantise in: bf16 where fp16 overflows",
    )
    shape: Shape | None = None
    hub: Hub | None = None
    folder: Folder | None = None
    gguf: Gguf | None = None
    licence: Licence | None = None
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


def load_entry(model: str, folder: Path = MODELS) -> ModelEntry:
    """Read and check `data/models/<model>.yaml`; raises InputError."""
    path = folder / f"{model}.yaml"
    if not path.exists():
        known = sorted(p.stem for p in folder.glob("*.yaml"))
        hint = nearest(model, known, f"there are: {', '.join(known) or 'none'}")
        raise InputError(f"{path}: no such model entry; {hint}")
    return load_yaml(path, ModelEntry)


def drawn(entry: ModelEntry, params: ReadingSections) -> ModelEntry:
    """The entry with as many seeds as `read_untrained.draws` asks for, where it is an untrained twin."""
    return entry if entry.seeds is None else entry.model_copy(update={"seeds": entry.seeds[: params.read_untrained.draws]})


def load_entries(params: ReadingSections, folder: Path = MODELS) -> dict[str, ModelEntry]:
    """The entries of every model that `params` names, each checked against the list that it stands in."""
    entries = {model: drawn(load_entry(model, folder), params) for model in params.models}
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
