"""`docs/gpu.md`: what `make gpu-check` measured on each card.

python -m benchmarks.gpu.page
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

Row = dict[str, Any]
PEAK = "bf16"
"""Whose bare product every reading is a share of."""
RESULTS = Path("benchmarks/results")
PAGE = Path("docs/gpu.md")

HEAD = """# On a GPU

This page is written by `make docs` from `benchmarks/results/`, one file for each card that `make gpu-check` ran on. The check
takes about five minutes, fetches nothing (weights are random), and fails where the card does not give what it must. `make plan`
estimates times from the same files. For a card of another kind run the check there: its rates are then used.

torch in the locks and in the image is built for CUDA 13, which needs an NVIDIA driver of 580 or later. With an older one
`read.device: auto` reads on the CPU, and `read.device: cuda` refuses.
"""

EXACTNESS = """### Is it exact

Six tiny families (Qwen2.5, SmolLM2, Llama 3.2, Gemma 3, Mistral, Llama 3.1). Errors are the largest of any pooled state,
relative to the same weights, not quantised, in float64. What is written may not depend on what is written beside it; at fp32
the card must write the CPU's texts, at other precisions rounding may turn one.
"""

READING = """### Reading: the shape of Llama 3.1 8B, {texts} texts as long as our stories, six positions of every layer

From token ids to arrays on disk. The share of the peak is of the card's own bare {peak} product. The last column is how far a
text's states move, relative to their length, when half of the texts beside it are not there: bitsandbytes' own LLM.int8 looks
for outliers in the whole pass, the one here text by text, at the same speed. Rows of int8 on this page are older than release
0.5.0, before which what fills a text up to its pass counted as its tokens: a text that was filled up moved by 4 to 7%.
"""

WRITING = """### Writing: {texts} texts of {new_tokens} tokens, sampled

`ours` makes every text independent of its neighbours: the same tokens in another order, and among others. `generate` is
transformers' own at the same size of batch, where a text depends on what is padded beside it.
"""

WHOLE = """### A whole run: the default profile, with its real models

