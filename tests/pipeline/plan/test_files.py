"""What stands in files of prompts, questions and banks, and would be left out or held against something else, is named."""

import numpy as np
import pytest

from analysis.grid import imported
from analysis.rsa import gram, split_half
from pipeline.errors import InputError
from pipeline.models.entries import load_entries
from pipeline.params.base import load_yaml
from pipeline.params.imported import BANKS, Bank
from pipeline.plan import corpora, files, sections
from pipeline.store.layout import SCRATCH
from tests.conftest import ROOT
from tests.pipeline.plan.refusals import VECTORS, a_file, bank, both, params, writes

PROMPTS = "data/stimuli/prompts.csv"
MODEL = "tiny-llama-3.2"


def checked(project):
    made = sections.load(project.folder / "params.yaml")
    files.check(made, load_entries(made), corpora.load(made), chosen=True)


def setting_of(label):
    """Prompts whose own label, where they have one, is this."""
    return both(writes, a_file(PROMPTS, (ROOT / PROMPTS).read_text().replace(",neutral,", f",{label},")))


def neutral(label):
    return params(lambda p: p["vectors"].update(neutral_label=label))


def experiment(project):
    """Texts of `reliable` against the neutral ones, which no setting of writing asks for."""
    project.params["write"]["settings"]["matched"]["baseline"] = "emotions"
    own = {"source": "reliable", "precision": "fp32", "baseline": "neutral"}
    project.params["confounds"]["experiments"] = {"mine": own}
    project.save()


def second(labels):
    """Stories of another source, of labels that ours have not."""

    def made(project):
        rows = "".join(
            f"{label},{label} text number {n} of another author who writes of it at length\n" for label in labels for n in "12"
        )
        (project.folder / "theirs.csv").write_text(f"emotion,text\n{rows}", encoding="utf-8")
        columns = {"text": "text", "emotion": "emotion", "topic": None, "id": None}
        reading = {"name": "theirs", "precision": "fp32", "path": "theirs.csv", "columns": columns}
        project.params["second"] = [reading | {"positions": ["last", "mean50"]}]
        project.save()

    return made


def without_rows(name):
    """A file of what is asked with its header alone, and a model that is asked."""

    def made(project):
        project.asks(MODEL)
        path = project.folder / name
        path.write_text(path.read_text(encoding="utf-8").splitlines(keepends=True)[0], encoding="utf-8")

    return made


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (bank(VECTORS, stories="nosuch"), "own.yaml: stories: 'nosuch' is no entry of `second` in params.yaml"),
        (bank(VECTORS, stories="nosuch"), "our own stories; there are none. Write null where"),
        (bank({"layer_0__sad": np.zeros(4, np.float32)}), "own.yaml: bank: 'layer_0__sad' is all zeros"),
        (bank({"layer_1__sad": np.array([1.0, 1e300])}), "own.yaml: bank: 'layer_1__sad' has values beyond float32"),
        (bank({"layer_0__Sad": np.ones(4, np.float32)}), "own.yaml: labels: 'Sad' and 'sad' differ in case"),
        (bank(VECTORS | {"layer_0__sad ": np.ones(4, np.float32)}), "own.yaml: labels: 'sad ' and 'sad' differ in case, width"),
        (
            both(second(["Grim", "bored"]), bank({"layer_0__grim": np.ones(4, np.float32)}, stories="theirs")),
            "'grim' and 'Grim'",
        ),
        (params(lambda p: p.update(imported=[MODEL])), f"imported: '{MODEL}' is a reader of this run, too"),
        (params(lambda p: p.update(imported=["tfidf"])), "imported: 'tfidf' is a reader of this run, too"),
        (setting_of("Neutral"), "prompts.csv: set story: no story has the label 'Neutral'; 'Neutral' and 'neutral' differ"),
        (setting_of("hapy"), "prompts.csv: set story: no story has the label 'hapy'; did you mean 'happy'?"),
        (setting_of("zzz"), "prompts.csv: set story: no story has the label 'zzz'; labels are angry, calm"),
        (
            both(setting_of("calm"), neutral(None)),
            "settings.matched.baseline: neutral, and vectors.neutral_label is null",
        ),
        (
            setting_of("calm"),
            "settings.matched.baseline: neutral, and no prompt of the set 'story' in data/stimuli/prompts.csv",
        ),
        (
            both(setting_of("calm"), experiment),
            "experiments.mine.baseline: neutral, and no prompt of the set 'scene'",
        ),
        *(
            (without_rows(f"data/behaviour/{n}.csv"), f"{n}.csv: no rows, and behaviour.models")
            for n in ("questions", "constraints")
        ),
    ],
)
def test_what_would_be_left_out_or_misplaced_is_named(project, change, said):
    checked(project)
    change(project)
    with pytest.raises(InputError) as caught:
        checked(project)
    assert said in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_prompts_for_labels_that_are_not_read_this_time_are_let_be(project):
    setting_of("proud")(project)
    project.params["write"]["settings"]["matched"]["baseline"] = "emotions"
    project.params["readings"]["stories"]["emotions"] = list(project.emotions)
    project.save()
    checked(project)


