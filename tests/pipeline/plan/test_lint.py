"""The lint, on faults planted one at a time; and the corpus that the repository carries, which must be without any."""

from collections import Counter
from math import log, sqrt

import polars as pl
import pytest

from pipeline.errors import InputError
from pipeline.params.reading import STORIES
from pipeline.params.whole import Params
from pipeline.plan import lint
from pipeline.texts import labels, stimuli
from tests.conftest import ROOT, neutral_texts

LABELS = [
    *("afraid", "angry", "anxious", "blissful", "brooding", "calm", "desperate", "enthusiastic", "exasperated", "gloomy"),
    *("grateful", "guilty", "happy", "hopeful", "hostile", "loving", "nervous", "neutral", "proud", "reflective", "sad"),
]


@pytest.fixture
def corpus(monkeypatch):
    """The repository's stories, and the settings that they are linted by."""
    monkeypatch.chdir(ROOT)
    params = Params.load(ROOT / "profiles/default.yaml")
    return stimuli.load(params.readings[STORIES]), params.corpus


def with_text(stories, row, change):
    texts = stories["text"].to_list()
    texts[row] = change(texts[row])
    return stories.with_columns(pl.Series("text", texts))


def found(stories, settings, check):
    return [f"{p.where}: {p.what}" for p in lint.lint(stories, settings) if p.check == check]


# --- the repository's corpus ---------------------------------------------------------------------------------------------


def test_the_repositorys_stories_pass_their_own_lint_but_for_what_their_datasheet_says(corpus):
    left = [(p.check, p.where) for p in lint.lint(*corpus)]
    assert left == [("type-token ratio", "enthusiastic")]
    assert "`enthusiastic` has a richer vocabulary" in (ROOT / "data/stimuli/README.md").read_text()


def test_every_label_has_one_story_on_every_topic(corpus):
    stories, settings = corpus
    topics = labels.topics(settings.topics)
    assert topics.height == 24
    assert Counter(topics["person"]) == {"I": 12, "she": 6, "he": 6}
    assert Counter(stories.select("emotion", "topic").iter_rows()) == Counter((e, t) for e in LABELS for t in topics["topic"])


def test_labels_have_norms_but_for_one(corpus):
    norms = labels.emotions(corpus[1].emotions)
    assert norms["emotion"].to_list() == LABELS
    assert norms.filter(pl.col("valence").is_null())["emotion"].to_list() == ["exasperated"]
    rated = norms.drop_nulls("valence").filter(pl.col("sign") != "neutral")
    assert ((rated["valence"] > 5) == (rated["sign"] == "positive")).all()


