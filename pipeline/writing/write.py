"""Stage `write`: a model writes a text for every label, prompt and sample of a setting, at one precision.

    python -m pipeline.writing.write MODEL SETTING PRECISION

A run that was stopped goes on where it stood: finished texts wait in `.scratch/`, under a fingerprint of everything that they
depend on.
"""

from __future__ import annotations

import hashlib
import json
import sys
import zlib
from pathlib import Path
from typing import Any

import polars as pl
from tqdm import tqdm

from pipeline.errors import InputError, nearest, run_stage
from pipeline.models import loading
from pipeline.models.entries import load_entry
from pipeline.params.base import PARAMS
from pipeline.params.reading import STORIES
from pipeline.params.vectors import VectorsSections
from pipeline.params.writing import Setting, WritingSections
from pipeline.schemas.written import WRITING, WRITTEN
from pipeline.store import layout, tables
from pipeline.store.provenance import code_digest, digest_of, versions
from pipeline.texts import prompts, stimuli
from pipeline.texts.stimuli import content_hash
from pipeline.writing.generation import Written, end_tokens, generate, prompt_ids, texts_together
from pipeline.writing.sampling import Decoding

Row = dict[str, Any]
NOT_FINITE = "states not finite"


class Params(WritingSections, VectorsSections):
    """The sections that this stage loads."""


def seed_of(setting_seed: int, emotion: str, prompt: str, sample: int) -> int:
    """The seed of one text, 63 bits: it does not depend on which other texts are asked for."""
    digest = hashlib.sha256(json.dumps([setting_seed, emotion, prompt, sample]).encode()).digest()
    return int.from_bytes(digest[:8]) >> 1


def requests(params: Params, name: str, setting: Setting) -> list[Row]:
    """What is asked for, one row per text: emotion, topic (the prompt's id), sample, seed, prompt."""
    labels = stimuli.load(params.readings[STORIES])["emotion"].unique().sort().to_list()
    found = prompts.load(params.write.prompts, setting.prompts, setting.only)
    return [
        {"emotion": e, "topic": p, "sample": k, "seed": seed_of(setting.seed, e, p, k), "prompt": text}
        for e, p, text in prompts.asked(found, labels, params.vectors.neutral_label)
        for k in range(setting.samples)
    ]


def finished_in(kept: Path) -> dict[int, Written]:
    """Texts that a stopped run kept, by their place; one whose line a kill cut short, or that is not what was kept, is written
    again."""
    found = {}
    for line in kept.read_text(errors="replace").splitlines() if kept.exists() else []:
        try:
            place, finish, tokens, _ = json.loads(line)
        except (ValueError, TypeError):
            continue
        if line == line_of(place, Written(tokens, finish), kept):
            found[place] = Written(tokens, finish)
    return found


def line_of(place: int, written: Written, kept: Path) -> str:
    """A text as it is kept, with a checksum of it and of the folder, which is named by all that it depends on."""
    said = [place, written.finish, written.tokens]
    return json.dumps([*said, zlib.crc32(json.dumps([kept.parent.name, *said]).encode())])


def write(
    model: loading.Model, ids: list[list[int]], seeds: list[int], decoding: Decoding, batch_texts: int, scratch: Path
) -> list[Written]:
    """A text for each prompt, in their order; each is kept in `scratch` as soon as it is finished."""
    assert model.head is not None
    scratch.mkdir(parents=True, exist_ok=True)
    kept = scratch / "texts.jsonl"
    found = finished_in(kept)
    left = [i for i in range(len(ids)) if i not in found]
    ends = end_tokens(model.tokenizer, model.generation_config)
    # tqdm stays quiet (disable=None) where the output is not a terminal.
    with kept.open("a") as file, tqdm(total=len(ids), initial=len(found), unit="text", disable=None) as progress:
        file.write("\n")  # after a line that a kill cut short

        def keep(n: int, written: Written) -> None:
            file.write(line_of(left[n], written, kept) + "\n")
            file.flush()
            progress.update()

        new = generate(
            model.body, model.head, [ids[i] for i in left], [seeds[i] for i in left], decoding, ends, batch_texts, keep
        )
    found |= dict(zip(left, new, strict=True))
    return [found[i] for i in range(len(ids))]


