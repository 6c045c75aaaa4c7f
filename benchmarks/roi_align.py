"""RoIAlign against torchvision's compiled kernel: a pyramid of four levels of 256 channels of an 800 x 1088 image.

Run ``python benchmarks/roi_align.py``. The boxes have log-uniform sides of 16 to 600 pixels at uniform places and go
to the level that their size asks for. The peer is ``torchvision.ops.MultiScaleRoIAlign``, which chooses the levels
itself; ours is timed with ``assign_levels`` in it. Each side gets the maps, and the gradient of its result, in the
memory layout that its networks work with: ours channels-last, the peer's channels-first, the only one that its kernel
reads in place. The single map of stride 4 is what a network without a pyramid would read.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from interleaved import Cases, run
from torch import Tensor

Pooled = Callable[[list[Tensor], Tensor, int], Tensor]

IMAGE = (800, 1088)
STRIDES = (4, 8, 16, 32)
CHANNELS = 256
RUNS = ((100, 7), (1000, 7), (100, 14))
SIZES = {"image": IMAGE, "strides": STRIDES, "channels": CHANNELS, "boxes and bins": RUNS, "sampling_ratio": 2}


def ours() -> Cases:
    from visus.ops import assign_levels, roi_align

    def pooled(maps: list[Tensor], boxes: Tensor, bins: int) -> Tensor:
        image, strides = torch.zeros(len(boxes), dtype=torch.int64), STRIDES[: len(maps)]
        return roi_align(maps, boxes, image, bins, strides, levels=assign_levels(boxes, len(maps)))

    return _cases(pooled, torch.channels_last)


def theirs() -> Cases:
    from torchvision.ops import MultiScaleRoIAlign, roi_align

    def pooled(maps: list[Tensor], boxes: Tensor, bins: int) -> Tensor:
        if len(maps) == 1:
            return roi_align(maps[0], [boxes], bins, 1 / STRIDES[0], 2)
        names = [str(level) for level in range(len(maps))]
        return MultiScaleRoIAlign(names, bins, 2)(dict(zip(names, maps, strict=True)), [boxes], [IMAGE])

    return _cases(pooled, torch.contiguous_format)


def _cases(pooled: Pooled, layout: torch.memory_format) -> Cases:
    generator = torch.Generator().manual_seed(0)
    maps = [torch.randn(1, CHANNELS, IMAGE[0] // s, IMAGE[1] // s, generator=generator) for s in STRIDES]
    maps = [map_.to(memory_format=layout) for map_ in maps]
    leaves = [map_.clone().requires_grad_() for map_ in maps]

    def both(levels: int, boxes: Tensor, bins: int, gradient: Tensor) -> None:
        torch.autograd.grad(pooled(leaves[:levels], boxes, bins), leaves[:levels], gradient)

    cases = {}
    for levels, name in ((4, "pyramid"), (1, "one map")):
        for count, bins in RUNS:
            boxes = random_boxes(count, generator)
            gradient = torch.ones(count, CHANNELS, bins, bins).to(memory_format=layout)
            run_name = f"{name}, {count} boxes {bins}x{bins}"
            cases[f"{run_name}, forward"] = partial(torch.no_grad()(pooled), maps[:levels], boxes, bins)
            cases[f"{run_name}, forward and backward"] = partial(both, levels, boxes, bins, gradient)
    return cases


def random_boxes(count: int, generator: torch.Generator) -> Tensor:
    """Boxes of log-uniform sides of 16 to 600 pixels at uniform places, cut off at the border of the image."""
    height, width = IMAGE
    sides = 16 * (600 / 16) ** torch.rand(count, 2, generator=generator)
    centre = torch.rand(count, 2, generator=generator) * torch.tensor([width, height])
    boxes = torch.cat((centre - sides / 2, centre + sides / 2), dim=1)
    return torch.minimum(boxes.clamp(min=0), torch.tensor([width, height, width, height]))


if __name__ == "__main__":
    run(__file__, ours, theirs, SIZES)
