"""How many tokens a model can read at once: beyond that it ends in an error, or reads on at positions that it never learnt."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

POSITIONS = ("max_position_embeddings", "n_positions", "max_seq_len", "max_sequence_length", "n_ctx", "seq_length")
SWITCHING = ("dynamic", "longrope")


def too_long(n_tokens: int, config: Any) -> str | None:
    """Why a model of this config does not read as many tokens at once; None where it does."""
    for limit, why in _limits(getattr(config, "text_config", None) or config):
        if n_tokens > limit:
            return why
    return None


def _limits(config: Any) -> Iterator[tuple[int, str]]:
    found = next(((key, n) for key in POSITIONS if isinstance(n := getattr(config, key, None), int) and n > 0), None)
    if found is not None:
        yield found[1], f"it has positions for {found[1]} ({found[0]} in its config)"
    rope = getattr(config, "rope_parameters", None) or {}
    for own in (rope, *(own for own in rope.values() if isinstance(own, dict))):  # some have one for each kind of layer
        limit = own.get("original_max_position_embeddings") or (found[1] if found is not None else None)
        if (kind := own.get("rope_type")) in SWITCHING and limit is not None:
            yield (
                int(limit),
                f"beyond {limit} its positions (rope_type {kind}) depend on the longest text that is read beside it",
            )
