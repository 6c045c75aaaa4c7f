"""The losses of semantic segmentation. Pixels labelled `VOID` count nowhere.

Cross-entropy is what FCN, SegNet and DeepLab minimise; SegNet weighs its classes by median frequency (arXiv 1511.00561,
section 4.1, after Eigen and Fergus, arXiv 1411.4734). Focal loss (arXiv 1708.02002) and Dice (arXiv 1606.04797, section
3, over the classes as in arXiv 1707.03237) are for rare classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from visus.ops.processes import sum_over_processes
from visus.systems.segmentation.outputs import SegmentationOutputs
from visus.systems.segmentation.upsampling import enlarge
from visus.types import VOID, SemanticTarget

PixelLoss = Literal["cross_entropy", "focal"]


class SegmentationCriterion(nn.Module):
    """Losses ``pixels``, and ``dice`` and ``aux`` where wanted and where the network has a second head.

    Labels come to the pixels of the network's images (the nearest one), logits are enlarged to them.

    Args:
        pixel_loss: what each pixel costs: ``cross_entropy`` or ``focal``.
        balance: how much rare classes weigh more: the exponent of their median-frequency weights, as counted in the
            training batches so far. 1 is SegNet's, 0 weighs all classes alike.
        class_weights: weights of the classes, instead.
        gamma: the exponent of the focal loss; None for its paper's, 2.
        dice: the weight of the Dice loss; 0 leaves it out.
        aux_weight: the weight of the second head's pixels; None for torchvision's, 0.5.

    Raises:
        ValueError: an unknown pixel loss, two kinds of weights, or a number that nothing reads.
    """

    class_counts: Tensor
    picture_counts: Tensor

    def __init__(
        self,
        *,
        pixel_loss: PixelLoss = "cross_entropy",
        balance: float = 0.0,
        class_weights: Sequence[float] | None = None,
        gamma: float | None = None,
        dice: float = 0.0,
        aux_weight: float | None = None,
    ) -> None:
        super().__init__()
        if pixel_loss not in get_args(PixelLoss):
            raise ValueError(f'pixel_loss must be "cross_entropy" or "focal", not {pixel_loss!r}')
        if gamma is not None and pixel_loss != "focal":
            raise ValueError(f'gamma is read by pixel_loss "focal" alone, and this is {pixel_loss!r}')
        if balance < 0:
            raise ValueError(f"balance must be an exponent of at least 0, not {balance}")
        if balance and class_weights is not None:
            raise ValueError("balance counts the weights of the classes itself: leave class_weights out")
        self.pixel_loss, self.balance, self.gamma = pixel_loss, balance, 2.0 if gamma is None else gamma
        self.class_weights = None if class_weights is None else tuple(class_weights)
        self.dice, self.aux_weight = dice, aux_weight
        self.register_buffer("class_counts", torch.zeros(VOID, dtype=torch.int64))
        self.register_buffer("picture_counts", torch.zeros(VOID, dtype=torch.int64))

    def forward(self, outputs: SegmentationOutputs, targets: Sequence[SemanticTarget]) -> dict[str, Float[Tensor, ""]]:
        """Named scalars; their sum is what training minimises.

        Raises:
            ValueError: a label that the network has no class for, or an ``aux_weight`` for a network without a second
                head.
        """
        if self.aux_weight is not None and outputs.aux_logits is None:
            raise ValueError("aux_weight is read for networks with a second head; this one has none (see its aux)")
        num_classes = outputs.logits.shape[1]
        labels = labels_in_frame(targets, outputs, num_classes)
        weights = self._weights(labels, num_classes)
        logits = enlarge(outputs.logits, outputs.frame)
        losses = {"pixels": self._pixels(logits, labels, weights)}
        if self.dice:
            losses["dice"] = self.dice * dice_loss(logits, labels)
        if outputs.aux_logits is not None:
            aux = enlarge(outputs.aux_logits, outputs.frame)
            weight = 0.5 if self.aux_weight is None else self.aux_weight
            losses["aux"] = weight * self._pixels(aux, labels, weights)
        return losses

    def _pixels(self, logits: Tensor, labels: Tensor, weights: Tensor | None) -> Tensor:
        if self.pixel_loss == "focal":
            return focal_loss(logits, labels, weights, gamma=self.gamma)
        return cross_entropy_loss(logits, labels, weights)

    @torch.no_grad()
    def _weights(self, labels: Tensor, num_classes: int) -> Tensor | None:
        """The weight of each class."""
        if self.class_weights is not None:
            if len(self.class_weights) != num_classes:
                raise ValueError(f"{len(self.class_weights)} class_weights do not fit {num_classes} classes")
            return torch.tensor(self.class_weights, device=labels.device)
        if not self.balance:
            return None
        if self.training:
            counts = torch.stack([class_counts(image, VOID) for image in labels])
            new = torch.stack([counts.sum(0), ((counts > 0) * counts.sum(1, keepdim=True)).sum(0)])
            sum_over_processes(new)  # so that all weigh the classes alike
            self.class_counts += new[0]
            self.picture_counts += new[1]
        weights = median_frequency_weights(self.class_counts[:num_classes], self.picture_counts[:num_classes])
        return weights**self.balance


def labels_in_frame(
    targets: Sequence[SemanticTarget], outputs: SegmentationOutputs, num_classes: int
) -> UInt8[Tensor, "b h w"]:
    """The labels of all images in the pixels of the network's frame, `VOID` in the padding.

    Raises:
        ValueError: a label that is neither of a class nor `VOID`.
    """
    labels = torch.full((len(targets), *outputs.frame), VOID, dtype=torch.uint8, device=outputs.logits.device)
    for slot, target, (h, w) in zip(labels, targets, outputs.image_sizes.tolist(), strict=True):
        slot[:h, :w] = resize_labels(target.labels.to(labels.device), (h, w))
    foreign = (labels >= num_classes) & (labels != VOID)
    if bool(foreign.any()):
        index = int(foreign.flatten(1).any(1).nonzero()[0, 0])
        found = sorted(set(labels[index][foreign[index]].tolist()))
        raise ValueError(
            f"image {targets[index].image_id} has pixels labelled {found}, but this network has the {num_classes} "
            f"classes 0 to {num_classes - 1}: build it with the data set's num_classes, or paint what does not count "
            f"as {VOID}"
        )
    return labels


def resize_labels(labels: UInt8[Tensor, "h w"], size: tuple[int, int]) -> UInt8[Tensor, "_ _"]:
    """Each pixel of ``size`` takes the label at its centre."""
    if tuple(labels.shape) == tuple(size):
        return labels
    return F.interpolate(labels[None, None], size=size, mode="nearest-exact")[0, 0]


def cross_entropy_loss(
    logits: Float[Tensor, "b c h w"], labels: UInt8[Tensor, "b h w"], weights: Float[Tensor, " c"] | None = None
) -> Float[Tensor, ""]:
    """The mean cross-entropy of labelled pixels, each with the weight of its class; zero with gradient without any."""
    total = F.cross_entropy(logits, labels.long(), weights, ignore_index=VOID, reduction="sum")
    return total / _total_weight(labels, weights, logits.shape[1])


def focal_loss(
    logits: Float[Tensor, "b c h w"],
    labels: UInt8[Tensor, "b h w"],
    weights: Float[Tensor, " c"] | None = None,
    *,
    gamma: float = 2.0,
) -> Float[Tensor, ""]:
    """The mean of ``(1 - p)^gamma`` times the cross-entropy, ``p`` being the probability of what is right.

    Equation 4 of arXiv 1708.02002, over all classes by softmax; the weights are its alpha (equation 5). ``gamma`` 0 is
    `cross_entropy_loss`.
    """
    plain = F.cross_entropy(logits, labels.long(), ignore_index=VOID, reduction="none")  # [b, h, w]
    # 1 - p without cancellation; kept from 0, where a power below 1 has no gradient.
    wrong = -torch.expm1(-plain)
    pixels = plain * wrong.clamp(min=1e-12) ** gamma
    if weights is not None:
        pixels = pixels * _pixel_weights(labels, weights)
    return pixels.sum() / _total_weight(labels, weights, logits.shape[1])


def dice_loss(
    logits: Float[Tensor, "b c h w"], labels: UInt8[Tensor, "b h w"], *, smooth: float = 1.0
) -> Float[Tensor, ""]:
    """One minus the mean Dice overlap of the classes that occur, over all labelled pixels of the batch.

    ``2 sum(p g) / (sum(p) + sum(g))`` with probabilities ``p`` and ones ``g`` where the class is right; ``smooth`` is
    added above and below, in pixels. Zero with gradient where nothing is labelled.
    """
    num_classes = logits.shape[1]
    known = labels != VOID
    right = F.one_hot(labels.long().where(known, 0), num_classes).permute(0, 3, 1, 2) * known[:, None]
    probabilities = logits.softmax(1) * known[:, None]
    both = (probabilities * right).sum((0, 2, 3))
    each = probabilities.sum((0, 2, 3)) + right.sum((0, 2, 3))
    loss = 1 - (2 * both + smooth) / (each + smooth)
    occurs = (right.sum((0, 2, 3)) > 0).to(loss)
    return (loss * occurs).sum() / occurs.sum().clamp(min=1)


def class_counts(labels: UInt8[Tensor, "h w"], num_classes: int) -> Int64[Tensor, " c"]:
    """The pixels of each class in one image."""
    return torch.bincount(labels.flatten().long(), minlength=256)[:num_classes]


def median_frequency_weights(
    pixels: Int64[Tensor, " c"], pixels_of_pictures: Int64[Tensor, " c"]
) -> Float[Tensor, " c"]:
    """The median of all classes' frequencies, divided by the class's own: rare classes weigh more.

    Args:
        pixels: the pixels of each class.
        pixels_of_pictures: all labelled pixels of those images in which the class occurs.

    Returns:
        The weights; 1 for classes that never occur.
    """
    frequency = pixels.double() / pixels_of_pictures.clamp(min=1)
    occurs = pixels > 0
    if not bool(occurs.any()):
        return torch.ones(len(pixels), device=pixels.device)
    median = frequency[occurs].quantile(0.5)
    return torch.where(occurs, median / frequency, torch.ones_like(frequency)).float()


def _total_weight(labels: Tensor, weights: Tensor | None, num_classes: int) -> Tensor:
    """What a sum over labelled pixels is divided by to give their mean; never zero."""
    if weights is None:
        return (labels != VOID).sum().clamp(min=1)
    counts = torch.bincount(labels.flatten().long(), minlength=256)[:num_classes]
    total = (counts * weights).sum()
    return torch.where(total > 0, total, torch.ones_like(total))


def _pixel_weights(labels: Tensor, weights: Tensor) -> Tensor:
    """The weight of each pixel's class; `VOID`, whose cost is zero anyway, takes any."""
    return weights[labels.long().clamp(max=len(weights) - 1)]
