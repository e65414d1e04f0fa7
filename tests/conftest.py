"""Shared fixtures: tiny random-weight models of six families, a small project to run stages in, the real 135M model."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from importlib import import_module
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from ruamel.yaml import YAML

from analysis.rsa.gram import Design
from benchmarks.gpu import tiny
from benchmarks.gpu.tiny import FAMILIES
from pipeline.models.entries import load_entry
from pipeline.params.whole import Params
from pipeline.plan import check
from tests.spread import pytest_collection_modifyitems, pytest_xdist_make_scheduler  # noqa: F401  (hooks of pytest)

ROOT = Path(__file__).resolve().parent.parent


CONCLUDE = ("geometry", "corpus", "pairs", "gram", "imported", "shared", "human", "choices", "paper", "writings", "confounds")
CONCLUDE += ("steering", "behaviour", "maturity", "claims", "headline", "report")
"""The stages of `analysis`, each after those that it reads."""

STAGES = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"]


def module_of(stage: str) -> str:
    """The module that a stage of dvc.yaml runs."""
    return STAGES[stage]["cmd"].split()[2]


TOPICS = ("supper", "phone_call", "allotment", "night_bus", "market_stall", "rehearsal")


def stories() -> list[dict[str, str]]:
    """The repository's stories on six topics: a size that tests can read often."""
    with (ROOT / "data/stimuli/stories.csv").open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["topic"] in TOPICS]


