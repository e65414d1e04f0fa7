"""What labels and topics are: families and human norms of emotions, person and setting of topics, words that name a label."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import polars as pl
import snowballstemmer

from pipeline.errors import InputError
from pipeline.store import tables

NORMS = ("valence", "arousal", "dominance")
RATINGS = (1, 9)
"""The ends of the scale that people rated on."""
SIGNS = ("positive", "negative", "neutral")
PERSONS = ("I", "she", "he", "they", "you")

EMOTIONS = pl.Schema(
    {
        "emotion": pl.String,
        "family": pl.String,
        "sign": pl.String,  # of its valence: positive, negative, neutral
        "rated_word": pl.String,  # the word that people rated; null where none was
        **dict.fromkeys(NORMS, pl.Float64),  # means of the ratings
    }
)
TOPICS = pl.Schema({"topic": pl.String, "person": pl.String, "setting": pl.String})
LABEL_WORDS = pl.Schema({"emotion": pl.String, "word": pl.String, "match": pl.String})
MATCHES = ("stem", "word")
_stemmer = snowballstemmer.stemmer("english")


MARKS = "".join(chr(c) for c in range(0x300, 0x1E950) if unicodedata.category(chr(c)).startswith("M"))
"""Vowel signs, accents and the like, which are parts of words and no letters to `re`."""
_RUN = rf"[^\W\d_]+(?:[{MARKS}]+[^\W\d_]*)*"
_WORD = re.compile(rf"{_RUN}(?:'{_RUN})*")


def words_of(text: str) -> list[str]:
    """The words of a text in any script, lower case, with apostrophes. Where words are not parted, a run of letters is one."""
    return _WORD.findall(text.lower())


def stems(words: list[str]) -> list[str]:
    """Snowball stems (English) of words."""
    return [_stem(word) for word in words]


@lru_cache(2**16)  # a corpus says the same words again and again
def _stem(word: str) -> str:
    return str(_stemmer.stemWord(word))


@dataclass(frozen=True)
class LabelWords:
    """Words that give a label away: these themselves, and all that share a stem with some of them."""

    words: frozenset[str]
    stems: frozenset[str]

    @classmethod
    def of(cls, listed: pl.DataFrame, *more: str) -> LabelWords:
        """From rows of `label_words`, and `more` words that count by their stem."""
        by_stem = [*listed.filter(match="stem")["word"], *more]
        return cls(frozenset([*listed["word"], *more]), frozenset(stems(by_stem)))

    def found_in(self, text: str) -> list[str]:
        """Those words of a text, each once, in order."""
        words = words_of(text)
        held = [w for w, stem in zip(words, stems(words), strict=True) if w in self.words or stem in self.stems]
        return list(dict.fromkeys(held))


def emotions(path: Path, wanted: list[str] | None = None) -> pl.DataFrame:
    """Family, sign of valence and human norms of each label; with `wanted`, of these labels in this order, null where the
    file has no row.

    Raises InputError for an unreadable file, a missing column, a label that stands twice, a sign that is none, a norm that no
    mean of ratings can be.
    """
    frame = _read(path, EMOTIONS)
    _once(frame, "emotion", path)
    _among(frame, "sign", SIGNS, path)
    for name in NORMS:
        for label, value in frame.filter(~pl.col(name).is_between(*RATINGS)).select("emotion", name).iter_rows():
            raise InputError(
                f"{path}: {name} of '{label}' is {value:g}; norms are means of ratings from {RATINGS[0]} to {RATINGS[1]}; bring"
                " yours to this scale, or leave the cell empty"
            )
    if wanted is None:
        return frame
    asked = pl.DataFrame({"emotion": wanted}, schema={"emotion": pl.String})
    return asked.join(frame, on="emotion", how="left", maintain_order="left")


def topics(path: Path) -> pl.DataFrame:
    """Person and setting of each topic. Raises InputError as `emotions` does."""
    frame = _read(path, TOPICS)
    _once(frame, "topic", path)
    _among(frame, "person", PERSONS, path)
    return frame


def label_words(path: Path) -> pl.DataFrame:
    """Words that name a label or come close to it. Raises InputError for an unreadable file, a missing column, a word that no
    text could hold."""
    frame = _read(path, LABEL_WORDS)
    for label, word in frame.select("emotion", "word").iter_rows():
        if word is None or words_of(word) != [word]:
            raise InputError(
                f"{path}: a word of '{label or ''}' is '{word or ''}', and texts are searched for single words in small"
                " letters; write one, or delete the row"
            )
    _among(frame.select("word", "match"), "match", MATCHES, path)
    return frame


def _read(path: Path, schema: pl.Schema) -> pl.DataFrame:
    raw = tables.read_csv(path, [*schema], comments=True).with_columns(pl.all().replace("", None))
    for name, dtype in schema.items():
        bad = raw.filter(pl.col(name).is_not_null() & pl.col(name).cast(dtype, strict=False).is_null())
        if not bad.is_empty():
            raise InputError(f"{path}: {name} of '{bad[0, 0]}' is '{bad[name][0]}', which is no number")
    return raw.cast(schema)


def _once(frame: pl.DataFrame, key: str, path: Path) -> None:
    repeated = frame.filter(pl.col(key).is_duplicated() | pl.col(key).is_null())[key].to_list()
    if repeated:
        raise InputError(f"{path}: {key} '{repeated[0] or ''}' is empty or stands twice; keep one row each")


def _among(frame: pl.DataFrame, column: str, known: tuple[str, ...], path: Path) -> None:
    for key, value in zip(frame[frame.columns[0]], frame[column], strict=True):
        if value not in known:
            raise InputError(f"{path}: {column} of '{key}' is '{value or ''}'; it may be {', '.join(known)}")
