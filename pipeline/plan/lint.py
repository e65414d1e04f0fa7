"""Lint of a corpus: what in its words, lengths and forms could tell labels apart without any emotion being read.

python -m pipeline.plan.lint [FILE] [--strict] [--all]

Reads the stories of params.yaml, or FILE in the same columns. Nothing here stops a stage: a user's own corpus gets warnings, of
each check the first few, or with `--all` every one. `--strict` ends with exit status 1 if there is any.
"""

from __future__ import annotations

import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from math import log, sqrt
from pathlib import Path

import numpy as np
import polars as pl
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, CountVectorizer

from pipeline.errors import InputError, run_stage
from pipeline.params.base import PARAMS
from pipeline.params.corpus import Corpus, CorpusSections
from pipeline.params.reading import STORIES, ReadingSections
from pipeline.plan import corpora, forms
from pipeline.texts import labels, stimuli
from pipeline.texts.labels import words_of

NEAR_DUPLICATE = 0.1  # of the shorter story's word 5-grams, standing in the other
ONE_FIRST_WORD = 1 / 3  # of a label's, or a topic's, stories
END_MARK = 0.25  # how far a label's share of full stops at the end may lie from the corpus's
RICHNESS = 0.1  # how far a label's type-token ratio may lie from the median, relative
LABEL_LENGTH = 0.05  # how far a label's mean length may lie from the corpus's, relative
OVERUSED = 0.25  # of a label's stories that hold one content word ...
OVERUSED_Z = 3.0  # ... when its log-odds against the other labels are this many standard errors above 0
SHOWN = 5  # warnings of one check; of a few stories each pair may be one
FEWEST = 4  # stories of a label or topic below which shares say nothing

FIRST_PERSON = frozenset(
    (
        *("i", "i'd", "i'm", "i'll", "i've", "me", "my", "mine", "myself"),
        *("we", "we'd", "we're", "we'll", "we've", "us", "our", "ours", "ourselves"),
    )
)


class Params(ReadingSections, CorpusSections):
    """The sections that the lint loads."""


@dataclass(frozen=True)
class Problem:
    """One thing that the lint found: by which check, in which story, label or topic, and what."""

    check: str
    where: str
    what: str


def stems_of(text: str) -> list[str]:
    """Snowball stems (English) of the content words of a text."""
    return labels.stems([w for w in words_of(text) if w not in ENGLISH_STOP_WORDS and len(w) > 2])


def lint(stories: pl.DataFrame, corpus: Corpus) -> list[Problem]:
    """Everything found in `stories` (columns of `stimuli.load`), in the order of the checks."""
    found: list[Problem] = []
    found += completeness(stories)
    found += label_words(stories, labels.label_words(corpus.label_words))
    found += lengths(stories, corpus.length)
    found += duplicates(stories)
    if corpus.topics is not None:
        found += persons(stories, labels.topics(corpus.topics))
    found += first_words(stories)
    found += end_marks(stories)
    found += richness(stories)
    found += overused(stories)
    return found


def completeness(stories: pl.DataFrame) -> Iterator[Problem]:
    """Every label has a story on every topic, so that centring over labels removes the topic."""
    topics = stories["topic"].unique().sort().to_list()
    if topics == [""]:
        return
    cells = set(stories.select("emotion", "topic").iter_rows())
    for emotion in stories["emotion"].unique().sort():
        if missing := [t for t in topics if (emotion, t) not in cells]:
            yield Problem("completeness", emotion, f"no story on {', '.join(missing)}")


def label_words(stories: pl.DataFrame, listed: pl.DataFrame) -> Iterator[Problem]:
    """No story names a label, its own or another."""
    known = labels.LabelWords.of(listed)
    for story in stories.iter_rows(named=True):
        if own := known.found_in(story["text"]):
            yield Problem("label words", _cell(story), ", ".join(own))


