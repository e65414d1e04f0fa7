"""A lock that is read and written faster is, in the end, the bytes that DVC writes."""

import pytest
from dvc.utils.serialize import _yaml, modify_yaml

from pipeline.plan.fast_lock import FastLock
from tests.conftest import ROOT

LOCKS = [ROOT / "dvc.lock", *sorted((ROOT / "profiles").glob("*.lock"))]
HARD = {
    "null": None,
    "long": "word " * 40,
    "yes": "yes",
    "date": "2026-11-29",
    "number": "1.0",
    "empty": "",
    "nested": [[], {}, [1]],
}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_is_the_same_data_while_a_run_writes_it_and_then_the_same_bytes(lock, tmp_path):
    text = lock.read_text(encoding="utf-8")
    here = tmp_path / "dvc.lock"
    here.write_text(text, encoding="utf-8")
    before = _yaml.parse_yaml_for_update, _yaml._dump
    with FastLock() as fast:
        with modify_yaml(here):
            pass
        now = _yaml.parse_yaml(here.read_text(encoding="utf-8"), "")
        assert list(now["stages"].items()) == list(_yaml.parse_yaml(text, "")["stages"].items())
        assert fast.written == {here}
    assert here.read_text(encoding="utf-8") == text
    assert [path.name for path in tmp_path.iterdir()] == ["dvc.lock"]
    assert before == (_yaml.parse_yaml_for_update, _yaml._dump)


def test_values_of_every_kind_are_written_as_dvc_writes_them(tmp_path):
    for name in ("dvc.lock", "other/dvc.lock"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("stages: {}\n")
    with modify_yaml(tmp_path / "other/dvc.lock") as data:
        data["stages"] = HARD
    with FastLock(), modify_yaml(tmp_path / "dvc.lock") as data:
        data["stages"] = HARD
    assert (tmp_path / "dvc.lock").read_text() == (tmp_path / "other/dvc.lock").read_text()


def test_any_other_file_keeps_its_comments(tmp_path):
    path = tmp_path / "dvc.yaml"
    path.write_text("a: 1  # one\nb:\n")
    with FastLock(), modify_yaml(path) as data:
        data["b"] = 2
    assert path.read_text() == "a: 1  # one\nb: 2\n"
