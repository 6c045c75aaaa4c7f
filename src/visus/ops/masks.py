"""Masks: pasting a head's small maps into the image, COCO's run lengths, and what is measured on them.

A mask head answers on a grid of ``m`` x ``m`` cells stretched over a box. Pasting is bilinear interpolation, and that
is separable: a pixel is ``row weights @ map @ column weights``, two small matrix products for each box, and only over
the pixels that the box reaches. The weights are hats, ``max(0, 1 - distance)``, so that a cell outside of the map
counts as 0 by itself and no padded copy is made.

The run-length codec is that of COCO's annotation files (Lin et al. 2014, https://cocodataset.org/#format-data): runs in
column-major order, first the zeros, written in base 32 as the difference to the run before the last.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple, TypedDict

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from numpy.typing import NDArray
from torch import Tensor

_CHUNK_ELEMENTS = 1 << 26  # numbers that one step may hold at once: 256 MB of fp32
_CACHE_ELEMENTS = 1 << 18  # and on a CPU, where what leaves the cache is slow


class Rle(TypedDict):
    """One mask as COCO writes it: ``size`` is [height, width], ``counts`` the compressed runs."""

    size: list[int]
    counts: str


def paste_masks(
    masks: Float[Tensor, "n m m"],
    boxes: Float[Tensor, "n 4"],
    size: tuple[int, int],
    *,
    threshold: float | None = 0.5,
    mode: Literal["whole_pixels", "pixel_centres"] = "whole_pixels",
) -> Bool[Tensor, "n h w"] | Float[Tensor, "n h w"]:
    """Stretches each mask over its box in an image that is 0 elsewhere.

    Args:
        masks: probabilities on a square grid over the box.
        boxes: xyxy in pixels of the image; they may reach beyond it.
        size: height and width of the image.
        threshold: a pixel belongs to the object above it; None returns the probabilities themselves.
        mode: ``whole_pixels`` rounds the box, grown by one cell on each side, to whole pixels: the form that the
            published Mask R-CNN weights of torchvision are measured with. ``pixel_centres`` samples the map where the
            centre of each pixel falls, the exact form of Detectron2.

    Returns:
        Bool masks, or float32 probabilities where ``threshold`` is None.
    """
    height, width = size
    if torch.compiler.is_exporting():
        at_once: Tensor = torch.ops.visus.paste_masks(masks, boxes, height, width, threshold, mode)
        return at_once
    lattice = _lattice(boxes.float(), masks.shape[-1], mode)
    dtype = torch.float32 if threshold is None else torch.bool
    pasted = torch.zeros((len(masks), height, width), dtype=dtype, device=masks.device)
    on_cpu = masks.device.type == "cpu"
    held = (height + width) * masks.shape[-1] + (0 if on_cpu else height * width)
    step = max(1, (_CACHE_ELEMENTS if on_cpu else _CHUNK_ELEMENTS) // max(1, held))
    with torch.autocast(masks.device.type, enabled=False):
        for i in range(0, len(masks), step):
            chunk = slice(i, i + step)
            placed = _Lattice(lattice.low[chunk], lattice.cell[chunk], lattice.cells, lattice.border)
            stretched = _hat_weights(placed, 1, height) @ masks[chunk].float()  # [n, h, m]
            columns = _hat_weights(placed, 0, width)
            if on_cpu:  # here arithmetic counts, and a step of a loop costs little beside it
                _paste_windows(pasted[chunk], stretched, columns, placed, threshold)
            else:  # there launches count
                soft = stretched @ columns.mT
                pasted[chunk] = soft if threshold is None else soft > threshold
    return pasted


def _paste(masks: Tensor, boxes: Tensor, height: int, width: int, threshold: float | None, mode: str) -> Tensor:
    return paste_masks(masks, boxes, (height, width), threshold=threshold, mode=mode)  # type: ignore[arg-type]


# To torch.export pasting, whose windows depend on the boxes, is one operator.
_PASTE = torch.library.custom_op(
    "visus::paste_masks",
    _paste,
    mutates_args=(),
    schema="(Tensor masks, Tensor boxes, SymInt height, SymInt width, float? threshold, str mode) -> Tensor",
)
_PASTE.register_fake(
    lambda masks, boxes, height, width, threshold, mode: masks.new_empty(
        masks.shape[0], height, width, dtype=torch.float32 if threshold is None else torch.bool
    )
)


class _Lattice(NamedTuple):
    """Where the cells of each map lie in the image: the first cell (of the border, if any) begins at ``low``."""

    low: Float[Tensor, "n 2"]
    cell: Float[Tensor, "n 2"]
    cells: int
    border: int


def _lattice(boxes: Tensor, m: int, mode: str) -> _Lattice:
    if mode == "pixel_centres":
        return _Lattice(boxes[:, :2], (boxes[:, 2:] - boxes[:, :2]) / m, m, 0)
    if mode != "whole_pixels":
        raise ValueError(f"mode is {mode!r}; it must be 'whole_pixels' or 'pixel_centres'")
    half = (boxes[:, 2:] - boxes[:, :2]) * 0.5 * ((m + 2) / m)
    centre = (boxes[:, 2:] + boxes[:, :2]) * 0.5
    low, high = (centre - half).trunc(), (centre + half).trunc()
    return _Lattice(low, (high - low + 1).clamp(min=1) / (m + 2), m, 1)


def _hat_weights(lattice: _Lattice, axis: int, length: int) -> Float[Tensor, "n length m"]:
    """The weight of each cell for each of ``length`` pixels along x (axis 0) or y (axis 1)."""
    low, size = lattice.low[:, axis, None], lattice.cell[:, axis, None].clamp(min=1e-6)
    pixel = torch.arange(length, device=low.device, dtype=torch.float32) + 0.5
    source = (pixel - low) / size - (0.5 + lattice.border)  # [n, length], in cells
    cell = torch.arange(lattice.cells, device=low.device, dtype=torch.float32)
    return (1 - (source[..., None] - cell).abs()).clamp(min=0)


def _paste_windows(out: Tensor, stretched: Tensor, columns: Tensor, lattice: _Lattice, threshold: float | None) -> None:
    """Fills only the pixels that a map reaches: it ends half a cell beyond the centre of its outermost cells."""
    height, width = out.shape[1:]
    inset = (lattice.border - 0.5) * lattice.cell
    extent = (lattice.cells + 2 * lattice.border) * lattice.cell
    first = (lattice.low + inset).floor().clamp(min=0).long().tolist()
    last = (lattice.low + extent - inset).ceil().long().tolist()
    for i, ((x0, y0), (x1, y1)) in enumerate(zip(first, last, strict=True)):
        x1, y1 = min(x1, width), min(y1, height)
        if x0 < x1 and y0 < y1:
            window = stretched[i, y0:y1] @ columns[i, x0:x1].T
            out[i, y0:y1, x0:x1] = window if threshold is None else window > threshold


def masks_to_boxes(masks: Bool[Tensor, "n h w"]) -> Float[Tensor, "n 4"]:
    """The tightest box, xyxy with the outer edges of its pixels, around each mask; zeros for an empty mask."""
    if masks.numel() == 0:
        return torch.zeros((len(masks), 4), device=masks.device)
    edges = []
    for occupied in (masks.any(dim=1), masks.any(dim=2)):  # [n, w], [n, h]
        hit = occupied.to(torch.uint8)
        first = hit.argmax(dim=1)
        beyond = hit.shape[1] - hit.flip(1).argmax(dim=1)
        edges.append(torch.stack((first, beyond), dim=1) * hit.amax(dim=1, keepdim=True))
    (x1, x2), (y1, y2) = edges[0].unbind(1), edges[1].unbind(1)
    return torch.stack((x1, y1, x2, y2), dim=1).float()


def mask_iou(a: Bool[Tensor, "n h w"], b: Bool[Tensor, "m h w"]) -> Float[Tensor, "n m"]:
    """Intersection over union of each mask of ``a`` with each of ``b``; 0 where both are empty."""
    both = mask_intersection(a, b)
    either = a.flatten(1).sum(1)[:, None] + b.flatten(1).sum(1)[None, :] - both
    return both / either.clamp(min=1)


def mask_intersection(a: Bool[Tensor, "n h w"], b: Bool[Tensor, "m h w"]) -> Int64[Tensor, "n m"]:
    """How many pixels each mask of ``a`` shares with each of ``b``."""
    flat_a, flat_b = a.flatten(1), b.flatten(1)
    both = torch.zeros((len(a), len(b)), dtype=torch.int64, device=a.device)
    step = min(1 << 22, max(1, _CHUNK_ELEMENTS // max(1, len(a) + len(b))))  # fp32 counts exactly below 2^24
    with torch.autocast(a.device.type, enabled=False):
        for i in range(0, flat_a.shape[1] if len(a) and len(b) else 0, step):
            both += (flat_a[:, i : i + step].float() @ flat_b[:, i : i + step].float().T).long()
    return both


def rle_encode(mask: Bool[Tensor, "h w"]) -> Rle:
    """Writes a mask as COCO's compressed runs."""
    height, width = mask.shape
    return Rle(size=[height, width], counts=_compressed(_runs(mask.detach().cpu().numpy())))


