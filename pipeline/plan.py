"""Say what a run would do, and check every input before anything starts.

    python -m pipeline.plan

Not a stage: it writes nothing. Entries, stimuli and precisions are checked as the stages would check them; whatever is wrong
comes out now, not after an hour.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from pipeline import prompts, stimuli
from pipeline.checked import InputError, one_line, run_stage
from pipeline.entries import ModelEntry, load_entries
from pipeline.fetched import fetched_path
from pipeline.lint import lint
from pipeline.params import NEUTRAL, QUANTISED, STORIES, Params, Second, Varied, load_params
from pipeline.store import activations_path
from pipeline.writings import Writing, WritingRead

TOKENS_PER_CHARACTER = 0.24  # of English prose, over the tokenizers of the profiles; for the estimate of time alone
START_SECONDS = 8  # of a stage: Python, torch, the model
# Time of a pass relative to fp32 at the rate of `flops_per_second`. Measured on CPUs; fp16 without hardware support is slow.
CPU_FACTOR = {"fp32": 1.0, "bf16": 1.2, "fp16": 1.1, "int8": 1.4, "nf4": 2.0}


def flops_per_second() -> float:
    """What this CPU makes of float32 matrix products, from a fifth of a second of them."""
    a = np.ones((768, 768), dtype=np.float32)
    a @ a
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < 0.2:
        a @ a
        count += 1
    return count * 2 * 768**3 / (time.perf_counter() - start)


def seconds(entry: ModelEntry, precision: str, tokens: float, rate: float) -> float:
    """A rough time for one `read` stage on this CPU: two operations per parameter and token, at two thirds of `rate`."""
    passes = len(entry.draws) * tokens * 2 * entry.parameters * CPU_FACTOR[precision]
    return START_SECONDS + passes / (0.67 * rate)


def readings(params: Params) -> Iterator[tuple[str, str, str, list[str]]]:
    """Every stage that reads: its name in DVC, model, precision, and what it reads."""
    for model, precision in params.cells:
        stage = "read" if model in params.read.models else "read_untrained"
        yield f"{stage}@{model}-{precision}", model, precision, [STORIES, NEUTRAL]
    lists: dict[str, list[Varied | Second]] = {"varied": [*params.varied], "second": [*params.second]}
    for stage, more in lists.items():
        for model in params.read.models:
            for n, reading in enumerate(more):  # DVC numbers the items of a list of mappings
                yield f"read_{stage}@{model}-{stage}{n}", model, reading.precision, [reading.name]


def writings(
    params: Params, entries: dict[str, ModelEntry], changed: list[str], n_labels: int, rate: float
) -> tuple[int, float]:
    """How many writings are to be made or read, and a bound on the seconds that they take: no text may end early."""
    count, about = 0, 0.0
    for model in params.write.models:
        lists: dict[str, list[Writing | WritingRead]] = {"writing": [*params.writings], "read": [*params.writings_read]}
        for kind, listed in lists.items():
            for n, item in enumerate(listed):
                stage = f"{'write' if kind == 'writing' else 'read_writing'}@{model}-{kind}{n}"
                if stage not in changed:
                    continue
                setting = params.write.settings[item.setting]
                ids = setting.only or prompts.load(params.write.prompts, setting.prompts, None)["id"].unique().to_list()
                # greedy samples are one text; what is read is read twice
                texts = n_labels * len(ids) * (1 if setting.temperature is None else setting.samples)
                tokens = texts * setting.max_new_tokens * (1 if kind == "writing" else 2)
                precision = item.precision if isinstance(item, Writing) else item.read
                about += seconds(entries[model], precision, tokens, rate)
                count += kind == "writing"
    return count, about


def changed_stages() -> list[str]:
    """Names of the stages that DVC finds changed; [] when all is up to date."""
    asked = subprocess.run(["dvc", "status", "--json"], capture_output=True, text=True, check=False)
    if asked.returncode != 0:
        raise InputError(f"dvc status: {one_line(asked.stderr.strip().removeprefix('ERROR: '))}")
    return list(json.loads(asked.stdout or "{}"))


def main(arguments: list[str]) -> None:
    params = load_params()
    entries = load_entries(params)
    texts: dict[str, pl.DataFrame] = {name: stimuli.load(reading) for name, reading in params.readings.items()}
    missing = {name: fetched_path(name) for name in params.fetch if not fetched_path(name).exists()}
    for second in params.second:  # what is fetched first cannot be counted yet
        texts[second.name] = (
            stimuli.load(second) if second.path not in missing.values() else pl.DataFrame(schema=stimuli.SCHEMA)
        )
    texts |= {varied.name: texts[STORIES] for varied in params.varied}
    changed = changed_stages()
    out = Console(file=sys.stdout, highlight=False, width=None if sys.stdout.isatty() else 100)
    if not changed:
        out.print("Everything is up to date.")
        return
    stories = texts[STORIES]
    out.print(
        f"Profile [bold]{params.profile}[/]: {stories.height} stories ({stories['emotion'].n_unique()} labels,"
        f" {stories['topic'].n_unique()} topics) and {texts[NEUTRAL].height} neutral texts"
    )
    if warnings := len(lint(stories, params.corpus)):
        out.print(f"The lint of the stories has {warnings} warnings: make lint-corpus shows them")
    for name in missing:
        out.print(f"fetches {name} from {params.fetch[name].url}")
    rate = flops_per_second()
    grid = Table("reads", "precision", "texts", "weights", "about", box=None, pad_edge=False)
    total = 0.0
    for stage, model, precision, names in readings(params):
        entry, path = entries[model], activations_path(model, precision, names[0])
        if stage not in changed and path.exists():
            continue
        tokens = sum(len(text) for name in names for text in texts[name]["text"]) * TOKENS_PER_CHARACTER
        total += (about := seconds(entry, precision, tokens, rate))
        weights = f"{len(entry.draws)} random draws" if entry.untrained else f"{entry.parameters / 1e6:,.0f} M parameters"
        alone = ", one text at a time" if precision in QUANTISED and names[0] == STORIES else ""
        grid.add_row(model, precision + alone, ", ".join(names), weights, _minutes(about))
    if grid.row_count:
        out.print(grid)
    writes, longest = writings(params, entries, changed, len(texts[STORIES]["emotion"].unique()), rate)
    if writes:
        total += longest
        out.print(f"and {', '.join(params.write.models)} writes and reads {writes} writings: at most {_minutes(longest)}")
    out.print(
        "then vectors, geometry, corpus, rsa, controls, choices, paper, writings, confounds, report: about three minutes"
        + (f"; {_minutes(total + 180)} in all on this CPU" if total else "")
    )


def _minutes(value: float) -> str:
    return f"{value / 3600:.1f} h" if value > 5400 else f"{value / 60:.0f} min" if value >= 90 else f"{value:.0f} s"


if __name__ == "__main__":
    run_stage(main)
