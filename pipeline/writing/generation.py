"""The engine with which a model writes: its own loop over a key-value cache, so that a text has random numbers of its own.

`generate` of transformers draws all texts of a batch from one random state: a text then depends on what is written beside it.
Here every text draws from its own generator, a prompt is read alone, and what is batched is only the step from one token to
the next. Texts that are finished leave the batch at once and others take their place.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Literal, cast

import torch
from jinja2 import TemplateError
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from pipeline.errors import InputError, one_line
from pipeline.models import workers
from pipeline.reading.residual import tokenise
from pipeline.writing.text_cache import TextCache, after_prompt, after_tokens

DATE = "26 Jul 2024"
"""What a chat template that writes the date is given (Llama 3's; this is its own default): no text depends on the day it is
written on."""

Finish = Literal["eos", "length", "not_finite"]


@dataclass(frozen=True)
class Decoding:
    """How the next token is chosen: the most probable one (`temperature` None), or one drawn at a temperature from the smallest
    set of tokens whose probability reaches `top_p`; and the number of tokens after which a text is cut."""

    temperature: float | None
    top_p: float = 1.0
    max_new_tokens: int = 256


@dataclass(frozen=True)
class Written:
    """A text: its tokens without the prompt and without the end token, and why it ends. `not_finite`: the logits after these
    tokens hold NaN or +inf (as fp16 gives when it overflows), so that there is no next token."""

    tokens: list[int]
    finish: Finish


def prompt_ids(prompt: str, tokenizer: PreTrainedTokenizerBase, template: bool, native_bos: bool) -> list[int]:
    """Token ids of a prompt: with `template` one user turn, up to where the model's turn begins; without it plain text, with
    BOS where the family's tokenizer begins with it (`native_bos`).

    Raises InputError where the tokenizer has no chat template, or one that fails or writes today's date, where BOS would stand
    twice at the beginning, and where there is no token at all.
    """
    if template:
        return conversation_ids([prompt], tokenizer)
    ids = tokenise([prompt], tokenizer, native_bos, "native")[0][0]
    _bos_once(ids, prompt, tokenizer, "the prompt's text begins with it")
    if not ids:
        raise InputError(f"the prompt '{prompt}' has no tokens and this family begins no text with BOS; give it some text")
    return ids


def _bos_once(ids: list[int], prompt: str, tokenizer: PreTrainedTokenizerBase, where: str) -> None:
    bos = tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id
    if bos is not None and ids[:2] == [bos, bos]:
        raise InputError(f"BOS stands twice at the beginning of the prompt '{prompt[:40]}': {where}; take one away there")


def conversation_ids(turns: Sequence[str], tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Token ids of a conversation, user and model by turns, the user first and last, up to where the model's turn begins.

    Raises InputError as `prompt_ids` with a template does.
    """
    template = tokenizer.chat_template
    if template is None:
        raise InputError("this model's tokenizer has no chat template; set template: false, so that its prompts are plain text")
    if "strftime_now" in template and "date_string" not in template:
        raise InputError("this model's chat template writes today's date, so that texts change by the day; set template: false")
    said = [{"role": "assistant" if n % 2 else "user", "content": turn} for n, turn in enumerate(turns)]
    try:
        ids = tokenizer.apply_chat_template(
            said, add_generation_prompt=True, tokenize=True, return_dict=False, date_string=DATE
        )
    except TemplateError as error:
        raise InputError(
            f"this model's chat template fails on a user's turn ({one_line(error)}); set template: false"
        ) from None
    _bos_once(cast(list[int], ids), turns[0], tokenizer, "the chat template writes it twice")
    return cast(list[int], ids)


def end_tokens(tokenizer: PreTrainedTokenizerBase, generation_config: Any | None) -> frozenset[int]:
    """Ids that end a text: the tokenizer's, and those of the model's generation config (chat models often end a turn with
    another token than a text). Empty where neither names one."""
    named = [getattr(source, "eos_token_id", None) for source in (tokenizer, generation_config)]
    return frozenset(i for ids in named if ids is not None for i in ([ids] if isinstance(ids, int) else ids))


def nucleus(p: Tensor, top_p: float) -> Tensor:
    """Ids (kept,) of the smallest set of tokens whose probability reaches `top_p` (Holtzman et al. 2020, section 3.1), the most
    probable first; of equals the lower id first.

    `p` is (token,) float64. The first token is always kept.
    """
    n = 64  # sorting a whole vocabulary takes longer than a small model's step, and a nucleus is mostly small
    while (top := p.topk(min(n, len(p))).values).cumsum(0)[-1] < top_p and n < len(p):
        n *= 16
    candidates = (p >= top[-1]).nonzero()[:, 0]
    mass, order = p[candidates].sort(descending=True, stable=True)
    kept = 1 + int((mass.cumsum(0) < top_p).sum())
    return candidates[order[:kept]]


def draw(p: Tensor, top_p: float, u: float) -> int:
    """Inverse distribution function: the first token of the nucleus of `p` (token,) at which the cumulative probability, as a
    share of the nucleus, exceeds `u` (0 <= u < 1)."""
    # In the order of ids: by probability, two tokens that rounding makes change places would change what u means.
    ids = nucleus(p, top_p).sort().values if top_p < 1 else torch.arange(len(p))
    cumulative = p[ids].cumsum(0)
    return int(ids[torch.searchsorted(cumulative, u * cumulative[-1], right=True)])


def choose(logits: Tensor, decoding: Decoding, generators: Sequence[torch.Generator]) -> list[int | None]:
    """The next token of each text from logits (text, token), None where they are not finite.

    Where tokens are drawn, each text's generator (CPU) gives one number, and probabilities are float64 on the CPU.
    """
    finite = torch.isfinite(logits.amax(dim=-1)).tolist()
    if decoding.temperature is None:
        tokens: list[int | None] = logits.argmax(dim=-1).tolist()
    else:
        p = torch.softmax(logits.cpu().double() / decoding.temperature, dim=-1)
        u = [float(torch.rand((), dtype=torch.float64, generator=generator)) for generator in generators]
        tokens = [draw(p[i], decoding.top_p, u[i]) if good else None for i, good in enumerate(finite)]
    return [token if good else None for token, good in zip(tokens, finite, strict=True)]


@dataclass
class _Text:
    """A text that is being written, and the places in the answer that it fills."""

    places: list[int]
    generator: torch.Generator
    tokens: list[int] = field(default_factory=list)


@dataclass
class _Cohort:
    """Texts that began together after prompts of one length, and what the model keeps of them."""

    texts: list[_Text]
    cache: TextCache

    def keep(self, going: Sequence[bool]) -> None:
        rows = [row for row, goes in enumerate(going) if goes]
        if len(rows) < len(self.texts):
            self.texts = [self.texts[row] for row in rows]
            if rows:
                self.cache.keep(rows)


def generate(
    body: nn.Module,
    head: nn.Module,
    prompts: Sequence[Sequence[int]],
    seeds: Sequence[int],
    decoding: Decoding,
    ends: frozenset[int],
    batch_texts: int,
    on_text: Callable[[int, Written], None] | None = None,
    before: Callable[[list[int]], None] | None = None,
) -> list[Written]:
    """Let a model go on from each prompt (token ids), each with its own seed, at most `batch_texts` at a time.

    `body` gives states after the final norm, `head` logits of them. `on_text(i, written)` is told each text as it is finished,
    in no order. Greedy texts of one prompt are written once, and so are drawn ones of one prompt and one seed.
    `before([i, ...])` is told ahead of every pass which texts its rows are, for a hook that treats each in its own way; no two
    texts are then one.
    Raises InputError for an architecture that changes the head's logits, and for one whose cache is not known.
    """
    _head_gives_the_logits(body)
    greedy = decoding.temperature is None
    jobs: dict[tuple[tuple[int, ...], int, int], list[int]] = {}
    for place, (ids, seed) in enumerate(zip(prompts, seeds, strict=True)):
        jobs.setdefault((tuple(ids), 0 if greedy else seed, 0 if before is None else place), []).append(place)
    # texts of one prompt follow one another, in one worker: it is read once
    groups = [list(group) for _, group in groupby(sorted(jobs), key=lambda job: job[0])]
    found: dict[int, Written] = {}

    def work(pieces: Sequence[int]) -> Iterator[tuple[list[int], Written]]:
        waiting = deque((prompt, seed, jobs[prompt, seed, n]) for i in pieces for prompt, seed, n in groups[i])
        return _texts(body, head, waiting, decoding, ends, batch_texts, before)

    for places, written in workers.share(work, len(groups), next(body.parameters()).device):
        for place in places:
            found[place] = Written(list(written.tokens), written.finish)
            if on_text is not None:
                on_text(place, found[place])
    return [found[place] for place in range(len(prompts))]


@torch.inference_mode()
def _texts(
    body: nn.Module,
    head: nn.Module,
    waiting: deque[tuple[tuple[int, ...], int, list[int]]],
    decoding: Decoding,
    ends: frozenset[int],
    batch_texts: int,
    before: Callable[[list[int]], None] | None,
) -> Iterator[tuple[list[int], Written]]:
    """The places of each text that is waiting (prompt, seed, places), and the text, as they are finished."""

    def finish(text: _Text, token: int | None) -> Finish | None:
        if token is None:
            return "not_finite"
        if token in ends:
            return "eos"
        text.tokens.append(token)
        return "length" if len(text.tokens) == decoding.max_new_tokens else None

    cohorts: list[_Cohort] = []
    read: tuple[tuple[int, ...], Tensor, TextCache] | None = None
    while waiting or cohorts:
        begun: dict[int, list[tuple[_Text, TextCache]]] = {}
        room = batch_texts - sum(len(cohort.texts) for cohort in cohorts)
        while waiting and room:
            prompt, seed, places = waiting.popleft()
            if before is not None:
                before(places)
            if before is not None or read is None or read[0] != prompt:
                read = prompt, *after_prompt(body, head, prompt)
            text = _Text(places, torch.Generator().manual_seed(seed))
            if (end := finish(text, choose(read[1], decoding, [text.generator])[0])) is None:
                begun.setdefault(read[2].length, []).append((text, read[2]))
                room -= 1
            else:
                yield places, Written(text.tokens, end)
        cohorts += [_Cohort([text for text, _ in own], TextCache.of([cache for _, cache in own])) for own in begun.values()]
        texts = [text for cohort in cohorts for text in cohort.texts]
        if not texts:
            continue
        if before is not None:
            before([text.places[0] for text in texts])
        logits = after_tokens(body, head, [text.tokens[-1] for text in texts], [cohort.cache for cohort in cohorts])
        tokens = choose(logits, decoding, [text.generator for text in texts])
        ended = iter([finish(text, token) for text, token in zip(texts, tokens, strict=True)])
        for cohort in cohorts:
            ends_of = [next(ended) for _ in cohort.texts]
            for text, end in zip(cohort.texts, ends_of, strict=True):
                if end is not None:
                    yield text.places, Written(text.tokens, end)
            cohort.keep([end is None for end in ends_of])
        cohorts = [cohort for cohort in cohorts if cohort.texts]


def _head_gives_the_logits(body: nn.Module) -> None:
    """Some architectures cap or scale what the head gives; without that, texts would be drawn from another distribution."""
    for name in ("final_logit_softcapping", "logit_scale", "logits_scaling", "lm_head_multiplier", "output_multiplier"):
        if getattr(body.config, name, None) not in (None, 1):
            raise InputError(f"{type(body).__name__}: its {name} changes the head's logits; such a model cannot write here yet")
