"""YAML files that are checked against a schema before anything runs.

A file is read with the parser that DVC uses (YAML 1.2), so that a value means the same to both. Every mistake becomes an
`InputError`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import PydanticCustomError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.errors import InputError, nearest, note

PARAMS = Path("params.yaml")


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


def is_a_name(name: str) -> str:
    if not name or name in {".", ".."} or not all(c.isalnum() or c in "._-" for c in name):
        raise PydanticCustomError("name", "'{name}' may hold letters, digits, '.', '_' and '-' only", {"name": name})
    return name


def without_repeats(values: list[str]) -> list[str]:
    repeated = sorted({value for value in values if values.count(value) > 1})
    if repeated:
        raise PydanticCustomError("repeated", "named twice: {names}", {"names": ", ".join(repeated)})
    return values


Name = Annotated[str, AfterValidator(is_a_name)]
Names = Annotated[list[Name], AfterValidator(without_repeats)]


_Schema = TypeVar("_Schema", bound=BaseModel)


def load_yaml(path: Path, schema: type[_Schema]) -> _Schema:
    """Read a YAML file and check it against a schema; raises InputError, one line per mistake. A stage that runs fails where
    what it was given is not there any more when it ends; a change elsewhere in the file concerns it not."""
    found = _loaded(path, schema)
    note(str(path), lambda: _is_still(found, path), f"{schema.__module__} {schema.__name__}")
    return found


def _is_still(found: BaseModel, path: Path) -> bool:
    try:
        return _loaded(path, type(found)) == found
    except InputError:
        return False


def _loaded(path: Path, schema: type[_Schema]) -> _Schema:
    try:
        data = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (YAMLError, UnicodeDecodeError, OSError) as error:
        raise InputError(f"{path}: not readable as YAML: {' '.join(str(error).split())[:300]}") from None
    try:
        return schema.model_validate(data)
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" if e["loc"] else e["msg"] for e in error.errors()]
        raise InputError(*(f"{path}: {line}" for line in lines)) from None


class Sections(BaseModel):
    """Some sections of `params.yaml`; those that a class does not name are not looked at. A stage names its own, so that it
    depends on the schema of these alone."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    @classmethod
    def load(cls, path: Path = PARAMS) -> Self:
        """Read and check these sections of a params file; raises InputError."""
        return load_yaml(path, cls)


def are_among(names: list[str], known: list[str], place: str, where: str) -> None:
    """Raise PydanticCustomError for a name at `place` that is not among those of `where`."""
    for name in names:
        if name not in known:
            raise PydanticCustomError(
                "position",
                "{place}: '{name}' is not among {where} ({known})",
                {"place": place, "name": name, "where": where, "known": ", ".join(known)},
            )
