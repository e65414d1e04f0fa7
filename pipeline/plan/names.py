"""Every name in params leads somewhere, and the texts can carry what is asked of them: what a stage would meet after hours is
said before anything starts."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from typing import get_args

import polars as pl
import xarray as xr

from pipeline.errors import InputError, nearest
from pipeline.params.base import PARAMS
from pipeline.params.geometry import INPUT_EMBEDDINGS
from pipeline.params.reading import NEUTRAL, STORIES, Second
from pipeline.params.steering import EMOTIONS, RANDOM, Rule
from pipeline.params.whole import Params
from pipeline.plan import spelling
from pipeline.steering import directions
from pipeline.store.layout import METHODS
from pipeline.texts.stimuli import alike

LOST = ("size", "nfiles")
"""Excluded from the hash of DVC's run cache, at any depth (dvc 10296)."""
METHOD_NAMES = frozenset({*METHODS, *METHODS.values(), INPUT_EMBEDDINGS})
"""What readers and tables take for a way of reading, whatever is read under it."""
LAST = "last"
"""The position of the published protocol, and its rule."""
GRAMS = 4
"""Arrays of stories x stories, float64, that an analysis holds at once."""

FEWEST_EMOTIONS = 3
"""Two have one distance, which has no order."""
FEWEST_IN_COMMON = 4
"""Labels over which stories of two sources are compared (`analysis.controls.second_corpus`)."""


def check(params: Params, texts: Mapping[str, pl.DataFrame]) -> None:
    """Raise InputError, a line for each, for names that lead nowhere. `texts`: by the name of their reading."""
    labels = texts[STORIES]["emotion"].unique().sort().to_list()
    _emotions(params, labels)
    params.vectors.are_there(labels, params.readings[STORIES].path)
    found = [
        *_keys(params),
        *_readings(params),
        *_settings(params),
        *_positions(params),
        *_experiments(params, labels),
        *_labels(params, labels),
        *_steering(params, labels, texts[STORIES]),
    ]
    found += _texts(texts)
    if found:
        raise InputError(*(f"{PARAMS}: {line}" for line in found))


def _emotions(params: Params, labels: list[str]) -> None:
    """Raise InputError for emotions that are to count under the name of what is none, or in another spelling."""
    wanted = [] if params.vectors.emotions == "all" else params.vectors.emotions
    found = [*spelling.misspelt(wanted, labels)]
    if params.vectors.neutral_label in wanted:
        found.append(f"'{params.vectors.neutral_label}' is vectors.neutral_label, which stays without being named; take it out")
    if found:
        raise InputError(*(f"{PARAMS}: vectors.emotions: {line}" for line in found))


def without_neutral(params: Params, labels: Collection[str]) -> str | None:
    """What it means that no story has the neutral label; None where some have, or none is named."""
    neutral = params.vectors.neutral_label
    if neutral is None or neutral in labels:
        return None
    return f"No story has the label '{neutral}' (vectors.neutral_label): every label counts as an emotion"


def in_vain(params: Params, texts: Mapping[str, pl.DataFrame]) -> Iterator[str]:
    """What params name and nothing comes of, though no stage refuses it. `texts`: by the name of their reading; none of those
    that are fetched first."""
    labels = set(texts[STORIES]["emotion"])
    if said := without_neutral(params, labels):
        yield said
    counted = {e for e in labels if params.vectors.counts(e)} - {params.vectors.neutral_label}
    for second in params.second:
        n = len(counted & set(texts[second.name]["emotion"]))
        if texts[second.name].height and n < FEWEST_IN_COMMON:
            yield (
                f"Of second.{second.name} no number of table choices can come: {n} of its labels are emotions of the stories,"
                f" {FEWEST_IN_COMMON} are needed"
            )
    for varied in params.varied:
        if params.report.position not in varied.positions:
            yield f"Nothing comes of varied.{varied.name}: its positions lack '{params.report.position}', report.position"
    asked = params.confounds
    sources = [{asked.experiments[name].source for name in pair} for pair in (*asked.published.values(), *asked.attributions)]
    if not params.write.models and any(own != {STORIES} for own in sources):
        what = "Nothing but ways to read the stories" if {STORIES} in sources else "Nothing"
        yield f"{what} comes of confounds: its experiments are those of models that write, and write.models names none"


def _keys(params: Params) -> Iterator[str]:
    """Keys that DVC leaves out of what it knows a finished stage by, so that another value would bring an old result back."""

    def below(tree: object, where: str) -> Iterator[str]:
        for key, value in tree.items() if isinstance(tree, dict) else ():
            if key in LOST:
                yield f"{where}{key}: DVC takes this name for one of its own; take another"
            yield from below(value, f"{where}{key}.")

    return below(params.model_dump(), "")


def _positions(params: Params) -> Iterator[str]:
    """The published protocol reads the last token of everything, and claims find it by its name."""
    for name, position in params.positions.items():
        if name == LAST and position.rule != LAST:
            yield f"positions.{name}: the rule '{position.rule}': this name means the last token; take another"
        elif position.rule == LAST and name != LAST:
            yield f"positions.{name}: the rule '{LAST}': claims know this position by its name; call it {LAST}"
    places = {f"readings.{STORIES}": params.readings[STORIES].positions}
    places |= {f"second.{second.name}": second.positions for second in params.second}
    for place, names in places.items():
        if not any(params.positions[n].rule == LAST and n in params.readings[NEUTRAL].positions for n in names):
            yield (
                f"{place}.positions: the published protocol reads the last token; list a position of the rule 'last' here and"
                " under readings.neutral.positions"
            )


