"""The square in the middle of an image, which is what the published classifiers look at."""

from __future__ import annotations

from jaxtyping import Shaped
from torch import Tensor

from visus.nn.backbones.interface import Backbone
from visus.nn.transform import ImageTransform


class CentreCrop(ImageTransform):
    """The middle of an image: resized to a shorter side a seventh longer than ``size``, cut out, normalised.

    The evaluation of torchvision's published weights, whose first generation was measured with a shorter side of 256
    pixels around 224, and whose second with 232 (``resize``). Nothing is rounded to whole values after resizing.

    Args:
        size: both sides of every image of a batch in pixels.
        body: the backbone, which knows the mean and the deviation of its pixels.
        resize: the shorter side before the cut; None for 8/7 of ``size``.

    Raises:
        ValueError: ``resize`` is smaller than ``size``.
    """

    one_frame = True

    def __init__(self, *, size: int, body: Backbone, resize: int | None = None) -> None:
        super().__init__(min_size=None, max_size=None, mean=body.mean, std=body.std, divisor=1, antialias=True)
        self.size = size
        self.shorter = round(size * 8 / 7) if resize is None else resize
        if self.shorter < size:
            raise ValueError(f"resize must be at least size ({size}), not {resize}")

    def resize(self, image: Shaped[Tensor, "3 _ _"]) -> Shaped[Tensor, "3 size size"]:
        """The middle of one image."""
        resized = super().resize(image)
        height, width = resized.shape[-2:]
        top, left = round((height - self.size) / 2), round((width - self.size) / 2)
        return resized[:, top : top + self.size, left : left + self.size]

    def target_size(self, height: int, width: int) -> tuple[int, int]:
        """The (h, w) of an image of this size before the cut."""
        short, long = sorted((height, width))
        longer = self.shorter * long // short
        return (longer, self.shorter) if height > width else (self.shorter, longer)
