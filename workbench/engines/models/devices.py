"""Where a model runs, and what it says when memory is short."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import EngineError

SHORT = re.compile(r"out of memory|can(?:'|no)t allocate memory|bad_alloc", re.IGNORECASE)
NEEDED = re.compile(r"allocate ([\d.]+ ?(?:[KMGTPE]?i?B|bytes))")
FREE = re.compile(r"([\d.]+ ?[KMGTPE]?i?B) is free")
AVAILABLE = re.compile(r"^MemAvailable: +(\d+) kB$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Gpu:
    """A CUDA device; memory in MiB."""

    name: str
    total: int
    free: int


def gpus() -> list[Gpu]:
    """Return the CUDA devices of this machine, as NVIDIA's own tool tells; none where it is absent."""
    if shutil.which("nvidia-smi") is None:
        return []
    query = ["nvidia-smi", "--query-gpu=name,memory.total,memory.free", "--format=csv,noheader,nounits"]
    try:
        told = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True).stdout
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return []  # the tool is there, and its driver or device is not
    rows = (line.rsplit(",", 2) for line in told.splitlines() if line.count(",") >= 2)
    return [
        Gpu(name, int(total), int(free))
        for name, total, free in rows
        if total.strip().isdigit() and free.strip().isdigit()
    ]


def resolve(asked: str) -> str:
    """Return the device for what the params ask: ``cpu``, ``cuda``, or ``auto``, the better one there is.

    Raises `EngineError` where CUDA is asked for and there is none.
    """
    if asked == "cpu":
        return "cpu"
    present = bool(gpus())
    if asked == "auto":
        return "cuda" if present else "cpu"
    if not present:
        raise EngineError(
            f"use the device {asked!r}",
            "this machine has no CUDA device",
            "Write device: auto or device: cpu in params/engines.yaml.",
        )
    return asked


@contextmanager
def memory(task: str, *, lower: str, size: int = 0) -> Iterator[None]:
    """Turn a device's want of memory into an error with its figures; `lower` names the option to lower.

    `size` is the bytes of what is to be loaded: the figure needed where the device tells none.

    Raises
    ------
    EngineError
        With the figure needed, the figure free and the option.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        text = str(error)
        if not isinstance(error, MemoryError) and not SHORT.search(text):
            raise
        needed, free, on_gpu = NEEDED.search(text), FREE.search(text), "CUDA" in text
        wanted = needed[1] if needed else f"about {size // 10**6:,} MB" if size else "more"
        left = free[1] if free else _free_on_gpus() if on_gpu else _free()
        raise EngineError(
            task,
            f"out of memory: {wanted} needed, {left or 'too little'} free",
            f"Lower {lower} in params/engines.yaml" + (", or write device: cpu there." if on_gpu else "."),
        ) from error


def _free_on_gpus() -> str:
    return ", ".join(f"{gpu.free} MiB on {gpu.name}" for gpu in gpus())


def _free() -> str:
    """Return how much memory is left beside the GPUs', where the system tells."""
    told = Path("/proc/meminfo")
    found = AVAILABLE.search(told.read_text()) if told.is_file() else None
    return f"{int(found[1]) // 1024} MiB" if found else ""
