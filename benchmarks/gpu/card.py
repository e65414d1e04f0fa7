"""The card, and what it makes of bare products."""

from __future__ import annotations

import platform
import subprocess
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import torch


def described(device: torch.device) -> dict[str, Any]:
    """Name, memory, driver and the versions of the libraries that numbers depend on."""
    libraries = {name: version(name) for name in ("torch", "transformers", "bitsandbytes")}
    if device.type == "cpu":
        return {"card": f"CPU {platform.machine()}", "memory_bytes": 0, "driver": "", "cuda": "", "versions": libraries}
    asked = subprocess.run(
        ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"], capture_output=True, text=True, check=False
    )
    own = torch.cuda.get_device_properties(device)
    return {
        "card": own.name,
        "memory_bytes": own.total_memory,
        "driver": asked.stdout.strip().splitlines()[0] if asked.stdout.strip() else "unknown",
        "cuda": torch.version.cuda,
        "versions": libraries,
    }


def seconds(function: Callable[[], Any], device: torch.device, times: int = 3, warm: int = 1) -> float:
    """Median seconds of a call, the device's work included; `warm` calls go before."""
    taken = []
    for n in range(warm + times):
        wait(device)
        start = time.perf_counter()
        function()
        wait(device)
        if n >= warm:
            taken.append(time.perf_counter() - start)
    return sorted(taken)[len(taken) // 2]


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def product_flops(dtype: torch.dtype, device: torch.device, n: int) -> float:
    """Operations a second of an n x n x n product of random numbers: int8 by torch's integer product."""
    if dtype == torch.int8:
        a = torch.randint(-127, 127, (n, n), dtype=dtype, device=device)
        b = torch.randint(-127, 127, (n, n), dtype=dtype, device=device).t()
        multiply = torch._int_mm
    else:
        a, b = (torch.randn(n, n, device=device, dtype=torch.float32).to(dtype) for _ in range(2))
        multiply = torch.mm

    def several() -> None:
        for _ in range(5):
            multiply(a, b)

    return 2.0 * n**3 * 5 / seconds(several, device)


def copied_bytes_per_second(device: torch.device, n: int) -> dict[str, float]:
    """Bytes a second of a copy on the device (read and written), and from it to page-locked memory of the host."""
    x = torch.empty(n, dtype=torch.uint8, device=device).random_()
    y = torch.empty_like(x)
    host = torch.empty(n, dtype=torch.uint8, pin_memory=device.type == "cuda")
    return {
        "on_device": 2 * n / seconds(lambda: y.copy_(x), device),
        "to_host": n / seconds(lambda: host.copy_(x, non_blocking=True), device),
    }


def peak_bytes(device: torch.device) -> int:
    """Most memory that torch has held on the device since it was last asked."""
    if device.type != "cuda":
        return 0
    held = torch.cuda.max_memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    return held
