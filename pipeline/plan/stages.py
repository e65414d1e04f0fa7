"""The stages that a `params.yaml` makes of `dvc.yaml`, by name and without running DVC, which knows one params.yaml alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import product
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

DAG = Path("dvc.yaml")


def value_at(params: Any, path: str) -> Any:
    """The value of `a.b.c` in nested mappings."""
    for key in path.split("."):
        params = params[key]
    return params


def stage_names(dag: Path, params: Path) -> list[str]:
    """Names of all stages, those of a matrix one by one, as DVC names them: items that are mappings by their number."""
    stages: dict[str, Any] = YAML(typ="safe").load(dag)["stages"]
    known = YAML(typ="safe").load(params)
    names = []
    for stage, section in stages.items():
        axes = [
            [str(item) if isinstance(item, str) else f"{axis}{n}" for n, item in enumerate(_resolved(listed, known))]
            for axis, listed in section.get("matrix", {}).items()
        ]
        names += [f"{stage}@{'-'.join(item)}" for item in product(*axes)] if axes else [stage]
    return names


def _resolved(listed: Any, params: Any) -> Iterable[Any]:
    found: Iterable[Any] = value_at(params, listed[2:-1]) if isinstance(listed, str) else listed
    return found


def kind(name: str) -> str:
    """The name of a stage before its `@`."""
    return name.split("@", maxsplit=1)[0]


def counts(names: Iterable[str]) -> str:
    """How many of each kind: `24 read, 2 write, vectors, report`."""
    return ", ".join(own if n == 1 else f"{n} {own}" for own, n in Counter(map(kind, names)).items())
