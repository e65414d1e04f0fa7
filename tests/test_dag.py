"""The DAG as DVC sees it: every stage names what it runs, one model's change stays its own, a dropped model leaves no trace."""

import os
import re
import shutil
import subprocess
import sys

import grimp
import polars as pl
import pytest
from ruamel.yaml import YAML

from analysis.report.view import VIEWED
from pipeline import provenance, tables
from tests.conftest import CONCLUDE, ROOT, Project, copy_sources

STAGES = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"]
GRAPH = grimp.build_graph("pipeline", "analysis")
GROUND = {"checked", "params", "conclusions", "writings", "experiments", "fetched", "schemas", "entries", "stimuli"}
GROUND |= {"labels", "prompts", "hub", "models", "residual", "generation", "text_cache", "int8_rows", "arithmetic", "workers"}
GROUND |= {"batches", "sampling", "slots"}
GROUND |= {
    "store",
    "tables",
    "opening",
    "provenance",
    "steers",
    "hooks",
    "rereading",
    "targets",
    "compliance",
    "items",
    "constraints",
}
FOR_ANALYSIS = {"checked", "params", "conclusions", "writings", "experiments", "entries", "stimuli", "labels", "store"}
FOR_ANALYSIS |= {"tables", "opening"}
FOR_ANALYSIS = {f"pipeline.{n}" for n in FOR_ANALYSIS | {"schemas.stories", "steers"}}
PURE = {"gram", "rdm", "inference", "layers", "pairwise", "parallel", "floor"}
GROUND_OF_ANALYSIS = PURE | {"words", "valence", "conditions", "sides", "otherwise", "layer_map", "second", "lineages"}
GROUND_OF_ANALYSIS |= {"distances", "ceilings", "shapley", "variance", "cells", "measuring", "published", "overflow"}
GROUND_OF_ANALYSIS |= {"verdicts", "evidence", "evidence_alone", "texts"}


def module_of(stage):
    return re.match(r"python -m (\S+)", STAGES[stage]["cmd"])[1]


def closure(module):
    """Files that importing a module runs, by an import graph that is not ours."""
    modules = {module, *GRAPH.find_upstream_modules(module)}
    packages = {".".join(m.split(".")[:n]) for m in modules for n in range(1, m.count(".") + 1)}
    files = set()
    for name in modules | packages:
        stem = name.replace(".", "/")
        files |= {p for p in (f"{stem}.py", f"{stem}/__init__.py") if (ROOT / p).exists()}
    return files


@pytest.mark.parametrize("stage", STAGES)
def test_a_stages_deps_name_every_module_that_it_runs(stage):
    named = {d for d in STAGES[stage]["deps"] if d.endswith(".py")}
    assert named == closure(module_of(stage))


@pytest.mark.parametrize("stage", STAGES)
def test_the_code_digest_covers_the_same_files(stage):
    assert {str(p) for p in provenance.sources(module_of(stage))} == closure(module_of(stage))


def test_the_code_digest_sees_every_file(tmp_path, monkeypatch):
    copy_sources(tmp_path)
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    monkeypatch.setattr(provenance.sources, "__defaults__", (tmp_path,))
    before = provenance.code_digest("pipeline.read")
    assert before == provenance.code_digest("pipeline.read")
    (tmp_path / "analysis/rsa.py").write_text("")
    assert provenance.code_digest("pipeline.read") == before
    with (tmp_path / "pipeline/residual.py").open("a") as file:
        file.write("# a comment\n")
    assert provenance.code_digest("pipeline.read") != before


def test_ground_modules_import_no_stage_and_analysis_takes_only_the_ground():
    for name in GROUND:
        upstream = GRAPH.find_modules_directly_imported_by(f"pipeline.{name}")
        assert {m.split(".")[1] for m in upstream if "." in m} <= GROUND
    for name in PURE:
        assert all(m.startswith("analysis") for m in GRAPH.find_upstream_modules(f"analysis.{name}"))
    for module in GRAPH.modules:
        if module.startswith("analysis"):
            theirs = {m for m in GRAPH.find_modules_directly_imported_by(module) if m.startswith("pipeline.")}
            assert theirs <= FOR_ANALYSIS, module


def test_the_report_depends_on_every_table_that_it_shows():
    named = {d for d in STAGES["report"]["deps"] if d.startswith("data/tables/")}
    assert named == {str(tables.table_path(name)) for name in VIEWED}


def test_analysis_never_imports_torch():
    modules = sorted(m for m in GRAPH.modules if m.startswith("analysis"))
    code = f"import sys, {', '.join(modules)}; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, timeout=120)


def test_files_stay_readable_at_one_sitting():
    for path in [*ROOT.glob("pipeline/*.py"), *ROOT.glob("analysis/**/*.py")]:
        assert len(path.read_text().splitlines()) <= 300, path


