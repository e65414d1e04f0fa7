"""How fast a model of true size writes on the card, beside `generate` of transformers at the same size of batch."""

from __future__ import annotations

import time
from typing import Any

import torch

from benchmarks.gpu import card
from pipeline.writing import generation
from pipeline.writing.generation import Written
from pipeline.writing.sampling import Decoding
from pipeline.writing.text_cache import after_prompt

SEED = 0


def ours(model: Any, prompts: list[list[int]], decoding: Decoding, batch_texts: int, device: torch.device) -> dict[str, Any]:
    """Texts after `prompts`, each with a seed of its own; seconds of a step, and of a prompt's pass that is not recorded."""

    def texts(prompts: list[list[int]], n: int) -> list[Written]:
        some = Decoding(decoding.temperature, decoding.top_p, n)
        seeds = list(range(len(prompts)))
        return generation.generate(model.model, model.lm_head, prompts, seeds, some, frozenset(), batch_texts)

    def timed(prompts: list[list[int]], n: int) -> tuple[float, list[Written]]:
        card.wait(device)
        start = time.perf_counter()
        found = texts(prompts, n)
        card.wait(device)
        return time.perf_counter() - start, found

    texts(prompts[:4], 3)
    card.peak_bytes(device)
    whole, found = timed(prompts, decoding.max_new_tokens)
    peak = card.peak_bytes(device)
    few = max(2, decoding.max_new_tokens // 8)
    short, long = (timed(prompts[:1] * len(prompts), n)[0] for n in (few, decoding.max_new_tokens))
    with torch.inference_mode():
        each = card.seconds(lambda: after_prompt(model.model, model.lm_head, prompts[0]), device)
    return {
        "texts": len(prompts),
        "prompts": len(set(map(tuple, prompts))),
        "prompt_tokens": len(prompts[0]),
        "new_tokens": decoding.max_new_tokens,
        "seconds": whole,
        "texts_per_second": len(prompts) / whole,
        "tokens_per_second": sum(len(text.tokens) for text in found) / whole,
        "seconds_of_one_prompt": long,
        "step_seconds": (long - short) / (decoding.max_new_tokens - few),
        "prompt_seconds": each,
        "peak_bytes": peak,
        "tokens": [text.tokens for text in found],
    }


def theirs(model: Any, prompts: list[list[int]], decoding: Decoding, cache: str, device: torch.device) -> dict[str, Any]:
    """`generate`, all prompts at once; of `cache` "static" no step is compiled."""
    ids = torch.tensor(prompts, device=device)
    options: dict[str, Any] = {"do_sample": True, "temperature": decoding.temperature, "top_p": decoding.top_p, "top_k": 0}
    options |= {"max_new_tokens": decoding.max_new_tokens, "min_new_tokens": decoding.max_new_tokens, "pad_token_id": 0}
    options |= {"cache_implementation": cache} if cache == "static" else {}
    options |= {"disable_compile": True}
    torch.manual_seed(SEED)
    with torch.inference_mode():
        model.generate(ids[:2], **(options | {"max_new_tokens": 3, "min_new_tokens": 3}))
        card.peak_bytes(device)
        card.wait(device)
        start = time.perf_counter()
        found = model.generate(ids, attention_mask=torch.ones_like(ids), **options)
        card.wait(device)
    whole = time.perf_counter() - start
    n = found.numel() - ids.numel()
    return {
        "texts": len(prompts),
        "new_tokens": n // len(prompts),
        "seconds": whole,
        "tokens_per_second": n / whole,
        "texts_per_second": len(prompts) / whole,
        "peak_bytes": card.peak_bytes(device),
    }


def independence(model: Any, prompts: list[list[int]], decoding: Decoding, batch_texts: int, found: list[list[int]]) -> float:
    """Share of texts, of a few with another half of neighbours and in another order, that are those of `found`."""
    which = list(range(0, len(prompts), 2))[::-1]
    again = generation.generate(
        model.model, model.lm_head, [prompts[i] for i in which], which, decoding, frozenset(), batch_texts
    )
    return sum(text.tokens == found[i] for i, text in zip(which, again, strict=True)) / len(which)
