"""Outlines in COCO's format, polygons or run lengths in either form, as run lengths.

Everything is drawn through hotcoco, which fills polygons exactly as pycocotools does.
"""

from __future__ import annotations

from typing import Any

import hotcoco.mask

from visus.ops.masks import rle_area


def rle_of(segmentation: Any, size: tuple[int, int]) -> dict[str, Any]:
    """Run lengths of polygons (their union) or of run lengths in either form, drawn as pycocotools draws them.

    Args:
        segmentation: polygons as lists of x and y, or run lengths, straight from a file and so not yet trusted.
        size: (h, w) of the image.

    Raises:
        ValueError: neither polygons nor run lengths, or run lengths of another size, or that do not fill it.
        TypeError: polygons of something other than numbers.
    """
    height, width = size
    if isinstance(segmentation, list):
        pieces = hotcoco.mask.frPyObjects(segmentation, height, width)
        return dict(hotcoco.mask.merge(pieces))
    if not isinstance(segmentation, dict) or not isinstance(size_said := segmentation.get("size"), list):
        raise ValueError("neither polygons nor run lengths with their size")
    if size_said != [height, width]:
        raise ValueError(f"run lengths of size {size_said}, the image has (h, w) = {[height, width]}")
    try:
        rle_area(segmentation)  # raises where the runs do not fill the image, which hotcoco lets pass
        return dict(hotcoco.mask.frPyObjects(segmentation, height, width))
    except OverflowError as error:
        raise ValueError(f"run lengths that no image can have ({error})") from error
