"""Is everything here what was made: every object of DVC's cache, every table, all vectors and activations.

python -m pipeline.publish.verify
"""

from __future__ import annotations

from pathlib import Path

from pipeline.door.home import MEND, home
from pipeline.errors import InputError, run_stage, some
from pipeline.publish import release
from pipeline.publish.objects import OBJECTS, config_of, spoilt
from pipeline.store import arrays, layout, sealed

CACHE = Path(".dvc/cache") / OBJECTS
GRAM = Path("data/gram.zarr")
SHOWN = 3


def cache_of(root: Path) -> Path:
    """Where DVC's config of a checkout has its objects: on a disk of their own, where someone said so (`dvc cache dir`)."""
    own = config_of(root)["cache"].get("dir")
    return root / CACHE if own is None else Path(own) / OBJECTS


def verify(root: Path) -> int:
    """How many readings were opened beside all that is published. Raises InputError for what is not what was made; DVC would
    check out a spoilt object of its cache without a word."""
    cache = cache_of(root)
    if bad := list(spoilt(cache)):
        listed = " ".join(map(str, bad[:SHOWN])) + (f" and {len(bad) - SHOWN} more" if len(bad) > SHOWN else "")
        raise InputError(
            f"{cache}: {len(bad)} objects are spoilt; remove them (rm -f {listed}) and run `make pull`, or `dvc repro`"
        )
    readings = sorted((root / layout.ACTIVATIONS).rglob("*.zarr"))
    for path in readings:
        arrays.activations_at(path)
    if faults := list(sealed.faults(root / GRAM)):
        raise InputError(f"{root / GRAM}: {some(faults, SHOWN)}; {MEND}")
    release.verify(root)
    return len(readings)


def main(arguments: list[str]) -> None:
    root = home()
    print(f"{root}: whole: DVC's cache, {verify(root)} readings, all vectors and tables")


if __name__ == "__main__":
    run_stage(main)
