"""The page of tables is what the schemas say."""

import re

from pipeline.publish import dictionary
from pipeline.schemas.every import FILES, TABLES
from pipeline.schemas.parted import PartedTable
from tests.conftest import ROOT


def test_the_page_is_up_to_date():
    assert (ROOT / dictionary.PAGE).read_text() == dictionary.page(), "run `make docs`"


def test_the_page_names_every_column_of_every_table_once():
    sections = re.split(r"(?m)^## ", dictionary.page())[1:]
    every = [*TABLES.values(), *FILES.values()]
    assert len(sections) == len(every)
    for text, table in zip(sections, every, strict=True):
        assert re.findall(r"(?m)^\| \**`(\w+)`\** \| [a-z/ ]+ \| ", text) == list(table.columns)
        assert re.findall(r"(?m)^\| \*\*`(\w+)`", text) == [c for c in table.columns if c in table.keys]


def test_links_of_the_contents_lead_to_headings():
    page = dictionary.page()
    headings = re.findall(r"(?m)^## (.+)$", page)
    anchors = {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", page)) == anchors


def test_a_table_in_parts_says_which_part_has_what():
    page = dictionary.page()
    parted = [t for t in TABLES.values() if isinstance(t, PartedTable)]
    assert parted
    for table in parted:
        assert f"`data/tables/{table.name}/*.parquet`" in page
        for part, values in table.parts.items():
            assert all(f"| `{part}.parquet` | {value} | {what}. |" in page for value, what in values.items())
