"""Who made an out: versions, and the digest of a stage's code and parameters. No clock and no commit: bytes must repeat."""

from __future__ import annotations

import ast
import hashlib
import json
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("pipeline", "analysis")
LIBRARIES = ("torch", "transformers", "bitsandbytes", "numpy", "scipy", "polars", "xarray", "zarr")


def sources(module: str, root: Path = ROOT) -> list[Path]:
    """Every file of this project that importing `module` runs, itself included, sorted; paths relative to `root`."""
    found: set[Path] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        for path in _files(name, root):
            if path not in found:
                found.add(path)
                waiting.extend(_imports(root / path))
    return sorted(found)


def _files(name: str, root: Path) -> list[Path]:
    """The file of a dotted name and of every package above it; none for a name that is not a module of ours."""
    parts = name.split(".")
    if parts[0] not in PACKAGES:
        return []
    paths = []
    for n in range(1, len(parts) + 1):
        stem = Path(*parts[:n])
        paths += [p for p in (stem / "__init__.py", stem.with_suffix(".py")) if (root / p).exists()]
    return paths


def _imports(path: Path) -> list[str]:
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return names


def code_digest(module: str) -> str:
    """SHA-256 over the sources of `module`, names and contents."""
    digest = hashlib.sha256()
    for path in sources(module):
        digest.update(f"{path.as_posix()}\0".encode() + (ROOT / path).read_bytes() + b"\0")
    return digest.hexdigest()


def digest_of(value: object) -> str:
    """SHA-256 of a JSON-able value, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def versions() -> dict[str, str]:
    return {name: version(name) for name in LIBRARIES}
