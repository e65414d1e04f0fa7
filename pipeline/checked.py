"""Input that is checked before anything runs: YAML files against a schema; and how a user's mistake is answered.

A file is read with the parser that DVC uses (YAML 1.2), so that a value means the same to both.
Every mistake becomes an `InputError`: lines that name the file and the key, and say what to do.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import PydanticCustomError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError


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
