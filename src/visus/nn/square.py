"""Images of one square size, whatever their shape: no padding, and default boxes that are made for it."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from visus.nn.backbones.interface import IMAGENET_MEAN, IMAGENET_STD, Backbone
from visus.nn.transform import ImageTransform
from visus.types import ImageBatch


class SquareTransform(ImageTransform):
    """Stretches every image to ``size`` by ``size`` pixels, so that a batch has no padding.

    Args:
        size: both sides of every image in pixels.
        mean: the mean of each channel in units of 0..1.
        std: the standard deviation of each channel in units of 0..1.
        antialias: smooth before making smaller. The published torchvision weights were trained without.

    Raises:
        ValueError: ``size`` is below 1.
    """

    one_frame = True

    def __init__(
        self,
        *,
        size: int,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        antialias: bool = False,
    ) -> None:
        if size < 1:
            raise ValueError(f"size must be at least 1 pixel, not {size}")
        super().__init__(min_size=None, max_size=None, mean=mean, std=std, divisor=1, antialias=antialias)
        self.size = size

    def forward(self, images: ImageBatch) -> Float[Tensor, "b 3 size size"]:
        """Normalised pixels; images that `batch` has not seen are stretched here, without their padding."""
        return super().forward(self._stretched(images))

    def target_size(self, height: int, width: int) -> tuple[int, int]:
        """The same for every image."""
        return self.size, self.size

    def _stretched(self, images: ImageBatch) -> ImageBatch:
        same = tuple(images.pixels.shape[-2:]) == (self.size, self.size)
        if same and bool((images.sizes == self.size).all()):
            return images
        sizes = images.sizes.tolist()
        return self.batch([pixels[:, :h, :w] for pixels, (h, w) in zip(images.pixels, sizes, strict=True)])


def whole_image(size: int, body: Backbone) -> SquareTransform:
    """All of an image on a square, its pixels as ``body`` wants them."""
    return SquareTransform(size=size, mean=body.mean, std=body.std, antialias=True)
