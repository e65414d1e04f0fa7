"""A claim of the reference that no code judges is named with its row."""

import pytest

from analysis.claims.claims import EVIDENCE
from pipeline.errors import InputError
from pipeline.plan import claims

ROW = '{},paper,"A claim",paper.csv,0.74,>= 0.74,\n'


def test_the_names_are_those_of_the_code():
    assert claims.evidence() == list(EVIDENCE)


@pytest.mark.parametrize(
    ("name", "said"),
    [("mine", "add one that says where its numbers come from"), ("pairz", r"did you mean 'pairs'\?")],
)
def test_a_claim_without_evidence_is_named(project, name, said):
    claims.check()
    path = project.folder / claims.REFERENCE
    path.write_text(path.read_text(encoding="utf-8") + ROW.format(name), encoding="utf-8")
    row = len(EVIDENCE) + 1
    with pytest.raises(InputError, match=rf"^data/reference/claims.csv: row {row}: the claim '{name}' has no line .*; {said}"):
        claims.check()
    path.unlink()
    with pytest.raises(InputError, match="claims.csv: no such file"):
        claims.check()
