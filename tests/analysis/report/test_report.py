import json
import re
import shutil
import subprocess
from collections import Counter
from html.parser import HTMLParser

import polars as pl
import pytest
from markupsafe import escape

from analysis.claims.protocols import OTHER, on_others
from analysis.claims.rules import EXPLAINED, FAILS, HOLDS, NOT_TESTABLE, UNDECIDED
from analysis.readers.kinds import ONE_MODEL, TWO_LINEAGES, TWO_UNTRAINED, UNTRAINED, WORDS
from analysis.report import answer, beyond, claims, colours, glossary, headline, page, picture, sections, texts
from analysis.report.contents import PARTS
from analysis.report.numbers import interval, number, over_pairs, spread
from analysis.report.view import View
from pipeline import opening
from pipeline.errors import InputError
from pipeline.store import layout
from tests.analysis.report.views import with_tables

MAKERS = [make for makers in PARTS.values() for make in makers]


def shown(view):
    return [headline.section(view), *(make(view) for make in MAKERS)]


@pytest.fixture
def html(in_finished):
    return (layout.REPORT / "index.html").read_text()


def script(html, key):
    return json.loads(re.search(rf'<script type="application/json" id="{key}">(.*?)</script>', html, re.S)[1])


def test_every_question_is_answered_with_words_and_a_caption(view):
    made = shown(view)
    assert len({s.key for s in made}) == len(made) == len(MAKERS) + 1
    assert all(s.question and s.caption and s.sources for s in made)
    assert all(s.words for s in made[1:])
    assert not any(re.search(r"\b(None|nan)\b", words) for s in made for words in (s.question, *s.words))


def test_pairs_are_told_apart(view):
    kinds = {kind: view.pairs(kind).height for kind in (TWO_LINEAGES, UNTRAINED, TWO_UNTRAINED, ONE_MODEL, WORDS)}
    assert kinds == {TWO_LINEAGES: 1, UNTRAINED: 4, TWO_UNTRAINED: 1, ONE_MODEL: 2, WORDS: 6}


def test_the_answer_holds_the_tables_numbers(view):
    table = opening.table("pairs").filter("is_headline")
    row = table.filter(model_a="tiny-llama-3.2", precision_a="fp32", model_b="tiny-qwen2.5", precision_b="fp32").row(
        0, named=True
    )
    holds, why, left = answer.sentences(view)
    assert f"{interval(row['rho_same'], row['rho_same_low'], row['rho_same_high'])} on the same passages" in holds
    assert f"up to {number(row['floor_95'])}" in why
    words = table.filter(kind=WORDS, is_reference=True)
    assert number(words["rho_same"].max()) in why
    assert number(row["rho_cross" if row["rho_dis"] is None else "rho_dis"]) in holds
    if row["beyond_words"] is not None:
        assert number(row["beyond_words"]) in left


def test_other_numbers_give_another_answer(view):
    changed = opening.table("pairs").with_columns(rho_same=pl.lit(0.123), rho_same_low=pl.lit(0.1), rho_same_high=pl.lit(0.2))
    other = with_tables(view, pairs=changed)
    assert "0.12 [0.10, 0.20] on the same passages" in answer.sentences(other)[0]
    assert "0.12 [" not in answer.sentences(view)[0]


def test_more_pairs_are_told_with_the_lowest(view):
    table = opening.table("pairs").filter("is_headline")
    between = (pl.col("kind") == TWO_LINEAGES) & pl.col("is_reference")
    more = table.filter(between).with_columns(
        model_b=pl.lit("tiny-llama-3.2"), rho_same=pl.lit(-0.3), rho_same_low=pl.lit(-0.4)
    )
    told = answer.sentences(with_tables(view, pairs=pl.concat([table, more])))[0]
    highest = table.filter(between)["rho_same"][0]
    assert "(2 pairs)" in told
    assert f"-0.30 to {number(highest)} (lowest -0.30 [-0.40, " in told


@pytest.mark.parametrize("verdict", [HOLDS, FAILS, UNDECIDED, EXPLAINED + "shared passages"])
def test_the_sentences_say_the_verdicts_of_the_table(view, verdict):
    table = opening.table("claims").with_columns(verdict=pl.lit(verdict), why=pl.lit("a reason"))
    told = answer.sentences(with_tables(view, claims=table))
    assert f". {answer.HEADLINE['pairs']} {answer.said(verdict)} " in told[0]
    assert (": a reason." in told[0]) == (verdict != HOLDS)
    assert ("words alone reach that range" in told[1]) == (verdict == FAILS)
    assert "not testable" not in " ".join(told)


