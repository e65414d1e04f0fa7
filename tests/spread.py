"""How `make test` spreads the tests over its workers: a file to one worker; files that share a fixture that takes long, which a
worker makes once, to the same one."""

import re
from functools import cache
from pathlib import Path

import pytest

SHARED = ("cloned", "twelve", "carried", "finished", "real_folder")
"""Fixtures that take long; the one whose tests take longest first, so that no worker is left with it at the end."""


@cache
def group(file: Path) -> str:
    """Where a file of tests belongs: to the first of SHARED that a function of it asks for, or to itself."""
    asks = "|".join(SHARED)
    asked = re.findall(rf"^ *def \w+\([^)]*?\b(?:in_)?({asks})\b", file.read_text(), re.M)
    return min(asked, key=SHARED.index, default=str(file))


def pytest_collection_modifyitems(items):
    """A worker takes what comes first, so the longest come first."""
    order = {name: place for place, name in enumerate(SHARED)}
    items.sort(key=lambda item: order.get(group(item.path), len(order)))


@pytest.hookimpl(optionalhook=True)  # only where pytest-xdist is asked for
def pytest_xdist_make_scheduler(config, log):
    from xdist.scheduler import LoadScopeScheduling

    class ByGroup(LoadScopeScheduling):
        # not by the mark xdist_group: xdist 3.8 looks for that where pytest 9 no longer keeps it
        def _split_scope(self, nodeid):
            return group(config.rootpath / nodeid.partition("::")[0])

    config.option.loadscopereorder = False  # by number of tests
    return ByGroup(config, log)
