"""The engine with which a model writes: its own loop over a key-value cache, so that a text has random numbers of its own.

`generate` of transformers draws all texts of a batch from one random state: a text then depends on what is written beside it.
Here every text draws from its own generator. The step from one token to the next is batched, and so are prompts of one length
where none can tell (`text_cache.after_prompts`). Texts that are finished leave at once and others take their place.
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
from pipeline.writing.sampling import Decoding, choose
from pipeline.writing.slots import Prompts, Slots
from pipeline.writing.text_cache import TextCache, after_prompt, after_prompts, after_tokens

DATE = "26 Jul 2024"
"""What a chat template that writes the date is given (Llama 3's; this is its own default): no text depends on the day it is
written on."""

Finish = Literal["eos", "length", "not_finite"]


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
            said, add_generation_prompt=True, tokenize=True, return_dict=False, date_string=DATE, enable_thinking=False
        )
    except TemplateError as error:
        raise InputError(
            f"this model's chat template fails on a user's turn ({one_line(error)}); set template: false"
        ) from None
    _bos_once(cast(list[int], ids), turns[0], tokenizer, "the chat template writes it twice")
    begin = str(tokenizer.decode(cast(list[int], ids)))
    if begin.rfind("<think>") > begin.rfind("</think>"):
        raise InputError("this model's chat template opens a thought, which would be taken for its text; set template: false")
    return cast(list[int], ids)


def end_tokens(tokenizer: PreTrainedTokenizerBase, generation_config: Any | None) -> frozenset[int]:
    """Ids that end a text: the tokenizer's, and those of the model's generation config (chat models often end a turn with
    another token than a text). Empty where neither names one."""
    named = [getattr(source, "eos_token_id", None) for source in (tokenizer, generation_config)]
    return frozenset(i for ids in named if ids is not None for i in ([ids] if isinstance(ids, int) else ids))


def texts_together(asked: int, precision: str, device: torch.device) -> int:
    """How many texts share a step: as many as `asked`, but one at nf4 on a CPU, where bitsandbytes multiplies one row in
    another way than several. (On a GPU all steps have the same number of rows, see `pipeline.slots`.)"""
    return 1 if precision == "nf4" and device.type == "cpu" else asked


Job = tuple[tuple[int, ...], int, list[int]]
"""What is to be written: after which prompt, with which seed, and for which places in the answer."""


@dataclass
class _Text:
    """A text that is being written, and the places in the answer that it fills."""

    places: list[int]
    generator: torch.Generator
    tokens: list[int] = field(default_factory=list)

    def goes_on(self, token: int | None, decoding: Decoding, ends: frozenset[int]) -> Finish | None:
        """Take in the next token; why the text ends with it, or None."""
        if token is None:
            return "not_finite"
        if token in ends:
            return "eos"
        self.tokens.append(token)
        return "length" if len(self.tokens) == decoding.max_new_tokens else None


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
    # texts of one prompt follow one another, in one worker: it is read once; and prompts of one length, which share a pass
    groups = [list(group) for _, group in groupby(sorted(jobs, key=lambda job: (len(job[0]), job)), key=lambda job: job[0])]
    found: dict[int, Written] = {}
    device = next(body.parameters()).device

    def work(pieces: Sequence[int]) -> Iterator[tuple[list[int], Written]]:
        waiting = deque((prompt, seed, jobs[prompt, seed, n]) for i in pieces for prompt, seed, n in groups[i])
        engine = _texts if device.type == "cpu" else _texts_in_slots
        return engine(body, head, waiting, decoding, ends, batch_texts, before)

    for places, written in workers.share(work, len(groups), device):
        for place in places:
            found[place] = Written(list(written.tokens), written.finish)
            if on_text is not None:
                on_text(place, found[place])
    return [found[place] for place in range(len(prompts))]


@torch.inference_mode()
def _texts(
    body: nn.Module,
    head: nn.Module,
    waiting: deque[Job],
    decoding: Decoding,
    ends: frozenset[int],
    batch_texts: int,
    before: Callable[[list[int]], None] | None,
) -> Iterator[tuple[list[int], Written]]:
    """The places of each text that is waiting, and the text, as they are finished."""
    cohorts: list[_Cohort] = []
    read: dict[tuple[int, ...], tuple[Tensor, TextCache]] = {}
    while waiting or cohorts:
        room = batch_texts - sum(len(cohort.texts) for cohort in cohorts)
        begin = [waiting.popleft() for _ in range(min(room, len(waiting)))]
        for _, same in groupby(begin, key=lambda job: len(job[0])):
            jobs, begun = list(same), list[tuple[_Text, TextCache]]()
            kept = _after_prompts(body, head, jobs, read, before)
            for (_prompt, seed, places), (logits, cache) in zip(jobs, kept, strict=True):
                text = _Text(places, torch.Generator().manual_seed(seed))
                if (end := text.goes_on(choose(logits, decoding, [text.generator])[0], decoding, ends)) is None:
                    begun.append((text, cache))
                else:
                    yield places, Written(text.tokens, end)
            if begun:
                cohorts.append(_Cohort([text for text, _ in begun], TextCache.of([cache for _, cache in begun])))
            # of the last prompt some texts may still be waiting
            read = {prompt: found for prompt, found in read.items() if waiting and waiting[0][0] == prompt}
        if not (texts := [text for cohort in cohorts for text in cohort.texts]):
            continue
        if before is not None:
            before([text.places[0] for text in texts])
        logits = after_tokens(body, head, [text.tokens[-1] for text in texts], [cohort.cache for cohort in cohorts])
        tokens = choose(logits, decoding, [text.generator for text in texts])
        ended = iter([text.goes_on(token, decoding, ends) for text, token in zip(texts, tokens, strict=True)])
        for cohort in cohorts:
            ends_of = [next(ended) for _ in cohort.texts]
            for text, end in zip(cohort.texts, ends_of, strict=True):
                if end is not None:
                    yield text.places, Written(text.tokens, end)
            cohort.keep([end is None for end in ends_of])
        cohorts = [cohort for cohort in cohorts if cohort.texts]


def _after_prompts(
    body: nn.Module,
    head: nn.Module,
    jobs: Sequence[Job],
    read: dict[tuple[int, ...], tuple[Tensor, TextCache]],
    before: Callable[[list[int]], None] | None,
) -> list[tuple[Tensor, TextCache]]:
    """What `after_prompt` gives for each of some jobs, whose prompts are of one length. A prompt that is not in `read` is read
    and put there; with `before` every job reads its own."""
    if before is not None:
        found = []
        for prompt, _, places in jobs:
            before(places)
            found.append(after_prompt(body, head, prompt))
        return found
    new = [prompt for prompt in dict.fromkeys(prompt for prompt, _, _ in jobs) if prompt not in read]
    read.update(zip(new, after_prompts(body, head, new), strict=True))
    return [read[prompt] for prompt, _, _ in jobs]


@torch.inference_mode()
def _texts_in_slots(
    body: nn.Module,
    head: nn.Module,
    waiting: deque[Job],
    decoding: Decoding,
    ends: frozenset[int],
    batch_texts: int,
    before: Callable[[list[int]], None] | None,
) -> Iterator[tuple[list[int], Written]]:
    """`_texts` on a GPU, where every step has `batch_texts` rows; see `pipeline.slots`."""
    longest = max((len(prompt) for prompt, _, _ in waiting), default=0)  # none: all that was asked for is kept
    slots = Slots(body, head, batch_texts, longest + decoding.max_new_tokens)
    asked = Prompts(body, head)
    texts: dict[int, _Text] = {}
    read: tuple[tuple[int, ...], Tensor, TextCache] | None = None
    while waiting or texts:
        begun: list[tuple[int, Tensor]] = []
        for slot in range(batch_texts):
            if slot in texts or not waiting:
                continue
            prompt, seed, places = waiting.popleft()
            if before is not None:
                before(places)
            if before is not None or read is None or read[0] != prompt:
                read = prompt, *asked.read(prompt)
            texts[slot] = _Text(places, torch.Generator().manual_seed(seed))
            slots.put(slot, read[2])
            begun.append((slot, read[1]))
        if begun:
            rows, logits = [slot for slot, _ in begun], torch.cat([logits for _, logits in begun])
        else:
            rows = list(texts)
            if before is not None:  # of a slot that is free nobody looks at the row
                before([texts.get(slot, texts[rows[0]]).places[0] for slot in range(batch_texts)])
            logits = slots.step([texts[slot].tokens[-1] if slot in texts else 0 for slot in range(batch_texts)])[rows]
        for slot, token in zip(rows, choose(logits, decoding, [texts[slot].generator for slot in rows]), strict=True):
            if (end := texts[slot].goes_on(token, decoding, ends)) is not None:
                text = texts.pop(slot)
                slots.clear(slot)
                yield text.places, Written(text.tokens, end)


def _head_gives_the_logits(body: nn.Module) -> None:
    """Some architectures cap or scale what the head gives; without that, texts would be drawn from another distribution."""
    for name in ("final_logit_softcapping", "logit_scale", "logits_scaling", "lm_head_multiplier", "output_multiplier"):
        if getattr(body.config, name, None) not in (None, 1):
            raise InputError(f"{type(body).__name__}: its {name} changes the head's logits; such a model cannot write here yet")
