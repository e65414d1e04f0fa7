"""What this machine has to compute with: the rate of its CPU, tried shortly, and the name of its GPU."""

from __future__ import annotations

import time
from typing import Any

TRIED = ("fp32", "bf16")
"""Precisions whose products are timed: some CPUs multiply bf16 several times as fast. The others are multiplied as fp32 is."""


def flops_per_second() -> dict[str, float]:
    """What the cores of this CPU make of matrix products at each precision of TRIED, as the stages multiply: from a
    fifth of a second of each."""
    import torch  # takes seconds, which only a plan with something to do need spend
    from torch import nn

    from pipeline.models import cpu_arithmetic, loading, workers

    def of_one_core(dtype: torch.dtype) -> float:
        model: Any = nn.Sequential(nn.Linear(768, 768, bias=False, dtype=dtype))
        model.dtype, x = dtype, torch.ones(1024, 768, dtype=dtype)
        cpu_arithmetic.multiply_here(model)
        model(x)
        count, start = 0, time.perf_counter()
        while time.perf_counter() - start < 0.2:
            model(x)
            count += 1
        return count * 2 * 1024 * 768**2 / (time.perf_counter() - start)

    n = workers.cores(torch.device("cpu"))
    with workers.one_thread(), torch.inference_mode():
        return {p: n * of_one_core(loading.DTYPES[p]) for p in TRIED}


def gpu_present() -> str | None:
    """The name of this machine's GPU, if torch sees one."""
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else None