def rle_decode(rle: Mapping[str, object]) -> Bool[Tensor, "h w"]:
    """Reads a mask from COCO's runs.

    Args:
        rle: ``size`` [height, width] and ``counts``: compressed (str or bytes) or the run lengths themselves (a list).

    Raises:
        ValueError: where the counts are no run lengths, or do not add up to the size.
    """
    height, width, counts = _checked(rle)
    values = np.arange(len(counts)) % 2 == 1
    mask = np.repeat(values, counts).reshape(width, height).T
    return torch.from_numpy(np.ascontiguousarray(mask))


def rle_area(rle: Mapping[str, object]) -> int:
    """The number of pixels of a mask in COCO's runs, without decoding the mask."""
    return int(_checked(rle)[2][1::2].sum())


def _runs(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Run lengths in column-major order, the first of them zeros (and 0 long where the first pixel is set)."""
    height = mask.shape[0]
    occupied = np.flatnonzero(mask.any(axis=0)) if mask.size else np.empty(0, np.int64)
    if len(occupied) == 0:
        return np.array([mask.size], np.int64)
    # Column-major, the columns from the first to the last occupied one are one stretch: only that is turned.
    first, last = int(occupied[0]), int(occupied[-1]) + 1
    flat = np.ascontiguousarray(mask[:, first:last].T).reshape(-1)
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + (first * height + 1)
    # The zeros before the stretch end where it begins (after no pixel at all, if need be), those behind it at the end.
    begin = [first * height] if flat[0] else []
    end = [last * height] if flat[-1] and last * height < mask.size else []
    edges: NDArray[np.int64] = np.concatenate((np.array([0, *begin]), changes, np.array([*end, mask.size])))
    runs: NDArray[np.int64] = edges[1:] - edges[:-1]
    return runs


def _compressed(runs: NDArray[np.int64]) -> str:
    """Writes runs five bits to a character, low bits first; bit 32 says that the number goes on."""
    numbers = runs.copy()
    numbers[3:] -= runs[1:-2]
    digits = int(np.abs(numbers).max()).bit_length() // 5 + 1
    shifted = numbers[:, None] >> (5 * np.arange(digits))  # [runs, digits], arithmetic: the sign goes on for ever
    goes_on = np.where(shifted & 16, shifted >> 5 != -1, shifted >> 5 != 0)
    written = np.ones_like(goes_on)
    written[:, 1:] = np.logical_and.accumulate(goes_on[:, :-1], axis=1)
    characters = (shifted & 31 | goes_on * 32) + 48
    return str(characters[written].astype(np.uint8).tobytes(), "ascii")


def _decompressed(counts: bytes) -> NDArray[np.int64]:
    """Reads what :func:`_compressed` writes."""
    characters = np.frombuffer(counts, np.uint8).astype(np.int64) - 48
    if len(characters) == 0 or characters.min() < 0 or characters.max() > 63 or characters[-1] & 32:
        raise ValueError(f"counts {counts[:20]!r}... are not COCO's compressed run lengths")
    last = np.flatnonzero(characters & 32 == 0)
    first = np.concatenate(([0], last[:-1] + 1))
    place = np.arange(len(characters)) - np.repeat(first, last - first + 1)
    if place.max() > 11:
        raise ValueError(f"counts {counts[:20]!r}... hold a run length of more than 60 bits")
    numbers = np.add.reduceat((characters & 31) << (5 * place), first)
    numbers -= np.where(characters[last] & 16, 1 << (5 * (last - first + 1)), 0)
    numbers[1::2] = np.cumsum(numbers[1::2])
    numbers[2::2] = np.cumsum(numbers[2::2])
    return numbers


def _checked(rle: Mapping[str, object]) -> tuple[int, int, NDArray[np.int64]]:
    """Height, width and run lengths, which are known to add up."""
    size, counts = rle["size"], rle["counts"]
    if not isinstance(size, list | tuple) or len(size) != 2:
        raise ValueError(f"size is {size!r}; it must be [height, width]")
    height, width = int(size[0]), int(size[1])
    if isinstance(counts, str | bytes):
        runs = _decompressed(counts.encode("ascii", "replace") if isinstance(counts, str) else counts)
    else:
        runs = np.asarray(counts, dtype=np.int64).reshape(-1)
    if (runs < 0).any():
        raise ValueError("the run lengths hold a negative number")
    if int(runs.sum()) != height * width:
        raise ValueError(
            f"the run lengths cover {int(runs.sum())} pixels, but size {[height, width]} has {height * width}: "
            "the mask was written for an image of another size"
        )
    return height, width, runs
