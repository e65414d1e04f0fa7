"""`docs/params.md`: the sections of `params.yaml` as the default profile has them, with their comments, and what is allowed.

python -m pipeline.publish.reference
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.errors import run_stage
from pipeline.params.whole import Params
from pipeline.publish.dictionary import escaped

PAGE = Path("docs/params.md")
PROFILE = Path("profiles/default.yaml")

HEAD = """# Parameters

This page is written from `profiles/default.yaml` and the schema by `make docs`. `make profile P=<name>` writes a profile to
`params.yaml`, whole; edit `params.yaml` for your own run. `make plan` checks every value before anything starts,
and says what a run would take.
"""

BOUNDS = {
    "minimum": "at least",
    "exclusiveMinimum": "more than",
    "maximum": "at most",
    "exclusiveMaximum": "less than",
    "minItems": "items, at least",
    "minLength": "characters, at least",
}


def page() -> str:
    """The whole page, Markdown."""
    schema = Params.model_json_schema()
    parts = [HEAD]
    for name, text in sections(PROFILE.read_text(encoding="utf-8")):
        parts.append(f"## {name}\n\n```yaml\n{text}\n```\n")
        rows = [f"| `{path}` | {escaped(allowed)} |" for path, allowed in constraints(name, schema["properties"][name], schema)]
        if rows:
            parts.append("\n".join(["| key | allowed |\n| --- | --- |", *rows, ""]))
    return "\n".join(parts)


def sections(profile: str) -> Iterator[tuple[str, str]]:
    """Of a profile's text: each top-level key, and its lines with the comments above it."""
    above: list[str] = []
    name, lines = "", list[str]()
    for line in profile.splitlines():
        if key := re.match(r"(\w+):", line):
            if name:
                yield name, "\n".join(lines).rstrip()
            name, lines, above = key[1], [*above, line], []
        elif line.startswith("#"):
            above.append(line)
        elif not line.strip():
            above = []
        else:
            lines += [*above, line]
            above = []
    yield name, "\n".join(lines).rstrip()


def constraints(path: str, node: dict[str, Any], schema: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Every key at or below a node of a JSON schema whose values are limited, by its dotted path, and the limits in words."""
    node = _resolved(node, schema)
    choices = [_resolved(choice, schema) for choice in node.get("anyOf", ())]
    named = [value for choice in choices for value in _values(choice)]
    if named and any(choice.get("type") == "array" for choice in choices):
        named.append("or a list")
    for choice in choices:
        yield from constraints(path, {key: value for key, value in choice.items() if key not in ("enum", "const")}, schema)
    said = [f"{words} {node[key]}" for key, words in BOUNDS.items() if key in node]
    if values := named or _values(node):
        said.append(", ".join(values))
    if said:
        yield path, "; ".join(said)
    if "items" in node:
        yield from constraints(f"{path}[]", node["items"], schema)
    if isinstance(node.get("additionalProperties"), dict):
        yield from constraints(f"{path}.<name>", node["additionalProperties"], schema)
    for key, below in node.get("properties", {}).items():
        yield from constraints(f"{path}.{key}", below, schema)


def _values(node: dict[str, Any]) -> list[str]:
    """The values that a node lists."""
    return [str(value) for value in node.get("enum", [node["const"]] if "const" in node else [])]


def _resolved(node: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """A node with its reference followed."""
    if "$ref" not in node:
        return node
    return {**schema["$defs"][node["$ref"].rsplit("/", 1)[1]], **{k: v for k, v in node.items() if k != "$ref"}}


def main(arguments: list[str]) -> None:
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    run_stage(main)