def test_what_another_position_gives_stands_on_the_card_and_is_no_verdict_at_the_reports(view):
    table = opening.table("claims")
    one = table.filter(claim="words").head(1)
    lost = one.with_columns(
        verdict=pl.lit(NOT_TESTABLE), protocol=pl.lit(OTHER), why=pl.lit("nobody was read"), order=pl.lit(1)
    )
    there = one.with_columns(verdict=pl.lit(FAILS), protocol=pl.lit(on_others("last")), order=pl.lit(0))
    other = with_tables(view, claims=pl.concat([there, lost]))
    assert answer.verdict(other, "words") is None
    assert "was not judged" in answer.sentences(other)[1]
    assert [*answer.counts(other).values()] == [f"1 {NOT_TESTABLE}"]
    (card,) = [card for group in claims.groups(other) for card in group.cards]
    assert [line.protocol for line in card.lines] == ["on different passages (position last)"]
    both = with_tables(view, claims=pl.concat([there, lost.with_columns(verdict=pl.lit(HOLDS))]))
    assert answer.verdict(both, "words") == HOLDS


def test_controls_that_may_explain_a_similarity_are_named_with_one_verb(view):
    why = "words:tfidf may explain it; words:char_ngrams may explain it"
    table = opening.table("claims").with_columns(verdict=pl.lit(UNDECIDED), why=pl.lit(why))
    assert ": tfidf and char_ngrams may explain it." in answer.sentences(with_tables(view, claims=table))[0]


def test_what_is_undecided_says_what_it_would_be_if_it_were_true(view):
    table = opening.table("claims").with_columns(
        verdict=pl.lit(UNDECIDED), why=pl.lit("a reason"), if_true=pl.lit("holds in 33%")
    )
    cards = [card for group in claims.groups(with_tables(view, claims=table)) for card in group.cards]
    said = "a reason. What a study of the paper's models with this reliability would find, simulated: holds in 33%"
    assert cards
    assert all(line.why == said for card in cards for line in card.lines)


def test_a_claim_that_nobody_could_test_is_no_verdict(view):
    table = opening.table("claims").with_columns(verdict=pl.lit(NOT_TESTABLE), why=pl.lit("nobody was read"))
    other = with_tables(view, claims=table)
    told = answer.sentences(other)
    assert told[0].endswith(". No verdict on the similarity was possible.")
    assert "not testable here (nobody was read)" in told[2]
    assert all(not group.cards and group.untested for group in claims.groups(other))
    assert all(found.endswith(NOT_TESTABLE) for found in answer.counts(other).values())


def test_one_model_is_told_that_nothing_is_shared_by_one(view):
    # one model, one precision, no reliability: every question still has an answer
    params, entries, read = view.params, view.entries, view.raw
    one = (pl.col("model") == "tiny-qwen2.5") & (pl.col("precision") == "fp32")
    missing = {c: pl.lit(None, pl.Float64).alias(c) for c in ("reliability", "accuracy")}
    geometry = read["geometry"].filter(one).with_columns(*missing.values(), pl.lit("why").alias("reason"))
    chosen = read["layers"].filter(one).with_columns(pl.lit(None, pl.Int64).alias("layer"))
    rest = {name: table.clear() for name, table in read.items() if name not in ("geometry", "layers")}
    params = params.model_copy(update={"words": []})
    view = View.of(params, {"tiny-qwen2.5": entries["tiny-qwen2.5"]}, rest | {"geometry": geometry, "layers": chosen})
    told = answer.sentences(view)
    assert len(told) == 3
    assert "cannot be said" in told[0]
    assert "1 trained model (tiny-qwen2.5)" in told[0]
    made = {s.key: s for s in shown(view)}
    assert "not estimable" in made["depth"].words[0]
    assert "One precision" in made["precision"].words[0]
    assert "Cannot be said" in made["left"].words[0]
    assert page.page(view, [])


def test_many_pairs_are_told_from_the_lowest_to_the_highest():
    rows = pl.DataFrame({"x": [0.5, 0.9, None], "x_low": [0.4, 0.8, None], "x_high": [0.6, 1.0, None]})
    assert over_pairs(rows, "x") == "0.50 to 0.90 (lowest 0.50 [0.40, 0.60])"
    assert over_pairs(rows.head(1), "x") == "0.50 [0.40, 0.60]"
    assert over_pairs(rows.tail(1), "x") == "not estimable"


