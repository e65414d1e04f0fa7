"""DVC whose lock is fast and whose stages are forks makes what DVC makes."""

import subprocess
import sys
from functools import partial

from tests.conftest import copy_sources, dvc_environment

STAGE = """
import os, sys
from pathlib import Path

assert __name__ == "__main__" and sys.argv[0] == __file__
Path(f"{sys.argv[1]}.txt").write_text(os.environ["DVC_STAGE"])
Path("is-a-fork").write_text(str("torch" in sys.modules))
print(sys.argv[1], "is said")
if sys.argv[1] == "wrong":
    sys.exit("this is why")
"""
DAG = """
stages:
  make:  # each
    matrix: {name: "${names}"}
    cmd: echo ${item.name} > ${item.name}.txt
    params: [names, none]
    outs: ["${item.name}.txt"]
  ours:
    matrix: {name: [fork, wrong]}
    cmd: python -m pipeline.own_stage ${item.name}
    deps: [one.txt]
    outs: ["${item.name}.txt"]
"""


def test_a_run_leaves_the_lock_and_the_outs_that_dvc_leaves(tmp_path):
    """Of shell commands and of our stages, which are forks; a stage that fails, and a name that is none, end as with DVC."""
    made, said = {}, {}
    for module in ("dvc", "pipeline.plan.fast_dvc"):
        folder = tmp_path / module
        folder.mkdir()
        copy_sources(folder)
        (folder / "pipeline/own_stage.py").write_text(STAGE)
        (folder / "params.yaml").write_text("names: [one, two]  # of outs\nnone: null\n")
        (folder / "dvc.yaml").write_text(DAG)
        run = partial(subprocess.run, cwd=folder, capture_output=True, env=dvc_environment())
        run([sys.executable, "-m", "dvc", "init", "-q", "--no-scm"], check=True)
        ended = [run([sys.executable, "-m", module, "repro", name]) for name in ("make", "ours@fork", "ours@wrong", "nothing")]
        said[module] = [(e.returncode, e.stdout, e.stderr) for e in ended]
        made[module] = {name: (folder / name).read_text() for name in ("one.txt", "two.txt", "fork.txt", "dvc.lock")}
        assert (folder / "is-a-fork").read_text() == str(module != "dvc")
    plain, fast = made.values()
    assert plain == fast
    assert plain["fork.txt"] == "ours@fork"
    plain, fast = said.values()
    assert plain == fast
    assert [code for code, *_ in plain] == [0, 0, 255, 255]
