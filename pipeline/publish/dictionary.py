"""`docs/tables.md`: every table and every file of a model with its columns, written from the schemas.

python -m pipeline.publish.dictionary
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from pipeline.errors import run_stage
from pipeline.schemas.every import FILES, TABLES
from pipeline.schemas.parted import PartedTable
from pipeline.schemas.table import Table
from pipeline.store import parts

PAGE = Path("docs/tables.md")

HEAD = """# Tables and their columns

This page is written from `pipeline/schemas` by `make docs`. Each file says the same of itself:
`polars.read_parquet_metadata("data/tables/pairs.parquet")` has `title`, `question`, `grain`, `keys` and `columns`.

Tables are long: one row for one measurement. No two rows have the same keys (**bold**).
A value that could not be formed is null, and `reason` says why. There is no NaN.
"""

TYPES = {
    pl.String: "text",
    pl.Int64: "whole number",
    pl.Float64: "number",
    pl.Boolean: "true/false",
    pl.List(pl.Int64): "whole numbers",
    pl.List(pl.Float64): "numbers",
}


def type_name(dtype: object) -> str:
    """A column's type in plain words."""
    return next(name for known, name in TYPES.items() if known == dtype)


def page() -> str:
    """The whole page, Markdown."""
    made = [HEAD, "\n".join(contents()), *(section(parts.pattern(table), table) for table in TABLES.values())]
    made += [section(path, table) for path, table in FILES.items()]
    return "\n".join(made)


def contents() -> Iterator[str]:
    """A line of each table: its name, its question."""
    yield "| table | question |\n| --- | --- |"
    for table in [*TABLES.values(), *FILES.values()]:
        yield f"| [`{table.name}`](#{anchor(table)}) | {table.question} |"
    yield ""


def heading(table: Table) -> str:
    return f"{table.name}: {table.title}"


def anchor(table: Table) -> str:
    """The heading's anchor, as GitHub makes it."""
    kept = "".join(c for c in heading(table).lower() if c.isalnum() or c in " -_")
    return kept.replace(" ", "-")


def section(path: str, table: Table) -> str:
    """One table: what it answers, what a row is, and its columns."""
    rows = [
        f"| {f'**`{name}`**' if name in table.keys else f'`{name}`'} | {type_name(column.dtype)} | {escaped(column.about)} |"
        for name, column in table.described.items()
    ]
    head = f"## {heading(table)}\n\n`{path}`. {table.question} One row: {table.grain[0].lower()}{table.grain[1:]}\n"
    if isinstance(table, PartedTable):
        said = [f"| `{part}.parquet` | {value} | {what}. |" for part, own in table.parts.items() for value, what in own.items()]
        about = f"Its parts have all columns; what a row does not have is null.\n\n| part | {table.by} | what it is |\n"
        head += "\n" + "\n".join([f"{about}| --- | --- | --- |", *said, ""])
    return "\n".join([head, "| column | type | what it is |\n| --- | --- | --- |", *rows, ""])


def escaped(text: str) -> str:
    """Text that Markdown shows as it is."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace(">", "&gt;")


def main(arguments: list[str]) -> None:
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    run_stage(main)