def test_every_judged_claim_is_a_card_and_every_other_a_line(view):
    table = opening.table("claims")
    groups = claims.groups(view)
    cards = {card.claim: card for group in groups for card in group.cards}
    judged = table.filter(pl.col("verdict") != NOT_TESTABLE)
    assert set(cards) == set(judged["claim"])
    for row in judged.iter_rows(named=True):
        lines = {line.protocol: line for line in cards[row["claim"]].lines}
        line = lines[answer.on(row["protocol"])]
        assert line.verdict == row["verdict"]
        counts = row["at_least"] is not None and row["at_least"] == row["at_most"]  # or a yes or no
        found = f"{row['estimate']:g}" if counts else interval(row["estimate"], row["ci_low"], row["ci_high"])
        together = not counts and row["n"] > 1 and row["ci_low"] is not None
        assert line.found == found + (f", for all {row['n']} at once" if together else "")
        assert all(f"{row[end]:g}" in line.side for end in ("at_least", "at_most") if row[end])
    assert sum(len(g.untested) for g in groups) == table["claim"].n_unique() - len(cards)
    assert [g.title for g in groups] == list(answer.KINDS.values())


def test_the_line_of_python_gives_the_rows_of_the_page(view, html):
    on_page = script(html, "tables")
    for section in shown(view):
        for n, source in enumerate(section.sources, start=1):
            found = eval(source.code, {"opening": opening, "pl": pl})
            listed = on_page[f"{section.key}-{n}"]
            rows = [[*row] for row in found.select(listed["columns"]).iter_rows()] if listed["columns"] else []
            assert listed["rows"] == rows[: page.ROWS], source.code
            assert listed["n_rows"] == found.height


def test_the_first_figure_has_every_number_of_its_pairs(view, html):
    chart = script(html, "charts")["headline-1"]
    values = [row for data in chart["datasets"].values() for row in data]
    for kind, name in headline.OF_KIND.items():
        for pair in view.pairs(kind).iter_rows(named=True):
            for measure in ("rho_same", "rho_cross", "rho_dis"):
                if pair[measure] is not None:
                    mine = [r for r in values if r.get("kind") == name and r["value"] == pair[measure]]
                    assert any(r["low"] == pair[f"{measure}_low"] and r["high"] == pair[f"{measure}_high"] for r in mine)
    assert {r["value"] for r in values if r.get("kind") == headline.FLOOR} == set(view.pairs(TWO_LINEAGES)["floor_95"])


def test_a_reader_has_one_colour_on_the_whole_page(view, html):
    known = colours.colour_of(view)
    assert len({known[m] for m in view.trained}) == len(view.trained)
    for chart in script(html, "charts").values():
        for scale in re.findall(r'\{"domain": (\[[^\]]*\]), "range": (\[[^\]]*\])\}', json.dumps(chart)):
            for name, colour in zip(*map(json.loads, scale), strict=False):
                if name in known and isinstance(colour, str):
                    assert colour == known[name]


class Outside(HTMLParser):
    """Collects whatever a browser would fetch."""

    def __init__(self):
        super().__init__()
        self.found, self.ids, self.links, self.charts = [], set(), set(), set()

    def handle_starttag(self, tag, attrs):
        for key, value in attrs:
            if key == "id":
                assert value not in self.ids
                self.ids.add(value)
            if key == "data-chart":
                self.charts.add(value)
            if key == "href" and value.startswith("#"):
                self.links.add(value[1:])
            elif key in {"src", "srcset", "data", "href"} and value != "data:,":
                self.found.append((tag, key, value))


def test_the_page_needs_nothing_but_itself_and_its_links_lead_somewhere(html):
    parser = Outside()
    parser.feed(re.sub(r"<script.*?</script>", "", html, flags=re.S))
    assert parser.found == []
    assert parser.links <= parser.ids
    assert parser.charts == set(script(html, "charts"))
    assert "@import" not in html
    assert html.count("<script") == html.count("</script>")
    assert len(html) < 5_000_000


def test_a_name_that_can_be_clicked_hides_something(html):
    specs = script(html, "charts")
    for figure in re.findall(r"<figure.*?</figure>", html, re.S):
        keys = re.findall(r'data-chart="([^"]+)"', figure)
        if "data-name=" in figure:
            assert any("indexof(hidden" in json.dumps(specs[key]) for key in keys)


def test_the_page_is_the_same_bytes_every_time(view, html):
    assert page.page(view, page.provenance(view.params.models)) == html


def test_a_users_label_cannot_break_the_page(view):
    bad = "<script>alert(1)</script>"
    table = opening.table("claims").with_columns(text=pl.lit(bad), why=pl.lit(bad))
    made = page.page(with_tables(view, claims=table), [bad])
    assert "<script>alert" not in made


