"""The objects that DVC keeps, in its cache and in a remote that is a folder: their names are the MD5 of what they hold."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

OBJECTS = Path("files/md5")
"""Where they lie in a cache or a remote."""


def spoilt(objects: Path) -> Iterator[Path]:
    """Those whose contents are not those that their names say."""
    for path in sorted(objects.glob("??/*")):
        with path.open("rb") as file:
            if hashlib.file_digest(file, "md5").hexdigest() != path.parent.name + path.name.removesuffix(".dir"):
                yield path