def described(asked: list[Row], ids: list[list[int]], written: list[Written], tokenizer: Any, fewest: int) -> pl.DataFrame:
    """The rows of a writing, with what is identical and what is left out."""
    rows, first = [], dict[tuple[str, str, tuple[int, ...]], str]()
    for request, prompt_tokens, text in zip(asked, ids, written, strict=True):
        words = tokenizer.decode(text.tokens, skip_special_tokens=True)
        own = content_hash(f"{request['prompt']}\n{words}\n{request['emotion']} {request['sample']}")
        where = (request["emotion"], request["topic"], tuple(text.tokens))
        left_out = f"{len(text.tokens)} tokens; {fewest} are needed" if len(text.tokens) < fewest else None
        left_out = NOT_FINITE if text.finish == "not_finite" else left_out
        rows.append(
            {
                "id": own,
                **request,
                "text": words,
                "prompt_tokens": prompt_tokens,
                "tokens": text.tokens,
                "n_tokens": len(text.tokens),
                "finish": text.finish,
                "same_as": None if left_out else first.get(where),
                "left_out": left_out,
            }
        )
        first.setdefault(where, own)
    return pl.DataFrame(rows, schema=WRITING, orient="row")


def said_of(frame: pl.DataFrame, path: Path, precision: str) -> str:
    """What a user should know of a writing, in one line; "" where every text counts. Raises InputError where none does,
    unless it is the precision that cannot hold the model: that is a result, and other models go on."""
    left, same = frame["left_out"].drop_nulls(), frame["same_as"].drop_nulls()
    overflows = precision != "fp32" and NOT_FINITE in left
    if len(left) == frame.height and not overflows:
        raise InputError(f"{path}: none of {frame.height} texts counts ({left[0]}); see write.settings and write.fewest_tokens")
    parts = [f"{len(same)} of {frame.height} texts are identical to another and counted once"] if len(same) else []
    if len(left):
        parts.append(f"{len(left)} are left out ({', '.join(sorted(set(left))[:3])})")
    return "; ".join(parts)


def main(arguments: list[str]) -> None:
    name, setting_name, precision = arguments
    params, entry = Params.load(), load_entry(name)
    setting = params.write.settings.get(setting_name)
    if setting is None:
        known = list(params.write.settings)
        hint = nearest(setting_name, known, f"there are {', '.join(known)}")
        raise InputError(f"{PARAMS}: write.settings: no '{setting_name}'; {hint}")
    asked = requests(params, setting_name, setting)
    model = loading.load(name, entry, precision, loading.pick_device(params.read.device), writes=True)
    try:
        ids = [prompt_ids(r["prompt"], model.tokenizer, setting.template, entry.bos) for r in asked]
    except InputError as error:
        raise InputError(f"{PARAMS}: write.settings.{setting_name}.template: {name}: {error}") from None
    decoding = Decoding(setting.temperature, setting.top_p, setting.max_new_tokens)
    batch_texts = texts_together(params.write.batch_texts, precision, model.device)
    attributes = {
        **model.attributes,
        "precision": precision,
        "setting": setting.model_dump(),
        "batch_texts": batch_texts,
        "device": model.device.type,
        "code_sha256": code_digest("write"),
        **{f"{library}_version": number for library, number in versions().items()},
    }
    seeds = [r["seed"] for r in asked]
    scratch = layout.SCRATCH / "write" / digest_of({"ids": ids, "seeds": seeds, "attributes": attributes})[:24]
    with layout.taken(scratch):
        written = write(model, ids, seeds, decoding, batch_texts, scratch)
    frame = described(asked, ids, written, model.tokenizer, params.write.fewest_tokens)
    path = layout.writings_path(name, precision, setting_name)
    if words := said_of(frame, path, precision):
        print(f"{name} {precision} {setting_name}: {words}", file=sys.stderr)
    with layout.whole_or_nothing(path) as out:
        tables.write_rows(frame, out, WRITTEN.metadata | {tables.PROVENANCE: json.dumps(attributes, sort_keys=True)})
    layout.discard(scratch)


if __name__ == "__main__":
    run_stage(main)