def test_every_dvc_out_is_ignored_by_git_and_no_source_is():
    for stage in STAGES.values():
        for out in stage["outs"]:
            path = re.sub(r"\$\{.*?\}", "x", out if isinstance(out, str) else next(iter(out)))
            assert subprocess.run(["git", "check-ignore", "-q", path], cwd=ROOT).returncode == 0, path
    tracked = ["data/stimuli/stories.csv", "data/models/smollm2-135m-instruct.yaml", "params.yaml", "dvc.lock"]
    for path in tracked:
        assert subprocess.run(["git", "check-ignore", "-q", path], cwd=ROOT).returncode == 1, path


# --- DVC itself, on tiny models ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cloned(tmp_path_factory, model_folders):
    """A project under git and DVC, as a clone has it, whose DAG has run once."""
    folder = tmp_path_factory.mktemp("clone")
    copy_sources(folder)
    project = Project(folder, model_folders)
    project.writes("tiny-llama-3.2")
    project.steers("tiny-llama-3.2")
    project.asks("tiny-llama-3.2")
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    dvc(folder, "init", "-q")
    shutil.copy(ROOT / ".dvc/config", folder / ".dvc/config")
    project.ran = stages_run(folder)
    return project


def dvc(folder, *arguments, ok=True):
    environment = os.environ | {"PATH": f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=540
    )
    assert (done.returncode == 0) == ok, done.stdout + done.stderr
    return done.stdout + done.stderr


def stages_run(folder):
    """The stages that a `dvc repro` ran."""
    return set(re.findall(r"Running stage '([^']+)'", dvc(folder, "repro")))


READS = {f"read@{m}-{p}" for m in ("tiny-llama-3.2", "tiny-qwen2.5") for p in ("fp32", "fp16")}
VARIED = {f"read_varied@{m}-varied{n}" for m in ("tiny-llama-3.2", "tiny-qwen2.5") for n in (0, 1)}
WRITINGS = {f"write@tiny-llama-3.2-writing{n}" for n in range(3)} | {f"read_writing@tiny-llama-3.2-read{n}" for n in range(4)}
AFTER = set(CONCLUDE) - {"steering"}
STEERED = {"steer@tiny-llama-3.2-fp32", "ask@tiny-llama-3.2-fp32", "steering"}  # none depends on what another model does


def test_one_repro_runs_the_whole_dag(cloned):
    vectors = {"vectors@tiny-llama-3.2", "vectors@tiny-qwen2.5", "vectors_untrained@tiny-untrained"}
    assert cloned.ran == READS | VARIED | WRITINGS | STEERED | vectors | {"read_untrained@tiny-untrained-fp32", "roots"} | AFTER
    assert all((cloned.folder / tables.table_path(name)).exists() for name in tables.SCHEMAS)
    assert (cloned.folder / "data/report/index.html").stat().st_size > 500_000
    assert not list(cloned.folder.glob("data/**/.gitignore"))


def test_a_change_of_one_models_file_reruns_its_stages_and_what_follows_and_a_dropped_model_leaves_no_trace(cloned):
    assert "up to date" in dvc(cloned.folder, "repro")
    cloned.entry("tiny-qwen2.5", "qwen2.5", tuning="instruct")
    assert stages_run(cloned.folder) == {s for s in READS | VARIED if "qwen" in s} | {"vectors@tiny-qwen2.5"} | AFTER
    cloned.params["read"]["models"] = ["tiny-llama-3.2"]
    cloned.save()
    ran = stages_run(cloned.folder)
    assert not {s for s in ran if s.startswith("read@")}
    for name in tables.SCHEMAS:
        table = pl.read_parquet(cloned.folder / tables.table_path(name))
        for column in (c for c in table.columns if c.startswith("model")):
            assert "tiny-qwen2.5" not in table[column].to_list()
    assert not (cloned.folder / "data/vectors.zarr/tiny-qwen2.5").exists()
    assert "tiny-qwen2.5" not in (cloned.folder / "data/report/index.html").read_text()


def test_a_users_mistake_ends_in_one_line_and_no_traceback(cloned):
    cloned.params["read"]["models"] = ["tiny-llama-3.2", "tiny-missing"]
    cloned.save()
    said = dvc(cloned.folder, "repro", "read@tiny-missing-fp32", ok=False)
    assert "Traceback" not in said
    cloned.entry("tiny-missing", "qwen2.5", folder={"path": "nowhere"})
    said = dvc(cloned.folder, "repro", "read@tiny-missing-fp32", ok=False)
    assert "error: data/models/tiny-missing.yaml: folder.path: nowhere is not a folder" in said
    assert "Traceback" not in said
