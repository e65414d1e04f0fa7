"""Texts to read on the page: the stories with what each reader takes their label for, steered texts, and conversations."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import polars as pl

from analysis.report.view import View
from pipeline.params.reading import STORIES
from pipeline.schemas.steered import STEERED
from pipeline.schemas.transcripts import TRANSCRIPT
from pipeline.store import layout, tables
from pipeline.texts import stimuli

MODELS = 1
"""Models whose steered texts and conversations are on the page, the first of params: more would make it large."""
Text = dict[str, Any]


@dataclass(frozen=True)
class Shelf:
    """Texts of one kind. `group`: what the first list chooses."""

    key: str
    title: str
    group: str
    caption: str
    texts: list[Text]

    @property
    def json(self) -> str:
        return json.dumps(self.texts, ensure_ascii=False).replace("<", "\\u003c")


def shelves(view: View) -> list[Shelf]:
    """Those that have texts."""
    return [shelf for shelf in (_stories(view), _steered(view), _asked(view)) if shelf.texts]


def _stories(view: View) -> Shelf:
    taken = _taken(view)
    rows = stimuli.load(view.params.readings[STORIES]).sort("emotion", "topic")
    texts = [
        {
            "group": r["emotion"],
            "name": f"{r['topic'] or r['id']}",
            "parts": [[r["emotion"], r["text"]], *taken.get(r["emotion"], [])],
        }
        for r in rows.iter_rows(named=True)
    ]
    caption = (
        "Every story with its label. Under it, for all held-out stories of that label, what each reader named them (table"
        " emotion_pairs); the name that a single story was given is in no table."
    )
    return Shelf("stories-read", "A story, and what each reader takes its label for", "Label", caption, texts)


def _taken(view: View) -> dict[str, list[list[str]]]:
    """Of every label: who names how many of its stories rightly, and what the others are most often taken for."""
    made: dict[str, list[list[str]]] = {}
    own = view.here(view.confusion).filter("is_reference", ~pl.col("untrained"))
    for (emotion, reader), rows in own.group_by("emotion", "reader", maintain_order=True):
        right = rows.filter(pl.col("predicted") == emotion)["n_stimuli"].sum()
        wrong = rows.filter(pl.col("predicted") != emotion, pl.col("n_stimuli") > 0).sort(
            "n_stimuli", "predicted", descending=[True, False]
        )
        others = ", ".join(f"{r['predicted']} ({r['n_stimuli']})" for r in wrong.head(3).iter_rows(named=True))
        said = f"{right} of {rows['n_stimuli'].sum()} named rightly" + (f"; others as {others}" if others else "")
        made.setdefault(str(emotion), []).append([str(reader), said])
    return made


def _steered(view: View) -> Shelf:
    asked, texts = view.params.steering, []
    for model in asked.models[:MODELS]:
        for precision in asked.precisions:
            rows = tables.read_rows(layout.steered_path(model, precision), STEERED)
            for r in rows.sort("rule", "emotion", "prompt", "strength").iter_rows(named=True):
                target = "a random direction" if r["emotion"].startswith("random#") else r["emotion"]
                rule = {"paper": "published rule", "ours": "our rule"}[r["rule"]]
                texts.append(
                    {
                        "group": f"{model} {precision}, {rule}, {r['emotion']}",
                        "name": f"{r['prompt']}, strength {r['strength']:g}",
                        "parts": [["prompt", r["prompt_text"]], [f"towards {target}, strength {r['strength']:g}", r["text"]]],
                    }
                )
    caption = (
        "What the first steered model writes when a vector is added: strength 0 is unsteered, random directions are a control."
    )
    return Shelf("texts-steered", "A steered text", "Model, rule and target", caption, texts)


def _asked(view: View) -> Shelf:
    asked, texts = view.params.behaviour, []
    for model in asked.models[:MODELS]:
        for precision in asked.precisions:
            rows = tables.read_rows(layout.transcripts_path(model, precision), TRANSCRIPT)
            for (kind, item), turns in rows.sort("kind", "item", "turn").group_by("kind", "item", maintain_order=True):
                parts = [
                    [who, r[column]]
                    for r in turns.iter_rows(named=True)
                    for who, column in (("user", "said"), ("model", "reply"))
                ]
                texts.append({"group": f"{model} {precision}, {kind}", "name": str(item), "parts": parts})
    caption = "Every conversation with the first model that was asked, turn by turn."
    return Shelf("texts-asked", "A conversation", "Model and kind", caption, texts)
