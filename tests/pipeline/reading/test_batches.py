import threading
import time

import pytest
import torch

from pipeline.params.whole import Params
from pipeline.reading.batches import IN_FLIGHT, BatchPlan, overlapped

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def test_a_gpu_reads_as_many_tokens_at_every_precision_and_a_reading_may_ask_for_texts(project):
    params = Params.load()
    params = params.model_copy(update={"read": params.read.model_copy(update={"gpu_batch_tokens": 5000})})
    assert BatchPlan.of(params, "int8", GPU) == BatchPlan.of(params, "bf16", GPU) == BatchPlan(5000, 5000)
    assert BatchPlan.of(params, "int8", GPU, 16) == BatchPlan.of(params, "int8", CPU, 16) == BatchPlan(1024, 16)
    assert BatchPlan.of(params, "int8", CPU) == BatchPlan(0, 1)
    assert BatchPlan.of(params, "bf16", GPU).in_words() == "sorted by length, at most 5000 tokens; right padding, no mask"


def test_batches_are_kept_beside_the_next_ones_and_few_are_held():
    held, most, kept, threads = 0, 0, [], set()
    lock = threading.Lock()

    def start(number):
        nonlocal held, most
        if number == 3:
            return None
        with lock:
            held += 1
            most = max(most, held)
        return f"batch {number}"

    def keep(number, batch):
        nonlocal held
        assert batch == f"batch {number}"
        time.sleep(0.005)
        with lock:
            held -= 1
        kept.append(number)
        threads.add(threading.get_ident())

    told = []
    for number in overlapped(range(12), start, keep):
        assert number in kept or number == 3
        told.append(number)
    assert sorted(told) == list(range(12))
    assert sorted(kept) == [0, 1, 2, *range(4, 12)]
    assert 1 < most <= IN_FLIGHT + 1
    assert threading.get_ident() not in threads


def test_what_keeping_raises_is_raised():
    def keep(number, batch):
        if number == 1:
            raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space left"):
        list(overlapped(range(6), lambda number: number, keep))
