"""Every claim of the reference has the line of code that its numbers come from."""

from __future__ import annotations

import ast
import csv
from pathlib import Path

from pipeline.errors import InputError, nearest
from pipeline.plan import forms

REFERENCE = Path("data/reference/claims.csv")
CODE = Path("analysis/claims/claims.py")
EVIDENCE = "EVIDENCE"


def check() -> None:
    """Raise InputError, naming its row, for a claim without evidence."""
    forms.of_csv(REFERENCE)
    if not REFERENCE.is_file():
        raise InputError(f"{REFERENCE}: no such file; the claims that a run is held against stand there")
    known = evidence()
    with REFERENCE.open(newline="", encoding="utf-8") as file:
        for number, row in enumerate(csv.DictReader(file), start=1):
            if (claim := row.get("claim") or "") not in known:
                hint = nearest(claim, known, "add one that says where its numbers come from")
                raise InputError(f"{REFERENCE}: row {number}: the claim '{claim}' has no line in {EVIDENCE} of {CODE}; {hint}")


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