Beside it stands the published data, which a CPU made. Here torch was {torch}, transformers {transformers}, bitsandbytes
{bitsandbytes}. Seconds are those of a stage from its start to its place in the lock, files written and hashed.
"""

VECTORS = """Vectors: how far the card's lie from the CPU's in the worst layer, relative to their length, and the lowest rank
correlation of the two geometries over layers. Then the same of the CPU's own vectors beside its own at fp32. Where the two are
alike, a card and a CPU differ by as much as the precision itself does: compare readings of one kind of device.
"""

TEXTS = """What the models wrote, letter by letter:
"""


def page() -> str:
    """The whole page, Markdown."""
    parts = [HEAD]
    for path in sorted(RESULTS.glob("*.json")):
        parts += of_card(json.loads(path.read_text(encoding="utf-8")))
        if (run := RESULTS / "whole" / path.name).is_file():
            parts += of_run(json.loads(run.read_text(encoding="utf-8")))
    return "\n".join(parts)


def of_card(card: Row) -> Iterator[str]:
    """The parts of one card."""
    versions = ", ".join(f"{name} {number}" for name, number in card["versions"].items())
    yield f"## {card['card']}\n\nDriver {card['driver']}, CUDA {card['cuda']}, {versions}.\n"
    failures = [f"{section}: {words}" for section, found in card["failures"].items() for words in found]
    yield f"What it must give and did not: {'; '.join(failures) or 'nothing'}.\n"
    yield EXACTNESS
    yield table(list(exactness(card["exactness"])))
    yield READING.format(texts=max(row["texts"] for row in card["reading"]), peak=PEAK)
    yield table([read(row) for row in card["reading"]])
    yield WRITING.format(**card["writing"][0])
    yield table([written(row) for row in card["writing"]])


def exactness(rows: Sequence[Row]) -> Iterator[Row]:
    """The worst, or the mean, over families, by precision."""
    for precision in dict.fromkeys(row["precision"] for row in rows):
        of = [row for row in rows if row["precision"] == precision]

        def over(how: Callable[[list[float]], float], name: str, of: list[Row] = of) -> float:
            return how([row[name] for row in of])

        yield {
            "precision": precision,
            "error": f"{over(max, 'error'):.1e}",
            "of a CPU": f"{over(max, 'error_cpu'):.1e}",
            "moved by what shares its pass": f"{over(max, 'batch'):.1e}",
            "greedy texts as on a CPU": f"{over(sum, 'greedy_as_cpu') / len(of):.0%}",
            "texts that do not depend on others": f"{min(over(min, 'greedy_as_alone'), over(min, 'sampled_as_alone')):.0%}",
        }


def read(row: Row) -> Row:
    """A way of reading."""
    alone = row["batch_tokens"] == 0
    return {
        "precision": row["precision"].replace("int8_stock", "int8, bitsandbytes' own"),
        "tokens a pass": "alone" if alone else f"{row['batch_tokens']:,}",
        "tokens/s": f"{row['tokens_per_second']:,.0f}",
        "share of the peak": f"{row['mfu']:.0%}" if row["mfu"] >= 0.1 else f"{row['mfu']:.1%}",
        "memory": f"{row['peak_bytes'] / 1e9:.1f} GB",
        "moved by others": f"{row['half']:.0e}" if "half" in row else "",
    }


def written(row: Row) -> Row:
    """A way of writing."""
    independent = row.get("as_beside_others")
    return {
        "size": row["size"],
        "precision": row["precision"],
        "way": row["way"],
        "texts/s": f"{row['texts_per_second']:.1f}",
        "tokens/s": f"{row['tokens_per_second']:,.0f}",
        "memory": f"{row['peak_bytes'] / 1e9:.1f} GB",
        "texts that are the same beside others": "not tried" if independent is None else f"{independent:.0%}",
    }


def of_run(run: Row) -> Iterator[str]:
    """The parts of a whole run."""
    yield WHOLE.format(**run["versions"])
    yield table(list(map(took, run["took"])))
    planned = [row for row in run["took"] if row["planned"] is not None]
    said, were = (sum(row[key] for row in planned) / 60 for key in ("planned", "seconds"))
    yield f"The plan gave the stages that load a model {said:.1f} minutes, and they took {were:.1f}.\n"
    yield VECTORS
    yield table(list(map(vectors, run["vectors"])))
    same, of = (sum(row[key] for row in run["layers"] if row["precision"] == "fp32") for key in ("same", "layers"))
    yield f"Layers that rules choose at fp32: {same} of {of} are the same.\n"
    yield TEXTS
    yield table(list(map(texts, run["texts"])))


def took(row: Row) -> Row:
    """The stages of a kind."""
    planned = "" if row["planned"] is None else f"{row['planned']:.0f}"
    return {"stages": f"{row['stages']} {row['kind']}", "seconds": f"{row['seconds']:.0f}", "the plan's": planned}


def vectors(row: Row) -> Row:
    """One group of vectors, at a precision and a position."""
    finite = row["finite"], row["finite_cpu"]
    return {
        "model": row["model"],
        "vectors": row["method"],
        "precision": row["precision"],
        "position": row["position"],
        "from the CPU's": _number(row, "apart", ".0e"),
        "correlation": _number(row, "correlation", ".4f"),
        "CPU's from its fp32": _number(row, "apart_fp32", ".0e"),
        "its correlation": _number(row, "correlation_fp32", ".4f"),
        "finite layers": f"{finite[0]} of {row['layers']}; CPU {finite[1]}" if min(finite) < row["layers"] else "all",
    }


def _number(row: Row, key: str, form: str) -> str:
    """Nothing where there is none: of fp32 itself, and where no layer is finite on both."""
    return "" if row.get(key) is None else format(row[key], form)


def texts(row: Row) -> Row:
    """What a model wrote for one end."""
    return {
        "model": row["model"],
        "precision": row["precision"],
        "texts": f"{row['for']} {row['setting']}".strip(),
        "the CPU's own": f"{row['same']} of {row['texts']}",
    }


def table(rows: Sequence[Row]) -> str:
    """A Markdown table."""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *(row.values() for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