def test_a_bank_that_was_fetched_before_is_looked_at(project):
    bank({"layer_0__sad": np.zeros(4, np.float32)}, path=None, url="https://example.org/bank")(project)
    checked(project)
    kept = project.folder / SCRATCH / "banks" / load_yaml(BANKS / "own.yaml", Bank).sha256
    kept.parent.mkdir(parents=True)
    (project.folder / "bank").rename(kept)
    with pytest.raises(InputError, match="'layer_0__sad' is all zeros"):
        checked(project)


def test_a_bank_may_be_of_our_own_stories(project):
    bank(VECTORS, stories="stories")(project)
    checked(project)


@pytest.mark.parametrize(
    ("stories", "labels", "said"),
    [
        (None, {}, "bank own no number beside our models can come: 1 of its labels"),
        (None, {"a": "angry", "b": "calm", "c": "happy"}, None),
        ("theirs", {}, "2 of its labels are emotions of the stories, 4 are needed; name them in data/banks/own.yaml, labels"),
    ],
)
def test_a_bank_that_says_nothing_of_our_models_is_named(project, stories, labels, said):
    second(["b", "c", "grim"])(project)
    vectors = {f"layer_0__{e}": np.full(4, n, np.float32) for n, e in enumerate(["a", "b", "c", "sad"], start=1)}
    bank(vectors, stories=stories, labels=labels)(project)
    made = sections.load(project.folder / "params.yaml")
    found = list(files.banks_in_vain(made, corpora.load(made)))
    assert len(found) == (said is not None)
    assert all(said in line for line in found)


def test_labels_in_common_are_as_many_as_the_stage_needs():
    assert files.FEWEST_IN_COMMON == imported.FEWEST_EMOTIONS  # `pipeline` may not ask `analysis`


HEAD = "set,id,emotion,text\n"
WHERE = ("a kitchen", "a shop", "a train", "a garden")


def asked_of(*pairs):
    """Prompts of the set story, each of one label alone, and some for all."""
    own = [f'story,{id_},{label},"Write of {label or "{emotion}"} in {id_}."\n' for label, id_ in pairs]
    others = [f'scene,{id_},,"Write of {{emotion}} in {id_}."\n' for id_ in WHERE]
    return both(
        writes,
        a_file(PROMPTS, "".join([HEAD, *own, *others])),
        params(lambda p: p["write"]["settings"]["matched"].update(baseline="emotions")),
    )


def test_prompts_nested_in_labels_are_refused(project):
    asked_of(*((label, f"{label} {n}") for label in project.emotions for n in range(1)))(project)
    with pytest.raises(
        InputError, match=r"prompts.csv: set story: of its 4 prompts 'angry' has one: prompts are what is halved"
    ):
        checked(project)


def test_labels_of_few_prompts_are_named(project):
    asked_of(*((label, f"{label} {n}") for label in project.emotions for n in range(2)))(project)
    checked(project)
    made = sections.load(project.folder / "params.yaml")
    [said] = files.told_unevenly(made, project.emotions)
    assert said.startswith("data/stimuli/prompts.csv: set story: 'angry' has 2 of its 8 prompts")
    asked_of(*(("", place) for place in WHERE))(project)
    checked(project)
    assert not list(files.told_unevenly(sections.load(project.folder / "params.yaml"), project.emotions))


def test_one_prompt_of_a_label_among_several_gives_no_halves():
    """What the plan says of them, by the statistics themselves."""
    labels = ["a", *("b", "c", "d") * 4]
    design = gram.Design.of(labels, ["p0", *(f"p{n}" for n in range(4) for _ in range(3))], asked_of_every_label=True)
    assert design.crossed
    states = np.random.default_rng(0).normal(size=(len(labels), 8))
    for halving in split_half.halvings(4, 20, 0):
        with pytest.raises(ValueError, match="leaves a label without stories"):
            split_half.Halves.of(gram.cells(gram.gram(states), design), design, halving[None])
