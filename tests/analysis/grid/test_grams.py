"""The published Gram matrices give the tables' own numbers again, without activations."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from analysis.grid import by_depth, grams
from analysis.readers.pattern_sets import Plan
from analysis.rsa import gram
from pipeline import opening
from pipeline.errors import InputError
from pipeline.models.entries import load_entries
from pipeline.reading.components import neutral_components
from pipeline.schemas.choices import CHOICES, READOUTS
from pipeline.store import layout, parts, sealed

KEYS = ("model", "seed", "precision", "setting")


@pytest.mark.parametrize("variant", layout.VARIANTS)
def test_a_stranger_recomputes_the_whole_grid_from_them(in_finished, tmp_path, monkeypatch, variant):
    table, chosen = parts.read_part(CHOICES, READOUTS), opening.table("layers")
    for name in ("params.yaml", "data/models", "data/stimuli", "data/gram.zarr"):  # and no activations
        source, target = in_finished.folder / name, tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
    monkeypatch.chdir(tmp_path)
    params = grams.Params.load()
    keys = {"position": params.report.position, "variant": variant}
    group = list(grams.reader_grams(variant, chosen))
    assert {c.reader.model for c in group} == {*params.models, *params.words}
    found = by_depth.rows(group, params, Plan.of(group[0].design, params), keys)
    truth = {tuple(row[k] for k in CHOICES.keys): row for row in table.filter(**keys).iter_rows(named=True)}
    turned = [k[:-1] + {"a": "b", "b": "a"}[k[-1]] if k[-2:] in ("_a", "_b") else k for k in CHOICES.keys]
    compared = 0
    for row in found:
        own = tuple(row[k] for k in CHOICES.keys)
        other = truth.get(own) or truth[tuple(row[k] for k in turned)]
        for number in ("rho_same", "rho_same_half", "rho_cross"):
            if other[number] is None:
                assert row[number] is None
                continue
            assert row[number] == pytest.approx(other[number], abs=2e-3), (own, number)
            compared += 1
    assert compared > 100


def test_with_every_bit_they_are_the_inner_products(in_finished):
    params = grams.Params.load()
    params = params.model_copy(update={"gram": params.gram.model_copy(update={"bits": grams.COMPLETE})})
    readout = next(iter(grams.readouts(params, load_entries(params), params.report.position)))
    one = grams.dataset(readout, opening.table("layers").filter(position=readout.position), params)
    for n, index in enumerate(one["layer"].values.tolist()):
        a = readout.states[:, index].astype(np.float64)
        a -= a.mean(axis=0)
        k = grams.square(one["gram"].values[n], len(a))
        assert np.allclose(k, a @ a.T, rtol=1e-6, atol=1e-7 * np.abs(a @ a.T).max())
        c = neutral_components(readout.neutral[:, index], params.vectors.neutral_variance)
        along = one["along"].values[n].astype(np.float64)
        assert np.allclose(k - along @ along.T, gram.gram(readout.states[:, index], c), atol=1e-6 * np.abs(k).max())


def test_a_reader_to_whom_all_neutral_texts_are_alike_is_kept_without_components(in_finished, tmp_path):
    """Words of stories of which no neutral text has one; the last token where every neutral text ends in the same sign."""
    params, chosen = grams.Params.load(), opening.table("layers")
    readout = next(iter(grams.readouts(params, load_entries(params), params.report.position)))
    readout = replace(readout, neutral=np.ones_like(readout.neutral))
    one = grams.dataset(readout, chosen.filter(position=readout.position), params)
    assert one["along"].shape == (one.sizes["layer"], len(readout.stimuli), 0)
    grams.write(iter([one]), params, tmp_path / "gram.zarr")
    plain, denoised = (next(grams.reader_grams(v, chosen, tmp_path / "gram.zarr")) for v in ("centred", "denoised"))
    assert plain.grams.keys() == denoised.grams.keys() != set()
    assert all(np.array_equal(plain.grams[layer], denoised.grams[layer]) for layer in plain.grams)
    assert grams.dataset(replace(readout, finite=np.zeros_like(readout.finite)), chosen, params)["along"].size == 0


@pytest.mark.parametrize("bits", [8, 14, 20, 23])
def test_rounding_errs_by_half_a_unit_of_the_last_bit(rng, bits):
    values = rng.standard_normal(1000)
    error = np.abs(grams.rounded(values, bits) / values - 1)
    assert error.max() <= 2.0 ** -(bits + 1) + 2.0**-24  # and what float32 itself rounds
    assert bits == grams.COMPLETE or error.max() > 2.0 ** -(bits + 2)


def test_a_missing_store_says_how_to_get_it(project):
    with pytest.raises(InputError, match="`make pull` fetches it"):
        next(grams.reader_grams("centred", None))


def test_of_a_twin_only_some_draws_and_layers_are_published(in_finished):
    params = grams.Params.load()
    few = params.model_copy(update={"gram": params.gram.model_copy(update={"draws": 1})})
    entries = load_entries(params)
    chosen = opening.table("layers").filter(position=params.report.position)
    seen = set()
    for readout in grams.readouts(params, entries, params.report.position):
        reader = readout.reader
        assert grams.is_kept(reader, entries, params)
        assert grams.is_kept(reader, entries, few) == (reader.seed in (None, 0))
        own, every = grams.wanted(readout, chosen, few), grams.wanted(readout, chosen, params)
        if reader.seed is None:
            assert own == every
        else:
            assert set(own) == {*readout.rows_of(chosen)["layer"].drop_nulls().to_list()} <= set(every)
        seen.add(reader.seed)
    assert seen == {None, 0, 1}


def spoil_a_number(store):
    path = next(p for p in sorted(store.rglob("gram/c/*/*")) if p.is_file())
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def exchange_two_readers(store):
    a, b = (store / "tiny-llama-3.2/fp32/stories/gram", store / "tiny-qwen2.5/fp32/stories/gram")
    shutil.rmtree(a)
    shutil.copytree(b, a)


def rename_a_label(store):
    path = store / "tiny-llama-3.2/fp32/stories"
    one = xr.open_zarr(path, consolidated=False)[["emotion"]].load()
    values = one["emotion"].copy(data=one["emotion"].values[::-1].copy())
    values.encoding = {}
    xr.Dataset(coords={"emotion": values}).to_zarr(path, mode="r+", consolidated=False)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (spoil_a_number, "not readable|not what was written"),
        (exchange_two_readers, "tiny-llama-3.2/fp32/stories: .*is not what was written"),
        (rename_a_label, "'emotion' is not what was written"),
        (lambda store: shutil.rmtree(store / "tiny-qwen2.5"), "tiny-qwen2.5/fp32/stories: not there"),
        (lambda store: shutil.copytree(store / "tiny-qwen2.5", store / "another"), "another/fp32/stories: was not written"),
        (lambda store: (store / "zarr.json").write_text("{}"), "not readable|no digests"),
    ],
)
def test_what_is_not_what_was_written_is_refused(finished, tmp_path, spoil, said):
    store = tmp_path / "gram.zarr"
    shutil.copytree(finished.folder / grams.GRAM, store)
    assert list(sealed.faults(store)) == []
    spoil(store)
    with pytest.raises(InputError, match=f"gram.zarr: .*({said}).*; remove it and run `make pull`"):
        next(grams.reader_grams("centred", opening.table("layers", root=finished.folder), store))
