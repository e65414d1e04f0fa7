"""The files that claims are judged by are read as they are meant, or named with the row."""

import polars as pl
import pytest

from pipeline.errors import InputError
from pipeline.schemas import reference
from tests.conftest import ROOT

HEAD = "claim,kind,text,source,published,side,side_on_other_stories\n"
GOOD = "pairs,paper,A claim,a.csv,0.74,>= 0.74,>= exactly 0.70\n"
CHANCES = "claim,reliability,holds,does_not_hold,undecided,explained\n"
CHANCE = '"pairs: truth .95",0.4,0.5,0.0,0.5,0.0\n'


def is_named(read, path, content, said):
    """What is wrong with a file is said in one line, which begins with its path."""
    path.write_text(content)
    with pytest.raises(InputError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: {said}")
    assert len(str(caught.value).splitlines()) == 1


def test_the_files_of_the_repository_are_read_as_they_stand():
    path = ROOT / reference.REFERENCE
    assert reference.claims(path).equals(pl.read_csv(path, infer_schema=False))
    path = ROOT / reference.POWER
    assert reference.chances(path).equals(pl.read_csv(path).select(reference.CHANCES.names()))


@pytest.mark.parametrize("side", [">= 0.74", "<= -0.36", "= 1", "> 0", "< exactly 0.70", ">= margin", "< 1 - margin"])
@pytest.mark.parametrize("row", ["a,test,A,b,c,{},\n", "a,method,A,b,c,,{}\n"])
def test_one_side_is_enough(tmp_path, side, row):
    (tmp_path / "claims.csv").write_text(HEAD + GOOD + row.format(side))
    assert reference.claims(tmp_path / "claims.csv").height == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (HEAD + GOOD + GOOD, "row 2: the claim 'pairs' stands twice; keep one"),
        (HEAD + GOOD + "a,papr,A,b,c,> 0,\n", "row 2: the claim 'a': kind 'papr' is none of paper, test, method"),
        (HEAD + "a,,A,b,c,> 0,\n", "row 1: the claim 'a': 'kind' is empty; fill it or delete the row"),
        (HEAD + ",paper,A,b,c,> 0,\n", "row 1: the claim '': 'claim' is empty"),
        (HEAD + "a,paper,,b,c,> 0,\n", "row 1: the claim 'a': 'text' is empty"),
        (
            HEAD + "a,paper,A,b,c,,\n",
            "row 1: the claim 'a': side and side_on_other_stories are empty; write in one where the claim would be true",
        ),
        (HEAD + "a,paper,A,b,c,at least 0.74,\n", "row 1: the claim 'a': side: 'at least 0.74' is no side; write >=, <="),
        (HEAD + "a,paper,A,b,c,> 0,>=0.74\n", "row 1: the claim 'a': side_on_other_stories: '>=0.74' is no side"),
        (HEAD.replace("side,", "") + GOOD, "not readable as CSV in UTF-8"),
        (HEAD.replace("kind", "sort") + GOOD, "no column kind; it has claim, sort"),
        ("", "not readable as CSV in UTF-8"),
    ],
)
def test_a_claim_that_nobody_could_judge_is_named(tmp_path, content, said):
    is_named(reference.claims, tmp_path / "claims.csv", content, said)


@pytest.mark.parametrize(("encoding", "text"), [("latin-1", "Une id\xe9e"), ("utf-16", "Une id\xe9e"), ("utf-16", "A claim")])
def test_a_file_that_is_not_utf8_is_named(tmp_path, encoding, text):
    path = tmp_path / "claims.csv"
    path.write_bytes((HEAD + GOOD.replace("A claim", text)).encode(encoding))
    with pytest.raises(InputError, match=r"claims.csv: not readable as CSV in UTF-8: "):
        reference.claims(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (CHANCES, "no rows; `python -m benchmarks.power` writes it"),
        ("", "not readable as CSV in UTF-8"),
        (CHANCES.replace("holds,", "hold,", 1) + CHANCE, "no column holds; it has claim, reliability, hold"),
        (CHANCES + CHANCE + CHANCE.replace("0.5", "half", 1), "row 2: holds is 'half'; `python -m benchmarks.power` writes it"),
        (CHANCES + CHANCE.replace("0.0", "", 1), "row 1: does_not_hold is ''"),
        (CHANCES + CHANCE.replace("pairs: truth .95", ""), "row 1: claim is ''"),
        (CHANCES + CHANCE.replace(": truth", ""), "row 1: claim is 'pairs .95', without a colon and its world"),
    ],
)
def test_chances_that_are_none_are_named(tmp_path, content, said):
    is_named(reference.chances, tmp_path / "power.csv", content, said)


def test_a_reliability_may_play_no_part(tmp_path):
    (tmp_path / "power.csv").write_text(CHANCES + CHANCE.replace("0.4", ""))
    assert reference.chances(tmp_path / "power.csv").row(0) == ("pairs: truth .95", None, 0.5, 0.0, 0.5, 0.0)


def test_a_file_that_is_gone_is_named_with_what_stands_there(tmp_path):
    for read, said in (
        (reference.claims, "the claims that a run is held against"),
        (reference.chances, "`python -m benchmarks"),
    ):
        with pytest.raises(InputError, match=f"none.csv: no such file; {said}"):
            read(tmp_path / "none.csv")
