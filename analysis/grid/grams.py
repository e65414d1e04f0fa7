"""Stage `gram`: the Gram matrices behind every pair at the headline position, small enough to publish. From them a stranger
recomputes the whole grid, with other labels, rules or draws, without activations and without a GPU.

Of each reader at its reference precision, at every layer that a rule of table `layers` or a matched depth asks for:
`gram(layer, entry)`, the lower triangle of the inner products of the stories' centred states, and `along(layer, stimulus,
component)`, their inner products with the neutral texts' components. `denoised` is gram - along along^T. Inner products hold
every statistic of analysis (Kornblith et al. 2019; `analysis.rsa.gram`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import xarray as xr
import zarr
from numcodecs import BitRound
from numpy.typing import NDArray
from zarr.codecs import BloscCodec, Crc32cCodec

from analysis.readers.pattern_sets import PairSections, ReaderGrams
from analysis.readers.readers import Reader, Readout, readouts
from analysis.rsa import gram, layers, parallel
from analysis.rsa.gram import Design, Floats
from pipeline.errors import InputError, run_stage, some
from pipeline.models.entries import ModelEntry, load_entries
from pipeline.params.gram import GramSections
from pipeline.params.report import ReportSections
from pipeline.reading.components import neutral_components
from pipeline.store import chosen_layers, integrity, layout, sealed

GRAM = Path("data/gram.zarr")
COMPLETE = 23
"""Bits of a float32's mantissa."""


class Params(PairSections, GramSections, ReportSections):
    """The sections that this stage loads."""


def name_of(reader: Reader) -> str:
    """The group of a reader: its model, and what else tells it from others."""
    seed = None if reader.seed is None else f"seed{reader.seed}"
    return "/".join(filter(None, (reader.model, reader.precision or "words", reader.reading, seed)))


def wanted(readout: Readout, chosen: pl.DataFrame, params: Params) -> list[int]:
    """The layers that a rule chooses for a reader, on all topics or on a half, and those at the matched depths (not of a twin
    that is cut down by `gram.draws`)."""
    found = set(readout.rows_of(chosen)["layer"].drop_nulls().to_list())
    if readout.reader.seed is not None and params.gram.draws is not None:
        return sorted(found)
    return sorted(found | {layers.layer_at(depth, readout.n_layers) for depth in params.rsa.depths})


def is_kept(reader: Reader, entries: Mapping[str, ModelEntry], params: Params) -> bool:
    """Whether a reader is trained, a reader of words, or among the first draws of its twin."""
    return reader.seed is None or reader.seed in entries[reader.model].draws[: params.gram.draws]


def dataset(readout: Readout, chosen: pl.DataFrame, params: Params) -> xr.Dataset:
    """One reader's Gram matrices; a layer whose states are not finite is left out."""
    n = len(readout.stimuli)
    lower = np.tril_indices(n)
    kept, grams, along = [], [], []
    for index in wanted(readout, chosen, params):
        if not (readout.finite[:, index].all() and readout.neutral_finite[:, index].all()):
            continue
        centred = gram.centre(readout.states[:, index])
        components = neutral_components(readout.neutral[:, index], params.vectors.neutral_variance)
        kept.append(index)
        grams.append(rounded((centred @ centred.T)[lower], params.gram.bits))
        along.append(centred @ components.T)
    width = max((a.shape[1] for a in along), default=0)
    padded = [np.pad(a, ((0, 0), (0, width - a.shape[1]))).astype(np.float32) for a in along]
    reader = readout.reader
    return xr.Dataset(
        {
            "gram": (("layer", "entry"), np.array(grams, dtype=np.float32).reshape(len(kept), len(lower[0]))),
            "along": (("layer", "stimulus", "component"), np.array(padded, dtype=np.float32).reshape(len(kept), n, width)),
        },
        coords={
            "layer": ("layer", np.array(kept, dtype=np.int64)),
            "stimulus": ("stimulus", np.array(readout.stimuli, dtype=layout.STRING)),
            "emotion": ("stimulus", np.array(readout.emotions, dtype=layout.STRING)),
            "topic": ("stimulus", np.array(readout.topics, dtype=layout.STRING)),
        },
        attrs={
            "model": reader.model,
            "seed": reader.seed,
            "precision": reader.precision,
            "setting": reader.reading,
            "position": readout.position,
            "n_layers": readout.n_layers,
        },
    )


def rounded(values: Floats, bits: int) -> NDArray[np.float32]:
    """Values as float32 with so many bits of mantissa, which compress; half a unit of the last bit is the largest error."""
    single = values.astype(np.float32)
    return single if bits == COMPLETE else np.asarray(BitRound(bits).encode(single)).view(np.float32).reshape(single.shape)


