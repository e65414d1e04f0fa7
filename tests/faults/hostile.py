"""What users may hand over by mistake, and what must come of it: it is accepted, or one InputError says in one line which file
is meant; nothing else, and soon."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from pipeline.errors import InputError

CASES = int(os.environ.get("FUZZ_CASES", "150"))
"""Cases of all properties together; `make test-faults` asks for ten thousand."""
SECONDS = 300
LONGEST = 2_000
"""Characters of one line, at most, that somebody may be asked to read."""


def cases(share: float) -> Any:
    """Settings of a property that has this share of all cases; the same cases every time."""
    return settings(
        max_examples=max(2, round(CASES * share)),
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


@contextmanager
def soon() -> Iterator[None]:
    """What takes longer hangs."""

    def stop(*_: object) -> None:
        raise TimeoutError(f"after {SECONDS} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def accepted_or_said(use: Callable[[], object], *named: Path | str, lines: int = 1) -> bool:
    """Whether it is accepted. Raises AssertionError for a message that names none of `named` or is not `lines` at most, and
    whatever is raised that is no InputError."""
    try:
        with soon():
            use()
    except InputError as error:
        said = str(error)
        assert any(str(name) in said for name in named), said
        assert 1 <= len(said.splitlines()) <= lines, said
        assert max(map(len, said.splitlines())) < LONGEST, said[:300]
        assert said.replace("\n", "").isprintable(), ascii(said)
        return False
    return True


# --- values ----------------------------------------------------------------------------------------------------------------

ODD = (
    "",
    " ",
    "\0",
    "\ufeff",
    "a\nb",
    "\r",
    "\u202eabc",
    "é",
    "e\u0301",
    "\u200b",
    "😀",
    "👩‍👩‍👧",
    '"',
    "'",
    '"",',
    "..",
    "../x",
    "/",
    "a/b",
)
ODD += (
    "null",
    "true",
    "1e9",
    "nan",
    "-0",
    "中文",
    "нейтрально",
    "محايد",
    "x" * 300,
    "{emotion}",
    "{",
    "}",
    "<script>",
    "</s>",
    "%s",
    "${a}",
)
words = st.sampled_from(ODD) | st.text(max_size=20)
"""Texts of every script, and those that break parsers; without lone surrogates, which no file in UTF-8 holds."""
numbers = st.integers(-3, 3) | st.sampled_from((2**31, -(2**63), 2**64, 10**30, 1e308, float("inf"), float("nan"), 0.5, -0.0))
values = st.recursive(
    st.none() | st.booleans() | numbers | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=5,
)
"""Whatever YAML or JSON may hold."""


def places(tree: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value of a nested structure."""
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in inner:
        yield (*at, key)
        yield from places(value, (*at, key))


PLACES = st.floats(0, 1, exclude_max=True)
EDITS = st.lists(
    st.tuples(PLACES, st.sampled_from(("other", "other", "gone", "twice", "renamed")), values, words), min_size=1, max_size=2
)
BYTES = st.lists(
    st.tuples(
        PLACES,
        st.sampled_from(("set", "set", "insert", "delete", "number", "cut")),
        st.binary(min_size=1, max_size=8),
        st.sampled_from((0, 1, 2**31, 2**32, 2**62, 2**63, 2**64 - 1)),
    ),
    min_size=1,
    max_size=4,
)


def edited(tree: Any, edits: list[tuple[float, str, Any, str]]) -> Any:
    """A nested structure with some values that are others, gone, doubled, or under another key."""
    tree = deepcopy(tree)
    for where, how, value, name in edits:
        ways = list(places(tree))
        if not ways:
            return tree
        *way, last = ways[int(where * len(ways))]
        inner = tree
        for key in way:
            inner = inner[key]
        if how == "other":
            inner[last] = value
        elif isinstance(inner, list):
            inner[last : last + 1] = [] if how == "gone" else [inner[last]] * 2
        elif how == "gone":
            del inner[last]
        else:
            inner[name] = inner[last] if how == "twice" else inner.pop(last)
    return tree


def overwritten(content: bytes, edits: list[tuple[float, str, bytes, int]], head: int | None = None) -> bytes:
    """A file with some bytes changed, taken out, put in or cut off, within its first `head`."""
    made = bytearray(content)
    for where, how, few, number in edits:
        at = int(where * min(len(made), head or len(made)))
        if how == "set":
            made[at : at + len(few)] = few
        elif how == "insert":
            made[at:at] = few
        elif how == "delete":
            del made[at : at + len(few)]
        elif how == "number":  # a count or an offset of some other size
            made[at : at + 8] = number.to_bytes(8, "little")
        else:
            del made[at:]
    return bytes(made)


def changed(tree: Any) -> st.SearchStrategy[Any]:
    return EDITS.map(lambda edits: edited(tree, edits))


def spoilt(content: bytes, head: int | None = None) -> st.SearchStrategy[bytes]:
    return BYTES.map(lambda edits: overwritten(content, edits, head))
