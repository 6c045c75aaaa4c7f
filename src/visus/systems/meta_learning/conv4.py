"""Conv-4, the backbone of few-shot learning: four times 3x3 convolution, batch norm, ReLU, 2x2 maximum.

Vinyals et al., arXiv 1606.04080, section 4.1.1. An image of 28 pixels becomes 64 numbers, one of 84 pixels 1600.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn


class Conv4(nn.Module):
    """Features of images, as maps or in one row.

    Args:
        channels: of the images.
        width: channels of each layer.
        pooled: how many of the four layers end with the maximum of 2x2.
        flatten: give the maps in one row.
        batch_statistics: normalise by the images of the batch in evaluation too, so that they see one another.
    """

    def __init__(
        self,
        *,
        channels: int,
        width: int = 64,
        pooled: int = 4,
        flatten: bool = True,
        batch_statistics: bool = False,
    ) -> None:
        super().__init__()
        inputs = [channels, width, width, width]
        blocks = [
            conv_block(c, width, pooled=place < pooled, batch_statistics=batch_statistics)
            for place, c in enumerate(inputs)
        ]
        self.blocks = nn.Sequential(*blocks)
        self.end = nn.Flatten() if flatten else nn.Identity()

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n ..."]:
        """The features of each image."""
        return self.end(self.blocks(images))  # type: ignore[no-any-return]


def conv_block(channels: int, width: int, *, pooled: bool, batch_statistics: bool = False) -> nn.Sequential:
    """3x3 convolution, batch norm, ReLU, and the maximum of 2x2 where ``pooled``.

    The convolution has no bias, which the norm would take away again. The maximum is taken before the ReLU, which then
    sees a quarter of the numbers: the result is the same.
    """
    layers = [
        nn.Conv2d(channels, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width, track_running_stats=not batch_statistics),
    ]
    return nn.Sequential(*layers, *([nn.MaxPool2d(2)] if pooled else []), nn.ReLU())


def conv4_width(size: int, width: int = 64, pooled: int = 4) -> int:
    """How many numbers `Conv4` gives for an image of ``size`` pixels a side.

    Raises:
        ValueError: nothing would be left of the image.
    """
    side = size >> pooled
    if side < 1:
        raise ValueError(f"size must be at least {1 << pooled} pixels for {pooled} layers that halve it, not {size}")
    return width * side * side
