"""Say what a run would do and take, and check every input before anything starts.

    python -m pipeline.plan.plan [PARAMS]

Not a stage: it writes nothing. Entries, stimuli and precisions are checked as the stages would check them, and so is access
to what has to be fetched; whatever is wrong comes out now, not after an hour. Of PARAMS, a profile, all stages are counted.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from math import comb, factorial, sqrt
from pathlib import Path
from typing import cast

import polars as pl
from rich.console import Console
from rich.table import Table

from pipeline.errors import NO_GIT, InputError, one_line, run_stage, some
from pipeline.models import hub, packages
from pipeline.models.entries import Hub, ModelEntry
from pipeline.params.base import PARAMS
from pipeline.params.reading import NEUTRAL, STORIES
from pipeline.params.whole import Params
from pipeline.plan import check, corpora, costs, files, machine, names, pulled, scripts, stages, workload
from pipeline.plan.lint import lint
from pipeline.reading.vectors import Params as VectorSections
from pipeline.reading.vectors import groups_of

FEWEST_UNITS = 4
"""Topics, or stories of each label, of which halves say anything (`analysis.rsa.split_half`)."""


def changed_stages() -> list[str]:
    """Names of the stages that DVC finds changed; [] when all is up to date."""
    asked = subprocess.run([sys.executable, "-m", "dvc", "status", "--json"], capture_output=True, text=True, check=False)
    if asked.returncode != 0:
        said = one_line(asked.stderr.strip().removeprefix("ERROR: "))
        raise InputError(f"dvc status: {NO_GIT if 'is not a git repository' in said else said}")
    return list(json.loads(asked.stdout or "{}"))


def main(arguments: list[str]) -> None:
    path = Path(arguments[0]) if arguments else PARAMS
    show(path, pulled.to_run() if path == PARAMS else None)


def show(path: Path, changed: list[str] | None = None) -> dict[str, float]:
    """Check and say it all. Seconds that each stage to run is thought to take on this machine: of one that loads a model by its
    name, of others by the name before the `@`; empty where all is up to date. `changed`: the stages to run, where known.
    Raises InputError for what a stage would refuse."""
    chosen = path == PARAMS  # a profile is looked at before it is chosen, perhaps for another machine
    found = check.inputs(path, chosen=chosen)
    params, entries, texts = found.params, found.entries, found.texts
    if changed is None:
        changed = changed_stages() if chosen else stages.stage_names(stages.DAG, path)
    if chosen and loads_models(changed, params):
        packages.check(found.lacking, own_command(path))
    if changed:
        from pipeline.models import loading  # takes seconds, which only a plan with something to do need spend

        found.check_models()
        if chosen:
            loading.pick_device(params.read.device)
    out = Console(file=sys.stdout, highlight=False, width=None if sys.stdout.isatty() else 120)
    if not changed:
        out.print("Everything is up to date.")
        return {}
    stories, n_labels = texts[STORIES], len(found.labels)
    out.print(
        f"Profile [bold]{params.profile}[/]: {stories.height} stories ({n_labels} labels,"
        f" {corpora.topics_in_words(stories)}) and {texts[NEUTRAL].height} neutral texts"
    )
    out.print(pairs_in_words(params, found.labels))
    out.print(units_in_words(params, stories))
    in_vain = (
        *names.in_vain(params, texts),
        *files.told_unevenly(params, found.labels),
        *(files.banks_in_vain(params, texts) if chosen else ()),
    )
    for said in (*in_vain, *scripts.said(params, texts)):
        out.print(said)
    if warnings := len(lint(stories, params.corpus)):
        out.print(f"The lint of the stories has {warnings} warning{'s' * (warnings != 1)}: make lint-corpus says more")
    for name in corpora.missing(params):
        out.print(f"Fetches {name} from {params.fetch[name].url}; its texts are counted in what follows once they are here")
    follows = " and what follows from them" if chosen else ""
    out.print(f"Stages to run{follows}: {stages.counts(changed)}")
    work = [w for w in workload.of(params, entries, texts, n_labels) if w.stage in changed]
    times: list[float] = []
    if work:
        times = show_models(out, params, entries, work)
        show_disk(out, params, entries, work, n_labels)
        show_memory(out, entries, work)
        show_licences(out, entries)
    else:
        kinds = set(map(stages.kind, changed))
        seconds = sum(s for kind, s in conclusions(params, entries).items() if kind in kinds)
        out.print(f"No model runs: about {in_time(seconds)}")
    wanted = hub.missing(entry.hub for entry in entries.values() if entry.hub is not None)
    show_downloads(out, entries, wanted)
    if not chosen and (lacking := packages.not_installed(found.carried.values())):
        command = own_command(path) or packages.install(lacking)
        out.print(f"{len(lacking)} packages with weights are not installed; this installs them: {command}")
    hub.check_access(wanted)
    return {**conclusions(params, entries), **{w.stage: seconds for w, seconds in zip(work, times, strict=True)}}


def loads_models(changed: Iterable[str], params: Params) -> bool:
    """Whether a model is loaded by stages that changed, or by what follows from them."""
    kinds = set(map(stages.kind, changed))
    # what DVC finds changed is not yet what follows: texts that are fetched are read, and chosen layers are steered at
    return not kinds <= costs.CONCLUSIONS.keys() or ("geometry" in kinds and bool(params.steering.models))


def own_command(path: Path) -> str | None:
    """What installs the packages with weights of a profile that has a lock of its own; None for other params."""
    same = [profile.stem for profile in sorted(Path("profiles").glob("*.yaml")) if profile.read_bytes() == path.read_bytes()]
    with_lock = [name for name in same if (Path("locks") / f"{name}.txt").is_file()]
    return f"make profile P={with_lock[0]}" if with_lock else None


def conclusions(params: Params, entries: dict[str, ModelEntry]) -> dict[str, float]:
    """Seconds of each stage that loads no model, by the name before its `@`."""
    return {kind: costs.conclusion_seconds(kind, n_readers(params, entries)) for kind in costs.CONCLUSIONS}


def n_readers(params: Params, entries: dict[str, ModelEntry]) -> int:
    """Readers whose geometries are compared: each model at each precision, each draw of a twin, words, input embeddings."""
    return len(params.words) + len(params.read.models) + sum(len(entries[m].draws) for m, _ in params.cells)


def pairs_in_words(params: Params, labels: list[str]) -> str:
    """How many emotions count, and what can be seen with so many: RDMs are compared over their pairs."""
    emotions = [e for e in labels if params.vectors.counts(e) and e != params.vectors.neutral_label]
    n, n_pairs, orders = len(emotions), comb(len(emotions), 2), factorial(len(emotions))
    said = f"{n} emotions count, {n_pairs} pairs of them"
    if n_pairs > 1:
        said += f": by chance a rank correlation of two geometries varies by {1 / sqrt(n_pairs - 1):.2f} (standard deviation)"
    if orders <= params.rsa.permutations:
        said += f", and no p from permuted labels is below 1/{orders}"
    return said


def units_in_words(params: Params, stories: pl.DataFrame) -> str:
    """What is halved and drawn again, and what so few of them cannot show. `stories`: columns of `stimuli.load`."""
    counted = stories.filter(pl.col("emotion").map_elements(params.vectors.counts, pl.Boolean))
    if params.vectors.neutral_label is not None:
        counted = counted.filter(pl.col("emotion") != params.vectors.neutral_label)
    emotions, topics = (counted[key].unique().sort().to_list() for key in ("emotion", "topic"))
    there = set(counted.select("emotion", "topic").iter_rows())
    lacking = [f"{e}/{t}" for e in emotions for t in topics if (e, t) not in there]
    if len(topics) > 1 and not lacking:
        n, what = len(topics), f"Resampling is over {len(topics)} topics, of which each has every label"
    else:
        why = f"no story for {some(lacking)}" if lacking else "one topic" if topics != [""] else "no topics"
        what = f"Stories are not crossed with topics ({why}): halves are halves of each label's stories"
        sizes = counted["emotion"].value_counts().sort("count", "emotion")
        (fewest, n), (_, most) = sizes.row(0), sizes.row(-1)
        if n < most:
            what += f", dealt out to {n} folds: {fewest} has {n} of them, others up to {most}"
    if n >= FEWEST_UNITS:
        return what
    few = f"There {'is' if n == 1 else 'are'} {n}, and {FEWEST_UNITS} are needed"
    return f"{what}. {few}: no reliability, and no number of a pair that needs one"


def show_models(out: Console, params: Params, entries: dict[str, ModelEntry], work: list[workload.Work]) -> list[float]:
    """A row for each model and precision: what it does, GPU memory, and time. Seconds of each stage, on this machine."""
    rates, present = machine.flops_per_second(), machine.gpu_present()
    on = costs.card(present)
    grid = Table(
        "model", "precision", "weights", "reads", "writes", "GPU memory", "this CPU", "a GPU", box=None, pad_edge=False
    )
    cells: dict[tuple[str, str], list[workload.Work]] = defaultdict(list)
    for w in work:
        cells[w.model, w.precision].append(w)
    for (model, precision), own in cells.items():
        entry = entries[model]
        n_writes = sum(w.written > 0 for w in own)
        grid.add_row(
            model,
            precision,
            f"{len(entry.draws)} random draw{'s' * (len(entry.draws) > 1)}"
            if entry.untrained
            else f"{entry.parameters / 1e6:,.0f} M",
            str(len(own) - n_writes or ""),
            str(n_writes or ""),
            _gb(costs.gpu_bytes(entry, precision, params.read.gpu_batch_tokens)),
            in_time(sum(w.cpu(entry, rates) for w in own)),
            in_time(sum(w.gpu(entry, on) for w in own)),
        )
    out.print(grid)
    cpu = [w.cpu(entries[w.model], rates) for w in work]
    gpu = [w.gpu(entries[w.model], on) for w in work]
    concluding = sum(conclusions(params, entries).values())
    out.print(
        f"Models: {in_time(sum(cpu))} in all on this CPU; {in_time(sum(gpu))} on {on.in_words()}, writing counted as if no text"
        " ended early."
    )
    out.print(f"Then the stages that load no model: {in_time(concluding)} for {n_readers(params, entries)} readers.")
    return gpu if present else cpu


def show_disk(out: Console, params: Params, entries: dict[str, ModelEntry], work: list[workload.Work], n_labels: int) -> None:
    """What the readings and the vectors take, before compression."""
    vectors, sections = 0.0, cast(VectorSections, params)  # the whole has the sections of the stage that makes them
    for model in params.models:
        entry = entries[model]
        kept = len(entry.draws[: params.vectors.draws]) / len(entry.draws)
        for group in groups_of(model, sections).values():
            vectors += kept * costs.vector_bytes(entry, len(group.readings), len(group.positions), n_labels)
    read = sum(w.disk for w in work)
    copies = sum({entry.gguf.sha256: costs.copy_bytes(entry) for entry in entries.values() if entry.gguf}.values())
    out.print(
        f"Disk: activations {_gb(read)}, vectors {_gb(vectors)} (float32; compression takes off a tenth to a quarter),"
        " twice where the file system cannot share them with DVC's cache"
        + (f"; dequantised weights in .scratch {_gb(copies)}" if copies else "")
    )


def show_memory(out: Console, entries: dict[str, ModelEntry], work: list[workload.Work]) -> None:
    """What the largest stage takes of the memory of a CPU."""
    needed = {(w.model, w.precision): costs.cpu_bytes(entries[w.model], w.precision) for w in work}
    model, precision = max(needed, key=lambda cell: needed[cell])
    out.print(f"Memory: up to {_gb(needed[model, precision])} on a CPU ({model} at {precision})")


def show_licences(out: Console, entries: dict[str, ModelEntry]) -> None:
    """The terms of all weights, each with the models that come under them, before any of these is read."""
    under: dict[tuple[str, str], list[str]] = defaultdict(list)
    for model, entry in entries.items():
        terms = (
            ("unstated", "its entry has no `licence`") if entry.licence is None else (entry.licence.name, entry.licence.text)
        )
        if not entry.untrained:
            under[terms].append(model)
    for (name, text), models in under.items():
        out.print(f"Licence of the weights of {', '.join(models)}: {name} ({text})")
    carried = [model for model, entry in entries.items() if entry.gguf and entry.gguf.carried and not entry.untrained]
    if carried:
        out.print(
            f"Python packages of third parties carry the weights of {', '.join(carried)}: re-packed public files, pinned by"
            " SHA-256; no code of these packages runs."
        )


def show_downloads(out: Console, entries: dict[str, ModelEntry], wanted: list[Hub]) -> None:
    """What has to be fetched from the hub, each revision once."""
    if not wanted:
        if any(entry.hub is not None for entry in entries.values()):
            out.print("Downloads: none; the local cache has every revision")
        return
    sizes = {entry.hub.id: costs.download_bytes(entry) for entry in entries.values() if entry.hub is not None}
    out.print(f"Downloads: {_gb(sum(sizes[h.id] for h in wanted))} (parameters at {costs.HUB_BYTES} bytes)")
    for h in wanted:
        out.print(f"  {h.id} {_gb(sizes[h.id])}{', gated' if h.gated else ''}")


def _gb(value: float) -> str:
    return f"{value / 1e9:.1f} GB" if value >= 1e8 else f"{value / 1e6:.0f} MB"


def in_time(value: float) -> str:
    """Seconds in words."""
    return f"{value / 3600:,.1f} h" if value > 5400 else f"{value / 60:.0f} min" if value >= 90 else f"{value:.0f} s"


if __name__ == "__main__":
    run_stage(main)
