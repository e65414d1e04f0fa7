"""Some of the architectures of `docs/architectures.md` are tried, and the page says of them what comes of it; `make docs` tries
all."""

import pytest

from tests import architectures
from tests.architectures import ARCHITECTURES, PAGE, SHORT, rows


@pytest.mark.parametrize("kind", SHORT)
def test_an_architecture_does_what_the_page_says(kind, tmp_path):
    verdict = architectures.tried(kind, tmp_path / kind)
    assert verdict is not None
    assert rows(PAGE.read_text())[kind] == verdict.row


def test_the_page_has_forty_architectures_and_more_each_read_or_refused_with_a_reason():
    found = rows(PAGE.read_text())
    assert len(found) >= 40
    assert found.keys() <= ARCHITECTURES.keys()
    for row in found.values():
        _, _, reads, writes, why, _ = (cell.strip() for cell in row.split("|"))
        assert (reads, writes) != ("no", "yes")
        assert bool(why) == (writes == "no")


def test_the_page_begins_as_its_command_writes_it():
    assert PAGE.read_text().startswith(architectures.HEAD)
