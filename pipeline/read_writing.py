"""Stage `read_writing`: what one precision of a model wrote, read by the same or another; alone, after its prompt, or both.

    python -m pipeline.read_writing MODEL SETTING WRITTEN READ CONTEXTS

Token ids are those that were written, never made again from the text.
"""

from __future__ import annotations

import polars as pl

from pipeline import models, opening, read, residual, store
from pipeline.batches import BatchPlan
from pipeline.checked import run_stage
from pipeline.entries import load_entry
from pipeline.experiments import Context
from pipeline.params import Params, Reading, load_params
from pipeline.provenance import code_digest, digest_of
from pipeline.writings import WritingRead

BEFORE: dict[Context, str] = {
    "alone": "BOS where the family begins with it",
    "prompted": "the prompt that it answered",
}


def source(of: WritingRead, context: Context, texts: pl.DataFrame, model: str, params: Params) -> read.Source:
    """The texts that count, as a source of `pipeline.read`."""
    positions = params.write.positions
    reading = Reading(path=store.writings_path(model, of.written, of.setting), positions=positions)
    return read.Source(of.readings[context], reading, texts, {p: params.positions[p] for p in positions})


def token_ids(texts: pl.DataFrame, context: Context, begin: list[int]) -> tuple[list[list[int]], list[int]]:
    """Ids of every text in a context, and how many at the beginning never count: those of the prompt, or BOS (`begin`)."""
    written: list[list[int]] = texts["tokens"].to_list()
    before: list[list[int]] = texts["prompt_tokens"].to_list() if context == "prompted" else [begin] * len(written)
    return [[*b, *ids] for b, ids in zip(before, written, strict=True)], [len(b) for b in before]


def main(arguments: list[str]) -> None:
    name, setting, written, precision, contexts = arguments
    params, entry = load_params(), load_entry(name)
    of = WritingRead.model_validate({"setting": setting, "written": written, "read": precision, "contexts": contexts})
    texts = opening.counted(opening.writing(name, written, setting))
    model = models.load(name, entry, precision, models.pick_device(params.read.device))
    begin = residual.tokenise([""], model.tokenizer, entry.bos, "native")[0][0]
    plan = BatchPlan.of(params, precision, model.device)
    for context in of.readings:
        own = source(of, context, texts, name, params)
        ids, skip = token_ids(texts, context, begin)
        attributes = read.attributes_of(own, model, precision, bool(begin), plan) | {
            "setting": setting,
            "written": written,
            "context": context,
            "bos": f"before each text: {BEFORE[context]}; that and padding are never pooled",
            "tokens_sha256": digest_of(ids),
            "code_sha256": code_digest("pipeline.read_writing"),
        }
        part = read.read_tokens(own, ids, skip, attributes, model, precision, None, plan)
        read.write(own, [part], name, entry, precision)


if __name__ == "__main__":
    run_stage(main)