class Tags(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.found = Counter()
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.found[tag] += 1


@pytest.mark.parametrize("bad", ['"><img src=x onerror=alert(1)>', "</script><script>alert(1)</script>"])
def test_neither_a_models_name_nor_a_story_can_break_the_page(view, html, bad, monkeypatch):
    """Of the page that has them in every table, figure and text, the elements are those of the page that has not."""
    name, read = "tiny-qwen2.5", texts.stimuli.load
    own = {k: t.with_columns(pl.col(pl.String).str.replace_all(name, bad, literal=True)) for k, t in view.raw.items()}
    models = [bad if m == name else m for m in view.params.read.models]
    params = view.params.model_copy(update={"read": view.params.read.model_copy(update={"models": models})})
    monkeypatch.setattr(texts.stimuli, "load", lambda reading: read(reading).with_columns(text=pl.lit(bad), topic=pl.lit(bad)))
    entries = {bad if m == name else m: entry for m, entry in view.entries.items()}
    made = page.page(View.of(params, entries, own), [line.replace(name, bad) for line in page.provenance(view.params.models)])
    assert Tags(made).found == Tags(html).found
    assert made.count(bad.replace("<", "\\u003c").replace('"', '\\"')) > 100  # in the figures, tables and stories, as text
    assert made.count(str(escape(bad))) > 10
    assert bad not in made


def test_what_one_model_tells_of_another_is_shown_both_ways_and_beside_controls(view):
    table = opening.table("prediction").filter(setting_a="stories", setting_b="stories")
    section = beyond.decoding(view)
    a, b = "tiny-llama-3.2", "tiny-qwen2.5"
    known = table.filter(pl.col("model_a").is_in([a, b]), pl.col("model_b").is_in([a, b])).drop_nulls("decoded")
    assert set(known.select("model_a", "model_b").iter_rows()) == {(a, b), (b, a)}
    low, high = number(known["decoded"].min()), number(known["decoded"].max())
    assert section.words[0].startswith(f"Named rightly: {low if low == high else f'{low} to {high}'} ")
    assert "a reader of words at most" in section.words[1]


def test_a_model_without_vectors_is_named(in_finished):
    with pytest.raises(InputError, match=r"^data/vectors.zarr/gone: no vectors there; make it with `dvc repro`$"):
        page.provenance(["tiny-llama-3.2", "gone"])


def test_a_word_of_the_glossary_leads_to_what_it_means():
    told = glossary.defined("two readers, their rho_dis and rho_dis again & <b>")
    assert told.count("<a ") == 2
    assert 'href="#word-rho_dis"' in told
    assert "&amp; &lt;b&gt;" in told
    assert all(meaning and "*" not in meaning for meaning in glossary.words().values())


def test_the_terminal_ends_with_the_three_sentences_the_verdicts_and_where_things_are(view, capsys):
    sections.main([])
    told = " ".join(capsys.readouterr().out.split())
    assert all(" ".join(sentence.split()) in told for sentence in answer.sentences(view))
    assert all(f"{title}: {found}" in told for title, found in answer.counts(view).items())
    assert "data/report/index.html" in told


@pytest.mark.skipif(not shutil.which("chromium"), reason="chromium is not here")
def test_a_browser_draws_the_page_without_a_word_on_its_console(html, tmp_path):
    opened = html.replace('<details class="section"', '<details open class="section"')
    (tmp_path / "page.html").write_text(opened)
    told = subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--virtual-time-budget=60000",
         "--window-size=1280,2000", "--dump-dom", (tmp_path / "page.html").as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert "CONSOLE" not in told.stderr
    assert told.stdout.count('class="marks"') == len(script(html, "charts"))


def test_a_figure_can_be_had_as_a_file(view, tmp_path, monkeypatch):
    picture.main(["headline-1", str(tmp_path / "one.svg")])
    assert "two trained models" in (tmp_path / "one.svg").read_text()
    with pytest.raises(InputError, match="'nothing-1' is no figure of the page"):
        picture.main(["nothing-1", str(tmp_path / "one.svg")])
    with pytest.raises(InputError, match="usage"):
        picture.main(["headline-1"])


def test_a_story_stands_with_its_label_and_what_readers_named(view):
    shelf = next(shelf for shelf in texts.shelves(view) if shelf.key == "stories-read")
    stories = view.params.readings["stories"]
    assert len(shelf.texts) == pl.read_csv(stories.path).height
    confusion = view.here(view.confusion).filter("is_reference", reader="tiny-qwen2.5 fp32", emotion="calm")
    right = confusion.filter(predicted="calm")["n_stimuli"].sum()
    told = dict(next(text["parts"] for text in shelf.texts if text["group"] == "calm"))
    assert told["tiny-qwen2.5 fp32"].startswith(f"{right} of {confusion['n_stimuli'].sum()} named rightly")


def test_numbers_read_as_ranges():
    assert number(None) == "-"
    assert number(-0.001) == "0.00"
    assert spread(pl.Series([0.101, 0.104])) == "0.10"
    assert spread(pl.Series([0.1, None, 0.25])) == "0.10 to 0.25"
    assert spread(pl.Series([None], dtype=pl.Float64)) == "not estimable"
