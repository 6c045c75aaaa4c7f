"""Default boxes: those of fixed places, sizes and shapes that SSD moves onto objects (arXiv 1512.02325, section 2.2).

They are Faster R-CNN's anchors on several feature maps, with other conventions: centred on the middle of what a cell
covers, sides as shares of the image's sides, and one more square between the sizes of two maps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from visus.ops.boxes import cxcywh_to_xyxy


@dataclass(frozen=True)
class BoxLevel:
    """The default boxes of one feature map.

    Args:
        grid: rows and columns of the map; it is as high as it is wide.
        step: pixels from one centre to the next.
        scale: the side of the square box, as a share of the image's side.
        next_scale: the same of the next coarser map; a second square has the geometric mean of the two.
        aspect_ratios: width to height of further boxes, each of which comes lying and standing.
    """

    grid: int
    step: float
    scale: float
    next_scale: float
    aspect_ratios: tuple[float, ...] = (2,)

    @property
    def boxes_per_cell(self) -> int:
        """How many boxes share a centre."""
        return 2 + 2 * len(self.aspect_ratios)

    def sides(self) -> Float[Tensor, "k 2"]:
        """Width and height of the boxes of a cell as shares of the image's, none larger than the image."""
        middle = math.sqrt(self.scale * self.next_scale)
        sides = [(self.scale, self.scale), (middle, middle)]
        for ratio in self.aspect_ratios:
            long, short = self.scale * math.sqrt(ratio), self.scale / math.sqrt(ratio)
            sides += [(long, short), (short, long)]
        return torch.tensor(sides, dtype=torch.float32).clamp(max=1)


def box_levels(
    *,
    grids: Sequence[int],
    steps: Sequence[float],
    scales: Sequence[float],
    aspect_ratios: Sequence[tuple[float, ...]],
) -> list[BoxLevel]:
    """The levels of several maps, finest first.

    Args:
        grids: rows (and columns) of each map.
        steps: pixels between the centres of each map.
        scales: the scale of each map, and one more for the second square of the last.
        aspect_ratios: the ratios of each map.

    Raises:
        ValueError: the four do not speak of the same number of maps.
    """
    if not len(grids) == len(steps) == len(scales) - 1 == len(aspect_ratios):
        raise ValueError(
            f"{len(grids)} maps need as many steps and aspect_ratios and one scale more; "
            f"these are {len(steps)}, {len(aspect_ratios)} and {len(scales)}"
        )
    return [
        BoxLevel(grid, step, scale, following, ratios)
        for grid, step, scale, following, ratios in zip(
            grids, steps, scales[:-1], scales[1:], aspect_ratios, strict=True
        )
    ]


def default_boxes(size: int, levels: Sequence[BoxLevel]) -> Float[Tensor, "a 4"]:
    """All boxes in pixels of an image of ``size`` by ``size``: level by level, then by rows, columns and shapes.

    They may reach over the border, as the published ones do.
    """
    return torch.cat([_of_level(size, level) for level in levels])


def _of_level(size: int, level: BoxLevel) -> Float[Tensor, "a 4"]:
    middles = (torch.arange(level.grid, dtype=torch.float32) + 0.5) * level.step
    y, x = torch.meshgrid(middles, middles, indexing="ij")
    sides = (level.sides() * size).expand(level.grid, level.grid, -1, 2)
    centres = torch.stack((x, y), dim=-1)[:, :, None].expand_as(sides)  # [h, w, k, 2]
    return cxcywh_to_xyxy(torch.cat((centres, sides), dim=-1).flatten(0, 2))
