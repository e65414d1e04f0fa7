"""The words of docs/glossary.md, which the page explains where they stand."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from markupsafe import Markup, escape

PAGE = Path(__file__).resolve().parents[2] / "docs" / "glossary.md"
ROW = re.compile(r"^\| \*\*(.+?)\*\* \| (.+?) \|$", re.M)


@cache
def words() -> dict[str, str]:
    """Each word with what it means, in the order of the page; without Markdown."""
    found = ROW.findall(PAGE.read_text(encoding="utf-8"))
    return {word: meaning.replace("*", "").replace("`", "") for word, meaning in found}


def defined(text: str) -> Markup:
    """A text in which each word of the glossary, where it first stands, leads to what it means."""
    seen: set[str] = set()

    def link(match: re.Match[str]) -> str:
        found = match.group(0)
        word = next(w for w in words() if w.lower() == found.lower().removesuffix("s") or w.lower() == found.lower())
        if word in seen:
            return found
        seen.add(word)
        anchor = word.replace(" ", "-")
        return f'<a class="term" href="#word-{escape(anchor)}" data-means="{escape(words()[word])}">{found}</a>'

    listed = "|".join(re.escape(str(escape(w))) for w in sorted(words(), key=len, reverse=True))
    return Markup(re.sub(rf"(?<![\w/])(?:{listed})s?(?![\w/])", link, str(escape(text)), flags=re.I))