def lengths(stories: pl.DataFrame, allowed: tuple[int, int] | None) -> Iterator[Problem]:
    """Words (by white space) of each story, and of each label on average."""
    counts = stories.with_columns(pl.col("text").str.split(" ").list.len().alias("n"))
    for story in counts.iter_rows(named=True):
        if allowed and not allowed[0] <= story["n"] <= allowed[1]:
            yield Problem("length", _cell(story), f"{story['n']} words; {allowed[0]} to {allowed[1]} are asked for")
    mean = float(counts["n"].mean())  # type: ignore[arg-type]
    for emotion, own in counts.group_by("emotion", maintain_order=True).agg(pl.col("n").mean()).iter_rows():
        if abs(own / mean - 1) > LABEL_LENGTH:
            yield Problem("length", emotion, f"{own:.0f} words on average, all labels {mean:.0f}: length tells the label")


def duplicates(stories: pl.DataFrame) -> Iterator[Problem]:
    """Pairs of stories that share words in a row, whichever cells they are in."""
    counts = CountVectorizer(ngram_range=(5, 5), binary=True, token_pattern=r"(?:[^\W\d_]|')+")
    try:
        grams = counts.fit_transform(stories["text"].to_list())
    except ValueError:  # no story has five words
        return
    shared = (grams @ grams.T).tocoo()  # sparse: of all pairs few share five words in a row
    own = np.asarray(grams.sum(axis=1)).ravel()
    pairs = sorted((int(i), int(j), int(n)) for i, j, n in zip(shared.row, shared.col, shared.data, strict=True) if i < j)
    for i, j, n in pairs:
        if (share := n / max(min(own[i], own[j]), 1)) >= NEAR_DUPLICATE:
            a, b = stories.row(i, named=True), stories.row(j, named=True)
            yield Problem("near duplicates", f"{_cell(a)} and {_cell(b)}", f"share {share:.0%} of their runs of five words")


def persons(stories: pl.DataFrame, topics: pl.DataFrame) -> Iterator[Problem]:
    """A topic is told in one person, whatever the label; what stands in quotes is speech."""
    person = dict(topics.select("topic", "person").iter_rows())
    for topic in stories["topic"].unique().sort():
        if topic not in person:
            yield Problem("person", topic, "the file of topics has no row for it")
    for story in stories.filter(pl.col("topic").is_in(list(person))).iter_rows(named=True):
        told = Counter(words_of(re.sub(r'"[^"]*"', " ", story["text"])))
        first = sum(told[w] for w in FIRST_PERSON)
        asked = person[story["topic"]]
        if story["text"].count('"') % 2:
            yield Problem("person", _cell(story), "a double quote is never closed")
        elif asked == "I" and not first:
            yield Problem("person", _cell(story), "no first person outside quotes; its topic is told in the first")
        elif asked != "I" and (first or not told[asked]):
            what = "the first person outside quotes" if first else f"no '{asked}' outside quotes"
            yield Problem("person", _cell(story), f"{what}; its topic is told with '{asked}'")


def first_words(stories: pl.DataFrame) -> Iterator[Problem]:
    """No label, and no topic, begins most of its stories alike."""
    first = stories.with_columns(pl.col("text").str.extract(r"(\w+(?:'\w+)?)").str.to_lowercase().alias("first"))
    for by in ("emotion", "topic"):
        for (key,), group in first.group_by(by, maintain_order=True):
            word, n = Counter(group["first"].to_list()).most_common(1)[0]
            if key != "" and group.height >= FEWEST and n / group.height > ONE_FIRST_WORD:
                yield Problem("first words", str(key), f"{n} of {group.height} stories begin with '{word}'")


def end_marks(stories: pl.DataFrame) -> Iterator[Problem]:
    """The last mark of a story does not go with its label (the last token is a published position)."""
    stops = stories.with_columns(pl.col("text").str.ends_with(".").alias("stop"))
    overall = float(stops["stop"].mean())  # type: ignore[arg-type]
    for emotion, n, own in stops.group_by("emotion", maintain_order=True).agg(pl.len(), pl.col("stop").mean()).iter_rows():
        if n >= FEWEST and abs(own - overall) > END_MARK:
            yield Problem("end marks", emotion, f"{own:.0%} of its stories end in a full stop, of all {overall:.0%}")


