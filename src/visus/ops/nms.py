"""Greedy non-maximum suppression: of boxes that overlap too much, the one with the best score stays.

The result is exactly the greedy one: boxes are visited from the best score down, and each one that overlaps a box kept
so far by more than the threshold is dropped. We visit them in blocks. A block is first held against the boxes kept so
far, then what is left of it against itself, so that no n x n matrix is made and boxes that were dropped cost nothing
later.

On the CPU a pair is divided only where it passes a cheaper test that lets a little too much through:
``intersection > (area_a + area_b) * t / (1 + t)``, which is ``intersection / union > t`` without the union. On other
devices, where each look at a result makes the host wait, blocks are large and settled by repetition.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from numpy.typing import NDArray
from torch import Tensor

from visus.ops.boxes import at_least_float32, box_area, box_iou

Indices = NDArray[np.int64]

BLOCK = 181
"""Boxes visited together, and kept boxes they are held against at a time. The numbers of so many pairs fit in the cache
of a core, and are just too few (2**15) for torch to wake its threads, which would wait for each other at every step."""

DEVICE_BLOCK = 1024
"""Boxes visited together on an accelerator."""

MARGIN = 1e-5
"""How much too low the cheap test is set: well over the rounding of float32, so that it loses no pair."""


def nms(boxes: Float[Tensor, "n 4"], scores: Float[Tensor, " n"], iou_threshold: float) -> Int64[Tensor, " m"]:
    """Keep the best boxes and drop those that overlap a kept one by more than ``iou_threshold``.

    Half-precision boxes are compared in float32.

    Returns:
        The indices of the kept boxes, best score first; of equal scores the lower index is the better one.

    Raises:
        ValueError: if ``iou_threshold`` is not between 0 and 1.
    """
    order = torch.argsort(scores, descending=True, stable=True)
    return order[_stays(boxes[order], None, iou_threshold)]


def batched_nms(
    boxes: Float[Tensor, "n 4"], scores: Float[Tensor, " n"], groups: Int64[Tensor, " n"], iou_threshold: float
) -> Int64[Tensor, " m"]:
    """Suppress in each group apart: a class, a pyramid level, an image, or a number that stands for all of them.

    No coordinates are shifted to keep groups apart, so nothing is lost with many groups, large images or half
    precision.

    Returns:
        The indices of the kept boxes of all groups, best score first; of equal scores the lower index is the better
        one.

    Raises:
        ValueError: if ``iou_threshold`` is not between 0 and 1.
    """
    order = torch.argsort(scores, descending=True, stable=True)
    rank = torch.argsort(groups[order], stable=True)  # group by group, the best first in each
    visit = order[rank]
    return order[rank[_stays(boxes[visit], groups[visit], iou_threshold)].sort().values]


def best_survivors(
    boxes: Float[Tensor, "n 4"],
    scores: Float[Tensor, " n"],
    groups: Int64[Tensor, " n"],
    iou_threshold: float,
    count: int,
) -> Int64[Tensor, " m"]:
    """The first ``count`` of `batched_nms`, without visiting the boxes that are too far down to be among them.

    A box is dropped only by one with a better score, so the survivors among the best boxes are those among all. We
    visit the best few, and more where too few of them survive.

    Returns:
        The indices, best score first.

    Raises:
        ValueError: if ``iou_threshold`` is not between 0 and 1.
    """
    most = 2 * count
    while most < len(scores) and boxes.device.type == "cpu" and not torch.compiler.is_compiling():
        best = (scores >= scores.topk(most).values[-1]).nonzero()[:, 0]  # with all that equal the last one
        kept = batched_nms(boxes[best], scores[best], groups[best], iou_threshold)
        if len(kept) >= count:
            return best[kept[:count]]
        most *= 4
    return batched_nms(boxes, scores, groups, iou_threshold)[:count]


def _stays(boxes: Tensor, groups: Tensor | None, iou_threshold: float) -> Bool[Tensor, " n"]:
    """Visit the boxes in their order, where equal groups are neighbours, and tell which stay."""
    if not 0 <= iou_threshold <= 1:
        raise ValueError(f"iou_threshold is {iou_threshold}; it must lie between 0 and 1")
    visit = torch.ops.visus.visit if torch.compiler.is_compiling() else _visit
    stays: Tensor = visit(boxes.detach(), groups, iou_threshold)
    return stays


def _visit(boxes: Tensor, groups: Tensor | None, iou_threshold: float) -> Bool[Tensor, " n"]:
    boxes = at_least_float32(boxes)
    threshold = _not_above(iou_threshold, boxes.dtype)
    if boxes.device.type == "cpu":
        return torch.from_numpy(_Visit(boxes, groups, threshold).stays())
    return _stays_on_device(boxes, groups, threshold)


# To torch.compile the visit is one operator, so that a compiled model does not break apart here.
_VISIT = torch.library.custom_op(
    "visus::visit", _visit, mutates_args=(), schema="(Tensor boxes, Tensor? groups, float iou_threshold) -> Tensor"
)
_VISIT.register_fake(lambda boxes, groups, iou_threshold: boxes.new_empty(boxes.shape[0], dtype=torch.bool))


class _Visit:
    """The walk over the blocks on the CPU; all state of it.

    The arithmetic on pairs is torch's and the bookkeeping on indices NumPy's, each of which is the faster one at it.
    """

    def __init__(self, boxes: Tensor, groups: Tensor | None, threshold: float) -> None:
        area = box_area(boxes)
        share = area * (threshold / (1 + threshold) * (1 - MARGIN))
        self.threshold = threshold
        self.planes = torch.stack((*boxes.unbind(1), share, area))  # x1, y1, x2, y2, share, area: [6, n]
        self.numbers = self.planes.numpy()
        self.groups = None if groups is None else groups.numpy()
        self.kept = np.empty(len(boxes), np.int64)
        self.kept_planes = torch.empty_like(self.planes[:5])
        self.kept_numbers = self.kept_planes.numpy()
        self.buffers = boxes.new_empty(3, BLOCK**2).unbind()

    def stays(self) -> NDArray[np.bool_]:
        """Which boxes stay."""
        count, first, kept = self.planes.shape[1], 0, 0
        for start in range(0, count, BLOCK):
            block = np.arange(start, min(start + BLOCK, count))
            if self.groups is not None and kept:  # kept boxes of earlier groups are out of reach
                first += int(np.searchsorted(self.groups[self.kept[first:kept]], self.groups[start]))
            for tile in range(first, kept, BLOCK):
                if not len(block):
                    break
                block = self._without_hit(block, slice(tile, min(tile + BLOCK, kept)))
            block = self._without_own_hits(block)
            new = slice(kept, kept + len(block))
            self.kept[new] = block
            self.kept_numbers[:, new] = self.numbers[:5, block]
            kept = new.stop
        stays = np.zeros(count, bool)
        stays[self.kept[:kept]] = True
        return stays

    def _without_hit(self, block: Indices, tile: slice) -> Indices:
        """The boxes of a block that none of a tile of kept boxes overlaps too much."""
        row, column = self._likely(torch.from_numpy(self.numbers[:5, block]), self.kept_planes[:, tile])
        if not len(row):
            return block
        alive = np.ones(len(block), bool)
        alive[row[self._sure(block[row], self.kept[tile][column])]] = False
        return block[alive]

    def _without_own_hits(self, block: Indices) -> Indices:
        """The boxes of a block that no better one of it that stays overlaps too much."""
        own = torch.from_numpy(self.numbers[:5, block])
        row, column = self._likely(own, own)
        later = row < column
        row, column = row[later], column[later]
        sure = self._sure(block[row], block[column])
        alive = np.ones(len(block), bool)
        for better, worse in zip(row[sure].tolist(), column[sure].tolist(), strict=True):
            if alive[better]:
                alive[worse] = False
        return block[alive]

    def _likely(self, a: Tensor, b: Tensor) -> tuple[Indices, Indices]:
        """The pairs of [5, n] and [5, m] boxes that pass the cheap test, row by row; some overlap too little."""
        n, m = a.shape[1], b.shape[1]
        near, width, height = (buffer[: n * m].view(n, m) for buffer in self.buffers)
        ax1, ay1, ax2, ay2, a_share = a[:, :, None].unbind()
        bx1, by1, bx2, by2, b_share = b.unbind()
        torch.minimum(ax2, bx2, out=width).sub_(torch.maximum(ax1, bx1, out=near)).clamp_(min=0)
        torch.minimum(ay2, by2, out=height).sub_(torch.maximum(ay1, by1, out=near))  # no clamp: one factor is enough
        passed = np.greater(width.mul_(height).numpy(), torch.add(a_share, b_share, out=near).numpy())
        return np.divmod(passed.ravel().nonzero()[0], max(m, 1))

    def _sure(self, a: Indices, b: Indices) -> NDArray[np.bool_]:
        """Whether each pair is of one group and overlaps too much, as the plain division in the boxes' type says."""
        first, second = self.numbers[:, a], self.numbers[:, b]
        sides = np.minimum(first[2:4], second[2:4]) - np.maximum(first[:2], second[:2])
        intersection = np.maximum(sides[0], 0) * np.maximum(sides[1], 0)
        with np.errstate(invalid="ignore", divide="ignore"):
            hit: NDArray[np.bool_] = intersection / (first[5] + second[5] - intersection) > self.threshold
        return hit if self.groups is None else hit & (self.groups[a] == self.groups[b])


