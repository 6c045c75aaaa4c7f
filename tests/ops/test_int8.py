"""Products in whole numbers are exact, whatever the sizes."""

from __future__ import annotations

import pytest
import torch

from visus.ops.int8 import int8_products


@pytest.mark.parametrize("dimensions", [1, 2, 3, 8, 31, 64, 129])
@pytest.mark.parametrize(("ours", "theirs"), [(1, 1), (1, 2), (2, 3), (5, 16), (17, 33), (8, 300), (1, 300), (1, 5000)])
def test_products_are_exact(dimensions: int, ours: int, theirs: int) -> None:
    generator = torch.Generator().manual_seed(dimensions)
    draw = [torch.randint(-127, 128, (n, dimensions), dtype=torch.int8, generator=generator) for n in (ours, theirs)]
    found = torch.full((ours * theirs,), -1, dtype=torch.int32).view(ours, theirs)
    for _ in range(4):  # what is wrong is not always wrong
        int8_products(draw[0], draw[1], out=found)
        assert torch.equal(found, (draw[0].int()[:, None] * draw[1].int()).sum(2))
