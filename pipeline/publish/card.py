"""What the data say of themselves to others: the head of a Hugging Face dataset card, and Croissant.

python -m pipeline.publish.card     writes croissant.json
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
from ruamel.yaml import YAML

from pipeline.door.home import home
from pipeline.errors import run_stage
from pipeline.schemas.every import TABLES
from pipeline.schemas.parted import PartedTable
from pipeline.schemas.table import Table
from pipeline.store import parts, tables
from pipeline.store.provenance import ROOT

NAME = "emotion-geometry"
TITLE = "Emotion geometry of language models"
SUMMARY = (
    "Emotion vectors from the residual streams of language models on stories that all of them read, Gram matrices of the"
    " stories, and tables of every similarity between models with its interval and its controls: an open replication, and"
    " correction, of arXiv 2604.11050."
)
LICENSE = "https://creativecommons.org/licenses/by/4.0/"
CITATION = "Emotion geometry of language models: an open replication of arXiv 2604.11050. See CITATION.cff."
CROISSANT = Path("croissant.json")
URL = "https://arxiv.org/abs/2604.11050"


def _in_dataset(table: Table) -> str:
    """The file of a table in a dataset repository, or the glob of its parts."""
    return Path(parts.pattern(table)).relative_to(tables.TABLES.parent).as_posix()


def dataset_card(names: Sequence[str]) -> str:
    """README.md of a dataset repository: a YAML head with a config for each table, and what is there."""
    head: dict[str, Any] = {
        "pretty_name": TITLE,
        "license": "cc-by-4.0",
        "language": ["en"],
        "tags": ["interpretability", "emotion", "representational-similarity-analysis", "steering-vectors"],
        "configs": [{"config_name": n, "data_files": [{"split": "train", "path": _in_dataset(TABLES[n])}]} for n in names],
    }
    text = io.StringIO()
    YAML(typ="safe", pure=True).dump(head, text)
    lines = [f"| `{n}` | {TABLES[n].question} |" for n in names]
    return "\n".join(
        [
            f"---\n{text.getvalue()}---\n",
            f"# {TITLE}\n\n{SUMMARY}\n",
            "`vectors.zarr` and `gram.zarr` are Zarr 3: `xarray.open_datatree(path, engine='zarr', consolidated=False)`.\n",
            "Vectors of a model derive from its weights: that model's own terms apply beside this licence (`docs/data.md`).\n",
            "| table | question |\n| --- | --- |",
            *lines,
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
    format has no agreed form, as FileSets."""
    cited = YAML(typ="safe", pure=True).load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    here = [t for t in TABLES.values() if parts.are_there(t, root)]
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": NAME,
        "description": SUMMARY,
        "license": LICENSE,
        "url": URL,
        "citeAs": CITATION,
        "version": str(cited["version"]),
        "datePublished": str(cited["date-released"]),
        "distribution": [*_repository(), *(_file(t, root) for t in here)],
        "recordSet": [_records(t) for t in here],
    }


def _repository() -> list[dict[str, Any]]:
    stores = {"vectors": "data/vectors.zarr/**", "gram": "data/gram.zarr/**"}
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
    found, path = croissant(root), root / CROISSANT
    path.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{path}: {len(found['recordSet'])} tables, in Croissant 1.0")


if __name__ == "__main__":
    run_stage(main)
