"""The sections of params.yaml as the plan takes them: lists with something in them and nothing twice, and counts that end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import InputError
from pipeline.params.whole import Params

BRANCH = re.compile(r"\.(?:literal|list|function-\w+)\[.*\](?=[.:])")
"""What pydantic adds to a key that may be two things, `all` or a list: the one that it tried."""
MOST = {
    "rsa.permutations": 1_000_000,
    "rsa.bootstrap": 100_000,
    "rsa.shuffles": 20_000,
    "rsa.triples": 2_000,
    "geometry.halvings": 10_000,
    "corpus.draws": 10_000,
    "shared.halvings": 4_000,
    "shared.subsets": 5_000,
    "shared.orders": 10_000,
    "human.bootstrap": 100_000,
}
"""A hundred times what the default profile draws: what takes it minutes takes a day then."""


def load(path: Path) -> Params:
    """The whole of a params file. Raises InputError, a line for each mistake."""
    try:
        params = Params.load(path)
    except InputError as error:
        raise InputError(*filter(None, map(_plain, error.args))) from None
    if found := [*_repeats(params.model_dump()), *_empty(params), *_too_much(params), *_out_of_reach(params)]:
        raise InputError(*(f"{path}: {line}" for line in found))
    return params


def _plain(line: str) -> str | None:
    """A mistake under its key alone; None for that of the word `all`, which the list's says, too."""
    plain, branches = BRANCH.subn("", line)
    if not branches:
        return line
    return None if ".literal['all']" in line else plain.replace("Input should be a valid list", "write all, or a list")


def _repeats(tree: object, key: str = "") -> Iterator[str]:
    """Values that stand twice in one list: two rows with the same keys, or the same work twice."""
    if isinstance(tree, dict):
        for name, value in tree.items():
            yield from _repeats(value, f"{key}.{name}".lstrip("."))
    if isinstance(tree, list):
        for n, value in enumerate(tree):
            if value in tree[:n]:
                yield f"{key}: {value} stands twice; keep one"
            yield from _repeats(value, f"{key}.{n}")


def _empty(params: Params) -> Iterator[str]:
    """Lists without a member, where something needs one."""
    if not params.read.models:
        yield "read.models: an empty list: no model reads; name one"
    if not params.rsa.depths:
        yield "rsa.depths: an empty list: no layers are compared at one depth; name one"
    for name, setting in params.write.settings.items():
        if setting.only == []:
            yield f"write.settings.{name}.only: an empty list asks nothing; name ids of prompts, or leave the key out for all"
    if params.write.models and not params.writings:
        yield "writings: an empty list, and write.models has models; say what they write, or take them out"
    for section, models, precisions in (
        ("steering", params.steering.models, params.steering.precisions),
        ("behaviour", params.behaviour.models, params.behaviour.precisions),
    ):
        if models and not precisions:
            yield f"{section}.precisions: an empty list, and {section}.models has models; name one, or take them out"


def _too_much(params: Params) -> Iterator[str]:
    for key, most in MOST.items():
        section, name = key.split(".")
        if (asked := getattr(getattr(params, section), name)) > most:
            yield f"{key}: {asked:,} draws would take days; {most:,} are the most"


def _out_of_reach(params: Params) -> Iterator[str]:
    """What no text, or no vector, could satisfy."""
    for name in params.settings_written:
        if (longest := params.write.settings[name].max_new_tokens) < params.write.fewest_tokens:
            yield (
                f"write.settings.{name}.max_new_tokens: {longest}, fewer than write.fewest_tokens"
                f" ({params.write.fewest_tokens}): every text would be left out"
            )
    kept, position = params.vectors.positions, params.report.position
    if kept != "all" and position not in kept:
        yield f"vectors.positions: report.position, '{position}', is not among them, and what is exported is of it; add it"
