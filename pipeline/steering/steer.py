"""Stage `steer`: a model writes under steering, at one precision; what the unsteered model makes of every text.

    python -m pipeline.steering.steer MODEL PRECISION

Two rules. `paper`, as published: at every block, at every position, plus unit vector x strength x mean norm of the pass, BOS
included; bare prompts after BOS. `ours`: after the block of best_layer_cv alone, plus unit vector x strength x the mean norm of
neutral texts there, BOS left out, so that a strength means the same for every model. Both write greedily. Texts are scored on
vectors of the half of the topics that made no vector of ours.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeVar

import numpy as np
import polars as pl
import torch

from pipeline.errors import run_stage
from pipeline.models import loading, workers
from pipeline.models.entries import ModelEntry, load_entry
from pipeline.params.reading import NEUTRAL, ReadingSections
from pipeline.params.steering import SteeringSections
from pipeline.params.vectors import VectorsSections
from pipeline.reading import residual
from pipeline.reading.batches import BatchPlan
from pipeline.schemas.steered import STEERED, STEERED_TEXTS
from pipeline.steering import directions, hooks, scoring
from pipeline.steering.directions import Targets
from pipeline.store import layout, tables
from pipeline.store.provenance import code_digest, versions
from pipeline.texts import stimuli
from pipeline.writing.generation import Written, end_tokens, generate, prompt_ids, texts_together
from pipeline.writing.sampling import Decoding

Item = TypeVar("Item")
Result = TypeVar("Result")
Row = dict[str, Any]
NOT_FINITE = "states not finite"


class Params(ReadingSections, VectorsSections, SteeringSections):
    """The sections that this stage loads."""


@dataclass(frozen=True)
class Cell:
    """One text that is asked for: rule, target, strength, and the prompt (its id, its tokens)."""

    rule: str
    emotion: str
    strength: float
    prompt: str
    ids: tuple[int, ...]

    @property
    def text(self) -> tuple[str, str, float, str]:
        """What the text depends on: without steering, not on the target."""
        return (self.rule, self.emotion if self.strength else "", self.strength, self.prompt)


@dataclass(frozen=True)
class Steered:
    """A model that is to be steered, and all that its texts and their scores depend on."""

    model: loading.Model
    entry: ModelEntry
    precision: str
    params: Params
    prompts: dict[str, dict[str, str]]  # set, id, text
    of: dict[str, Targets]  # by rule
    scored_by: Targets  # whatever rule a text was steered by
    plan: BatchPlan

    def each(self, function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """`function` of every item, in their order, on all cores of a CPU."""
        return workers.each(function, list(items), self.model.device)

    def batched(self, items: list[Item], length: Callable[[Item], int]) -> list[list[Item]]:
        return [[items[i] for i in batch] for batch in self.plan.batches([length(item) for item in items])]


def cells_of(s: Steered) -> list[Cell]:
    """Every text that is asked for, those without steering first in their kind."""
    steering, tokenizer = s.params.steering, s.model.tokenizer
    there = list(s.prompts.get("paper", {}))
    directions.known(list(steering.paper.scenarios), there, "steering.paper.scenarios", steering.prompts)
    made = []
    for prompt, emotion in steering.paper.scenarios.items():
        ids = residual.tokenise([s.prompts["paper"][prompt]], tokenizer, s.entry.bos, "as_published")[0][0]
        made += [Cell("paper", emotion, strength, prompt, tuple(ids)) for strength in (0.0, *steering.paper.strengths)]
    emotions = [*steering.ours.emotions, *(n for n in s.of["ours"].names if n.startswith(directions.RANDOM))]
    for prompt, text in s.prompts.get("ours", {}).items():
        ids = prompt_ids(text, tokenizer, False, s.entry.bos)
        made += [Cell("ours", e, x, prompt, tuple(ids)) for e in emotions for x in (0.0, *steering.ours.strengths)]
    return made


# --- writing -------------------------------------------------------------------------------------------------------------


def norms(s: Steered) -> np.ndarray:
    """Mean norm (layer) of the residual stream over the tokens of the neutral texts, after BOS, which does not count: in its
    place a model keeps a state of a hundred times the norm (an attention sink)."""
    texts = stimuli.load(s.params.readings[NEUTRAL])["text"].to_list()
    ids, _ = residual.tokenise(texts, s.model.tokenizer, s.entry.bos, "always")
    found = s.each(lambda batch: scoring.mean_norms(s.model.body, batch, 1), s.batched(ids, len))
    return np.array(np.sum([sums for sums, _ in found], axis=0) / np.sum([n for _, n in found], axis=0))


def write(s: Steered, cells: list[Cell], norm: float | None) -> dict[tuple[str, str, float, str], Written]:
    """A text for every cell whose rule has vectors, by `Cell.text`; each once."""
    assert s.model.head is not None
    found: dict[tuple[str, str, float, str], Written] = {}
    wanted = list({cell.text: cell for cell in cells if s.of[cell.rule].reason is None}.values())
    body, head, n = s.model.body, s.model.head, s.params.steering.max_new_tokens

    def published(cell: Cell) -> Written:
        unit = torch.tensor(s.of["paper"][cell.emotion], dtype=torch.float32, device=s.model.device)
        return hooks.published(body, head, cell.ids, unit, cell.strength, n, end_tokens(s.model.tokenizer, None))

    theirs = [c for c in wanted if c.rule == "paper"]
    found |= dict(zip([c.text for c in theirs], s.each(published, theirs), strict=True))
    own, ours = [c for c in wanted if c.rule == "ours"], s.of["ours"]
    if own and norm is not None:
        vectors = np.stack([ours[c.emotion] * c.strength * norm for c in own])
        push = hooks.PerText(torch.tensor(vectors, dtype=torch.float32, device=s.model.device))
        ends = end_tokens(s.model.tokenizer, s.model.generation_config)
        batch_texts = texts_together(s.params.steering.batch_texts, s.precision, s.model.device)
        assert ours.layer is not None
        with hooks.pushed([residual.blocks(body)[ours.layer]], push):
            ids, greedy = [list(c.ids) for c in own], Decoding(None, max_new_tokens=n)
            made = generate(body, head, ids, [0] * len(own), greedy, ends, batch_texts, before=push.here)
        found |= dict(zip([c.text for c in own], made, strict=True))
    return found


# --- what the unsteered model makes of it --------------------------------------------------------------------------------


def surprisals(s: Steered, pairs: set[tuple[tuple[int, ...], tuple[int, ...]]]) -> dict[Any, float]:
    """Mean surprisal of each text (prompt's tokens, its own); see `rereading.mean_surprisal`."""
    assert s.model.head is not None
    body, head = s.model.body, s.model.head
    batches = s.batched(sorted(pairs), lambda pair: len(pair[0]) + len(pair[1]))
    values = s.each(lambda batch: scoring.mean_surprisal(body, head, [p for p, _ in batch], [t for _, t in batch]), batches)
    return dict(zip(chain(*batches), chain(*values), strict=True))


def scores(s: Steered, texts: set[tuple[int, ...]]) -> dict[tuple[int, ...], scoring.Floats]:
    """z (direction,) of every text, read alone after BOS, mean over its tokens without BOS; on the scale of neutral texts that
    are cut to the same length. Empty where there are no directions."""
    by = s.scored_by
    if by.layer is None or by.reason is not None:
        return {}
    layer, n = by.layer, s.params.steering.max_new_tokens
    plain = stimuli.load(s.params.readings[NEUTRAL])["text"].to_list()
    cut = [ids[: 1 + n] for ids in residual.tokenise(plain, s.model.tokenizer, s.entry.bos, "always")[0]]
    begin = residual.tokenise([""], s.model.tokenizer, s.entry.bos, "always")[0][0]

    def read(ids: list[list[int]]) -> scoring.Floats:
        parts = s.each(lambda batch: scoring.mean_states(s.model.body, batch, layer, 1), s.batched(ids, len))
        order = [i for batch in s.plan.batches([len(x) for x in ids]) for i in batch]
        return np.array(np.concatenate(parts)[np.argsort(order)])

    scale = scoring.Scale.of(by.units, read(cut))
    ordered = sorted(texts)
    if not ordered:
        return {}
    return dict(zip(ordered, scale.scores(read([[*begin, *text] for text in ordered])), strict=True))


def rows_of(s: Steered, cells: list[Cell]) -> list[Row]:
    """One row per cell, columns of `pipeline.schemas.steering.STEERED`; what could not be had is null, with the reason."""
    ours, body = s.of["ours"], s.model.body
    calibrated = norms(s) if ours.layer is not None else None
    norm = None if calibrated is None or ours.layer is None else _finite(calibrated[ours.layer])
    written = write(s, cells, norm)
    whole = {c: w for c in cells if (w := written.get(c.text)) is not None and w.finish != "not_finite"}
    surprisal = surprisals(s, {(c.ids, tuple(w.tokens)) for c, w in whole.items()})
    score = scores(s, {tuple(w.tokens) for w in whole.values()})
    plain = sorted({c.ids for c in cells if c.rule == "paper"})
    of_prompt = dict(zip(plain, s.each(lambda ids: scoring.mean_norms(body, [ids], 0)[0] / len(ids), plain), strict=True))
    made = []
    for c in cells:
        aim, text = s.of[c.rule], written.get(c.text)
        row: Row = dict.fromkeys(STEERED) | {
            "model": s.model.name,
            "precision": s.precision,
            "rule": c.rule,
            "emotion": c.emotion,
            "strength": c.strength,
            "prompt": c.prompt,
            "prompt_text": s.prompts[c.rule][c.prompt],
            "layer": aim.layer,
            "reason": aim.reason or (NOT_FINITE if text is None else None),
        }
        if aim.layer is not None:
            row["norm"] = norm if c.rule == "ours" else _finite(of_prompt[c.ids][aim.layer])
        if text is not None:
            tokens = tuple(text.tokens)
            row |= {"text": s.model.tokenizer.decode(text.tokens, skip_special_tokens=True), "tokens": text.tokens}
            row |= {"n_tokens": len(tokens), "finish": text.finish}
            if c in whole:
                row |= {"surprisal": _finite(surprisal[c.ids, tokens]), **_scored(s.scored_by, c.emotion, score.get(tokens))}
            row["reason"] = _reason(row, s.scored_by)
        made.append(row)
    return made


def _scored(by: Targets, emotion: str, z: scoring.Floats | None) -> Row:
    if z is None or not np.isfinite(z).all():
        return {}
    own = float(z[by.names.index(emotion)])
    others = [float(z[by.names.index(e)]) for e in by.emotions if e != emotion]
    rank = None if emotion.startswith(directions.RANDOM) else 1 + sum(other > own for other in others)
    return {"target_score": own, "target_rank": rank}


def _reason(row: Row, by: Targets) -> str | None:
    if row["finish"] == "not_finite":
        return NOT_FINITE
    if row["n_tokens"] == 0:
        return "a text without tokens"
    return None if row["target_score"] is not None else by.reason or NOT_FINITE


def _finite(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def main(arguments: list[str]) -> None:
    name, precision = arguments
    params, entry = Params.load(), load_entry(name)
    prompts = directions.load_prompts(params.steering.prompts)
    of, scored_by = directions.targets_of(name, precision, params.steering, params.vectors.neutral_label)
    model = loading.load(name, entry, precision, loading.pick_device(params.read.device), writes=True)
    s = Steered(model, entry, precision, params, prompts, of, scored_by, BatchPlan.of(params, precision, model.device))
    frame = pl.DataFrame(rows_of(s, cells_of(s)), schema=STEERED, orient="row")
    lost = frame.filter(pl.col("reason").is_not_null())
    if not lost.is_empty():
        said = ", ".join(lost["reason"].unique().sort().to_list())
        print(f"{name} {precision}: {lost.height} of {frame.height} texts are not measured ({said}); recorded", file=sys.stderr)
    attributes = {
        **model.attributes,
        "precision": precision,
        "steering": params.steering.model_dump(
            mode="json", exclude={"models", "precisions", "thresholds"}
        ),  # those change no text
        "vectors": {"paper": "all topics", "ours": "one half of the topics, drawn by seed", "scored_by": "the other half"},
        "batch_plan": s.plan.in_words(),
        "device": model.device.type,
        "code_sha256": code_digest("steer"),
        **{f"{library}_version": number for library, number in versions().items()},
    }
    with layout.whole_or_nothing(layout.steered_path(name, precision)) as out:
        tables.write_rows(frame, out, STEERED_TEXTS.metadata | {tables.PROVENANCE: json.dumps(attributes, sort_keys=True)})


if __name__ == "__main__":
    run_stage(main)
