"""ABE, attention-based ensemble (Kim, Goyal, Chawla, Lee, Kwon, arXiv 1804.00382).

M learners share one network and differ in where they look: each has an attention mask on the features in its middle,
and what follows is the same for all, weights included. A divergence loss keeps what two learners say of one image
apart. The learners are folded into the batch, so that they cost one pass.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from visus.names import named
from visus.nn.square import SquareTransform, whole_image
from visus.systems.metric_learning.backbones import (
    NeckedBackbone,
    SplitBackbone,
    googlenet_backbone,
    lite0_backbone,
    resnet50_backbone,
)
from visus.systems.metric_learning.losses.contrastive import Average, contrastive_loss
from visus.systems.metric_learning.outputs import EmbeddingOutputs, embedding_predictions
from visus.systems.metric_learning.pooling import AveragePooling, Pooling, PoolingName, make_pooling
from visus.types import ClassTarget, EmbeddingPrediction, ImageBatch

GOOGLENET_TAPS = ("maxpool3", "inception4e", "inception5b")


class ABE(nn.Module):
    """Transform, S, one attention mask a learner, G, and an embedding that all learners share (figure 2).

    Args:
        transform: resizing to a square, and normalising.
        backbone: S below its cut and G above.
        attention: the masks of all learners, from the features at the cut.
        pooling: from a learner's features at the cut and above to a vector; None for the average of those above.
        embedding_dim: dimensions of all learners together.
    """

    channels_last = True
    adapts = False

    def __init__(
        self,
        *,
        transform: SquareTransform,
        backbone: SplitBackbone,
        attention: Attention,
        pooling: Pooling | None = None,
        embedding_dim: int = 512,
    ) -> None:
        super().__init__()
        if embedding_dim % attention.learners:
            raise ValueError(f"embedding_dim must be a multiple of {attention.learners}, not {embedding_dim}")
        self.transform, self.backbone, self.attention = transform, backbone, attention
        self.pooling = pooling or AveragePooling()
        self.head = nn.Linear(self.pooling.width(backbone.channels), embedding_dim // attention.learners)

    def forward(self, images: ImageBatch, targets: Sequence[ClassTarget] | None = None) -> EmbeddingOutputs:
        """The embeddings of all learners; targets change nothing."""
        shared = self.backbone.lower(self.transform(images))
        attended = self.attention(shared)  # [b * m, c, h, w]
        pooled = self.pooling([attended, self.backbone.upper(attended)])
        unit = F.normalize(self.head(pooled), dim=1)
        embeddings = unit.unflatten(0, (-1, self.attention.learners))  # type: ignore[no-untyped-call]  # [b, m, d / m]
        return EmbeddingOutputs(images.sizes, embeddings.flatten(1), list(embeddings.unbind(1)))

    @torch.no_grad()
    def postprocess(self, outputs: EmbeddingOutputs, sizes: Sequence[tuple[int, int]]) -> list[EmbeddingPrediction]:
        """The embeddings of all learners of each image in one row."""
        return embedding_predictions(outputs, sizes)


class Attention(nn.Module):
    """Masks between 0 and 1 on every value of a feature map, one for each learner.

    Args:
        trunk: layers that all learners share and that keep the resolution.
        width: channels behind them.
        channels: channels of the feature map.
        learners: how many masks.
    """

    def __init__(self, trunk: nn.Module, *, width: int, channels: int, learners: int) -> None:
        super().__init__()
        if learners < 2:
            raise ValueError(f"an ensemble has at least 2 learners, not {learners}")
        self.trunk, self.learners = trunk, learners
        self.masks = nn.Conv2d(width, channels * learners, 1)

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "bm c h w"]:
        """What each learner sees of each image; the learners of one image follow one another."""
        masks = torch.sigmoid(self.masks(self.trunk(features)))  # [b, m * c, h, w]
        b, c, h, w = features.shape
        masks = masks.permute(0, 2, 3, 1).reshape(b, h, w, self.learners, c)
        seen = masks.permute(0, 3, 1, 2, 4) * features.permute(0, 2, 3, 1)[:, None]  # [b, m, h, w, c]
        return seen.contiguous().view(b * self.learners, h, w, c).permute(0, 3, 1, 2)  # channels last


class ABECriterion(nn.Module):
    """Contrastive losses of the learners, and the divergence between them (equations 4 to 6 of the paper).

    Args:
        margin: squared distance beyond which pairs of different classes are left alone.
        divergence_margin: squared distance at which two learners differ enough on one image; None for 1, an angle of 60
            degrees.
        divergence_weight: of the divergence loss; 0 leaves it out of the sum.
        average: over what each contrastive loss is averaged, see `contrastive_loss`; few of all ``"pairs"`` are of one
            class, ``"kinds"`` and ``"nonzero"`` weigh both kinds alike.

    Raises:
        ValueError: a margin of the divergence loss where that is left out.
    """

    def __init__(
        self,
        *,
        margin: float = 1.0,
        divergence_margin: float | None = None,
        divergence_weight: float = 1.0,
        average: Average = "pairs",
    ) -> None:
        super().__init__()
        if divergence_margin is not None and not divergence_weight:
            raise ValueError("divergence_margin is read by the divergence loss alone, and divergence_weight is 0")
        self.margin, self.divergence_margin = margin, 1.0 if divergence_margin is None else divergence_margin
        self.divergence_weight = divergence_weight
        self.average: Average = average

    def forward(self, outputs: EmbeddingOutputs, targets: Sequence[ClassTarget]) -> dict[str, Float[Tensor, ""]]:
        """The sum of the learners' losses, and the divergence loss."""
        labels = torch.stack([target.label for target in targets])
        metric = [
            contrastive_loss(
                part, labels, margin=self.margin, power=1, hinge_on="squared_distance", average=self.average
            )
            for part in outputs.parts
        ]
        diverging = divergence_loss(torch.stack(outputs.parts), self.divergence_margin)
        return {"metric": torch.stack(metric).sum(), "divergence": self.divergence_weight * diverging}


