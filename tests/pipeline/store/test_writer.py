import json
import tracemalloc

import numpy as np
import pytest
import xarray as xr

from pipeline.store import arrays, integrity, layout, writer


def reading(n, rng, seeds=None, layers=6, hidden=32):
    """A reading of `n` texts with random numbers, some of them not finite."""
    lead, shape = ((), ()) if seeds is None else (("seed",), (len(seeds),))
    activation = rng.standard_normal((*shape, n, 2, layers, hidden)).astype(np.float32)
    activation[..., -1, 1, 2, :] = np.nan
    large = {
        "activation": ((*lead, *layout.ACTIVATION_DIMS), activation),
        "finite": ((*lead, *layout.FINITE_DIMS), np.isfinite(activation).all(axis=-1)),
        "embedding": ((*lead, *layout.EMBEDDING_DIMS), rng.standard_normal((*shape, n, 2, hidden)).astype(np.float32)),
    }
    coords = {name: ("stimulus", np.array([f"{name} {i}" for i in range(n)], layout.STRING)) for name in ("stimulus", "topic")}
    coords |= {"position": ("position", np.array(["last", "mean50"], layout.STRING)), "layer": ("layer", np.arange(layers))}
    coords |= {} if seeds is None else {"seed": ("seed", np.array(seeds))}
    return xr.Dataset(large, coords=coords, attrs={"model": "m", "precision": "fp32", "reading": "stories"})


PATH = layout.activations_path("m", "fp32", "stories")


@pytest.mark.parametrize("seeds", [None, [3, 5]])
def test_what_is_in_several_shards_reads_as_what_is_in_one(tmp_path, monkeypatch, rng, seeds):
    monkeypatch.chdir(tmp_path)
    dataset = reading(23, rng, seeds)
    monkeypatch.setattr(writer, "SHARD", dataset["activation"].nbytes // (2 if seeds else 1) // 3)
    writer.write_activations(dataset, PATH)
    shards = [p for p in (PATH / "activation/c").rglob("*") if p.is_file()]
    assert len(shards) == 3 * len(seeds or [0])
    found = arrays.activations("m", "fp32", "stories")
    for name in dataset.variables:
        assert np.array_equal(found[name], dataset[name], equal_nan=dataset[name].dtype.kind == "f")
    one = arrays.activations("m", "fp32", "stories", layer=[2], position=["mean50"])
    assert np.array_equal(one["activation"], dataset["activation"].isel(layer=[2], position=[1]), equal_nan=True)
    shards[-1].write_bytes(shards[0].read_bytes())
    with pytest.raises(Exception, match="'activation' is not what was written"):
        arrays.activations("m", "fp32", "stories")


def test_memory_does_not_grow_with_the_texts_of_a_reading_that_lies_in_files(tmp_path, monkeypatch, rng):
    monkeypatch.chdir(tmp_path)
    peaks, some = [], reading(100, rng, hidden=512)
    monkeypatch.setattr(writer, "SHARD", some["activation"].nbytes)
    monkeypatch.setattr(integrity, "BLOCK", some["activation"].size)
    for n in (100, 800):
        dataset = reading(n, rng, hidden=512)
        for name in ("activation", "embedding"):
            np.save(tmp_path / name, dataset[name].values)
            dataset[name] = (dataset[name].dims, np.load(tmp_path / f"{name}.npy", mmap_mode="r"))
        tracemalloc.start()
        writer.write_activations(dataset, PATH)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 2.5 * peaks[0]  # of eight times the texts
    assert peaks[1] < 0.7 * dataset["activation"].nbytes


def test_a_store_of_another_schema_says_of_which(tmp_path, monkeypatch, rng):
    monkeypatch.chdir(tmp_path)
    writer.write_activations(reading(3, rng), PATH)
    assert json.loads((PATH / "zarr.json").read_text())["attributes"]["schema_version"] == layout.SCHEMA_VERSION
    monkeypatch.setattr(layout, "SCHEMA_VERSION", "17")
    with pytest.raises(Exception, match="is of schema version 1, and this version of the project reads 17; remove it"):
        arrays.activations("m", "fp32", "stories")
