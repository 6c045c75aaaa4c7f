"""The two judges of arXiv 1804.01622, section 3: of whole images in patches, and of each object by itself.

The released code of the paper leaves out the last layer of its judge of patches; ours has it.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

_SLOPE = 0.2


class ImageDiscriminator(nn.Module):
    """Whether each patch of an image looks real: the paper's C4-64-2, C4-128-2, C4-256-2 for a width of 64.

    Args:
        width: channels of the first convolution.
    """

    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.features = _convolutions(width)
        self.classifier = nn.Conv2d(4 * width, 1, 1)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 1 _ _"]:
        """The logits of the patches; above 0 is real."""
        return self.classifier(self.features(images))  # type: ignore[no-any-return]


class ObjectDiscriminator(nn.Module):
    """Whether an object, cut out, looks real, and which category it is of.

    Args:
        width: channels of the first convolution.
        num_classes: categories.
        hidden: units of the layer that both answers are read from.
    """

    def __init__(self, *, width: int, num_classes: int, hidden: int = 1024) -> None:
        super().__init__()
        self.features = _convolutions(width)
        self.shared = nn.Linear(4 * width, hidden)
        self.real = nn.Linear(hidden, 1)
        self.category = nn.Linear(hidden, num_classes)

    def forward(self, crops: Float[Tensor, "n 3 s s"]) -> tuple[Float[Tensor, " n"], Float[Tensor, "n classes"]]:
        """The logits of being real, and those of the categories."""
        shared = self.shared(self.features(crops).mean((2, 3)))
        return self.real(shared)[:, 0], self.category(shared)


def _convolutions(width: int) -> nn.Sequential:
    """Three convolutions 4 x 4 of stride 2 without padding, norms between them."""
    first, second, third = (
        nn.Conv2d(*ends, 4, stride=2) for ends in ((3, width), (width, 2 * width), (2 * width, 4 * width))
    )
    return nn.Sequential(
        first,
        nn.LeakyReLU(_SLOPE),
        second,
        nn.BatchNorm2d(2 * width),
        nn.LeakyReLU(_SLOPE),
        third,
        nn.BatchNorm2d(4 * width),
        nn.LeakyReLU(_SLOPE),
    )