def write(found: Iterator[xr.Dataset], params: Params, path: Path = GRAM) -> None:
    """The whole store: one group for a reader."""
    codecs = (BloscCodec(cname="zstd", clevel=9, shuffle="bitshuffle"), Crc32cCodec())
    names = []
    with layout.whole_or_nothing(path) as scratch:
        root = zarr.create_group(scratch, zarr_format=3, attributes=attributes(params))
        for one in found:
            encoding = {str(n): {"compressors": codecs, "chunks": a.shape} for n, a in one.data_vars.items() if a.size}
            reader = Reader(*(one.attrs[key] for key in ("model", "seed", "precision", "setting")))
            names.append(name_of(reader))
            one.to_zarr(scratch, group=names[-1], mode="a", consolidated=False, zarr_format=3, encoding=encoding)
            integrity.seal(scratch / names[-1], integrity.values_of(one))
        root.attrs[sealed.GROUPS] = sorted(names)
        integrity.seal(scratch, {})


def attributes(params: Params) -> dict[str, Any]:
    """What the store says of itself."""
    return {
        "title": "Gram matrices of the stories, by reader and layer",
        "summary": "Inner products of the stories' centred states at the headline position, from which the similarity of any"
        " two readers is computed. gram: the lower triangle, row by row; along: inner products with the neutral texts'"
        " components; denoised is gram - along along^T.",
        **layout.ABOUT,
        "position": params.report.position,
        "bits": params.gram.bits,
        "neutral_label": params.vectors.neutral_label,
    }


def square(entries: NDArray[np.floating], n: int) -> Floats:
    """The symmetric matrix (n, n), float64, of a lower triangle row by row."""
    full = np.zeros((n, n))
    full[np.tril_indices(n)] = entries
    return full + np.tril(full, -1).T


def reader_grams(variant: str, chosen: pl.DataFrame, path: Path = GRAM) -> Iterator[ReaderGrams]:
    """Every reader of a store, as `pairs` compares them: what a stranger begins with. `chosen`: the table `layers`.
    Raises InputError where there is no store, and for a reader whose numbers are not those that were written."""
    if not (path / "zarr.json").is_file():
        raise InputError(f"{path}: not there; `make pull` fetches it, `dvc repro gram` makes it")
    if bad := list(sealed.faults(path)):
        raise InputError(f"{path}: {some(bad, 3)}; remove it and run `make pull`, or `dvc repro`")
    root = zarr.open_group(path, mode="r", use_consolidated=False)
    neutral = None if root.attrs["neutral_label"] is None else str(root.attrs["neutral_label"])
    at = {"position": root.attrs["position"], "variant": variant}
    tree = xr.open_datatree(path, engine="zarr", consolidated=False)
    for node in (n for n in tree.subtree if "gram" in n.to_dataset()):
        yield _grams(node.to_dataset().load(), variant, chosen.filter(**at), neutral)


def _grams(one: xr.Dataset, variant: str, chosen: pl.DataFrame, neutral_label: str | None) -> ReaderGrams:
    reader = Reader(*(one.attrs[key] for key in ("model", "seed", "precision", "setting")))
    own = chosen.filter(pl.col(key).eq_missing(pl.lit(value)) for key, value in reader.keys().items())
    whole, halves = own.filter(pl.col("halving").is_null()), own.filter(pl.col("halving").is_not_null()).sort("halving", "half")
    emotions, topics = (one[name].values.tolist() for name in ("emotion", "topic"))
    rows = np.array([i for i, e in enumerate(emotions) if e != neutral_label])
    made = ReaderGrams(
        reader,
        one["stimulus"].values.tolist(),
        Design.of([emotions[i] for i in rows], [topics[i] for i in rows]),
        one.attrs["n_layers"],
        dict(whole.select("layer_rule", "layer").iter_rows()),
        halves["layer"].to_list(),
    )
    for n, index in enumerate(one["layer"].values.tolist()):
        k, along = square(one["gram"].values[n], len(emotions)), one["along"].values[n].astype(np.float64)
        made.grams[index] = (k - along @ along.T if variant == "denoised" else k)[np.ix_(rows, rows)]
    for index in range(made.n_layers):
        if index not in made.grams:
            made.reasons[index] = "not in the store: its states were not finite, or no rule asks for it"
    return made


@parallel.one_thread
def main(arguments: list[str]) -> None:
    params = Params.load()
    entries = load_entries(params)
    chosen = chosen_layers.read(params.readers)
    reference = {model: params.reference_of(model) for model in params.models}
    here = (r for r in readouts(params, entries, params.report.position))
    exact = (r for r in here if r.reader.precision in (None, reference.get(r.reader.model)))
    kept = (r for r in exact if is_kept(r.reader, entries, params))
    write((dataset(r, chosen.filter(position=params.report.position), params) for r in kept), params)


if __name__ == "__main__":
    run_stage(main)
