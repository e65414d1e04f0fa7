"""Let dvc.lock take today's code for the code that made the data: after a change that was shown to change no byte of them, as
of what a stage refuses.

    python -m pipeline.publish.same_bytes KIND [KIND ...]

KIND is a stage's name before its `@`. Where params, data or an out have changed too, nothing is done. Readings may be missing:
a checkout that was pulled will do. To show it, run some stages by the old and by the new code and compare the arrays (of the
attributes only `code_sha256` may differ). CHANGELOG.md says what was run.
"""

from __future__ import annotations

from typing import Any

from dvc.dependency.param import ParamsDependency
from dvc.repo import Repo, lock_repo

from pipeline.errors import InputError, run_stage, some
from pipeline.store.provenance import PACKAGES


def not_of_code(stage: Any) -> list[str]:
    """What has changed of a stage, as DVC has it, that is no code; what is only missing, or new in dvc.yaml, has not."""
    found = []
    for held in (*stage.deps, *stage.outs):
        status = held.status()
        if isinstance(held, ParamsDependency):
            found += [f"{path}: {key}" for path, keys in status.items() for key in keys]
        elif held.def_path.split("/")[0] not in PACKAGES:
            found += [path for path, what in status.items() if what == "modified"]
    return found


def main(arguments: list[str]) -> None:
    with Repo() as repo, lock_repo(repo):
        stages = [stage for stage in repo.index.stages if stage.addressing.split("@")[0] in arguments]
        known = {stage.addressing.split("@")[0] for stage in stages}
        if unknown := [kind for kind in arguments if kind not in known]:
            raise InputError(f"no stage of the kind {some(unknown)}; `dvc stage list --name-only` prints all")
        if bad := [f"{stage.addressing}: {some(own)} changed" for stage in stages if (own := not_of_code(stage))]:
            raise InputError("not by code alone, so nothing was done", *bad)
        for stage in stages:
            stage.save(allow_missing=True, run_cache=False)
            stage.dump(update_pipeline=False)
    print(f"dvc.lock has the code of {len(stages)} stages as it is now")


if __name__ == "__main__":
    run_stage(main)
