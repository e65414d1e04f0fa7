"""The objects that DVC keeps, in its cache and in a remote that is a folder, and where these are. Their names are the MD5 of
what they hold."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

OBJECTS = Path("files/md5")
"""Where they lie in a cache or a remote."""


def config_of(root: Path) -> Any:
    """DVC's config of a checkout: its remotes, and where its cache is."""
    from dvc.config import Config  # takes a second, which not every command need spend

    return Config(str(root / ".dvc"), local_dvc_dir=str(root / ".dvc"))


def spoilt(objects: Path) -> Iterator[Path]:
    """Those whose contents are not those that their names say."""
    for path in sorted(objects.glob("??/*")):
        with path.open("rb") as file:
            if hashlib.file_digest(file, "md5").hexdigest() != path.parent.name + path.name.removesuffix(".dir"):
                yield path
