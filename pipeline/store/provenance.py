"""Who made an out: versions, and the digest of a stage's code and parameters. No clock and no commit: bytes must repeat."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from importlib.metadata import version
from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("pipeline", "analysis")
LIBRARIES = ("torch", "transformers", "bitsandbytes", "numpy", "scipy", "polars", "xarray", "zarr")


@cache
def sources(stage: str, root: Path = ROOT) -> list[Path]:
    """The files of this project's code that a stage of dvc.yaml depends on, sorted; paths relative to `root`."""
    deps = YAML(typ="safe").load((root / "dvc.yaml").read_text(encoding="utf-8"))["stages"][stage]["deps"]
    named = [Path(dep) for dep in deps if dep.split("/")[0] in PACKAGES]
    found = {path for dep in named for path in ([dep] if dep.suffix else (root / dep).rglob("*.py"))}
    return sorted(path.relative_to(root) if path.is_absolute() else path for path in found)


def code_digest(stage: str) -> str:
    """SHA-256 over the code that a stage of dvc.yaml depends on, names and contents."""
    digest = hashlib.sha256()
    for path in sources(stage):
        digest.update(f"{path.as_posix()}\0".encode() + (ROOT / path).read_bytes() + b"\0")
    return digest.hexdigest()


def digest_of(value: object) -> str:
    """SHA-256 of a JSON-able value, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def versions() -> dict[str, str]:
    return {name: version(name) for name in LIBRARIES}
