"""What the pages and the notebook print runs as printed, from another folder; commands that they name are there."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

PAGES = [ROOT / "README.md", ROOT / "docs/data.md"]
NAMED = [*PAGES, *(ROOT / f"docs/{name}.md" for name in ("yours", "method", "glossary"))]
NOTEBOOK = ROOT / "analysis/notebooks/your_own_question.ipynb"
REAL = {"smollm2-135m-instruct": "tiny-llama-3.2"}
"""The tiny project has another model in the place of the default's."""


def snippets(path: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", path.read_text(), re.S)


def ran(code: str, folder: Path, home: Path) -> str:
    """What code prints, run in `folder` by a Python that finds this repository; `home` holds the data."""
    for name, other in REAL.items():
        code = code.replace(name, other)
    # a user's own checkout holds code and data; here the data are the tiny project's
    given = f"import pipeline.door.home as where\nfrom pathlib import Path\nwhere.ROOT = Path({str(home)!r})\n"
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", given + code],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_python_snippet_runs_from_another_folder(page, finished, tmp_path):
    found = snippets(page)
    assert found
    ran("\n".join(found), tmp_path, finished.folder)


def shown(cell: str) -> str:
    """A cell that looks at the last thing in it, where that is a table: it has rows."""
    *statements, last = ast.parse(cell).body
    if not isinstance(last, ast.Expr):
        return cell
    looks = """
if isinstance(_shown, pl.DataFrame):
    print("a table that is shown", _shown)
    assert _shown.height > 0
"""
    return "\n".join([*map(ast.unparse, statements), f"_shown = {ast.unparse(last)}", looks])


def test_the_notebook_has_ten_cells_that_run_in_order(finished, tmp_path):
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    assert len(cells) == 10
    code = [shown("".join(c["source"])) for c in cells if c["cell_type"] == "code"]
    assert ran("\n".join(code), tmp_path, finished.folder).count("a table that is shown") == 3
    assert all(not c.get("outputs") for c in cells)


@pytest.mark.parametrize("page", NAMED, ids=lambda p: p.name)
def test_modules_and_files_that_a_page_names_are_there(page):
    text = page.read_text()
    for module in re.findall(r"python -m ((?:pipeline|analysis)[\w.]*)", text):
        assert (ROOT / f"{module.replace('.', '/')}.py").exists(), module
    for target in re.findall(r"\]\((?!http)([^)#]+)", text):
        assert (page.parent / target).exists(), target


def test_the_readme_can_be_read_in_one_go():
    assert len((ROOT / "README.md").read_text().splitlines()) < 150


@pytest.mark.parametrize("page", NAMED, ids=lambda p: p.name)
def test_targets_of_make_and_profiles_that_a_page_names_are_there(page):
    text, makefile = page.read_text(), (ROOT / "Makefile").read_text()
    named = set(re.findall(r"\bmake ([a-z][a-z-]*)\b", "\n".join(re.findall(r"`[^`\n]+`|```\n.*?```", text, re.S))))
    assert all(re.search(rf"^{target}:", makefile, re.M) for target in named), named
    for profile in re.findall(r"P=([a-z]+)", text):
        assert (ROOT / f"profiles/{profile}.yaml").exists(), profile
