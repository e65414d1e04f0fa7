"""Whatever a stage would refuse, the plan refuses before anything starts; what it cannot know stands here with the reason."""

import ast
import sys
from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.plan import plan
from tests.conftest import ROOT
from tests.pipeline.plan.refusals import MET, MODEL, SAID

ITS_OWN = ("plan", "publish", "door", "opening.py")
"""Rooms of `pipeline` that no stage runs."""


def raised(path):
    """The functions of a module in which an InputError is raised."""

    def within(node, name):
        for child in ast.iter_child_nodes(node):
            own = name
            if isinstance(child, ast.FunctionDef | ast.ClassDef):
                own = f"{name}.{child.name}" if name else child.name
            if isinstance(child, ast.Raise) and child.exc is not None and "id='InputError'" in ast.dump(child.exc):
                yield own
            yield from within(child, own)

    return set(within(ast.parse(path.read_text(encoding="utf-8")), ""))


def sites():
    files = [p.relative_to(ROOT) for name in ("pipeline", "analysis") for p in sorted((ROOT / name).rglob("*.py"))]
    return {f"{f.as_posix()}:{name}" for f in files if f.parts[1] not in ITS_OWN for name in raised(ROOT / f)}


RUNNING = "only the run itself can tell"
A_STORE = "a store or a table of a stage before: made whole, and damaged later if at all"
NOT = {
    "pipeline/errors.py:_arguments_are_as_asked": "dvc.yaml gives the arguments",
    "pipeline/errors.py:check_noted": "something changes while a stage runs",
    "pipeline/reading/shards.py:Shard.parse": "no stage: of a command of its own",
    "pipeline/reading/read.py:Source.of": "dvc.yaml gives the arguments, of lists that params check",
    "pipeline/reading/read.py:overflow_in_words": RUNNING,
    "pipeline/writing/write.py:said_of": RUNNING,
    "pipeline/writing/generation.py:prompt_ids": "an empty prompt is an empty cell, which prompts.py refuses",
    "pipeline/writing/text_cache.py:empty_cache": "an architecture with a cache of another kind is refused as a reader",
    "pipeline/models/gguf.py:dequantised": "a file with the digest that its entry says is what it was when the entry was made",
    "pipeline/models/gguf.py:_whole_file": "as are its parts",
    "pipeline/models/packages.py:paths": "as packages.check says",
    "pipeline/models/hub.py:snapshot": "the plan asks the hub for access alone (check_access)",
    "pipeline/models/hub.py:revision_of": "of `make model`",
    "pipeline/models/hub.py:check_access": "is the plan's own",
    **dict.fromkeys(
        [f"pipeline/texts/fetch.py:{f}" for f in ("_cell", "_content", "download", "objects", "passages")],
        "what a server will give",
    ),
    "pipeline/texts/stimuli.py:were_read": A_STORE,
    "pipeline/store/layout.py:taken": "another process may run",
    "pipeline/store/layout.py:_make": A_STORE,
    **dict.fromkeys(
        [
            f"pipeline/store/arrays.py:{f}"
            for f in ("_as_written", "_is_of", "_readable", "_run", "check_activations", "vectors")
        ],
        A_STORE,
    ),
    "pipeline/reading/passes.py:read.in_halves": "the GPU's memory as it is when a text is read; the plan says what it takes",
    "pipeline/models/inspection.py:digest_of_file": "a file damaged in the hub's cache: to read all weights takes minutes",
    "pipeline/store/chosen_layers.py:of": A_STORE,
    "pipeline/store/parts.py:joined": A_STORE,
    "pipeline/store/tables.py:read_rows": A_STORE,
    "analysis/grid/grams.py:reader_grams": A_STORE,
    "analysis/grid/pairs.py:of_group": A_STORE,
    "analysis/report/page.py:provenance": A_STORE,
    "analysis/claims/reference.py:Claim.asserted": "`pipeline` may not import `analysis`; no model runs again for it",
    **dict.fromkeys([f"analysis/report/picture.py:{f}" for f in ("main", "specification")], "no stage: a command of its own"),
    **dict.fromkeys(
        [f"analysis/to_rsatoolbox.py:{f}" for f in ("_is_there", "_module", "to_rsatoolbox")], "no stage: for users' own code"
    ),
}
"""What the plan does not refuse, and why."""


def test_every_refusal_of_a_stage_is_known_here():
    """A new one needs a case, or a reason."""
    listed = [*MET, *SAID, *NOT]
    assert len(listed) == len(set(listed))
    assert sites() == set(listed)


@pytest.mark.parametrize("site", [*MET, *SAID])
def test_the_plan_refuses_it(site, project, monkeypatch, capsys):
    monkeypatch.setattr(plan, "changed_stages", lambda: [f"read@{MODEL}-fp32"])
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    met, of_exceptions = set(), Exception.__init__

    def noting(self, *lines):
        code = sys._getframe(1).f_code
        met.add(f"{Path(code.co_filename).relative_to(ROOT).as_posix()}:{code.co_qualname}")
        of_exceptions(self, *lines)

    monkeypatch.setattr(InputError, "__init__", noting)
    change, said = (MET | SAID)[site]
    change(project)
    with pytest.raises(InputError, match=said):
        plan.main([])
    assert site in SAID or site in met
