"""What the data say of themselves to others: the head of a Hugging Face dataset card, and Croissant.

python -m pipeline.publish.card     writes croissant.json
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from ruamel.yaml import YAML

from pipeline.door.home import home, is_recorded, missing
from pipeline.errors import run_stage
from pipeline.publish import about
from pipeline.publish.about import About
from pipeline.publish.dictionary import escaped
from pipeline.publish.verify import GRAM
from pipeline.schemas.every import TABLES
from pipeline.schemas.parted import PartedTable
from pipeline.schemas.table import Table
from pipeline.store import layout, parts, tables

CROISSANT = Path("croissant.json")
STORES = (layout.VECTORS, GRAM)
"""What is published beside the tables."""
OPEN = ("license", "url", "inLanguage", "version", "datePublished")
"""Keys of Croissant that only the owner of the data can fill in, where they are not this study's."""


def to_fill_in(keys: Iterable[str]) -> str:
    """The end of a line that says which keys of a description are left to the owner of the data; nothing where none is."""
    return f"; not known here, so add before you publish: {', '.join(names)}" if (names := list(keys)) else ""


def _in_dataset(table: Table) -> str:
    """The file of a table in a dataset repository, or the glob of its parts."""
    return Path(parts.pattern(table)).relative_to(tables.TABLES.parent).as_posix()


def dataset_card(names: Sequence[str], said: About) -> str:
    """README.md of a dataset repository: a YAML head with a config for each table, and what is there. What is not known of the
    data is left out of the head."""
    known = {"license": said.licence, "language": said.language and [said.language]}
    head: dict[str, Any] = {
        "pretty_name": said.title,
        **{key: value for key, value in known.items() if value is not None},
        "tags": ["interpretability", "emotion", "representational-similarity-analysis", "steering-vectors"],
        "configs": [{"config_name": n, "data_files": [{"split": "train", "path": _in_dataset(TABLES[n])}]} for n in names],
    }
    text = io.StringIO()
    YAML(typ="safe", pure=True).dump(head, text)
    return "\n".join(
        [
            f"---\n{text.getvalue()}---\n",
            f"# {said.title}\n\n{said.summary}\n",
            "`vectors.zarr` and `gram.zarr` are Zarr 3: `xarray.open_datatree(path, engine='zarr', consolidated=False)`.\n",
            "Vectors of a model derive from its weights, whose terms apply to them:\n",
            "| model | terms of its weights |\n| --- | --- |",
            *(f"| `{model}` | {escaped(terms)} |" for model, terms in said.weights.items()),
            "\n| table | question |\n| --- | --- |",
            *(f"| `{n}` | {TABLES[n].question} |" for n in names),
            "",
        ]
    )


# --- Croissant -----------------------------------------------------------------------------------------------------------

CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
TYPES = {pl.String: "sc:Text", pl.Int64: "sc:Integer", pl.Float64: "sc:Float", pl.Boolean: "sc:Boolean"}


def data_type(dtype: Any) -> dict[str, Any]:
    """How Croissant says what stands in a column, a list of numbers as a repeated one."""
    if isinstance(dtype, pl.List):
        return {"dataType": TYPES[dtype.inner], "repeated": True}  # type: ignore[index]
    return {"dataType": TYPES[dtype]}


def croissant(root: Path) -> dict[str, Any]:
    """Croissant 1.0 (mlcommons.org/croissant/1.0) of the tables that a repository holds, and of its Zarr stores, for which the
    format has no agreed form, as FileSets. Raises InputError where it holds none, and for one that is not dvc.lock's."""
    here = [t for t in TABLES.values() if parts.are_there(t, root)]
    if not here:
        raise missing(root / tables.TABLES, root)
    for path in (path for table in here for path in parts.paths(table)):
        is_recorded(root / path, root)
    said = about.about(root)
    known = dict(zip(OPEN, (said.licence_url, said.url, said.language, said.version, said.published), strict=True))
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": said.name,
        "description": said.summary,
        "citeAs": said.citation,
        **{key: value for key, value in known.items() if value is not None},
        "distribution": [*_repository(root), *(_file(t, root) for t in here)],
        "recordSet": [_records(t) for t in here],
    }


def _repository(root: Path) -> list[dict[str, Any]]:
    stores = {store.stem: f"{store.as_posix()}/**" for store in STORES if (root / store).is_dir()}
    found: list[dict[str, Any]] = [
        {
            "@type": "cr:FileObject",
            "@id": "repository",
            "name": "repository",
            "description": "A checkout of the repository after `dvc pull`.",
            "contentUrl": ".",
            "encodingFormat": "git+https",
            "sha256": hashlib.sha256(b"").hexdigest(),
        }
    ]
    return found + [
        {
            "@type": "cr:FileSet",
            "@id": name,
            "name": name,
            "description": f"Zarr 3 hierarchy {pattern.removesuffix('/**')}.",
            "containedIn": {"@id": "repository"},
            "encodingFormat": "application/vnd+zarr",
            "includes": pattern,
        }
        for name, pattern in stores.items()
    ]


def _file(table: Table, root: Path) -> dict[str, Any]:
    """A table's file; of one in parts, the set of its files."""
    if isinstance(table, PartedTable):
        return {
            "@type": "cr:FileSet",
            "@id": f"{table.name}-parts",
            "name": f"{table.name}-parts",
            "description": table.title,
            "containedIn": {"@id": "repository"},
            "encodingFormat": "application/x-parquet",
            "includes": parts.pattern(table),
        }
    path = tables.table_path(table.name)
    return {
        "@type": "cr:FileObject",
        "@id": f"{table.name}.parquet",
        "name": f"{table.name}.parquet",
        "description": table.title,
        "contentUrl": path.as_posix(),
        "encodingFormat": "application/x-parquet",
        "sha256": hashlib.sha256((root / path).read_bytes()).hexdigest(),
    }


def _records(table: Table) -> dict[str, Any]:
    file = (
        {"fileSet": {"@id": f"{table.name}-parts"}}
        if isinstance(table, PartedTable)
        else {"fileObject": {"@id": f"{table.name}.parquet"}}
    )
    fields = [
        {
            "@type": "cr:Field",
            "@id": f"{table.name}/{name}",
            "name": name,
            "description": column.about,
            **data_type(column.dtype),
            "source": {**file, "extract": {"column": name}},
        }
        for name, column in table.described.items()
    ]
    about = f"{table.question} One row: {table.grain}"
    return {"@type": "cr:RecordSet", "@id": table.name, "name": table.name, "description": about, "field": fields}


def main(arguments: list[str]) -> None:
    root = home()
    found = croissant(root)
    path = root / CROISSANT
    with layout.whole_or_nothing(path) as scratch:
        scratch.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{path}: {len(found['recordSet'])} tables, in Croissant 1.0{to_fill_in(key for key in OPEN if key not in found)}")


if __name__ == "__main__":
    run_stage(main)
