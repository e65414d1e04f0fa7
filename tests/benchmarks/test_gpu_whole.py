"""A run on a card is held beside one on a CPU: here a finished small project beside itself, and beside one that is off."""

import json

import numpy as np
import polars as pl
import pytest
from scipy.stats import rankdata

from benchmarks.gpu import page, whole
from pipeline.errors import InputError
from pipeline.store import layout
from pipeline.store.tables import write_rows

COURSE = """no second at all
10.5 Running stage 'read@a-fp32':
10.6 > python -m pipeline.reading.read a fp32 stories
12.0 Updating lock file 'dvc.lock'
13.0 Running stage 'read@b-fp32':
20.0 Running stage 'geometry':
25.0 Stage 'check' didn't change, skipping
26.5 Updating lock file 'dvc.lock'
30.0 Running stage 'read@c-fp32':
33.0 Updating lock file 'dvc.lock'
"""


def test_a_stage_took_what_passed_until_the_lock_had_it_and_of_a_stopped_one_nothing_is_known():
    took = whole.seconds(COURSE.splitlines())
    assert took == {"read@a-fp32": 1.5, "geometry": 6.5, "read@c-fp32": 3.0}
    assert whole.by_kind(took, {"read@a-fp32": 2.0, "read@c-fp32": 5.0}) == [
        {"kind": "read", "stages": 2, "seconds": 4.5, "planned": 7.0},
        {"kind": "geometry", "stages": 1, "seconds": 6.5, "planned": None},
    ]


def test_vectors_lie_as_far_apart_as_by_hand_where_both_are_finite(rng):
    a = rng.standard_normal((3, 5, 8)).astype(np.float32)
    b = a + rng.standard_normal(a.shape).astype(np.float32) / 4
    b[1, 2, 3] = np.nan
    far, near = [], []
    for layer in (0, 2):
        x, y = a[layer].astype(float), b[layer].astype(float)
        far.append(np.sqrt(((x - y) ** 2).sum() / (y**2).sum()))
        cosines = [(v @ v.T / np.outer(*[np.sqrt((v**2).sum(1))] * 2))[np.triu_indices(5, 1)] for v in (x, y)]
        near.append(np.corrcoef(*map(rankdata, cosines))[0, 1])
    assert whole._apart(a, b, "_x") == {"apart_x": pytest.approx(max(far)), "correlation_x": pytest.approx(min(near))}


def test_where_no_layer_is_finite_on_both_nothing_is_said(rng):
    a = rng.standard_normal((2, 5, 8))
    found = whole._apart(a, np.full_like(a, np.inf), "_fp32")
    assert found == {"apart_fp32": None, "correlation_fp32": None}
    row = {"model": "m", "method": "x", "precision": "fp16", "position": "last", "layers": 2, "finite": 2, "finite_cpu": 0}
    said = page.vectors(row | {"apart": None, "correlation": None} | found)
    assert [said[key] for key in ("from the CPU's", "correlation", "its correlation")] == [""] * 3
    assert said["finite layers"] == "2 of 2; CPU 0"


def test_runs_of_unequally_many_texts_are_refused_in_one_line(in_finished, off):
    path = next((off / layout.WRITINGS).rglob("*.parquet"))
    write_rows(pl.read_parquet(path).head(3), path)
    with pytest.raises(InputError, match=rf"{path}: 3 texts, and \d+ in "):
        list(whole.texts(off, in_finished.folder))


@pytest.fixture
def off(finished, tmp_path):
    """The finished project as a card would have made it that wrote one text otherwise."""
    for name in ("data/vectors.zarr", "data/layers", "data/steered", "data/transcripts"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).symlink_to(finished.folder / name)
    for path in (finished.folder / layout.WRITINGS).rglob("*.parquet"):
        rows = pl.read_parquet(path)
        to = tmp_path / path.relative_to(finished.folder)
        to.parent.mkdir(parents=True, exist_ok=True)
        texts = ["another text", *rows["text"][1:]]
        write_rows(rows.with_columns(text=pl.Series(texts)), to)
    return tmp_path


def test_what_a_card_made_is_counted_and_the_page_says_it(in_finished, off):
    rows = list(whole.vectors(off, in_finished.folder))
    assert rows
    assert all(row["apart"] == 0 and row["correlation"] == pytest.approx(1) for row in rows)
    assert all(("apart_fp32" in row) == (row["precision"] != "fp32") for row in rows)
    texts = list(whole.texts(off, in_finished.folder))
    assert {row["for"] for row in texts} == {"writings", "steered", "transcripts"}
    assert {row["texts"] - row["same"] for row in texts if row["for"] == "writings"} == {1}
    assert all(row["same"] == row["texts"] for row in texts if row["for"] != "writings")
    layers = list(whole.layers(off, in_finished.folder))
    assert layers
    assert all(row["same"] == row["layers"] > 0 for row in layers)
    took = whole.by_kind({"read@a-fp32": 90.0}, {"read@a-fp32": 30.0})
    versions = {"torch": "2", "transformers": "5", "bitsandbytes": "0"}
    text = "\n".join(page.of_run({"versions": versions, "took": took, "vectors": rows, "texts": texts, "layers": layers}))
    assert "0.5 minutes, and they took 1.5" in text
    assert json.dumps(rows)  # as the file needs them
    written = [row for row in texts if row["for"] == "writings"]
    for row in written:
        assert f"| {row['model']} | {row['precision']} | writings {row['setting']} | {row['same']} of {row['texts']} |" in text