@pytest.mark.parametrize("name", ["stories", "neutral"])
def test_an_id_is_the_hash_of_its_text_and_no_text_stands_twice(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    frame = stimuli.load(Params.load().readings[name])
    assert frame["id"].to_list() == [stimuli.content_hash(text) for text in frame["text"]]
    assert frame["text"].n_unique() == frame.height


def test_texts_are_plain_characters_in_one_line(corpus):
    for text in [*corpus[0]["text"], *(t["text"] for t in neutral_texts())]:
        assert text.isascii()
        assert text == " ".join(text.split())


def test_neutral_texts_end_in_different_marks_and_are_long_enough():
    texts = [t["text"] for t in neutral_texts()]
    assert len(texts) >= 60
    assert all(80 <= len(t.split()) <= 120 for t in texts)
    assert Counter(t[-1] for t in texts).most_common(1)[0][1] < 0.7 * len(texts)


# --- faults, planted one at a time ---------------------------------------------------------------------------------------


def test_a_label_word_is_found_by_its_stem_but_not_inside_other_words(corpus):
    stories, settings = corpus
    planted = with_text(stories, 30, lambda t: t + " They were terrifyingly Hostile, and grated a hopping sadhu.")
    assert found(planted, settings, "label words") == [f"{cell(stories, 30)}: terrifyingly, hostile"]


def cell(stories, row):
    return f"{stories['emotion'][row]}/{stories['topic'][row]}"


def test_a_story_that_is_too_long_and_a_label_that_is_longer_are_found(corpus):
    stories, settings = corpus
    long = with_text(stories, 3, lambda t: " ".join(["word"] * 121))
    assert found(long, settings, "length") == [f"{cell(stories, 3)}: 121 words; 90 to 120 are asked for"]
    assert found(long, settings.model_copy(update={"length": None}), "length") == []
    longer = of_label(stories, "sad", lambda t: t + " word" * 20)
    assert any(line.startswith("sad: 1") for line in found(longer, settings.model_copy(update={"length": None}), "length"))


def test_near_duplicates_are_found_within_and_across_cells(corpus):
    stories, settings = corpus
    words = stories["text"][0].split()
    planted = with_text(stories, 200, lambda t: " ".join(t.split()[:80] + words[20:45]))
    (line,) = found(planted, settings, "near duplicates")
    assert line.startswith(f"{cell(stories, 0)} and {cell(stories, 200)}: share ")
    assert 0.1 < int(line.split("share ")[1].split("%")[0]) / 100 < 0.3


def test_another_person_than_the_topics_is_found(corpus):
    stories, settings = corpus
    first = next(i for i in range(stories.height) if stories["topic"][i] == "supper")
    third = next(i for i in range(stories.height) if stories["topic"][i] == "night_bus")
    away = with_text(stories, first, lambda t: "She went out and did what she had to do.")
    assert found(away, settings, "person") == [
        f"{cell(stories, first)}: no first person outside quotes; its topic is told in the first"
    ]
    own = with_text(stories, third, lambda t: t + ' I was there. "My bus," she said.')
    assert found(own, settings, "person") == [
        f"{cell(stories, third)}: the first person outside quotes; its topic is told with 'she'"
    ]
    only_quoted = with_text(stories, third, lambda t: t + ' "I was there," she said.')
    assert found(only_quoted, settings, "person") == []
    unclosed = with_text(stories, third, lambda t: t + ' "I was there.')
    assert found(unclosed, settings, "person") == [f"{cell(stories, third)}: a double quote is never closed"]


def test_a_missing_story_is_found(corpus):
    stories, settings = corpus
    assert found(stories[1:], settings, "completeness") == [f"{stories['emotion'][0]}: no story on {stories['topic'][0]}"]


def of_label(stories, emotion, change):
    own = stories.select("emotion", "text").iter_rows()
    return stories.with_columns(pl.Series("text", [change(t) if e == emotion else t for e, t in own]))


def test_first_words_end_marks_and_poor_vocabulary_of_a_label_are_found(corpus):
    stories, settings = corpus
    same_start = of_label(stories, "calm", lambda t: "Slowly " + t)
    assert found(same_start, settings, "first words") == ["calm: 24 of 24 stories begin with 'slowly'"]
    shouted = of_label(stories, "angry", lambda t: t.rstrip('.?!"') + "!")
    assert any(line.startswith("angry: 0% of its stories end in a full stop") for line in found(shouted, settings, "end marks"))
    poor = of_label(stories, "sad", lambda t: " ".join((t.split()[:50] * 3)[:100]))
    assert any(line.startswith("sad: ") for line in found(poor, settings, "type-token ratio"))


def test_words_that_a_label_overuses_are_found_in_every_inflection(corpus):
    stories, settings = corpus
    forms = ["zigzagging", "zigzagged", "zigzags"]
    rows = [i for i in range(stories.height) if stories["emotion"][i] == "proud"][:9]
    planted = stories
    for n, row in enumerate(rows):
        planted = with_text(planted, row, lambda t, n=n: f"{t} {forms[n % 3]}")
    (line,) = found(planted, settings, "overused words")
    assert line.startswith("proud: zigzag (9 of 24, z ")
    everywhere = stories.with_columns(pl.col("text") + " zigzagging")
    assert found(everywhere, settings, "overused words") == []


def test_log_odds_are_those_of_the_paper():
    own, rest = Counter({"x": 9, "y": 21}), Counter({"x": 10, "y": 110, "z": 30})
    share = 30 / 180  # the prior: all counts, scaled to the size of `own`
    ax, a0 = share * 19, share * 180
    delta = log((9 + ax) / (30 + a0 - 9 - ax)) - log((10 + ax) / (150 + a0 - 10 - ax))
    assert lint.log_odds(own, rest)["x"] == pytest.approx(delta / sqrt(1 / (9 + ax) + 1 / (10 + ax)))


# --- a user's own corpus -------------------------------------------------------------------------------------------------


def test_a_users_corpus_gets_warnings_and_no_refusal(project, capsys):
    rows = [
        {"text": f"I was so happy about the number {i}. It went on and on as {i} do.", "emotion": "ab"[i % 2], "topic": ""}
        for i in range(12)
    ]
    project.params["readings"]["stories"] |= {"columns": {"text": "text", "emotion": "emotion", "topic": None}}
    project.save()
    path = project.write_csv("mine.csv", rows)
    lint.main([str(path)])
    out = capsys.readouterr().out
    first, second, *_ = out.splitlines()
    columns = "readings.stories.columns of params.yaml says: text: text, emotion: emotion, id: id"
    assert first == f"Its columns are looked for as {columns}"
    assert second.startswith(f"{path}: 12 stories, 2 labels, no topics; ")
    assert out.count("happy") == 5
    assert "  and 7 more, which --all shows" in out
    assert "near duplicates" in out
    lint.main([str(path), "--all"])
    out = capsys.readouterr().out
    assert out.count("happy") == 12
    assert "more, which" not in out
    with pytest.raises(SystemExit) as stop:
        lint.main([str(path), "--strict"])
    assert stop.value.code == 1
    with pytest.raises(InputError, match="FILE"):
        lint.main(["--strct"])
    path.write_text("text;emotion\na;b\n")
    with pytest.raises(InputError, match="separated by semicolons"):
        lint.main([str(path)])


# --- texts of every kind -------------------------------------------------------------------------------------------------

CYRILLIC = ["Он долго смотрел в окно и молчал", "Она тихо закрыла дверь и вышла на улицу", "Мы шли домой под дождём и смеялись"]
CHINESE = ["他在窗前站了很久没有说话", "她轻轻关上门走到街上去了", "我们在雨中走回家一路笑着"]


def own(texts, emotions):
    rows = [{"id": str(n), "emotion": e, "topic": "", "text": t} for n, (t, e) in enumerate(zip(texts, emotions, strict=True))]
    return pl.DataFrame(rows, schema=stimuli.SCHEMA)


@pytest.mark.parametrize(
    "texts", [CYRILLIC, CHINESE, ["...", "!!", "123"], ["", "a", "🙂"], ["שלום עולם", "أهلا بالعالم", "नमस्ते"]]
)
@pytest.mark.parametrize("emotions", [["a", "b", "c"], ["a", "a", "b"], ["a", "a", "a"]])
def test_the_lint_never_raises_whatever_the_script(corpus, texts, emotions):
    lint.lint(own(texts, emotions), corpus[1])


def test_words_are_words_of_any_script():
    assert labels.words_of("Она не пришла, l'été 42") == ["она", "не", "пришла", "l'été"]


def test_copied_passages_are_found_in_any_script(corpus):
    texts = [CYRILLIC[1], CYRILLIC[0], f"{CYRILLIC[1]} снова"]
    assert found(own(texts, ["a", "b", "c"]), corpus[1], "near duplicates") == [
        "a and c: share 100% of their runs of five words"
    ]
