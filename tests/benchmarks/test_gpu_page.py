"""The page about GPUs is what was measured on them."""

import json
import re

from benchmarks.gpu import page
from tests.conftest import ROOT


def test_the_page_is_up_to_date(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert (ROOT / page.PAGE).read_text() == page.page(), "run `make docs`"


def test_it_has_every_measured_way_of_every_card_and_says_what_failed(monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT)
    card = json.loads((ROOT / page.RESULTS / "nvidia-h200.json").read_text())
    card |= {"card": "another", "failures": {"writing": ["8B at int8: 3% of texts depend on their neighbours"]}}
    for row in card["exactness"]:
        row["batch"] = 0.5 if (row["family"], row["precision"]) == ("mistral", "nf4") else 0.25
    (tmp_path / "results").mkdir()
    (tmp_path / "results/another.json").write_text(json.dumps(card))
    monkeypatch.setattr(page, "RESULTS", tmp_path / "results")
    text = page.page()
    assert re.findall("(?m)^## (.*)$", text) == ["another"]
    assert "did not: writing: 8B at int8: 3% of texts depend on their neighbours." in text
    tables = re.findall(r"(?m)(?:^\|.*\n)+", text)
    assert [len(t.splitlines()) - 2 for t in tables] == [5, len(card["reading"]), len(card["writing"])]
    moved = [line.split("|")[4].strip() for line in tables[0].splitlines()[2:]]
    assert moved == ["2.5e-01"] * 4 + ["5.0e-01"]
    fastest = max(card["reading"], key=lambda row: row["tokens_per_second"])
    assert f"| bf16 | 4,096 | {fastest['tokens_per_second']:,.0f} |" in text


def test_what_the_readme_says_of_a_card_was_measured_on_each(monkeypatch):
    monkeypatch.chdir(ROOT)
    runs = [json.loads(path.read_text()) for path in (page.RESULTS / "whole").glob("*.json")]
    assert runs
    for run in runs:
        exact = [row for row in run["texts"] if row["precision"] == "fp32"]
        assert sum(row["texts"] for row in exact) > 1000
        assert all(row["same"] == row["texts"] for row in exact)
        coarse = [row for row in run["vectors"] if row["precision"] == "int8"]
        assert coarse
        assert all(0.5 < row["apart"] / row["apart_fp32"] < 2 for row in coarse)
