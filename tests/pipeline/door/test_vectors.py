"""Opening vectors: whole, of the form that they should have, and never as NaN what is missing."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from pipeline import opening
from pipeline.errors import InputError
from pipeline.store import layout

A, B = "tiny-llama-3.2", "tiny-qwen2.5"
SHARD = "comprehension/vector/c"


@pytest.fixture
def here(finished, tmp_path) -> Path:
    """The finished project's vectors, to break."""
    shutil.copytree(finished.folder / layout.VECTORS, tmp_path / layout.VECTORS)
    return tmp_path / layout.VECTORS


def test_a_local_tree_is_what_xarray_reads(here):
    tree = opening.open_vectors(here)
    truth = xr.open_datatree(here, engine="zarr", consolidated=False)
    assert {n.path for n in tree.subtree} == {n.path for n in truth.subtree}
    xr.testing.assert_identical(tree[f"{A}/comprehension"].to_dataset(), truth[f"{A}/comprehension"].to_dataset())
    assert tree[A].attrs == truth[A].attrs
    assert tree.attrs == truth.attrs
    assert opening.validate(tree) is tree


def test_a_home_that_no_shell_has_named_is_found(here, monkeypatch):
    monkeypatch.setenv("HOME", str(here.parent))
    assert set(opening.open_vectors(f"~/{here.name}").children) == set(opening.open_vectors(here).children)


def test_some_models_alone(here):
    shutil.rmtree(here / B)
    assert set(opening.open_vectors(here, models=[A]).children) == {A}
    with pytest.raises(InputError, match="no model 'tiny-lama'; did you mean 'tiny-llama-3.2'"):
        opening.open_vectors(here, models=["tiny-lama"])


def shard(store: Path) -> Path:
    return next(p for p in (store / A / SHARD).rglob("*") if p.is_file())


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def spoil(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-10] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda store: shard(store).unlink(), "vector/c/.*: not there"),
        (lambda store: shard(store).write_bytes(b""), "empty"),
        (lambda store: cut(shard(store)), "does not match its checksum"),
        (lambda store: spoil(shard(store)), "does not match its checksum"),
        (lambda store: shard(store).write_bytes(b"abc"), "shorter than its own index"),
        (lambda store: (store / A / "comprehension/emotion/c/0").unlink(), "emotion/c/0: not there"),
        (lambda store: (store / A / "comprehension/zarr.json").write_text("{"), "not readable as JSON"),
        (lambda store: (store / A / "comprehension/zarr.json").unlink(), "comprehension.*has no zarr.json"),
        (lambda store: (store / A / "comprehension/vector/zarr.json").unlink(), "vector: has no zarr.json"),
        (lambda store: (store / A / "zarr.json").unlink(), "tiny-llama-3.2 not there"),
    ],
)
def test_what_is_not_whole_is_refused_and_never_nan(here, change, said):
    change(here)
    with pytest.raises(InputError, match=said):
        opening.open_vectors(here)


def test_a_users_own_tree_is_held_against_the_form(here):
    def changed(how):
        dataset = how(opening.open_vectors(here)[f"{A}/comprehension"].to_dataset().load())
        return xr.DataTree.from_dict({"/mine/comprehension": dataset})

    opening.validate(changed(lambda d: d))
    opening.validate(changed(lambda d: d.drop_vars("finite")))
    for how, said in (
        (lambda d: d.rename(hidden="width"), "'vector' has the dimensions"),
        (lambda d: d.assign(vector=d["vector"].astype(int)), "not float"),
        (lambda d: d.drop_vars("emotion"), "'emotion' has no names"),
        (lambda d: d.assign_coords(layer=np.zeros(d.sizes["layer"], dtype=int)), "'layer' has a name twice"),
        (lambda d: d.assign_coords(variant=["centered", "denoised"]), "variant centered is not among centred, denoised"),
        (lambda d: d.assign(vector=d["vector"].where(d["layer"] != 1)), "first at precision fp32, variant centred.*layer 1"),
    ):
        with pytest.raises(InputError, match=said):
            opening.validate(changed(how))
    with pytest.raises(InputError, match="no group has an array 'vector'"):
        opening.validate(xr.DataTree())
