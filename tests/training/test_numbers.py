"""Losses see float32, seeds follow from their key."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from visus.training.numbers import in_float32, seed_device, seed_for


@dataclass(frozen=True)
class Inner:
    values: list[Tensor]
    index: Tensor


@dataclass(frozen=True)
class Outer:
    features: Tensor
    inner: Inner | None
    named: dict[str, tuple[Tensor, str]]


def test_half_precision_becomes_float32_everywhere_but_in_the_exceptions() -> None:
    half, index = torch.ones(2, dtype=torch.bfloat16), torch.tensor([1])
    outer = Outer(half, Inner([half, half.to(torch.float16)], index), {"a": (half, "text")})
    full = in_float32(outer, except_fields=("features",))
    assert full.features is half
    assert [value.dtype for value in full.inner.values] == [torch.float32, torch.float32]
    assert full.inner.index is index
    assert full.named["a"][0].dtype == torch.float32
    assert full.named["a"][1] == "text"


def test_float32_is_not_copied() -> None:
    full = torch.ones(2)
    inner = Inner([full], torch.tensor([1]))
    assert in_float32(inner).values[0] is full


def test_seeds_differ_by_every_part_of_their_key() -> None:
    keys = [
        (s, t, e, b, r) for s in (0, 1) for t in ("train", "val") for e in range(3) for b in range(12) for r in (0, 1)
    ]
    assert len({seed_for(*key) for key in keys}) == len(keys)
    assert seed_for(1, 23) != seed_for(12, 3)


def test_seed_decides_what_is_drawn() -> None:
    drawn = []
    for seed in (5, 5, 6):
        seed_device(seed, torch.device("cpu"))
        drawn.append(torch.rand(3).tolist())
    assert drawn[0] == drawn[1] != drawn[2]
