"""The DAG as DVC sees it: every stage names what it runs and reruns for nothing else, one model's change stays its own, a
dropped model leaves no trace."""

import importlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import grimp
import polars as pl
import pytest
from ruamel.yaml import YAML

from analysis.report.view import VIEWED
from pipeline.params.base import Sections
from pipeline.plan.stages import value_at
from pipeline.schemas.every import TABLES
from pipeline.store import layout, parts, provenance
from tests.conftest import CONCLUDE, ROOT, STAGES, Project, copy_sources, module_of
from tests.forked import dvc

CODELESS = "check"
"""The stage that makes no result, so that no code of it makes one anew."""

GRAPH = grimp.build_graph("pipeline", "analysis", cache_dir=None)


def closure(module):
    """Files that importing a module runs, by an import graph that is not ours; the packages' own sentences aside."""
    modules = {module, *GRAPH.find_upstream_modules(module)}
    return {f"{m.replace('.', '/')}.py" for m in modules if (ROOT / f"{m.replace('.', '/')}.py").exists()}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stages_deps_hold_every_module_that_it_runs(stage):
    held = {path.as_posix() for path in provenance.sources(stage)}
    assert held == set() if stage == CODELESS else closure(module_of(stage)) <= held


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_names_no_code_that_is_not_there_and_no_file_of_a_folder_that_it_names(stage):
    named = [d for d in STAGES[stage]["deps"] if d.split("/")[0] in provenance.PACKAGES]
    assert all((ROOT / d).exists() for d in named)
    assert not [d for d in named for folder in named if d.startswith(f"{folder}/")]
    assert len(named) == len(set(named))


@pytest.mark.parametrize("profile", sorted(p.stem for p in (ROOT / "profiles").glob("*.yaml")))
def test_a_profile_has_every_key_that_a_stage_depends_on(profile):
    """DVC refuses a run whose params.yaml lacks one."""
    params = YAML(typ="safe").load(ROOT / f"profiles/{profile}.yaml")
    plain = {key for stage in STAGES.values() for key in stage.get("params", []) if isinstance(key, str) and "$" not in key}
    assert len(plain) > 30
    for key in plain:
        value_at(params, key)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_says_what_it_is_for(stage):
    assert STAGES[stage]["desc"].endswith(".")


def test_the_dag_can_be_read_at_one_sitting():
    assert len((ROOT / "dvc.yaml").read_text().splitlines()) < 400


@pytest.mark.parametrize("stage", [s for s in STAGES if STAGES[s].get("params") and s != CODELESS])
def test_a_stage_depends_on_some_value_of_every_section_that_it_loads(stage):
    """A section is loaded by the class that the stage's module calls `load` of; DVC must see it among `params`."""
    module = importlib.import_module({"report": "analysis.report.view"}.get(stage, module_of(stage)))
    called = re.findall(r"(\w+)\.load\(\)", Path(module.__file__).read_text())
    loaded = {name for c in called if issubclass(vars(module)[c], Sections) for name in vars(module)[c].model_fields}
    named = {key.split(".")[0] for key in STAGES[stage]["params"] if isinstance(key, str)}
    free = {"roots": {"positions", "readings"}}
    assert loaded - named <= free.get(stage, UNUSED)
    assert loaded  # or the way in which stages load has changed, and this test sees nothing


UNUSED = {"positions", "read", "readings", "read_untrained", "varied", "second", "write", "writings", "writings_read", "words"}
UNUSED |= {"geometry", "confounds", "corpus", "rsa", "steering", "vectors"}
"""Sections that come with others of one class and of which a stage may use nothing."""


def test_the_code_digest_sees_every_file_and_no_other(tmp_path, monkeypatch):
    copy_sources(tmp_path)

    def digest():
        provenance.sources.cache_clear()
        return provenance.code_digest("read")

    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    monkeypatch.setattr(provenance.sources.__wrapped__, "__defaults__", (tmp_path,))
    before = digest()
    assert before == digest()
    (tmp_path / "analysis/grid/pairs.py").write_text("")
    (tmp_path / "pipeline/params/steering.py").write_text("")
    assert digest() == before
    with (tmp_path / "pipeline/reading/residual.py").open("a") as file:
        file.write("# a comment\n")
    assert digest() != before
    provenance.sources.cache_clear()


def test_the_report_depends_on_every_table_that_it_shows():
    named = {d for d in STAGES["report"]["deps"] if d.startswith("data/tables/")}
    assert named == {path.as_posix() for name in VIEWED for path in parts.paths(TABLES[name])}


def test_who_may_import_whom_is_kept():
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def heavy(module):
    """Which of the large libraries importing a module loads."""
    code = f"import sys, {module}; print(*({{'torch', 'transformers'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, timeout=120, capture_output=True, text=True)
    return set(done.stdout.split())


