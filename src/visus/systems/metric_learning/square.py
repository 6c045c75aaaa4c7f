"""Images for descriptors: all of one square size, so that a batch has no padding to be described."""

from __future__ import annotations

from collections.abc import Sequence

from visus.nn.backbones.body import IMAGENET_MEAN, IMAGENET_STD
from visus.nn.transform import ImageTransform


class SquareTransform(ImageTransform):
    """Stretches every image to ``size`` x ``size`` pixels and normalises it.

    Stretched, not padded: every pixel of the square shows the object, and the published protocols do the same before
    they crop.

    Args:
        size: pixels of a side.
        mean: the mean of each channel in units of 0..1.
        std: the standard deviation of each channel in units of 0..1.
    """

    def __init__(
        self, size: int, *, mean: Sequence[float] = IMAGENET_MEAN, std: Sequence[float] = IMAGENET_STD
    ) -> None:
        if size < 1:
            raise ValueError(f"size must be at least 1 pixel, not {size}")
        super().__init__(min_size=size, max_size=size, mean=mean, std=std, divisor=1, antialias=True)
        self.size = size

    def target_size(self, height: int, width: int) -> tuple[int, int]:
        """The square, whatever the shape of the image."""
        return self.size, self.size
