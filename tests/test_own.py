"""The profile `own` with files as users have them: several texts a cell, labels in other scripts, no topics, one text a label,
labels that no table of this project knows. Each runs through every stage; what cannot be said is null with a reason."""

import csv
import html
import shutil

import numpy as np
import polars as pl
import pytest
from ruamel.yaml import YAML
from scipy.stats import spearmanr

from pipeline import opening
from pipeline.errors import InputError
from pipeline.params.whole import Params
from pipeline.plan import names, plan
from pipeline.schemas.choices import PEOPLE
from pipeline.schemas.every import TABLES
from pipeline.texts import stimuli
from tests.conftest import CONCLUDE, ROOT, Project
from tests.reference import cosine_rdm

LABELS = ("afraid", "angry", "calm", "happy", "proud", "sad")
SCRIPTS = dict(zip(LABELS, ("恐れ", "怒り", "zq-ish state", "سعادة", "गर्व", "грусть"), strict=True))
COLUMNS = {"text": "story", "emotion": "feeling", "topic": "place", "id": "id"}
A, B, WORDS = "tiny-llama-3.2", "tiny-qwen2.5", "char_ngrams"
OF_A_PAIR = ("rho_same", "rho_same_half", "rho_cross", "reliability_a", "reliability_b")


def texts(per_cell, labels=None):
    """Rows of a user's file: the repository's stories, its 24 topics folded into four so that a cell holds several."""
    with (ROOT / "data/stimuli/stories.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["emotion"] in LABELS]
    order = sorted({row["topic"] for row in rows})
    kept = [row for row in rows if order.index(row["topic"]) // 4 < per_cell]
    called = labels or dict(zip(LABELS, LABELS, strict=True))
    return [
        {"feeling": called[r["emotion"]], "place": f"place {order.index(r['topic']) % 4}", "story": r["text"]} for r in kept
    ]


def unequally_many():
    """Rows without topics: four to six texts of a label."""
    rows = [{k: row[k] for k in ("feeling", "story")} for row in texts(2)]
    return [row for n, label in enumerate(LABELS) for row in [r for r in rows if r["feeling"] == label][: 4 + n % 3]]


def one_of_each(rows):
    return list({row["feeling"]: row for row in rows}.values())


class Own(Project):
    """A user's project: the profile `own` with tiny models, fewer draws, and the three edits."""

    def __init__(self, folder, models_, rows, models=(A,), **more):
        super().__init__(folder, models_)
        shutil.copytree(ROOT / "data/own", folder / "data/own")
        (folder / "docs").mkdir()
        shutil.copy(ROOT / "docs/glossary.md", folder / "docs")
        with (folder / "mine.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        self.params = YAML(typ="safe").load((ROOT / "profiles/own.yaml").read_text())
        self.params["readings"]["stories"] |= {"path": "mine.csv", "columns": COLUMNS | {"topic": "place"}}
        if "place" not in rows[0]:
            self.params["readings"]["stories"]["columns"]["topic"] = None
        self.params["corpus"] |= more
        self.params["read"] |= {"models": list(models), "device": "cpu"}
        self.params["read_untrained"] |= {"models": ["tiny-untrained"] if len(models) > 1 else []}
        self.params["rsa"] |= {"depths": [0.5], "bootstrap": 20, "permutations": 99, "shuffles": 19}
        self.params["geometry"] |= {"halvings": 6, "positions": ["mean0"]}
        self.params["shared"] |= {"halvings": 4, "subsets": 2, "orders": 9}
        self.params["corpus"] |= {"draws": 10}
        self.save()

    def checked(self):
        """As `make plan` checks it."""
        params = Params.load()
        read = {name: stimuli.load(reading) for name, reading in params.readings.items()}
        names.check(params, read)
        return plan.units_in_words(params, read["stories"])

    def all_stages(self):
        self.said = self.checked()
        self.run("read", "vectors", "geometry", *CONCLUDE[1:])
        return self

    def page(self):
        return (self.folder / "data/report/index.html").read_text(encoding="utf-8")

    def pair(self, a, b):
        return opening.pair(a, b, root=self.folder).row(0, named=True)


OURS = {
    "emotions": "data/stimuli/emotions.csv",
    "label_words": "data/stimuli/label_words.csv",
    "topics": "data/stimuli/topics.csv",
}
CASES = {
    "cells": lambda: (texts(5), (A, B), {}),
    "scripts": lambda: (texts(5, SCRIPTS), (A,), OURS),
    "no topics": lambda: (unequally_many(), (A, B), {}),
    "one each": lambda: (one_of_each(texts(1)), (A, B), {}),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory, model_folders):
    """`made(case)`: a project in which every stage has run on that case's file, once."""
    done = {}

    def case(name):
        if name not in done:
            folder = tmp_path_factory.mktemp("own")
            rows, models, more = CASES[name]()
            with pytest.MonkeyPatch.context() as patch:
                patch.chdir(folder)
                done[name] = Own(folder, model_folders, rows, models, **more).all_stages()
        return done[name]

    return case


@pytest.mark.parametrize("case", ["cells", "no topics"])
def test_the_numbers_of_a_users_file_equal_numpy_on_the_stored_states(made, case, monkeypatch):
    project = made(case)
    monkeypatch.chdir(project.folder)
    row = project.pair(A, B)
    states = [opening.activations(m, "fp32", "stories") for m in (A, B)]
    label = np.unique(states[0]["emotion"].values.tolist(), return_inverse=True)[1]
    topics = np.unique(states[0]["topic"].values.tolist(), return_inverse=True)[1]
    x, y = (s["activation"].sel(position="mean0", layer=row[f"layer_{at}"]).values for s, at in zip(states, "ab", strict=True))
    assert row["rho_same"] == pytest.approx(spearmanr(cosine_rdm(x, label), cosine_rdm(y, label)).statistic, abs=1e-9)
    if case == "cells":
        assert (row["unit"], row["n_units"], row["n_stimuli"]) == ("topic", 4, 120)
        unit = topics
        assert nearest_centroid(x, label, unit) == pytest.approx(
            opening.table("geometry").filter(model=A, setting="stories", layer=row["layer_a"], variant="centred")["accuracy"][0]
        )
    else:
        assert (row["unit"], row["n_units"], row["n_stimuli"]) == ("fold", 4, 30)
        unit = np.array([np.count_nonzero(label[:n] == e) for n, e in enumerate(label)]) % 4
    cross = []
    for one in ((0, 1), (0, 2), (0, 3)):  # all halvings of four units, both ways round
        half = np.isin(unit, one)
        for first, second in ((half, ~half), (~half, half)):
            cross.append(spearmanr(cosine_rdm(x, label, first), cosine_rdm(y, label, second)).statistic)
    assert row["rho_cross"] == pytest.approx(np.mean(cross), abs=1e-9)


def nearest_centroid(x, label, unit):
    """Share of the stories of each held-out unit that the nearest centroid of the others names, mean over units."""
    x, share = x.astype(np.float64), []
    for u in range(unit.max() + 1):
        train, test = unit != u, np.flatnonzero(unit == u)
        centroids = np.stack([x[train & (label == e)].mean(0) for e in range(label.max() + 1)])
        middle = centroids.mean(0)
        directions = (centroids - middle) / np.linalg.norm(centroids - middle, axis=1, keepdims=True)
        share.append(np.mean(np.argmax((x[test] - middle) @ directions.T, axis=1) == label[test]))
    return np.mean(share)


def test_what_labels_are_called_changes_no_number_of_a_pair(made):
    plain, other = made("cells").pair(A, WORDS), made("scripts").pair(A, WORDS)
    assert plain["n_stimuli"] == other["n_stimuli"] == 120
    for number in OF_A_PAIR:
        assert other[number] == pytest.approx(plain[number], abs=1e-9), number
    stored = opening.vectors_of(A, root=made("scripts").folder)["emotion"]
    assert sorted(stored.values.tolist()) == sorted(SCRIPTS.values())
    assert all(label in made("scripts").page() for label in SCRIPTS.values())


@pytest.mark.parametrize("case", CASES)
def test_what_needs_ratings_is_null_with_a_reason_and_the_page_says_so(made, case):
    human = opening.table("choices", root=made(case).folder).filter(choice=PEOPLE)
    assert human.height > 0
    assert human["rho_whole"].null_count() == human.height
    assert human["reason"].str.starts_with("0 labels with norms").all()
    assert "0 labels with norms" in made(case).page()
    pairs = opening.table("pairs", root=made(case).folder)
    assert pairs["within_sign"].null_count() == pairs["valence_removed"].null_count() == pairs.height
    for name in ("writings", "steering", "behaviour", "confounds"):
        assert opening.table(name, root=made(case).folder).is_empty()
    assert "no model was steered" in made(case).page()


def test_without_topics_the_plan_and_the_page_say_what_is_halved(made):
    assert made("no topics").said == (
        "Stories are not crossed with topics (no topics): halves are halves of each label's stories, dealt out to 4 folds:"
        " afraid has 4 of them, others up to 6"
    )
    assert "4 folds of each label's stories" in html.unescape(made("no topics").page())
    assert "where this page says topics, read stories of each label" in made("no topics").page()
    assert made("cells").said == "Resampling is over 4 topics, of which each has every label"
    assert "Intervals are 95%, over topics." in made("cells").page()


def test_one_text_a_label_gives_nulls_with_their_reason_and_is_said_before_anything_starts(made):
    project = made("one each")
    assert project.said.endswith("There is 1, and 4 are needed: no reliability, and no number of a pair that needs one")
    pairs = opening.table("pairs", root=project.folder)
    assert pairs.height > 0
    assert pairs.select("rho_same", "rho_cross", "rho_dis").null_count().row(0) == (pairs.height,) * 3
    assert pairs["reason"].str.contains("fewer than 4 topics (or stories per label)", literal=True).all()
    maturity = opening.table("maturity", root=project.folder)
    assert maturity["mature"].null_count() == 2
    assert set(maturity["reason"]) == {"no reliability at best_layer_cv"}
    assert "fewer than 4 topics (or stories per label)" in project.page()


@pytest.mark.parametrize("case", CASES)
def test_no_table_holds_a_number_that_is_none(made, case):
    for name in TABLES:
        table = opening.table(name, root=made(case).folder)
        floats = table.select(pl.selectors.float())
        assert not any(floats[c].is_nan().any() for c in floats.columns), name


def test_two_labels_are_refused_before_anything_starts(tmp_path, monkeypatch, model_folders):
    monkeypatch.chdir(tmp_path)
    project = Own(tmp_path, model_folders, [r for r in texts(1) if r["feeling"] in LABELS[:2]])
    with pytest.raises(InputError, match=r"^params.yaml: readings.stories: 2 labels \(afraid, angry\): 3 or more are needed"):
        project.checked()


def test_the_example_of_the_profile_is_three_edits_of_one_place():
    """What a user changes stands under readings.stories alone: nothing else names the example."""
    text = (ROOT / "profiles/own.yaml").read_text(encoding="utf-8")
    params = YAML(typ="safe").load(text)
    assert text.count(params["readings"]["stories"]["path"]) == 1
    assert all(f"# {n}. " in text for n in (1, 2, 3))
    assert params["write"]["models"] == params["steering"]["models"] == params["behaviour"]["models"] == params["second"] == []