def _readings(params: Params) -> Iterator[str]:
    """A reading is known by its name alone, as are the methods and the settings of writing."""
    for name in params.readings:
        if name not in (STORIES, NEUTRAL):
            yield f"readings.{name}: nobody reads it; stories of another source belong under second"
    for name, section in {r.name: "second" if isinstance(r, Second) else "varied" for r in params.more}.items():
        if name in METHOD_NAMES or name in params.write.settings:
            yield f"{section}.{name}: this name means a method or a setting of writing already; take another"


def _settings(params: Params) -> Iterator[str]:
    taken = {*METHOD_NAMES, *params.readings} - {"reliable"}
    for name in params.write.settings:
        if name in taken:
            yield f"write.settings.{name}: this name means a reading or a method already; take another"
        if "." in name:
            yield f"write.settings.{name}: DVC takes a dot for a key within a key; take another name"
    for w in params.writings if params.write.models else ():
        if w.precision not in params.read.precisions:
            yield f"writings: {w.setting} at {w.precision}: not among read.precisions ({', '.join(params.read.precisions)})"


def _experiments(params: Params, labels: list[str]) -> Iterator[str]:
    settings, stories = params.write.settings, params.readings[STORIES].positions
    read = {(r.setting, r.written, r.read, context) for r in params.writings_read for context in r.readings}
    for name, e in params.confounds.experiments.items():
        where = f"confounds.experiments.{name}"
        known = stories if e.source == STORIES else params.write.positions
        if e.position is not None and e.position not in known:
            yield f"{where}.position: '{e.position}' is not read; there are {', '.join(known)}"
        if e.source == STORIES:
            if e.baseline == "neutral" and params.vectors.neutral_label not in labels:
                yield f"{where}.baseline: neutral, and no story has vectors.neutral_label; write emotions"
            if e.precision not in params.read.precisions:
                yield f"{where}.precision: nobody reads stories at {e.precision}; there are {', '.join(params.read.precisions)}"
        elif e.source not in settings:
            yield f"{where}.source: no setting '{e.source}'; {nearest(e.source, settings, ', '.join([STORIES, *settings]))}"
        elif params.write.models:
            own = (e.source, e.written or e.precision, e.precision, e.context)
            if own not in read:
                what = f"nobody reads {own[0]} of {own[1]} at {own[2]}, {own[3]}"
                yield f"{where}: {what}; add it to writings_read, or take the experiment out"


def _labels(params: Params, labels: list[str]) -> Iterator[str]:
    neutral = params.vectors.neutral_label
    if neutral == "":
        yield "vectors.neutral_label: '' is no label; write null if you have none"
    elif neutral is not None and neutral not in labels:
        if near := [x for x in labels if alike(x) == alike(neutral)]:
            yield f"vectors.neutral_label: '{neutral}' has no stories, but '{near[0]}' has; write it as the stories do"
        elif said := nearest(neutral, labels, ""):
            yield f"vectors.neutral_label: '{neutral}' has no stories; {said} If no label is neutral, write null"
    if len([x for x in labels if x != neutral]) < FEWEST_EMOTIONS:
        yield (
            f"readings.stories: {len(labels)} labels ({', '.join(labels)}): {FEWEST_EMOTIONS} or more are needed beside the"
            " neutral one, since distances are compared by their order"
        )


def _steering(params: Params, labels: list[str], stories: pl.DataFrame) -> Iterator[str]:
    steering = params.steering
    if not steering.models:
        return
    yield from _targets(params, labels)
    sets = directions.load_prompts(steering.prompts)
    for name in sets:
        if name not in get_args(Rule):
            hint = nearest(name, get_args(Rule), f"sets are {' and '.join(get_args(Rule))}")
            yield f"steering.prompts: {steering.prompts}: set '{name}' is never asked for; {hint}"
    if not sets.get("ours"):
        yield f"steering.prompts: {steering.prompts} has no prompt of the set 'ours', which steering.ours asks for; add some"
    there = list(sets.get("paper", {}))
    for prompt in steering.paper.scenarios:
        if prompt not in there:
            hint = nearest(prompt, there, f"it has {', '.join(there)}")
            yield f"steering.paper.scenarios: {steering.prompts} has no prompt '{prompt}'; {hint}"
    told = {name: ("stimulus", stories[name].to_list()) for name in ("emotion", "topic")}
    try:
        directions.first_half(xr.Dataset(coords=told), steering.ours.seed)
    except InputError as error:
        yield str(error).removeprefix(f"{PARAMS}: ")


def _targets(params: Params, labels: list[str]) -> Iterator[str]:
    """Labels that are steered to: they have stories, and mean no other targets."""
    ours, paper = params.steering.ours.emotions, params.steering.paper.scenarios.values()
    for key, label in [*(("ours.emotions", x) for x in ours), *(("paper.scenarios", x) for x in paper)]:
        if label not in labels:
            hint = spelling.hint(label, labels, f"there are {', '.join(labels)}")
            yield f"steering.{key}: '{label}' has no stories; {hint}"
        elif label in (EMOTIONS, RANDOM):
            yield f"steering.{key}: '{label}' means all targets of a kind in table steering; give the label another name"
    for label in labels:
        if label.startswith(directions.RANDOM):
            yield f"readings.stories: the label '{label}' means a random direction of steering; give it another name"


def _texts(texts: Mapping[str, pl.DataFrame]) -> Iterator[str]:
    if texts[NEUTRAL].height < 2:
        yield f"readings.neutral: {texts[NEUTRAL].height} text; two or more are needed for what neutral texts have in common"
    n, memory = texts[STORIES].height, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if (needed := GRAMS * 8.0 * n * n) > memory:
        yield (
            f"readings.stories: {n} stories: analyses hold {GRAMS} arrays of {n} x {n}, {needed / 1e9:.0f} GB, and this machine"
            f" has {memory / 1e9:.0f} GB; take fewer stories"
        )