def _stays_on_device(boxes: Tensor, groups: Tensor | None, threshold: float) -> Bool[Tensor, " n"]:
    """The same on any device: in a block all stay at first, those hit by a staying one go, until nothing changes.

    After round i the i best boxes of the block are settled for good, and so are most others.
    """
    stays = torch.ones(len(boxes), dtype=torch.bool, device=boxes.device)
    for start in range(0, len(boxes), DEVICE_BLOCK):
        block = slice(start, start + DEVICE_BLOCK)
        hits = box_iou(boxes[: block.stop], boxes[block]) > threshold  # [start + n, n]
        if groups is not None:
            hits &= groups[: block.stop, None] == groups[block]
        free = ~(hits[:start] & stays[:start, None]).any(dim=0)
        own = hits[start:].triu(diagonal=1)
        alive = free
        while not torch.equal(after := free & ~(own & alive[:, None]).any(dim=0), alive):
            alive = after
        stays[block] = alive
    return stays


def _not_above(value: float, dtype: torch.dtype) -> float:
    """The largest number of ``dtype`` that is not above ``value``: comparing with either gives the same."""
    near = torch.tensor(value, dtype=dtype)
    below = torch.nextafter(near, near.new_tensor(-1.0))
    return float(near if near.item() <= value else below)
