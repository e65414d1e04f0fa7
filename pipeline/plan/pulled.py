"""What there is to run in a checkout that was pulled. Its readings are not there, and `dvc repro` would make them all; where
what changed needs none, they may be missing."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from ruamel.yaml.error import YAMLError

from pipeline.door.home import UNPUBLISHED, outs_of, remove_empty
from pipeline.errors import one_line, some
from pipeline.params.base import PARAMS
from pipeline.plan import stages

CHECK = "check"
"""The stage whose out says the same whenever it ends well, so that nothing changes by it."""


def to_run() -> list[str] | None:
    """Names of the stages that have to run, and do without readings; None where everything runs as from the beginning. Prints
    which of the two it is, where it is for what was pulled to say."""
    from dvc.exceptions import DvcException, ReproductionError

    remove_empty(Path("data/activations"))
    try:
        names = stages.stage_names(stages.DAG, PARAMS)
    except (YAMLError, OSError, LookupError, TypeError):
        return None  # the plan says what is wrong
    outs = {out["path"]: Path(out["path"]).exists() for out in outs_of(Path.cwd(), names)}
    readings = {path for path in outs if path.startswith(UNPUBLISHED)}
    if all(outs[path] for path in readings) or not any(outs[path] for path in outs.keys() - readings):
        return None
    try:
        found = changed()
        made = {out.def_path for stage in found for out in stage.outs}
        lost = [path for path, is_there in outs.items() if not is_there and path not in readings | made]
        needing = [stage.addressing for stage in found if any(dep.def_path.startswith(UNPUBLISHED) for dep in stage.deps)]
        why = f"{some(needing)} changed" if needing else f"{some(lost)} not there; `make pull` brings it" if lost else None
    except ReproductionError as error:
        why = one_line(error).replace("failed to reproduce", "without them DVC cannot make")
    except DvcException:
        return None  # the run says what is wrong
    if why is not None:
        print(f"Readings are not here; they come from DVC's cache or are made anew: {why}")
        return None
    runs = [stage.addressing for stage in found]
    print(f"On what was pulled, without readings: {some(runs) or 'nothing changed'}")
    return runs


def changed() -> list[Any]:
    """The stages, as DVC has them, of what changed and of all that follows from it, be the readings there or not. Raises
    ReproductionError where the first that changed needs a file that is not there, DvcException where DVC cannot run."""
    from dvc.repo import Repo  # takes a second, which only a checkout that was pulled need spend
    from networkx import ancestors

    logging.getLogger("dvc").setLevel(logging.ERROR)  # a line for each stage, which the run prints
    with Repo() as repo:
        own = {stage.addressing for stage in repo.reproduce(dry=True, allow_missing=True)}
        graph = repo.index.graph  # from a stage to what it needs
        by_it = [stage for stage in graph if stage.addressing in own - {CHECK}]
        own |= {stage.addressing for changed in by_it for stage in ancestors(graph, changed)}
        return [stage for stage in repo.index.stages if stage.addressing in own]
