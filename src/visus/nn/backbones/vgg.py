"""VGG-16 (Simonyan and Zisserman, arXiv 1409.1556): nothing but 3x3 convolutions and poolings.

Parameter names are torchvision's.
"""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from visus.nn.backbones.interface import Backbone, SequentialBody, init_convolutions

VGG16_STAGES: tuple[tuple[int, ...], ...] = ((64, 64), (128, 128), (256,) * 3, (512,) * 3, (512,) * 3)
VGG16_TAPS = (15, 22, 29, 30)
"""The last activations at strides 4, 8 and 16 (conv3_3 to conv5_3), and the last pooling at stride 32."""


class VGG(nn.Module):
    """Convolutions with biases, no norm, and three fully connected layers on 7x7 cells.

    Args:
        stages: the channels of the convolutions before each pooling.
        taps: the layers whose outputs are the stages of the body.
        num_classes: outputs of the classifier; None leaves it out, and ``forward`` gives its input.
        dropout: the share of the classifier's units that training drops.
    """

    def __init__(
        self,
        *,
        stages: Sequence[Sequence[int]] = VGG16_STAGES,
        taps: Sequence[int] = VGG16_TAPS,
        num_classes: int | None = 1000,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.features = _features(stages, taps)
        self.classifier = nn.Identity() if num_classes is None else _classifier(stages[-1][-1], num_classes, dropout)
        init_convolutions(self)

    def forward(self, pixels: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b k"]:
        """The logits of the classes."""
        return self.classify([self.features(pixels)])

    def classify(self, maps: Sequence[Float[Tensor, "b _ _ _"]]) -> Float[Tensor, "b k"]:
        """The logits of the classes from the maps of the body."""
        cells = F.adaptive_avg_pool2d(maps[-1], 7)
        return self.classifier(cells.flatten(1))  # type: ignore[no-any-return]

    @property
    def body(self) -> Backbone:
        """The convolutions."""
        return self.features


def _features(stages: Sequence[Sequence[int]], taps: Sequence[int]) -> SequentialBody:
    """The row of convolutions, activations and poolings."""
    layers: list[nn.Module] = []
    channels, strides, before = [], [], 3
    for number, widths in enumerate(stages):
        for width in widths:
            layers += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU(inplace=True)]
            channels += [width, width]
            strides += [2**number] * 2
            before = width
        layers.append(nn.MaxPool2d(2))
        channels.append(before)
        strides.append(2 ** (number + 1))
    return SequentialBody(layers, taps=taps, channels=channels, strides=strides)


def _classifier(channels: int, num_classes: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(channels * 49, 4096),
        nn.ReLU(inplace=True),
        nn.Dropout(dropout),
        nn.Linear(4096, 4096),
        nn.ReLU(inplace=True),
        nn.Dropout(dropout),
        nn.Linear(4096, num_classes),
    )


def vgg16(*, taps: Sequence[int] = VGG16_TAPS, num_classes: int | None = 1000) -> VGG:
    """VGG-16: 138 million parameters, ImageNet top-1 71.6 with torchvision's weights."""
    return VGG(taps=taps, num_classes=num_classes)