def richness(stories: pl.DataFrame) -> Iterator[Problem]:
    """Type-token ratio of each label's stories, over equally many words."""
    by_label: dict[str, list[str]] = defaultdict(list)
    for story in stories.iter_rows(named=True):
        by_label[story["emotion"]] += words_of(story["text"])
    n = min(map(len, by_label.values()))
    ratios = {emotion: len(set(own[:n])) / n for emotion, own in by_label.items()} if n else {}
    middle = float(np.median(list(ratios.values()))) if ratios else 1.0
    for emotion, ratio in ratios.items():
        if abs(ratio / middle - 1) > RICHNESS:
            yield Problem("type-token ratio", emotion, f"{ratio:.3f} over {n} words; the median label has {middle:.3f}")


def log_odds(own: Counter[str], rest: Counter[str]) -> dict[str, float]:
    """Log-odds of each word in `own` against `rest`, in standard errors, with an informative Dirichlet prior.

    Monroe, Colaresi & Quinn (2008), Fightin' Words, eq. 16 and 22; the prior is all counts, as heavy as `own`.
    """
    n_own, n_rest = own.total(), rest.total()
    if not (n_own and n_rest):
        return {}
    weight = n_own / (n_own + n_rest)
    z = {}
    for word, y in own.items():
        prior = weight * (y + rest[word])
        a, b = y + prior, rest[word] + prior
        delta = log(a / (2 * n_own - a)) - log(b / (n_rest + n_own - b))
        z[word] = delta / sqrt(1 / a + 1 / b)
    return z


def overused(stories: pl.DataFrame) -> Iterator[Problem]:
    """Content words that a label's stories share and others do not, counted once per story."""
    held = {e: Counter[str]() for e in stories["emotion"].unique().sort()}
    size = Counter(stories["emotion"].to_list())
    for story in stories.iter_rows(named=True):
        held[story["emotion"]].update(set(stems_of(story["text"])))
    everything: Counter[str] = sum(held.values(), Counter())
    for emotion, own in held.items():
        z = log_odds(own, everything - own)
        over = [w for w, n in own.most_common() if n / size[emotion] > OVERUSED and n >= FEWEST and z.get(w, 0.0) > OVERUSED_Z]
        if over:
            counts = ", ".join(f"{w} ({own[w]} of {size[emotion]}, z {z[w]:.1f})" for w in over)
            yield Problem("overused words", emotion, counts)


def _cell(story: dict[str, str]) -> str:
    return "/".join(filter(None, (story["emotion"], story["topic"]))) or story["id"]


def main(arguments: list[str]) -> None:
    params = Params.load()
    options, files = ([a for a in arguments if a.startswith("--") == is_option] for is_option in (True, False))
    if len(files) > 1 or not {"--strict", "--all"}.issuperset(options):
        raise InputError("python -m pipeline.plan.lint [FILE] [--strict] [--all]")
    reading = params.readings[STORIES]
    if files:
        reading = reading.model_copy(update={"path": Path(files[0])})
        looked_for = ", ".join(f"{key}: {name}" for key, name in reading.columns.model_dump().items() if name is not None)
        print(f"Its columns are looked for as readings.stories.columns of {PARAMS} says: {looked_for}")
    forms.of_reading(reading)
    stories = stimuli.load(reading)
    found = lint(stories, params.corpus)
    n_labels = stories["emotion"].n_unique()
    counted = f"{len(found) or 'no'} warning{'s' * (len(found) != 1)}"
    print(f"{reading.path}: {stories.height} stories, {n_labels} labels, {corpora.topics_in_words(stories)}; {counted}")
    for check, group in groupby(found, key=lambda p: p.check):
        print(f"\n{check}")
        problems = list(group)
        shown = problems if "--all" in options else problems[:SHOWN]
        for problem in shown:
            print(f"  {problem.where}: {problem.what}")
        if more := len(problems) - len(shown):
            print(f"  and {more} more, which --all shows")
    if found and "--strict" in options:
        sys.exit(1)


if __name__ == "__main__":
    run_stage(main)
