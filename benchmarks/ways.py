"""Ways to read the residual stream of the same token ids: ours, transformers' own, and three peers'. Each is called with
batches (lists of indices of texts) and returns pooled states, (text, position, layer, hidden)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.backends import open_bridge, through_hooks, through_transformer_lens
from pipeline.params.reading import Position

Batches = Sequence[list[int]]
Way = Callable[[Batches], np.ndarray]
OURS, ONE, PADDED = "ours", "transformers, a text at a time", "transformers, padded batches"
HEADLESS = "transformers, padded, no head"


def padded(ids: Sequence[list[int]], batch: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Token ids (text, token), padded on the right with 0, and their attention mask."""
    longest = max(len(ids[i]) for i in batch)
    tokens = torch.tensor([ids[i] + [0] * (longest - len(ids[i])) for i in batch])
    mask = torch.tensor([[1] * len(ids[i]) + [0] * (longest - len(ids[i])) for i in batch])
    return tokens, mask


def pooled(layers: Sequence[Tensor], positions: Sequence[Position]) -> np.ndarray:
    """States of one text, (position, layer, hidden), from those of its tokens that count at every layer, (token, hidden)."""
    spans = [position.span(len(layers[0])) for position in positions]
    return torch.stack([torch.stack([layer[a:b].mean(dim=0) for layer in layers]) for a, b in spans]).numpy()


class Reader:
    """What all ways but ours have in common: every layer's states of all tokens are kept, then pooled by slices. `skip`: tokens
    at the beginning that never count, of all texts or of each."""

    def __init__(self, ids: Sequence[list[int]], positions: Sequence[Position], skip: int | Sequence[int]) -> None:
        self.ids, self.positions, self.skip = ids, positions, skip

    def first(self, i: int) -> int:
        """Of text `i` the first token that counts."""
        return self.skip if isinstance(self.skip, int) else self.skip[i]

    def through(self, layers_of: Callable[[Tensor, Tensor], Sequence[Tensor]]) -> Way:
        """`layers_of`: from ids and mask, the states of every block, (text, token, hidden) each."""

        def read(batches: Batches) -> np.ndarray:
            found = {}
            for batch in batches:
                with torch.inference_mode():
                    layers = layers_of(*padded(self.ids, batch))
                    for row, i in enumerate(batch):
                        own = slice(self.first(i), len(self.ids[i]))
                        found[i] = pooled([layer[row, own] for layer in layers], self.positions)
            return np.stack([found[i] for i in sorted(found)])

        return read


def single(way: Way) -> Way:
    """The same with every text alone."""
    return lambda batches: way([[i] for batch in batches for i in batch])


def plain(model: Any, reader: Reader) -> dict[str, Way]:
    """transformers and `output_hidden_states`, whose last entry is after the final norm: with its head, as most people load a
    model, and without it, as ours."""

    def of(model: Any) -> Way:
        def layers_of(tokens: Tensor, mask: Tensor) -> Sequence[Tensor]:
            found: Sequence[Tensor] = model(
                tokens, attention_mask=mask, output_hidden_states=True, use_cache=False
            ).hidden_states
            return found[1:]

        return reader.through(layers_of)

    whole = of(model)
    return {ONE: single(whole), PADDED: whole, HEADLESS: of(model.get_decoder())}


def transformer_lens(folder: Path, reader: Reader) -> Way:
    """Its bridge, in our batches without a mask; of all texts as many tokens are skipped."""
    bridge = open_bridge(folder)
    return lambda batches: _of_texts(
        through_transformer_lens(bridge, reader.ids, reader.positions, reader.first(0), batches), batches
    )


def nnsight(model: nn.Module, tokenizer: Any, reader: Reader) -> Way:
    """Every block's output saved in a trace."""
    import nnsight as library

    traced = library.TransformersModel(model, tokenizer=tokenizer, task="text-generation")

    def layers_of(tokens: Tensor, mask: Tensor) -> Sequence[Tensor]:
        with traced.trace({"input_ids": tokens, "attention_mask": mask}):
            saved = library.save([])
            for layer in traced.model.layers:
                saved.append(layer.output)
        return list(saved)

    return reader.through(layers_of)


def steering_vectors(model: nn.Module, reader: Reader) -> Way:
    """Its recorder of every block's output."""
    from steering_vectors import record_activations

    def layers_of(tokens: Tensor, mask: Tensor) -> Sequence[Tensor]:
        with record_activations(model, layer_type="decoder_block") as recorded:
            model(tokens, attention_mask=mask, use_cache=False)
        return [recorded[layer][0] for layer in sorted(recorded)]

    return reader.through(layers_of)


def _of_texts(states: np.ndarray, batches: Batches) -> np.ndarray:
    return states[sorted(i for batch in batches for i in batch)]


def ours(body: nn.Module, reader: Reader) -> Way:
    """Hooks that pool inside the pass, without a head and without a mask."""

    def read(batches: Batches) -> np.ndarray:
        order = [i for batch in batches for i in batch]
        place = {i: n for n, i in enumerate(sorted(order))}
        texts, skip = [reader.ids[i] for i in sorted(order)], [reader.first(i) for i in sorted(order)]
        return through_hooks(body, texts, reader.positions, skip, [[place[i] for i in batch] for batch in batches])

    return read


PEERS = ("transformer-lens", "nnsight", "steering-vectors")


def peers(folder: Path, model: nn.Module, tokenizer: Any, reader: Reader) -> tuple[dict[str, Way], dict[str, str]]:
    """Those that are installed, by name and version; and of the others, why they are not measured."""
    made: dict[str, Callable[[], Way]] = {
        "transformer-lens": lambda: transformer_lens(folder, reader),
        "nnsight": lambda: nnsight(model, tokenizer, reader),
        "steering-vectors": lambda: steering_vectors(model, reader),
    }
    found: dict[str, Way] = {}
    lacking: dict[str, str] = {}
    for name in PEERS:
        try:
            called = f"{name} {version(name)}"
            found[called] = made[name]()
        except PackageNotFoundError:
            lacking[name] = "not installed here; `make bench` installs it"
        except ImportError as error:  # beside another transformers than it was made for
            lacking[name] = f"cannot be imported beside these packages: {error}"
    return found, lacking
