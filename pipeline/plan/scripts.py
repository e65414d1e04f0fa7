"""What numbers of words are where a script parts no words by blanks: what stands between blanks counts as one, everywhere."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

import polars as pl

from pipeline.behaviour import questionnaire
from pipeline.params.reading import STORIES
from pipeline.params.whole import Params
from pipeline.steering import directions
from pipeline.texts import prompts

UNPARTED = re.compile(
    "[\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u1950-\u19df\u1a20-\u1aad\u3005-\u3007\u3041-\u30ff"
    "\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9d\U00020000-\U0003ffff]"
)
"""Thai, Lao, Tibetan, Burmese, Khmer, Tai, Japanese and Chinese. Korean parts its words."""
SHARE = 0.2
"""Of letters: a text with more is one of such a script, with names and figures of another among it."""
BY_WORDS_OR_SENTENCES = frozenset(
    {
        *("max_words", "min_words", "exact_words", "exact_sentences", "short_sentences", "without", "lower_case"),
        *("begins_with", "ends_with", "questions", "repeats_word", "alphabetical", "acrostic"),
    }
)
"""Checks of `pipeline.behaviour.constraints` that look for words, or for marks before a blank."""


def unparted(texts: Iterable[str]) -> bool:
    """Whether texts are of a script that writes words without blanks between them."""
    whole = "".join(texts)
    letters = sum(map(str.isalpha, whole))
    return letters > 0 and len(UNPARTED.findall(whole)) / letters > SHARE


def said(params: Params, texts: Mapping[str, pl.DataFrame]) -> Iterator[str]:
    """A line for each place where numbers of words would be taken for what they are not. `texts`: by the name of their
    reading."""
    if unparted(texts[STORIES]["text"]):
        yield (
            "The stories are of a script without blanks between words, and what stands between blanks or marks counts as one"
            " word: so count corpus.length, positions that count words, and the lint, which finds no label's word within a run"
        )
        if "tfidf" in params.words:
            yield (
                "words: tfidf knows a run of letters as one word, and hardly finds one in two stories there: as a control it is"
                " none, and what it leaves unexplained says nothing; take it out, and keep char_ngrams, which needs no words"
            )
    if params.steering.models and unparted(
        t for own in directions.load_prompts(params.steering.prompts).values() for t in own.values()
    ):
        yield (
            f"{params.steering.prompts}: a script without blanks between words: nearly every text has fewer words than"
            f" steering.thresholds.words ({params.steering.thresholds.words}) and counts as explosive and broken; set it to 1."
            " Repetition is of words, too, and is not seen there: of table steering perplexity and scores alone say something"
        )
    if params.behaviour.models:
        yield from _of_behaviour(params)
    for name in params.settings_written:
        setting = params.write.settings[name]
        told = prompts.load(params.write.prompts, setting.prompts, setting.only)["text"]
        if unparted(text.replace(prompts.LABEL, "") for text in told):
            yield (
                f"write.settings.{name}: prompts of a script without blanks between words: whether a text holds its label's"
                " word is asked of whole runs of letters, so that few such texts are found"
            )


def _of_behaviour(params: Params) -> Iterator[str]:
    asked = params.behaviour
    if unparted(turn for q in questionnaire.questions(asked.questions) for turn in q.turns):
        yield (
            f"{asked.questions}: a script without blanks between words: gives_in looks for words of English, and finds none"
            " there; flip, which is of probabilities, stands"
        )
    tasks = questionnaire.tasks(asked.constraints)
    lost = sorted({t.check for t in tasks if unparted(t.turns)} & BY_WORDS_OR_SENTENCES)
    if lost:
        yield (
            f"{asked.constraints}: a script without blanks between words: {', '.join(lost)} count runs between blanks as words"
            " there, and know no other sentence mark than . ! ? before a blank; their scores say little"
        )