def test_stages_that_load_no_model_import_neither_torch_nor_transformers():
    light = [module_of(s) for s in STAGES if "pipeline/models" not in STAGES[s]["deps"]]
    assert len(light) == len(STAGES) - 8
    assert heavy(", ".join([*light, *(m for m in GRAPH.modules if m.startswith("analysis"))])) == set()


def test_files_stay_readable_at_one_sitting():
    for path in [*ROOT.glob("pipeline/**/*.py"), *ROOT.glob("analysis/**/*.py")]:
        assert len(path.read_text().splitlines()) <= 300, path


def test_every_package_says_in_one_sentence_what_it_knows():
    for path in [*ROOT.glob("pipeline/**/__init__.py"), *ROOT.glob("analysis/**/__init__.py")]:
        assert re.fullmatch(r'"""[^"\n]+\."""\n', path.read_text()), path


def test_folders_that_stages_read_where_no_model_writes_are_in_every_clone():
    """Of a shared cache `roots` is restored and makes none, and DVC refuses a dep that is not there. DVC does not see the file
    that keeps a folder: an empty one has the same hash with and without it."""
    keeping = [f"{folder.as_posix()}/.gitkeep" for folder in layout.MAY_BE_EMPTY]
    tracked = subprocess.run(["git", "ls-files", "--", *keeping], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert tracked.split() == sorted(keeping)
    ignored = subprocess.run(
        [sys.executable, "-m", "dvc", "check-ignore", *keeping], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert sorted(ignored.stdout.split()) == sorted(keeping)


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


def stages_run(folder):
    """The stages that a `dvc repro` ran."""
    return set(re.findall(r"Running stage '([^']+)'", dvc(folder, "repro")))


READS = {f"read@{m}-{p}" for m in ("tiny-llama-3.2", "tiny-qwen2.5") for p in ("fp32", "fp16")}
VARIED = {f"read_varied@{m}-varied{n}" for m in ("tiny-llama-3.2", "tiny-qwen2.5") for n in (0, 1)}
UNTRAINED = {"read_untrained@tiny-untrained-fp32"}
WRITES = {f"write@tiny-llama-3.2-writing{n}" for n in range(3)}
WRITINGS = WRITES | {f"read_writing@tiny-llama-3.2-read{n}" for n in range(4)}
VECTORS = {"vectors@tiny-llama-3.2", "vectors@tiny-qwen2.5", "vectors_untrained@tiny-untrained"}
AFTER = set(CONCLUDE) - {"steering", "behaviour"}  # these do not depend on what another model does
STEER, ASK = "steer@tiny-llama-3.2-fp32", "ask@tiny-llama-3.2-fp32"
MEASURING = READS | VARIED | UNTRAINED | WRITINGS | VECTORS | {STEER, ASK}


def test_one_repro_runs_the_whole_dag(cloned):
    assert cloned.ran == MEASURING | {"check", "roots"} | set(CONCLUDE)
    assert all(parts.are_there(table, cloned.folder) for table in TABLES.values())
    assert (cloned.folder / "data/report/index.html").stat().st_size > 500_000
    assert not list(cloned.folder.glob("data/**/.gitignore"))


CHANGES = [
    ("pipeline/params/steering.py", {STEER, "steering", "report"}),
    ("pipeline/params/maturity.py", {"maturity", "claims"}),
    ("analysis/claims/rules.py", {"claims", "report"}),
    ("analysis/claims/mature.py", {"maturity", "claims"}),
    ("analysis/claims/pair_evidence.py", {"claims"}),
    ("analysis/report/metrics.py", {"headline", "report"}),
    ("analysis/grid/grams.py", {"gram"}),
    ("pipeline/params/gram.py", {"gram"}),
    ("pipeline/schemas/corpus.py", {"corpus", "claims", "report"}),
    ("pipeline/schemas/pairs.py", {"pairs", "claims", "headline", "report"}),
    ("pipeline/schemas/shared.py", {"shared", "claims", "report"}),
    ("analysis/grid/prediction.py", {"shared"}),
    ("pipeline/schemas/steering.py", {"steering", "claims", "report"}),
    ("pipeline/reading/vectors.py", VECTORS),
    ("pipeline/writing/write.py", WRITES),
    ("pipeline/behaviour/constraints.py", {ASK}),
    ("pipeline/reading/residual.py", MEASURING - VECTORS),
    ("pipeline/models/loading.py", MEASURING - VECTORS),
    ("analysis/report/figures.py", {"report"}),
    *[(f"pipeline/plan/{name}.py", set()) for name in ("plan", "costs", "lint", "workload", "stages")],
    *[(f"pipeline/{name}.py", set()) for name in ("door/home", "door/revision", "publish/release", "publish/dictionary")],
    *[(name, set()) for name in ("pipeline/params/whole.py", "pipeline/opening.py", "analysis/to_rsatoolbox.py")],
]
"""A file of code, and the stages whose own deps change with it; what follows from their outs, DVC knows."""


@pytest.fixture(scope="module")
def modified(cloned):
    """By file of CHANGES, the stages that `dvc status` says are changed by it. Files that no dep holds two of are touched
    together."""
    together: list[list[str]] = []
    for touched, _ in CHANGES:
        for files in together:
            if not {*deps_that_hold(touched)} & {*deps_that_hold(*files)}:
                files.append(touched)
                break
        else:
            together.append([touched])
    found = {}
    for files in together:
        before = {cloned.folder / file: (cloned.folder / file).read_text() for file in files}
        try:
            for path, text in before.items():
                path.write_text(text + "\n# touched\n")
            status = dvc(cloned.folder, "status")
        finally:
            for path, text in before.items():
                path.write_text(text)
        assert {*re.findall(r"modified: +(\S+)", status)} == {*deps_that_hold(*files)}
        found |= {file: stages_modified(status, deps_that_hold(file)) for file in files}
    return found


def stages_modified(status, deps):
    """Of what `dvc status` says: the stages for which one of some deps is modified."""
    held = "|".join(map(re.escape, deps)) or "nothing"
    return {m[1] for m in re.finditer(rf"^(\S+):\n(?:\t.*\n)*?\t\t\t?modified: +(?:{held})\n", status, re.M)}


@pytest.mark.parametrize(("touched", "changed"), CHANGES)
def test_what_a_change_of_code_reruns(modified, touched, changed):
    assert modified[touched] == changed


def deps_that_hold(*paths):
    """How `dvc status` names a changed file: by each dep that holds it, itself or a folder."""
    named = {d for stage in STAGES.values() for d in stage["deps"]}
    return sorted(d for d in named for path in paths if path == d or path.startswith(f"{d}/"))


def test_a_change_of_one_models_file_reruns_its_stages_and_what_follows_and_a_dropped_model_leaves_no_trace(cloned):
    assert "up to date" in dvc(cloned.folder, "repro")
    cloned.entry("tiny-qwen2.5", "qwen2.5", tuning="instruct")
    assert stages_run(cloned.folder) == {s for s in READS | VARIED if "qwen" in s} | {"check", "vectors@tiny-qwen2.5"} | AFTER
    cloned.params["read"]["models"] = ["tiny-llama-3.2", "tiny-gemma-3"]
    cloned.entry("tiny-gemma-3", "gemma-3")
    cloned.save()
    ran = stages_run(cloned.folder)
    assert {s for s in ran if "@" in s} == {s for s in ran if "tiny-gemma-3" in s}  # a dropped model reruns nobody else either
    assert {s for s in ran if "@" not in s} == AFTER | {"check", "roots"}
    for of in TABLES.values():
        table = pl.read_parquet(cloned.folder / parts.pattern(of))
        for column in (c for c in table.columns if c.startswith("model")):
            assert "tiny-qwen2.5" not in table[column].to_list()
    assert not (cloned.folder / "data/vectors.zarr/tiny-qwen2.5").exists()
    assert "tiny-qwen2.5" not in (cloned.folder / "data/report/index.html").read_text()


def test_what_a_stage_could_not_tell_is_refused_before_anything_is_removed_or_read(cloned):
    """A second name of one folder of weights would count as another model. Nobody asked for a plan."""
    cloned.entry("tiny-copy", "llama-3.2")
    before = cloned.params["read"]["models"]
    kept = sorted((cloned.folder / "data/vectors.zarr").iterdir())
    cloned.params["read"]["models"] = ["tiny-copy", "tiny-llama-3.2"]
    cloned.save()
    said = dvc(cloned.folder, "repro", ok=False)
    assert "error: data/models/tiny-llama-3.2.yaml: its weights are those of data/models/tiny-copy.yaml" in said
    assert re.findall(r"Running stage '([^']+)'", said) == ["check"]
    assert sorted((cloned.folder / "data/vectors.zarr").iterdir()) == kept
    cloned.params["read"]["models"] = before
    cloned.save()


def test_a_users_mistake_ends_in_one_line_and_no_traceback(cloned):
    cloned.params["read"]["models"] = ["tiny-llama-3.2", "tiny-missing"]
    cloned.save()
    said = dvc(cloned.folder, "repro", "read@tiny-missing-fp32", ok=False)
    assert "Traceback" not in said
    cloned.entry("tiny-missing", "qwen2.5", folder={"path": "nowhere"})
    said = dvc(cloned.folder, "repro", "read@tiny-missing-fp32", ok=False)
    assert "error: data/models/tiny-missing.yaml: folder.path: nowhere is not a folder" in said
    assert "Traceback" not in said
