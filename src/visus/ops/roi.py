"""RoIAlign over a whole feature pyramid as weighted sums of rows, and the choice of a pyramid level for each region.

RoIAlign (He et al., Mask R-CNN, arXiv 1703.06870, section 3) averages bilinear samples of a feature map in each bin of
a region. The weight of a cell in a bin is a product of one number along y and one along x. So a bin is a weighted sum
of at most ``(2 * sampling_ratio)**2`` cells, each a row of ``c`` numbers of a channels-last map: an embedding bag,
which every device has a fast kernel for. Samples that lie close together share cells, which the CPU's way counts only
once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from visus.ops.boxes import box_area
from visus.ops.row_sums import RowSums, weighted_row_sums

Stride = float | tuple[float, float]


def roi_align(
    features: Sequence[Float[Tensor, "b c _ _"]],
    boxes: Float[Tensor, "r 4"],
    image_index: Int64[Tensor, " r"],
    output_size: int | tuple[int, int],
    strides: Sequence[Stride],
    *,
    levels: Int64[Tensor, " r"] | None = None,
    sampling_ratio: int = 2,
    aligned: bool = False,
) -> Float[Tensor, "r c oh ow"]:
    """Average the features in each bin of each box.

    The gradient flows to ``features`` and never to ``boxes``. Half-precision features are summed in float32. A sample
    more than one cell outside its map counts as 0; a box with coordinates that are not finite gives 0.

    Args:
        features: the maps of a pyramid, or a single map. On the CPU, maps in channels-last memory are read in place and
            others are copied to it first.
        boxes: x1, y1, x2, y2 in pixels of the image.
        image_index: the image of the batch that each box lies in.
        output_size: the bins of a region, (rows, columns) or one number for both.
        strides: pixels per cell of each map, (vertical, horizontal) or one number for both.
        levels: the map that each box reads (see ``assign_levels``); may be left out with a single map.
        sampling_ratio: samples per bin along each axis.
        aligned: whether the centre of cell i lies at i + 0.5 strides (Detectron2) or, as published first, at i strides;
            the latter also widens each region to at least one cell.

    Returns:
        The bins, in channels-last memory.

    Raises:
        ValueError: if ``sampling_ratio`` is not positive, or if strides or levels do not fit the features.
    """
    _check(features, strides, levels, sampling_ratio)
    rows, columns = (output_size, output_size) if isinstance(output_size, int) else output_size
    levels = torch.zeros_like(image_index) if levels is None else levels
    steps = [stride if isinstance(stride, tuple) else (stride, stride) for stride in strides]
    if torch.compiler.is_exporting():
        flat = [float(side) for step in steps for side in step]
        bins: Tensor = torch.ops.visus.roi_align(
            list(features), boxes, image_index, levels, [rows, columns], flat, sampling_ratio, aligned
        )
        return bins
    number = torch.promote_types(torch.promote_types(features[0].dtype, boxes.dtype), torch.float32)
    maps = [map_.to(number).permute(0, 2, 3, 1) for map_ in features]  # [b, h, w, c]

    scale = boxes.new_tensor([(1 / sx, 1 / sy, 1 / sx, 1 / sy) for sy, sx in steps], dtype=number)
    x1, y1, x2, y2 = (boxes.detach().to(number) * scale[levels]).unbind(1)
    height, width = boxes.new_tensor([map_.shape[1:3] for map_ in maps], dtype=number)[levels].unbind(1)
    y = _samples(y1, y2, height, rows, sampling_ratio, aligned)
    x = _samples(x1, x2, width, columns, sampling_ratio, aligned)

    by_parts = boxes.device.type == "cpu" and not torch.compiler.is_compiling()
    sums = (_sums_by_parts if by_parts else _sums_at_once)(maps, image_index, levels, y, x)
    return sums.view(len(boxes), rows, columns, features[0].shape[1]).permute(0, 3, 1, 2).to(features[0].dtype)


def assign_levels(
    boxes: Float[Tensor, "r 4"],
    num_levels: int,
    canonical_size: float = 224.0,
    canonical_level: int = 4,
    first_level: int = 2,
) -> Int64[Tensor, " r"]:
    """Choose the pyramid level of each box by its size (Lin et al., arXiv 1612.03144, equation 1).

    Args:
        boxes: x1, y1, x2, y2 in pixels.
        num_levels: how many maps the pyramid has.
        canonical_size: the side in pixels of a square box that goes to ``canonical_level``.
        canonical_level: that level in the paper's numbers (2 to 5).
        first_level: the paper's number of the finest map.

    Returns:
        Indices into the pyramid, 0 for the finest map.
    """
    side = box_area(boxes).clamp(min=0).sqrt()
    level = torch.floor(canonical_level + torch.log2(side / canonical_size) + 1e-6) - first_level
    return level.nan_to_num(0).clamp(0, num_levels - 1).to(torch.int64)


class _Samples(NamedTuple):
    """Where the samples of each bin of each box lie along one axis of its map.

    ``position`` [r, bins, s] in cells, inside the map; ``share`` [r, bins, s] of the bin, 0 for a sample that was
    outside; ``last`` [r, 1, 1] the last cell of the map.
    """

    position: Tensor
    share: Tensor
    last: Tensor


def _samples(low: Tensor, high: Tensor, size: Tensor, bins: int, ratio: int, aligned: bool) -> _Samples:
    """Spread ``ratio`` samples over each of ``bins`` bins from ``low`` to ``high`` in a map of ``size`` cells."""
    extent = high - low if aligned else (high - low).clamp(min=1)
    steps = (torch.arange(bins * ratio, device=low.device, dtype=low.dtype) + 0.5) / ratio
    position = low[:, None] - 0.5 * aligned + (extent / bins)[:, None] * steps
    inside = (position >= -1) & (position <= size[:, None])
    last = size[:, None] - 1
    position = torch.minimum(position.nan_to_num(0).clamp(min=0), last)
    share = inside.to(low.dtype) / ratio
    return _Samples(position.view(-1, bins, ratio), share.view(-1, bins, ratio), last[:, :, None])


def _in_pairs(samples: _Samples) -> tuple[Tensor, Tensor]:
    """The two cells around each sample and their weights, each [r, bins, 2 s]."""
    before = samples.position.floor()
    fraction = samples.position - before
    cells = torch.cat((before, torch.minimum(before + 1, samples.last)), dim=2)
    return cells, torch.cat((samples.share * (1 - fraction), samples.share * fraction), dim=2)


def _in_few(samples: _Samples) -> tuple[Tensor, Tensor, Tensor]:
    """As ``_in_pairs``, but with shared cells joined where samples are close: cells, weights, and where, Bool [r].

    There, the s + 1 neighbouring cells from the first one on hold all samples of a bin, and the others count as 0.
    """
    cells, weights = _in_pairs(samples)
    first = cells.amin(2, keepdim=True)
    joined = first + torch.arange(cells.shape[2], device=first.device, dtype=first.dtype)
    near = (1 - (joined[..., None] - samples.position[:, :, None]).abs()).clamp(min=0)  # [r, bins, cells, samples]
    joined_weights = (near * samples.share[:, :, None]).sum(3)
    close = (samples.position.amax(2).floor() < first[:, :, 0] + samples.position.shape[2]).all(1)
    there = close[:, None, None]
    return torch.where(there, joined.minimum(samples.last), cells), torch.where(there, joined_weights, weights), close


def _sums_by_parts(maps: Sequence[Tensor], image: Tensor, levels: Tensor, y: _Samples, x: _Samples) -> Tensor:
    """Sum with as few cells as possible, in parts of boxes that have the level and the number of cells in common."""
    (y_cells, y_weights, y_close), (x_cells, x_weights, x_close) = _in_few(y), _in_few(x)
    sizes = image.new_tensor([map_.shape[1:3] for map_ in maps])[levels]  # [r, 2]
    index = torch.int32 if max(map_.shape[:3].numel() for map_ in maps) < 2**31 else torch.int64
    y_start = ((image * sizes[:, 0])[:, None, None] + y_cells.long()) * sizes[:, 1, None, None]
    y_start, x_cells = y_start.to(index), x_cells.to(index)
    kind, order = (levels * 4 + y_close * 2 + x_close).sort(stable=True)
    kinds, counts = torch.unique_consecutive(kind, return_counts=True)
    few, parts = y.position.shape[2] + 1, []
    for key, boxes in zip(kinds.tolist(), torch.split(order, counts.tolist()), strict=True):
        of_y = (boxes, slice(None), slice(few if key & 2 else None))
        of_x = (boxes, slice(None), slice(few if key & 1 else None))
        rows = _outer(torch.add, y_start[of_y], x_cells[of_x])
        weights = _outer(torch.mul, y_weights[of_y], x_weights[of_x])
        parts.append(RowSums(key // 4, boxes, rows, weights))
    tables = [map_.flatten(0, 2) for map_ in maps]
    return weighted_row_sums(tables, parts, len(image), y_cells.shape[1] * x_cells.shape[1])


def _sums_at_once(maps: Sequence[Tensor], image: Tensor, levels: Tensor, y: _Samples, x: _Samples) -> Tensor:
    """Sum all boxes alike over one table of all images and levels, without a look at any value."""
    table = torch.cat([map_.flatten(1, 2) for map_ in maps], dim=1)  # [b, cells of all levels, c]
    cells = [map_.shape[1] * map_.shape[2] for map_ in maps]
    start = image.new_tensor([sum(cells[:level]) for level in range(len(cells))])[levels] + image * sum(cells)
    width = image.new_tensor([map_.shape[2] for map_ in maps])[levels]
    (y_cells, y_weights), (x_cells, x_weights) = _in_pairs(y), _in_pairs(x)
    y_start = start[:, None, None] + y_cells.long() * width[:, None, None]
    rows, weights = _outer(torch.add, y_start, x_cells.long()), _outer(torch.mul, y_weights, x_weights)
    return F.embedding_bag(rows, table.flatten(0, 1), per_sample_weights=weights, mode="sum")


def _outer(combine: Callable[[Tensor, Tensor], Tensor], y: Tensor, x: Tensor) -> Tensor:
    """Combine all numbers of a bin along y with all along x: [r, oh, m] and [r, ow, n] -> [r * oh * ow, m * n]."""
    m, n = y.shape[2], x.shape[2]
    every_y, every_x = y.repeat_interleave(n, dim=2), x.repeat(1, 1, m)  # first: long rows add up faster
    return combine(every_y[:, :, None], every_x[:, None]).flatten(0, 2)


def _roi_align(
    features: Sequence[Tensor],
    boxes: Tensor,
    image_index: Tensor,
    levels: Tensor,
    output_size: Sequence[int],
    strides: Sequence[float],
    sampling_ratio: int,
    aligned: bool,
) -> Tensor:
    rows, columns = output_size
    steps = list(zip(strides[::2], strides[1::2], strict=True))
    bins = roi_align(
        features,
        boxes,
        image_index,
        (rows, columns),
        steps,
        levels=levels,
        sampling_ratio=sampling_ratio,
        aligned=aligned,
    )
    return bins.contiguous()


# To torch.export the whole pyramid is one operator.
_ROI_ALIGN = torch.library.custom_op(
    "visus::roi_align",
    _roi_align,
    mutates_args=(),
    schema="(Tensor[] features, Tensor boxes, Tensor image_index, Tensor levels, int[] output_size, float[] strides, "
    "int sampling_ratio, bool aligned) -> Tensor",
)
_ROI_ALIGN.register_fake(
    lambda features, boxes, image_index, levels, output_size, strides, sampling_ratio, aligned: features[0].new_empty(
        boxes.shape[0], features[0].shape[1], *output_size
    )
)


def _check(features: Sequence[Tensor], strides: Sequence[Stride], levels: Tensor | None, sampling_ratio: int) -> None:
    if len(features) != len(strides) or not features:
        raise ValueError(f"roi_align got {len(features)} maps and {len(strides)} strides; it needs one stride per map")
    if levels is None and len(features) > 1:
        raise ValueError(
            f"roi_align got {len(features)} maps; say with levels=assign_levels(...) which one a box reads"
        )
    if sampling_ratio < 1:
        raise ValueError(f"sampling_ratio is {sampling_ratio}; it must be 1 or more (the published networks use 2)")
