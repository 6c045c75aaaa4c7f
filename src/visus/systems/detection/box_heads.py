"""The second stage's box heads: from a pooled region to one vector, and from there to a class and four deltas.

`TwoLayerHead` is the head of Faster R-CNN on pyramids (arXiv 1612.03144, section 4.2), `ConvHead` the four convolutions
with batch norm that torchvision's second recipes use (after arXiv 2111.11429). Parameter names are torchvision's.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class TwoLayerHead(nn.Module):
    """Two fully connected layers (`fc6`, `fc7`) over the flattened region."""

    def __init__(self, channels: int, pooled: int, width: int = 1024) -> None:
        super().__init__()
        self.fc6 = nn.Linear(channels * pooled**2, width)
        self.fc7 = nn.Linear(width, width)
        self.width = width

    def forward(self, regions: Float[Tensor, "r c p p"]) -> Float[Tensor, "r width"]:
        """One vector per region."""
        hidden = F.relu(self.fc6(regions.flatten(1)))
        return F.relu(self.fc7(hidden))


class ConvHead(nn.Sequential):
    """Four 3x3 convolutions with batch norm, then one fully connected layer."""

    def __init__(self, channels: int, pooled: int, width: int = 1024, depth: int = 4) -> None:
        blocks = [conv_norm_relu(channels, channels) for _ in range(depth)]
        super().__init__(*blocks, nn.Flatten(), nn.Linear(channels * pooled**2, width), nn.ReLU())
        self.width = width


def conv_norm_relu(inputs: int, outputs: int, *, norm: bool = True, dilation: int = 1) -> nn.Sequential:
    """A 3x3 convolution, batch norm if wanted (then the convolution has no bias), and a ReLU."""
    conv = nn.Conv2d(inputs, outputs, 3, padding=dilation, dilation=dilation, bias=not norm)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return nn.Sequential(conv, *([nn.BatchNorm2d(outputs)] if norm else []), nn.ReLU())


class BoxPredictor(nn.Module):
    """The box classifier and the box regressor: a logit and four deltas for each class and the background (slot 0)."""

    def __init__(self, width: int, num_classes: int) -> None:
        super().__init__()
        self.cls_score = nn.Linear(width, num_classes + 1)
        self.bbox_pred = nn.Linear(width, 4 * (num_classes + 1))

    def forward(
        self, vectors: Float[Tensor, "r width"]
    ) -> tuple[Float[Tensor, "r classes"], Float[Tensor, "r classes*4"]]:
        """Logits and deltas in fp32, those of the background first."""
        return self.cls_score(vectors).float(), self.bbox_pred(vectors).float()
