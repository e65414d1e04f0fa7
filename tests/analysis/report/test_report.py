import re
from html.parser import HTMLParser

import polars as pl
import pytest

from analysis.readers.kinds import ONE_MODEL, TWO_LINEAGES, TWO_UNTRAINED, UNTRAINED, WORDS
from analysis.report import page, sections
from analysis.report.findings import number, spread
from analysis.report.sections import SECTIONS
from analysis.report.view import VIEWED, View, load_view
from pipeline import opening
from pipeline.models.entries import load_entries
from pipeline.params.whole import Params
from pipeline.store import layout


@pytest.fixture
def view(in_finished):
    return load_view()


def findings(view):
    return {f.key: f for f in (section.finding(view) for section in SECTIONS)}


def read_tables():
    return {name: opening.table(name) for name in VIEWED}


def test_every_question_is_answered_with_words_and_a_figure(view):
    answers = findings(view).values()
    assert len(answers) == len(SECTIONS)
    assert all(f.short and f.words for f in answers)
    assert all(section.figure(view).to_dict() and section.caption for section in SECTIONS)
    assert not any(re.search(r"\b(None|nan)\b", words) for f in answers for words in (f.short, *f.words))


def test_pairs_are_told_apart(view):
    kinds = {kind: view.pairs(kind).height for kind in (TWO_LINEAGES, UNTRAINED, TWO_UNTRAINED, ONE_MODEL, WORDS)}
    assert kinds == {TWO_LINEAGES: 1, UNTRAINED: 4, TWO_UNTRAINED: 1, ONE_MODEL: 2, WORDS: 6}


def test_the_words_hold_the_tables_numbers(view):
    table = opening.table("pairs")
    row = table.filter(model_a="tiny-llama-3.2", precision_a="fp32", model_b="tiny-qwen2.5", precision_b="fp32")
    similar = findings(view)["similar"]
    assert f"rho_same {row['rho_same'][0]:.2f}" in similar.short
    precision = findings(view)["precision"]
    two = table.filter(pl.col("model_a") == pl.col("model_b"), model_a="tiny-qwen2.5", setting_a="stories", setting_b="stories")
    assert f"{two['rho_same'][0]:.4f} at their best layers" in " ".join(precision.words)
    corpus = opening.table("corpus").filter(position="mean50", model="tiny-qwen2.5", precision="fp32", words="tfidf")
    corpus = corpus.filter(setting="stories").row(0, named=True)
    short = findings(view)["corpus"].short
    assert f"tiny-qwen2.5: {corpus['accuracy']:.0%} named, words alone " in short
    assert f"{corpus['words_accuracy']:.0%} (tfidf)" in short
    assert f"(floor {row['floor_95'][0]:.2f})" in findings(view)["pair"].short
    growth = opening.table("growth").filter(position="mean50", model="tiny-qwen2.5", precision="fp32", pairs="all", n_units=3)
    assert f"3 topics against as many, over all pairs of labels: {growth['reliability'][0]:.2f}" in " ".join(
        findings(view)["corpus"].words
    )


def test_other_numbers_give_other_words(view):
    def changed(table):
        return table.with_columns(pl.col("rho_same") * 0 + 0.123)

    other = View.of(view.params, view.entries, read_tables() | {"pairs": changed(opening.table("pairs"))})
    assert "rho_same 0.12" in findings(other)["similar"].short
    assert "rho_same 0.12" not in findings(view)["similar"].short


class Outside(HTMLParser):
    """Collects whatever a browser would fetch."""

    def __init__(self):
        super().__init__()
        self.found, self.ids = [], set()

    def handle_starttag(self, tag, attrs):
        for key, value in attrs:
            if key == "id":
                self.ids.add(value)
            if key in {"src", "srcset", "data"} or (key == "href" and not value.startswith("#")):
                self.found.append((tag, key, value))


def test_the_page_needs_nothing_but_itself(in_finished):
    html = (layout.REPORT / "index.html").read_text()
    parser = Outside()
    parser.feed(re.sub(r"<script>.*?</script>", "", html, flags=re.S))
    assert parser.found == []
    assert {f"chart-{key}" for key in findings(load_view())} <= parser.ids
    assert "@import" not in html
    assert html.count("<script>") == html.count("</script>") == 2


def test_the_page_is_the_same_bytes_every_time(in_finished):
    view = load_view()
    first, second = (page.page(view, page.provenance(view.params.models)) for _ in range(2))
    assert first == second == (layout.REPORT / "index.html").read_text()


def test_a_users_label_cannot_break_the_page(in_finished):
    view = load_view()
    assert "<script>alert" not in page.page(view, ["<script>alert(1)</script>"])


def test_the_terminal_ends_with_the_headline_numbers_and_where_things_are(in_finished, capsys):
    sections.main([])
    out = capsys.readouterr().out
    assert out.count("?") >= len(SECTIONS)
    assert "data/report/index.html" in out
    assert "data/tables/pairs.parquet" in out


def test_a_profile_with_nothing_to_compare_is_told_so(in_finished):
    # one model, one precision, no reliability: every question still has an answer
    params, entries = Params.load(), load_entries(Params.load())
    one = (pl.col("model") == "tiny-qwen2.5") & (pl.col("precision") == "fp32")
    read = read_tables()
    missing = {c: pl.lit(None, pl.Float64).alias(c) for c in ("reliability", "accuracy")}
    geometry = read["geometry"].filter(one).with_columns(*missing.values(), pl.lit("why").alias("reason"))
    chosen = read["layers"].filter(one).with_columns(pl.lit(None, pl.Int64).alias("layer"))
    rest = {name: table.clear() for name, table in read.items() if name not in ("geometry", "layers")}
    params = params.model_copy(update={"words": []})
    view = View.of(params, {"tiny-qwen2.5": entries["tiny-qwen2.5"]}, rest | {"geometry": geometry, "layers": chosen})
    answers = findings(view)
    assert "not estimable" in answers["depth"].short
    assert "not estimable" in answers["corpus"].short
    assert "no pair" in answers["pair"].short
    assert "one precision" in answers["precision"].short
    assert page.page(view, [])


def test_numbers_read_as_ranges():
    assert number(None) == "-"
    assert number(-0.001) == "0.00"
    assert spread(pl.Series([0.101, 0.104])) == "0.10"
    assert spread(pl.Series([0.1, None, 0.25])) == "0.10 to 0.25"
    assert spread(pl.Series([None], dtype=pl.Float64)) == "not estimable"
