"""Non-maximum suppression against torchvision's compiled kernel, on clustered boxes like those of a proposal network.

Run ``python benchmarks/nms.py``. The boxes come from ``clustered_boxes``: of those with a spread of 0.05 about 40 %
stay, of those with a spread of 0.1 about 65 %.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from interleaved import Cases, run
from torch import Tensor

COUNTS = (1000, 5000, 12000)
SPREADS = (0.05, 0.1)
THRESHOLD = 0.7
SIZES = {"boxes": COUNTS, "spread": SPREADS, "iou_threshold": THRESHOLD}


def ours() -> Cases:
    from visus.ops import nms

    return _cases(nms)


def theirs() -> Cases:
    from torchvision.ops import nms

    return _cases(nms)


def _cases(suppress: Callable[[Tensor, Tensor, float], Tensor]) -> Cases:
    cases = {}
    for spread in SPREADS:
        for count in COUNTS:
            boxes, scores = clustered_boxes(count, spread, torch.Generator().manual_seed(count))
            cases[f"{count} boxes, spread {spread}"] = partial(suppress, boxes, scores, THRESHOLD)
    return cases


def clustered_boxes(count: int, spread: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Boxes around objects of an 800 x 1088 image, as proposals crowd, and their scores.

    One object for every 20 boxes, with log-uniform sides of 16 to 600 pixels. Three boxes in four belong to a random
    object: its centre moved by ``spread`` times its sides and its sides stretched by exp(2 ``spread`` z), z normal.
    The others lie anywhere. The scores are uniform.
    """
    objects = max(1, count // 20)
    sides = 16 * (600 / 16) ** torch.rand(objects, 2, generator=generator)
    centres = torch.rand(objects, 2, generator=generator) * torch.tensor([1088.0, 800.0])
    owner = torch.randint(objects, (count,), generator=generator)
    side = sides[owner] * torch.exp(2 * spread * torch.randn(count, 2, generator=generator))
    centre = centres[owner] + spread * sides[owner] * torch.randn(count, 2, generator=generator)
    alone = torch.rand(count, generator=generator) < 0.25
    centre[alone] = torch.rand(count, 2, generator=generator)[alone] * torch.tensor([1088.0, 800.0])
    boxes = torch.cat((centre - side / 2, centre + side / 2), dim=1)
    return boxes, torch.rand(count, generator=generator)


if __name__ == "__main__":
    run(__file__, ours, theirs, SIZES)
