"""The claims that a run is held against can be judged: their files are well-formed, and every claim has the line of code that
its numbers come from."""

from __future__ import annotations

import ast
from pathlib import Path

from pipeline.errors import InputError, nearest
from pipeline.plan import forms
from pipeline.schemas import reference
from pipeline.schemas.reference import POWER, REFERENCE

CODE = Path("analysis/claims/claims.py")
EVIDENCE = "EVIDENCE"


def check() -> None:
    """Raise InputError, naming file and row, for what stage `claims` would refuse, and for a claim without evidence."""
    for path in (REFERENCE, POWER):
        forms.of_csv(path)
    known = evidence()
    for number, claim in enumerate(reference.claims()["claim"], start=1):
        if claim not in known:
            hint = nearest(claim, known, "add one that says where its numbers come from")
            raise InputError(f"{REFERENCE}: row {number}: the claim '{claim}' has no line in {EVIDENCE} of {CODE}; {hint}")
    reference.chances()


def evidence() -> list[str]:
    """The names of the claims that the code judges, from its text: `pipeline` may not import `analysis`."""
    text = (Path(__file__).parents[2] / CODE).read_text(encoding="utf-8")
    [table] = [
        node.value
        for node in ast.parse(text).body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == EVIDENCE
    ]
    assert isinstance(table, ast.Dict)
    return [str(ast.literal_eval(key)) for key in table.keys if key is not None]
