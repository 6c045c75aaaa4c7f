"""A classifier of new classes from a few images each, without training: frozen features and class centroids.

The features are those of a descriptor: a frozen backbone, pooled, perhaps a linear layer, of unit length. A class is
the mean of those of its images (Chen et al., arXiv 1904.04232, section 3.2; Qi et al., "Low-Shot Learning with
Imprinted Weights", arXiv 1712.07136), the logits are cosines times a factor. Where it may say "none of these", that is
one more class with the same cosine, the threshold, for every image.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from visus.nn.square import SquareTransform, whole_image
from visus.systems.classification.classifier import SHOWN
from visus.systems.classification.outputs import ClassificationOutputs
from visus.systems.metric_learning.backbones import NeckedBackbone, lite0_backbone
from visus.systems.metric_learning.pooling import Pooling, PoolingName, make_pooling
from visus.types import ClassPrediction, ClassTarget, ImageBatch

NONE = "none of these"
"""The category of images that are like none of the classes; the last one, where there is one."""


class TaughtClassifier(nn.Module):
    """Transform, frozen backbone, pooling, head, and the mean features of each class.

    Training, where somebody wants it, changes the means, the factor and the threshold alone.

    Args:
        transform: resizing to a square, and normalising.
        backbone: gives maps.
        pooling: makes one row of them.
        head: from that row to the features.
        classes: how many are taught.
        rejects: whether "none of these" is one more class.
        scale: factor on the cosines.
    """

    channels_last = True
    adapts = False
    box_head = None

    def __init__(
        self,
        *,
        transform: SquareTransform,
        backbone: NeckedBackbone,
        pooling: Pooling,
        head: nn.Module,
        classes: int,
        rejects: bool,
        scale: float,
    ) -> None:
        super().__init__()
        self.transform, self.backbone, self.pooling, self.head = transform, backbone, pooling, head
        for frozen in (backbone, pooling, head):
            frozen.requires_grad_(False)
        pooled = pooling.width(backbone.channels)
        width = int(head.out_features) if isinstance(head, nn.Linear) else pooled
        self.centroids = nn.Parameter(F.normalize(torch.randn(classes, width), dim=1))
        self.scale = nn.Parameter(torch.tensor(scale))
        self.threshold = nn.Parameter(torch.tensor(0.5)) if rejects else None
        self.counts: Tensor
        self.register_buffer("counts", torch.zeros(classes, dtype=torch.int64))

    def forward(self, images: ImageBatch, targets: Sequence[ClassTarget] | None = None) -> ClassificationOutputs:
        """The logits of each image; targets change nothing."""
        cosines = self.features(images) @ F.normalize(self.centroids, dim=1).T
        if self.threshold is not None:
            cosines = torch.cat([cosines, self.threshold.expand(cosines.shape[0], 1).to(cosines)], dim=1)
        return ClassificationOutputs(images.sizes, self.scale * cosines)

    @torch.no_grad()
    def features(self, images: ImageBatch) -> Float[Tensor, "b d"]:
        """The features of each image, of unit length."""
        return F.normalize(self.head(self.pooling(self.backbone.stages(self.transform(images)))), dim=1)

    @torch.no_grad()
    def teach(self, label: int, features: Float[Tensor, "m d"]) -> None:
        """Adds images to a class: its mean becomes that of all that it was taught."""
        known = int(self.counts[label])
        total = self.centroids[label] * known + features.sum(dim=0)
        self.counts[label] = known + len(features)
        self.centroids[label] = total / (known + len(features))

    @torch.no_grad()
    def postprocess(self, outputs: ClassificationOutputs, sizes: Sequence[tuple[int, int]]) -> list[ClassPrediction]:
        """The likeliest classes of each image, best first."""
        probabilities = outputs.logits.float().softmax(1)
        scores, labels = probabilities.topk(min(SHOWN, probabilities.shape[1]), dim=1)
        return [ClassPrediction(labels[i], scores[i], size) for i, size in enumerate(sizes)]


def suggested_threshold(features: Float[Tensor, "m d"], labels: Int64[Tensor, " m"]) -> float:
    """The cosine in the middle between what images are to their own class and what they are to others.

    Each image is compared with the mean of the others of its class, and with the means of the other classes. Where no
    class has two images, its own side is a cosine of 1.

    Args:
        features: of all images that were taught, of unit length.
        labels: their classes.
    """
    own, other = _cosines(features, labels)
    inside = float(torch.quantile(own, 0.1)) if len(own) else 1.0
    outside = float(torch.quantile(other, 0.9)) if len(other) else 0.0
    return (inside + outside) / 2


def leave_one_out(features: Float[Tensor, "m d"], labels: Int64[Tensor, " m"]) -> float | None:
    """The share of images that are nearest to the mean of the others of their class; None where no class has two."""
    classes = torch.unique(labels)
    right, known = 0, 0
    for place, label in enumerate(labels.tolist()):
        rest = torch.arange(len(labels)) != place
        if not bool((labels[rest] == label).any()):
            continue
        means = torch.stack(
            [_mean(features[rest & (labels == one)]) for one in classes if (rest & (labels == one)).any()]
        )
        there = [int(one) for one in classes if (rest & (labels == one)).any()]
        right += there[int((means @ features[place]).argmax())] == label
        known += 1
    return right / known if known else None


def _cosines(
    features: Float[Tensor, "m d"], labels: Int64[Tensor, " m"]
) -> tuple[Float[Tensor, " a"], Float[Tensor, " b"]]:
    """Cosines of images with the mean of the others of their class, and with the means of other classes."""
    own, other = [], []
    for place, label in enumerate(labels.tolist()):
        rest = (labels == label) & (torch.arange(len(labels)) != place)
        if rest.any():
            own.append(features[place] @ _mean(features[rest]))
        other += [features[place] @ _mean(features[labels == one]) for one in torch.unique(labels) if one != label]
    empty = features.new_zeros(0)
    return torch.stack(own) if own else empty, torch.stack(other) if other else empty


def _mean(features: Float[Tensor, "m d"]) -> Float[Tensor, " d"]:
    return F.normalize(features.mean(dim=0), dim=0)


def taught_lite0(
    *,
    num_classes: int = 2,
    size: int = 160,
    pooling: PoolingName = "layout",
    embedding_dim: int = 0,
    rejects: bool = False,
    pretrained: bool = True,
    scale: float = 20.0,
) -> TaughtClassifier:
    """A classifier that `visus teach` fills: EfficientNet-Lite0 with the ImageNet weights that come with the install.

    Args:
        num_classes: categories, "none of these" included where it rejects.
        size: pixels of a side of the square that images are stretched to.
        pooling: from maps to a row: ``average``, ``gem``, or ``layout``, which tells where in the image things are.
        embedding_dim: of the linear layer of a descriptor that it stands on; 0 for none.
        rejects: whether the last category is "none of these".
        pretrained: with the ImageNet weights.
        scale: factor on the cosines.
    """
    if num_classes - rejects < 1:
        raise ValueError(f"num_classes must leave a class beside {NONE!r}, not {num_classes}")
    backbone, pool = lite0_backbone(pretrained=pretrained), make_pooling(pooling)
    width = pool.width(backbone.channels)
    return TaughtClassifier(
        transform=whole_image(size, backbone.body),
        backbone=backbone,
        pooling=pool,
        head=nn.Linear(width, embedding_dim) if embedding_dim else nn.Identity(),
        classes=num_classes - rejects,
        rejects=rejects,
        scale=scale,
    )
