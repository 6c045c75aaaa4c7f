"""What a result was made on: the machine and the versions, in words."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

import visus


def describe_machine() -> dict[str, str]:
    """Processor, memory, accelerator, system and versions of this process."""
    facts = {
        "processor": _processor(),
        "cores": f"{_cores()} ({torch.get_num_threads()} threads in use)",
        "memory": _memory(),
        "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "system": f"{platform.system()} {platform.release()} ({platform.machine()})",
        "Python": platform.python_version(),
        "visus": visus.__version__,
    }
    for package in ("torch", "pytorch-lightning", "numpy", "pillow", "hotcoco"):
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            continue
    return {name: value for name, value in facts.items() if value}


def _processor() -> str:
    """The processor's name: Linux keeps it in a file of its own."""
    listing = Path("/proc/cpuinfo")
    if listing.is_file():
        for line in listing.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _memory() -> str:
    """The machine's memory, empty where the system does not say."""
    try:
        return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"
    except (AttributeError, ValueError, OSError):
        return ""
