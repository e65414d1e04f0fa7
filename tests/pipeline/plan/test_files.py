"""What stands in files of prompts, questions and banks, and would be left out or held against something else, is named."""

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.models.entries import load_entries
from pipeline.params.base import load_yaml
from pipeline.params.imported import BANKS, Bank
from pipeline.plan import files, sections
from pipeline.store.layout import SCRATCH
from tests.conftest import ROOT
from tests.pipeline.plan.refusals import VECTORS, a_file, bank, both, params, writes

PROMPTS = "data/stimuli/prompts.csv"
MODEL = "tiny-llama-3.2"


def checked(project):
    made = sections.load(project.folder / "params.yaml")
    files.check(made, load_entries(made), project.emotions, chosen=True)


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
        (bank({"layer_0__sad": np.zeros(4, np.float32)}), "own.yaml: layer 0 of 'sad' is all zeros"),
        (bank({"layer_1__sad": np.array([1.0, 1e300])}), "own.yaml: layer 1 of 'sad' has values beyond float32"),
        (bank({"layer_0__Sad": np.ones(4, np.float32)}), "own.yaml: labels: 'Sad' and 'sad' differ in case"),
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
    with pytest.raises(InputError, match="layer 0 of 'sad' is all zeros"):
        checked(project)
