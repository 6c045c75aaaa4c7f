"""Two rules that hold in every step: losses are computed in float32, and chance follows from what is done."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from hashlib import blake2b
from typing import Any

import torch
from torch import Tensor


def in_float32(value: Any, *, except_fields: tuple[str, ...] = ()) -> Any:
    """``value`` with every half-precision tensor in it as float32; goes through dataclasses, lists, tuples and dicts.

    Args:
        value: what a model returned.
        except_fields: fields of dataclasses that stay as they are.
    """
    if isinstance(value, Tensor):
        return value.float() if value.dtype in (torch.float16, torch.bfloat16) else value
    if is_dataclass(value) and not isinstance(value, type):
        names = [f.name for f in fields(value) if f.init and f.name not in except_fields]
        old = {name: getattr(value, name) for name in names}
        new = {name: in_float32(item, except_fields=except_fields) for name, item in old.items()}
        return value if all(new[name] is old[name] for name in names) else replace(value, **new)
    if isinstance(value, dict):
        return {key: in_float32(item, except_fields=except_fields) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(in_float32(item, except_fields=except_fields) for item in value)
    return value


def seed_for(*what: object) -> int:
    """A seed that depends on all of ``what`` and on nothing else, such as seed, stage, epoch, batch and process."""
    return int.from_bytes(blake2b("/".join(map(str, what)).encode(), digest_size=7).digest(), "little")


def seed_device(seed: int, device: torch.device) -> None:
    """Seeds torch on the CPU and on ``device``.

    ``torch.manual_seed`` does so on every kind of device there might be, and notes down a traceback for each kind that
    is not in use: a millisecond and some memory for every call.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)
