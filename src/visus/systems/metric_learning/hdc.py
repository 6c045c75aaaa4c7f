"""HDC, hard-aware deeply cascaded embedding (Yuan, Yang, Zhang, arXiv 1611.05720).

Three embeddings at growing depth of one network: the first learns from all pairs of a batch, the second from the half
that is hardest, the third from the hardest of those. Each has unit length; retrieval compares the three in one row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from visus.names import named
from visus.nn.square import SquareTransform, whole_image
from visus.systems.metric_learning.backbones import (
    MakeBackbone,
    NeckedBackbone,
    googlenet_backbone,
    lite0_backbone,
    resnet50_backbone,
)
from visus.systems.metric_learning.hard_pairs import Mode, hard_pair_losses
from visus.systems.metric_learning.outputs import EmbeddingOutputs, embedding_predictions
from visus.types import ClassTarget, EmbeddingPrediction, ImageBatch

GOOGLENET_TAPS = ("inception4a", "inception4d", "inception5b")


class HDC(nn.Module):
    """Transform, backbone, and an embedding on each of its stages.

    Args:
        transform: resizing to a square, and normalising.
        backbone: its stages are the levels of the cascade.
        heads: from each stage's features to an embedding.
        skipped: how many of the first stages have no head.
    """

    channels_last = True
    adapts = False

    def __init__(
        self, *, transform: SquareTransform, backbone: NeckedBackbone, heads: Sequence[nn.Module], skipped: int = 0
    ) -> None:
        super().__init__()
        if len(heads) != len(backbone.channels) - skipped:
            raise ValueError(f"{len(backbone.channels)} stages less {skipped} need as many heads, not {len(heads)}")
        self.transform, self.backbone, self.skipped = transform, backbone, skipped
        self.heads = nn.ModuleList(heads)

    def forward(self, images: ImageBatch, targets: Sequence[ClassTarget] | None = None) -> EmbeddingOutputs:
        """The embeddings of all levels; targets change nothing."""
        levels = self.backbone.stages(self.transform(images))[self.skipped :]
        parts = [F.normalize(head(level), dim=1) for head, level in zip(self.heads, levels, strict=True)]
        return EmbeddingOutputs(images.sizes, torch.cat(parts, 1), parts)

    @torch.no_grad()
    def postprocess(self, outputs: EmbeddingOutputs, sizes: Sequence[tuple[int, int]]) -> list[EmbeddingPrediction]:
        """The embeddings of all levels of each image in one row."""
        return embedding_predictions(outputs, sizes)


class InnerHead(nn.Module):
    """GoogLeNet's auxiliary branch: 4x4 averages, 1x1 convolution, hidden layer, embedding.

    Args:
        channels: channels of the stage.
        embedding_dim: dimensions of the embedding.
        pooling: leads to 4x4 cells.
        hidden: units of the hidden layer.
        dropout: the share of them that training drops.
    """

    def __init__(
        self, channels: int, embedding_dim: int, *, pooling: nn.Module, hidden: int = 1024, dropout: float = 0.7
    ) -> None:
        super().__init__()
        self.pooling = pooling
        self.conv = nn.Conv2d(channels, 128, 1)
        self.fc = nn.Linear(2048, hidden)
        self.dropout = nn.Dropout(dropout)
        self.embed = nn.Linear(hidden, embedding_dim)

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d"]:
        """The embedding, of any length."""
        cells = F.relu_(self.conv(self.pooling(features)))  # [b, 128, 4, 4]
        return self.embed(self.dropout(F.relu_(self.fc(cells.flatten(1)))))  # type: ignore[no-any-return]


class LastHead(nn.Module):
    """The average of the last stage, dropout, embedding."""

    def __init__(self, channels: int, embedding_dim: int, *, dropout: float = 0.4) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.embed = nn.Linear(channels, embedding_dim)

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d"]:
        """The embedding, of any length."""
        return self.embed(self.dropout(features.mean((2, 3))))  # type: ignore[no-any-return]


class HDCCriterion(nn.Module):
    """The contrastive losses of the cascade (equations 4 to 6 of the paper), one for each level.

    Args:
        hard_ratios: the share of the pairs that each level learns from.
        margin: squared distance beyond which pairs of different classes are left alone.
        weights: the weight of each level's loss; None for 1 each.
        mode: ``"paper"`` takes each level's pairs from those that the level before kept, the hardest by the level's own
            distances, pairs of one class and of different classes apart. ``"released"`` does as the authors' code:
            every level keeps all pairs of one class and ranks all of the others, which count twice. Either averages
            over the kept pairs whose loss is not zero.
    """

    def __init__(
        self,
        *,
        hard_ratios: tuple[float, ...] = (1.0, 0.5, 0.2),
        margin: float = 1.0,
        weights: tuple[float, ...] | None = None,
        mode: Mode = "paper",
    ) -> None:
        super().__init__()
        if not all(0 < ratio <= 1 for ratio in hard_ratios):
            raise ValueError(f"hard_ratios must lie above 0 and at most at 1, not {hard_ratios}")
        if weights is not None and len(weights) != len(hard_ratios):
            raise ValueError(f"{len(hard_ratios)} levels need as many weights, not {weights}")
        if mode not in ("paper", "released"):
            raise ValueError(f'mode must be "paper" or "released", not {mode!r}')
        self.hard_ratios, self.margin, self.mode = hard_ratios, margin, mode
        self.weights = weights or (1.0,) * len(hard_ratios)

    def forward(self, outputs: EmbeddingOutputs, targets: Sequence[ClassTarget]) -> dict[str, Float[Tensor, ""]]:
        """The loss of each level."""
        labels = torch.stack([target.label for target in targets])
        losses = hard_pair_losses(outputs.parts, labels, self.hard_ratios, margin=self.margin, mode=self.mode)
        return {
            f"level {i + 1}": weight * loss for i, (weight, loss) in enumerate(zip(self.weights, losses, strict=True))
        }


def _on_strides(
    backbone: MakeBackbone,
    /,
    *,
    embedding_dim: int = 384,
    size: int = 224,
    pretrained: bool = False,
    trainable_layers: int | None = 5,
    dropout: float = 0.4,
) -> HDC:
    """A cascade on strides 8, 16 and 32 of a backbone.

    Args:
        embedding_dim: dimensions of the three embeddings together.
        size: pixels of a side of the square that images are stretched to.
        pretrained: start from ImageNet weights, with frozen norms.
        trainable_layers: how many of the body's five groups learn, counted from the last; None for 3 if pretrained,
            else all.
        dropout: the share of units that training drops before each embedding; the papers' GoogLeNet drops more.
    """
    backbone = backbone(pretrained=pretrained, trainable_layers=trainable_layers)
    return _cascade(backbone, embedding_dim, size, (dropout, dropout), skipped=1)


hdc_lite0 = named(
    "hdc_lite0",
    _on_strides,
    lite0_backbone,
    "The cascade on strides 8, 16 and 32 of EfficientNet-Lite0, for a CPU.",
    size=96,
    pretrained=True,
    trainable_layers=None,
    dropout=0.2,
)
hdc_resnet50 = named(
    "hdc_resnet50", _on_strides, resnet50_backbone, "The cascade on strides 8, 16 and 32 of ResNet-50."
)


def hdc_googlenet(
    *, embedding_dim: int = 384, size: int = 224, pretrained: bool = False, trainable_layers: int | None = None
) -> HDC:
    """The paper's cascade: GoogLeNet with heads on inception 4a, 4d and 5b, 3 x 128 dimensions.

    Args:
        embedding_dim: dimensions of the three embeddings together.
        size: pixels of a side of the square that images are stretched to.
        pretrained: start from torchvision's ImageNet weights, with frozen norms.
        trainable_layers: how many of the body's four groups learn, counted from the last; None for all.
    """
    layers = 4 if trainable_layers is None else trainable_layers
    backbone = googlenet_backbone(pretrained=pretrained, trainable_layers=layers, taps=GOOGLENET_TAPS)
    return _cascade(backbone, embedding_dim, size, (0.7, 0.4), pooling="caffe" if size == 224 else "adaptive")


def _cascade(
    backbone: NeckedBackbone,
    embedding_dim: int,
    size: int,
    dropouts: tuple[float, float],
    *,
    skipped: int = 0,
    pooling: Literal["caffe", "adaptive"] = "adaptive",
) -> HDC:
    """Heads of equal dimensions; Caffe's pooling has 5x5 cells three apart, which makes 4x4 of 14x14."""
    *inner, last = backbone.channels[skipped:]
    if embedding_dim % (len(inner) + 1):
        raise ValueError(f"embedding_dim must be a multiple of {len(inner) + 1}, not {embedding_dim}")
    dim = embedding_dim // (len(inner) + 1)
    pools = [nn.AvgPool2d(5, stride=3) if pooling == "caffe" else nn.AdaptiveAvgPool2d(4) for _ in inner]
    heads = [InnerHead(c, dim, pooling=pool, dropout=dropouts[0]) for c, pool in zip(inner, pools, strict=True)]
    return HDC(
        transform=whole_image(size, backbone.body),
        backbone=backbone,
        heads=[*heads, LastHead(last, dim, dropout=dropouts[1])],
        skipped=skipped,
    )
