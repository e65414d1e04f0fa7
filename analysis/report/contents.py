"""The page's sections, in the order in which a reader asks."""

from __future__ import annotations

from collections.abc import Callable

from analysis.report import (
    aligned,
    behaviour,
    beyond,
    choices,
    confounds,
    depth,
    human,
    precision,
    published,
    similar,
    steering,
    stories,
)
from analysis.report.shown import Section
from analysis.report.view import View

PARTS: dict[str, list[Callable[[View], Section]]] = {
    "Two models": [similar.section, aligned.section, similar.passages, beyond.left, beyond.emotions, beyond.decoding],
    "Each model": [depth.section, stories.section, stories.growth, human.section, precision.section],
    "Robustness": [published.section, choices.section, choices.subsets, choices.layers, depth.positions],
    "Writing, behaviour, steering": [
        confounds.compared,
        confounds.shares,
        confounds.writings,
        behaviour.section,
        steering.section,
        steering.price,
    ],
}
