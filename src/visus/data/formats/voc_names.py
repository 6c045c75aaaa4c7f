"""The 20 classes of Pascal VOC, and the colours of its palette."""

from __future__ import annotations

from typing import Final

VOC_NAMES: Final = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)


def voc_colour(number: int) -> tuple[int, int, int]:
    """The colour that VOC's palette gives to a number: its bits go, lowest first, to the highest of red, green, blue.

    >>> voc_colour(0), voc_colour(1), voc_colour(15)
    ((0, 0, 0), (128, 0, 0), (192, 128, 128))
    """
    red = green = blue = 0
    for level in range(8):
        red |= (number >> (3 * level) & 1) << (7 - level)
        green |= (number >> (3 * level + 1) & 1) << (7 - level)
        blue |= (number >> (3 * level + 2) & 1) << (7 - level)
    return red, green, blue


def voc_palette() -> list[int]:
    """All 256 colours, one number after the other, as Pillow's palettes want them."""
    return [channel for number in range(256) for channel in voc_colour(number)]