def neutral_texts() -> list[dict[str, str]]:
    with (ROOT / "data/stimuli/neutral.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Two compute threads beside another busy process are slower than one; and numbers then repeat everywhere."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def model_folders(tmp_path_factory) -> dict[str, Path]:
    """A saved tiny model per family, random weights, in the form that a hub snapshot has."""
    made = {}
    for family in FAMILIES:
        made[family] = tmp_path_factory.mktemp("models") / family
        tiny.save(family, made[family], [s["text"] for s in stories()])
    return made


def write_yaml(path: Path, data: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        YAML(typ="safe").dump(data, file)


class Project:
    """A small project in the current folder: two models, a twin, 4 emotions and neutral x 6 topics."""

    emotions = ("angry", "calm", "happy", "neutral", "sad")

    def __init__(self, folder: Path, models_: dict[str, Path]) -> None:
        self.folder, self.models = folder, models_
        self.params = YAML(typ="safe").load((ROOT / "profiles/default.yaml").read_text())
        self.params["read"] |= {"models": ["tiny-llama-3.2", "tiny-qwen2.5"], "precisions": ["fp32", "fp16"], "device": "cpu"}
        self.params["second"] = []
        for varied, precision in zip(self.params["varied"], ("fp32", "fp16"), strict=True):
            varied |= {"precision": precision}
        self.params["read_untrained"] |= {"models": ["tiny-untrained"]}
        self.params["rsa"] |= {"depths": [0.0, 0.5, 1.0], "triples": 4, "shuffles": 39}
        self.params["vectors"] |= {"settings": "all", "draws": None}
        self.params["gram"] |= {"draws": None}
        self.params["shared"] |= {"halvings": 6, "subsets": 4, "orders": 9}
        self.params["write"]["models"], self.params["writings"], self.params["writings_read"] = [], [], []  # see `writes`
        self.params["steering"] |= {"models": [], "precisions": ["fp32"]}  # see `steers`
        self.params["behaviour"] |= {"models": [], "precisions": ["fp32"]}  # see `asks`
        self.save()
        self.entry("tiny-llama-3.2", "llama-3.2")
        self.entry("tiny-qwen2.5", "qwen2.5")
        self.entry("tiny-untrained", "smollm2", seeds=[0, 1])
        (folder / "data/stimuli").mkdir(parents=True)
        self.write_csv("stories.csv", [s for s in stories() if s["emotion"] in self.emotions])
        for name in ("emotions.csv", "topics.csv", "label_words.csv", "prompts.csv"):
            shutil.copy(ROOT / "data/stimuli" / name, folder / "data/stimuli")
        self.write_csv("neutral.csv", neutral_texts()[::4])
        shutil.copytree(ROOT / "data/reference", folder / "data/reference")
        shutil.copytree(ROOT / "data/banks", folder / "data/banks")
        shutil.copytree(ROOT / "data/behaviour", folder / "data/behaviour")

    def writes(self, *models: str) -> None:
        """Let models write few and short texts, at both precisions, and read them."""
        write = self.params["write"] | {"models": list(models), "fewest_tokens": 2}
        for setting in write["settings"].values():
            setting |= {"max_new_tokens": 12}
        self.params["write"] = write
        self.params["writings"] = [
            {"setting": "matched", "precision": "fp32"},
            {"setting": "matched", "precision": "fp16"},
            {"setting": "reliable", "precision": "fp32"},
        ]
        read = [
            ("matched", "fp32", "fp32"),
            ("matched", "fp16", "fp16"),
            ("matched", "fp16", "fp32"),
            ("reliable", "fp32", "fp32"),
        ]
        self.params["writings_read"] = [{"setting": s, "written": w, "read": r, "contexts": "both"} for s, w, r in read]
        self.compares_what_is_read()
        self.save()

    def compares_what_is_read(self) -> None:
        """Leave out the experiments whose texts nobody reads, and what is said of them."""
        read = {(r["setting"], r["written"], r["read"]) for r in self.params["writings_read"]}
        confounds = self.params["confounds"]
        known = {
            name: e
            for name, e in confounds["experiments"].items()
            if e["source"] == "stories" or (e["source"], e.get("written", e["precision"]), e["precision"]) in read
        }
        published = {name: pair for name, pair in confounds["published"].items() if set(pair) <= set(known)}
        attributions = [pair for pair in confounds["attributions"] if set(pair) <= set(known)]
        bias = confounds["bias"] if set(confounds["bias"] or ()) <= set(published) else None
        self.params["confounds"] = {"experiments": known, "published": published, "bias": bias, "attributions": attributions}

    def steers(self, *models: str, precisions: tuple[str, ...] = ("fp32",)) -> None:
        """Let models write a few steered texts."""
        steering = self.params["steering"] | {"models": list(models), "precisions": list(precisions), "max_new_tokens": 8}
        steering["paper"] |= {"strengths": [0.01, 0.05], "scenarios": {"aggressive": "calm", "weather": "angry"}}
        steering["ours"] |= {"emotions": ["calm", "sad"], "strengths": [0.2, 0.8], "random": 1}
        self.params["steering"] = steering
        self.save()

    def asks(self, *models: str) -> None:
        """Ask models, which become instruct models, a few questions, with few words to answer."""
        few = {"answer_tokens": 6, "task_tokens": 12, "precisions": ["fp32"]}
        self.params["behaviour"] |= few | {"models": list(models)}
        for model in models:
            self.entry(model, model.removeprefix("tiny-"), tuning="instruct")
        self.few_items()
        self.save()

    def few_items(self) -> None:
        """The first of the repository's questions and constraints alone."""
        for name, n in (("questions", 6), ("constraints", 5)):
            lines = (ROOT / f"data/behaviour/{name}.csv").read_text(encoding="utf-8").splitlines(keepends=True)
            (self.folder / f"data/behaviour/{name}.csv").write_text("".join(lines[: n + 1]), encoding="utf-8")

    def save(self) -> None:
        write_yaml(self.folder / "params.yaml", self.params)

    def entry(self, name: str, family: str, **more: object) -> None:
        entry = {"family": family, "lineage": family, "tuning": "base", "bos": FAMILIES[family][1], "parameters": 1e5}
        write_yaml(self.folder / f"data/models/{name}.yaml", entry | {"folder": {"path": str(self.models[family])}} | more)

    def write_csv(self, name: str, rows: list[dict[str, str]]) -> Path:
        path = self.folder / "data/stimuli" / name
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        return path

    def run(self, *stages: str) -> None:
        """Run stages in this process, in order: `read`, `write`, `vectors`, then those of CONCLUDE; `steer`, which needs
        `geometry`, goes before `steering`, and `ask` before `behaviour`."""
        params = Params.load()
        for stage in stages:
            if stage in MEASURE:
                MEASURE[stage](params)
            else:
                import_module(module_of(stage)).main([])


def _read(params: Params) -> None:
    from pipeline.reading import read

    for model, precision in params.cells:
        names = params.readings_of(model, precision)
        read.main([model, precision, *(n for n in names if params.reading(n, precision))])


def _write(params: Params) -> None:
    from pipeline.writing import read_writing, write

    for model in params.write.models:
        for w in params.writings:
            write.main([model, w.setting, w.precision])
        for r in params.writings_read:
            read_writing.main([model, r.setting, r.written, r.read, r.contexts])


def _vectors(params: Params) -> None:
    from pipeline.reading import vectors
    from pipeline.store import roots

    roots.main([])
    for model in params.models:
        vectors.main([model])


def _steer(params: Params) -> None:
    from pipeline.steering import steer

    for model, precision in product(params.steering.models, params.steering.precisions):
        steer.main([model, precision])


def _ask(params: Params) -> None:
    from pipeline.behaviour import ask

    for model, precision in product(params.behaviour.models, params.behaviour.precisions):
        ask.main([model, precision])


MEASURE = {"ask": _ask, "read": _read, "write": _write, "vectors": _vectors, "steer": _steer}


@pytest.fixture
def project(tmp_path, monkeypatch, model_folders) -> Project:
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path, model_folders)


@pytest.fixture(scope="session")
def finished(tmp_path_factory, model_folders) -> Project:
    """A project whose every stage has run once. Read only."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return finish(Project(folder, model_folders))


def finish(project: Project) -> Project:
    """Run every stage of a new project, in the current folder, once."""
    project.writes("tiny-llama-3.2")
    project.steers("tiny-llama-3.2")
    project.asks("tiny-llama-3.2", "tiny-qwen2.5")
    check.main([])
    project.run("read", "write", "vectors", "geometry", "steer", "ask", *CONCLUDE[1:])
    return project


@pytest.fixture
def in_finished(finished, monkeypatch) -> Project:
    monkeypatch.chdir(finished.folder)
    return finished


@pytest.fixture(scope="session")
def real_folder(tmp_path_factory) -> Path:
    """The real SmolLM2-135M-Instruct as a folder of safetensors; the repository's own copy is used where there is one."""
    from pipeline.models import loading as pipeline_models

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        entry = load_entry("smollm2-135m-instruct")
        path = pipeline_models.locate(entry, Path("data/models/smollm2-135m-instruct.yaml"))
        return path.resolve()


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator of each test's own, so that no test's numbers depend on which tests ran before it."""
    return np.random.default_rng(2604_11050)


def crossed(n_labels: int, n_topics: int, per_cell: int = 1) -> Design:
    """A design of labels crossed with topics, stories ordered by label, then topic."""
    cells = [(e, t) for e in range(n_labels) for t in range(n_topics) for _ in range(per_cell)]
    return Design.of([f"e{e:02}" for e, _ in cells], [f"t{t:02}" for _, t in cells])


def copy_sources(target: Path) -> None:
    """The project's code and DAG, as a clone would have them."""
    for name in ("pipeline", "analysis"):
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    (target / "docs").mkdir()
    for name in ("dvc.yaml", ".gitignore", ".dvcignore", "docs/glossary.md"):
        shutil.copy(ROOT / name, target / name)


def publish(root: Path) -> None:
    """Make a folder with a dvc.yaml a repository whose DAG has run, pushed to the remote inside it, as a release leaves it."""
    dvc = (sys.executable, "-m", "dvc")

    def run(*command: str) -> None:
        subprocess.run(command, cwd=root, check=True, capture_output=True, env=dvc_environment())

    (root / ".gitignore").write_text("/data\n")
    run("git", "init", "-q")
    run(*dvc, "init", "-q")
    shutil.copy(ROOT / ".dvc/config", root / ".dvc/config")
    run(*dvc, "repro", "-q")
    run(*dvc, "push", "-q")
    run("git", "add", "-A")
    run("git", "-c", "user.email=a@example.org", "-c", "user.name=a", "commit", "-qm", "published")


def dvc_environment() -> dict[str, str]:
    """The environment of DVC as a child: stages find this Python first, and keep to one thread."""
    return os.environ | {"PATH": f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
