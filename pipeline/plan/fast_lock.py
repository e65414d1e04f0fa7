"""dvc.lock, read and written by the C library of YAML.

DVC reads and writes the whole of it after every stage, in pure Python, which keeps comments. A lock has none. On two cores that
takes four seconds a stage, of which a default run has eighty. The C library may fold lines and name nothing in another way; so
the last thing that a run does is to write its lock once more as DVC does.
"""

from __future__ import annotations

import io
import os
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from dvc.utils.serialize import _yaml
from ruamel.yaml import YAML

NAME = "dvc.lock"


@dataclass
class FastLock:
    """DVC's own way to read a file that it is about to change, and to write one; both are kept for all other files."""

    parse: Callable[[str, str], Any] = _yaml.parse_yaml_for_update
    dump: Callable[[Any, TextIO], Any] = _yaml._dump
    written: set[Path] = field(default_factory=set)

    def parsed(self, text: str, path: str) -> Any:
        """A lock as plain dicts; any other file with its comments."""
        return _yaml.parse_yaml(text, path) if Path(path).name == NAME else self.parse(text, path)

    def dumped(self, data: Any, stream: TextIO) -> None:
        path = Path(str(getattr(stream, "name", "")))
        if path.name != NAME:
            self.dump(data, stream)
            return
        self.written.add(path.absolute())
        yaml = YAML(typ="safe")
        yaml.default_flow_style = False
        yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # so ruamel.yaml says itself, and types it None
        yaml.representer.add_representer(OrderedDict, type(yaml.representer).represent_dict)
        yaml.dump(data, stream)

    def __enter__(self) -> FastLock:
        _yaml.parse_yaml_for_update, _yaml._dump = self.parsed, self.dumped
        return self

    def __exit__(self, *_: object) -> None:
        """Write what was written once more as DVC does."""
        _yaml.parse_yaml_for_update, _yaml._dump = self.parse, self.dump
        for path in self.written:
            out, new = io.StringIO(), path.with_name(f".{path.name}.new")
            self.dump(_yaml.parse_yaml(path.read_text(encoding="utf-8"), str(path)), out)
            new.write_text(out.getvalue(), encoding="utf-8")
            os.replace(new, path)
