"""Read a shard of a reading on a GPU, or a machine, of its own; stage `read` then takes it in.

    python -m pipeline.reading.shard SHARD MODEL PRECISION READING [READING ...]

SHARD is 1/4 for the first of four; the rest is what dvc.yaml has after `python -m pipeline.reading.read`. A shard is kept in a
folder of `.scratch/read/`, from which one that was stopped goes on. The stage reads what no shard has, and makes the bytes that
it makes without them.
"""

from __future__ import annotations

from pipeline.errors import run_stage
from pipeline.params.reading import ReadingSections
from pipeline.reading.read import Asked, parts_of
from pipeline.reading.shards import Shard


def main(arguments: list[str]) -> None:
    params = ReadingSections.load()
    parts_of(Asked.of(arguments[1:], params), params, Shard.parse(arguments[0]))


if __name__ == "__main__":
    run_stage(main)