def divergence_loss(parts: Float[Tensor, "m b d"], margin: float = 1.0) -> Float[Tensor, ""]:
    """How much too near two learners are on one image: sum over pairs of learners, mean over images (equation 6).

    ``[margin - D^2]_+`` with the squared distance D^2 of the unit vectors of two learners.
    """
    rows, columns = torch.triu_indices(len(parts), len(parts), 1, device=parts.device)
    cosines = (parts[rows] * parts[columns]).sum(2)  # [pairs, b]; no matrix product, which autocast would round
    return (margin - 2 + 2 * cosines).clamp(min=0).sum(0).mean()


def _on_lite0(
    learners: int,
    /,
    *,
    embedding_dim: int = 512,
    size: int = 96,
    pooling: PoolingName = "average",
    pretrained: bool = True,
    trainable_layers: int | None = None,
) -> ABE:
    """Learners on EfficientNet-Lite0, cut where stride 16 ends.

    Args:
        embedding_dim: dimensions of all learners together.
        size: pixels of a side of the square that images are stretched to.
        pooling: ``"average"`` is the paper's; ``"layout"`` also tells where in the image things are.
        pretrained: start from the ImageNet weights of the install, with frozen norms.
        trainable_layers: how many of the body's five groups learn, counted from the last; 3 if pretrained, else all.
    """
    whole = lite0_backbone(pretrained=pretrained, trainable_layers=trainable_layers)
    return _ensemble(whole, Cut(2, whole.body.groups()[3][-2:]), learners, embedding_dim, size, pooling)


abe2_lite0 = named("abe2_lite0", _on_lite0, 2, "Two learners of 256 dimensions on EfficientNet-Lite0, for a CPU.")
abe4_lite0 = named("abe4_lite0", _on_lite0, 4, "Four learners of 128 dimensions on EfficientNet-Lite0, for a CPU.")
abe8_lite0 = named("abe8_lite0", _on_lite0, 8, "Eight learners of 64 dimensions on EfficientNet-Lite0, for a CPU.")


def _of_published_size(
    cut: Callable[[bool, int | None], tuple[NeckedBackbone, Cut]],
    /,
    *,
    embedding_dim: int = 512,
    size: int = 224,
    pooling: PoolingName = "average",
    pretrained: bool = False,
    trainable_layers: int | None = None,
    learners: int = 8,
) -> ABE:
    """An ensemble on a cut network of the papers.

    Args:
        embedding_dim: dimensions of all learners together.
        size: pixels of a side of the square that images are stretched to.
        pooling: ``"average"`` is the paper's; ``"layout"`` also tells where in the image things are.
        pretrained: start from torchvision's ImageNet weights, with frozen norms.
        trainable_layers: how many of the body's groups (five, GoogLeNet four) learn, counted from the last.
        learners: 8 in the paper's best network, 2 and 4 in others.
    """
    return _ensemble(*cut(pretrained, trainable_layers), learners, embedding_dim, size, pooling)


def _cut_resnet50(pretrained: bool, trainable_layers: int | None) -> tuple[NeckedBackbone, Cut]:
    """Cut where stride 16 ends; the attention begins with copies of the last two blocks before."""
    whole = resnet50_backbone(pretrained=pretrained, trainable_layers=trainable_layers)
    return whole, Cut(2, whole.body.groups()[3][0][-2:])  # type: ignore[index]


def _cut_googlenet(pretrained: bool, trainable_layers: int | None) -> tuple[NeckedBackbone, Cut]:
    """Cut behind the third pooling; the attention begins with copies of inception 4a to 4e."""
    layers = 4 if trainable_layers is None else trainable_layers
    whole = googlenet_backbone(pretrained=pretrained, trainable_layers=layers, taps=GOOGLENET_TAPS)
    return whole, Cut(0, whole.body.groups()[2], width=whole.channels[1])


@dataclass(frozen=True)
class Cut:
    """Where a network is cut, and what comes before the masks.

    Args:
        stage: the number of the stage behind which it is cut.
        copied: the layers of which copies that learn come before the masks.
        width: the channels behind them; None for those at the cut.
    """

    stage: int
    copied: Iterable[nn.Module]
    width: int | None = None


def _ensemble(
    whole: NeckedBackbone, cut: Cut, learners: int, embedding_dim: int, size: int, pooling: PoolingName
) -> ABE:
    copies = nn.Sequential(*(copy.deepcopy(layer) for layer in cut.copied)).requires_grad_(True)
    backbone = SplitBackbone(whole, cut.stage)
    channels = backbone.channels[0]
    return ABE(
        transform=whole_image(size, whole.body),
        backbone=backbone,
        attention=Attention(copies, width=cut.width or channels, channels=channels, learners=learners),
        pooling=make_pooling(pooling),
        embedding_dim=embedding_dim,
    )


abe8_resnet50 = named(
    "abe8_resnet50",
    _of_published_size,
    _cut_resnet50,
    "Eight learners on ResNet-50, cut where stride 16 ends.",
    trainable_layers=5,
)
abe8_googlenet = named(
    "abe8_googlenet",
    _of_published_size,
    _cut_googlenet,
    "The paper's network: GoogLeNet cut behind its third pooling, attention by copies of inception 4a to 4e.",
)
