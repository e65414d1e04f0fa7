"""Stage `read_writing`: what one precision of a model wrote, read by the same or another; alone, after its prompt, or both.

    python -m pipeline.writing.read_writing MODEL SETTING WRITTEN READ CONTEXTS

Token ids are those that were written, never made again from the text.
"""

from __future__ import annotations

import polars as pl

from pipeline.errors import run_stage
from pipeline.models import loading
from pipeline.models.entries import load_entry
from pipeline.params.reading import Reading
from pipeline.params.writing import Context, WritingRead, WritingSections
from pipeline.reading import read, residual
from pipeline.reading.batches import BatchPlan
from pipeline.schemas import written as written_schema
from pipeline.schemas.written import WRITING
from pipeline.store import layout, tables
from pipeline.store.provenance import code_digest, digest_of

BEFORE: dict[Context, str] = {
    "alone": "BOS where the family begins with it",
    "prompted": "the prompt that it answered",
}


def source(of: WritingRead, context: Context, texts: pl.DataFrame, model: str, params: WritingSections) -> read.Source:
    """The texts that count, as a source of `pipeline.reading.read`."""
    positions = params.write.positions
    reading = Reading(path=layout.writings_path(model, of.written, of.setting), positions=positions)
    return read.Source(of.readings[context], reading, texts, {p: params.positions[p] for p in positions})


def token_ids(texts: pl.DataFrame, context: Context, begin: list[int]) -> tuple[list[list[int]], list[int]]:
    """Ids of every text in a context, and how many at the beginning never count: those of the prompt, or BOS (`begin`)."""
    written: list[list[int]] = texts["tokens"].to_list()
    before: list[list[int]] = texts["prompt_tokens"].to_list() if context == "prompted" else [begin] * len(written)
    return [[*b, *ids] for b, ids in zip(before, written, strict=True)], [len(b) for b in before]


def main(arguments: list[str]) -> None:
    name, setting, written, precision, contexts = arguments
    params, entry = WritingSections.load(), load_entry(name)
    of = WritingRead.model_validate({"setting": setting, "written": written, "read": precision, "contexts": contexts})
    known = params.write.settings.get(setting)
    said = known.model_dump() if known else {}
    texts = written_schema.counted(tables.read_rows(layout.writings_path(name, written, setting), WRITING, said))
    model = loading.load(name, entry, precision, loading.pick_device(params.read.device))
    begin = residual.tokenise([""], model.tokenizer, entry.bos, "native")[0][0]
    plan = BatchPlan.of(params, precision, model.device)
    parts: list[tuple[read.Source, read.Part]] = []
    for context in of.readings:
        own = source(of, context, texts, name, params)
        ids, skip = token_ids(texts, context, begin)
        attributes = read.attributes_of(own, model, precision, bool(begin), plan) | {
            "setting": setting,
            "written": written,
            "context": context,
            "bos": f"before each text: {BEFORE[context]}; that and padding are never pooled",
            "tokens_sha256": digest_of(ids),
            "code_sha256": code_digest("read_writing"),
        }
        parts.append((own, read.read_tokens(own, ids, skip, attributes, model, precision, None, plan)))
    paths = [layout.activations_path(name, precision, own.name) for own, _ in parts]
    with layout.whole_or_nothing(paths[0].parent) as folder:  # both contexts are one out
        for (own, part), path in zip(parts, paths, strict=True):
            read.write(own, [part], name, entry, precision, folder / path.name)
    read.discard([part for _, part in parts])


if __name__ == "__main__":
    run_stage(main)
