"""A claim of the reference that no code judges is named with its row."""

import pytest

from analysis.claims.claims import EVIDENCE
from pipeline.errors import InputError
from pipeline.plan import claims
from pipeline.schemas.reference import REFERENCE

HEAD = "claim,kind,text,source,published,side,side_on_other_stories\n"
ROW = '{},paper,"A claim",paper.csv,0.74,>= 0.74,\n'


def test_the_names_are_those_of_the_code():
    assert claims.evidence() == list(EVIDENCE)


@pytest.mark.parametrize(
    ("name", "said"),
    [("mine", "add one that says where its numbers come from"), ("pairz", r"did you mean 'pairs'\?")],
)
def test_a_claim_without_evidence_is_named(project, name, said):
    claims.check()
    path = project.folder / REFERENCE
    path.write_text(path.read_text(encoding="utf-8") + ROW.format(name), encoding="utf-8")
    row = len(EVIDENCE) + 1
    with pytest.raises(InputError, match=rf"^data/reference/claims.csv: row {row}: the claim '{name}' has no line .*; {said}"):
        claims.check()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("claims", None, "no such file; the claims that a run is held against stand there"),
        ("claims", b"claim;kind\n", "its columns are separated by semicolons"),
        ("claims", (HEAD + ROW.format("pairs") * 2).encode(), "row 2: the claim 'pairs' stands twice"),
        (
            "claims",
            (HEAD + ROW.format("pairs").replace(">=", "at least")).encode(),
            "row 1: the claim 'pairs': side: 'at least",
        ),
        ("claims", (HEAD + ROW.format("pairs").replace("A claim", "Une id\xe9e")).encode("latin-1"), "not readable as CSV"),
        ("claims", (HEAD + ROW.format("pairs")).encode("utf-16"), "not readable as CSV in UTF-8"),
        ("power", None, "no such file; `python -m benchmarks.power` writes it"),
        ("power", b"", "not readable as CSV in UTF-8"),
        ("power", b"claim,holds\n", "no column reliability, does_not_hold, undecided, explained; it has claim, holds"),
    ],
)
def test_a_file_that_stage_claims_would_refuse_is_refused_before_a_run(project, name, content, said):
    path = project.folder / f"data/reference/{name}.csv"
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        claims.check()
    assert str(caught.value).startswith(f"data/reference/{name}.csv: {said}")
    assert len(str(caught.value).splitlines()) == 1
