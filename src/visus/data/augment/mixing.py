"""Training on mixtures of two pictures: mixup (arXiv 1710.09412) and CutMix (arXiv 1905.04899).

Both draw a share from Beta(alpha, alpha). Here each image keeps the larger share, at least half: over all pairs of a
batch that is the same distribution for mixup, and for CutMix only swaps which of two images is the patch. So an
image stays recognisable as its own, and its box stays true.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor
from torch.nn import functional as F

from visus.types import Batch, ClassTarget, ImageBatch, row

Frame = tuple[int, int]
Patch = tuple[int, int, int, int]


class Mix:
    """Mixes each image of a batch with another; draws from torch's global generator.

    Where both are wanted, each batch gets one or the other by the toss of a coin. Targets come out with
    ``probabilities`` and in the frame of the batch. A box stays unless a patch covers more than half of it.

    Args:
        num_classes: of the data set.
        mixup_alpha: alpha of mixup, 0.2 for ImageNet in the paper; 0 blends no images.
        cutmix_alpha: alpha of CutMix, 1 in the paper; 0 cuts no patches.

    Raises:
        ValueError: an alpha is negative, or both are 0.
    """

    def __init__(self, *, num_classes: int, mixup_alpha: float = 0.0, cutmix_alpha: float = 0.0) -> None:
        if min(mixup_alpha, cutmix_alpha) < 0 or max(mixup_alpha, cutmix_alpha) == 0:
            raise ValueError(
                f"mixup_alpha and cutmix_alpha must be at least 0 and one of them above, not {mixup_alpha} and "
                f"{cutmix_alpha}"
            )
        self.num_classes = num_classes
        self.mixup_alpha, self.cutmix_alpha = mixup_alpha, cutmix_alpha

    def __call__(self, batch: Batch) -> Batch:
        """The mixed batch.

        Raises:
            NoRowError: a kind of target that `IN_FRAME` does not know.
        """
        in_frame = row(IN_FRAME, batch.targets[0], "mixing images (data.augment.mixup and .cutmix)")
        coin = float(torch.rand(()))
        blends = self.cutmix_alpha == 0 or (self.mixup_alpha > 0 and coin < 0.5)
        share = _share(self.mixup_alpha if blends else self.cutmix_alpha)
        others = torch.randperm(len(batch))
        sizes = torch.maximum(batch.inputs.sizes, batch.inputs.sizes[others.to(batch.inputs.sizes.device)])
        patch = None if blends else _patch(share, (batch.inputs.pixels.shape[-2], batch.inputs.pixels.shape[-1]))
        if patch is None:
            pixels = mixup(batch.inputs.pixels, others, share)
        else:
            pixels, share = cutmix(batch.inputs.pixels, others, patch)
        frames = [(int(h), int(w)) for h, w in batch.inputs.sizes.tolist()]
        new = [(int(h), int(w)) for h, w in sizes.tolist()]
        targets = [
            replace(
                in_frame(target, frame, size, patch if other != place else None),
                probabilities=share * self._probabilities(target)
                + (1 - share) * self._probabilities(batch.targets[other]),
            )
            for place, (target, frame, size, other) in enumerate(
                zip(batch.targets, frames, new, others.tolist(), strict=True)
            )
        ]
        return Batch(ImageBatch(pixels, sizes), targets, batch.paths)

    def _probabilities(self, target: ClassTarget) -> Float[Tensor, " c"]:
        if target.probabilities is not None:
            return target.probabilities
        return F.one_hot(target.label, self.num_classes).float()


def mixup(pixels: Shaped[Tensor, "b 3 h w"], others: Int64[Tensor, " b"], share: float) -> Float[Tensor, "b 3 h w"]:
    """``share`` of each image and the rest of another (arXiv 1710.09412, equation in section 2); 0..1 floats."""
    values = pixels / 255 if pixels.dtype == torch.uint8 else pixels
    return share * values + (1 - share) * values[others.to(pixels.device)]


def cutmix(
    pixels: Shaped[Tensor, "b 3 h w"], others: Int64[Tensor, " b"], patch: Patch
) -> tuple[Shaped[Tensor, "b 3 h w"], float]:
    """Each image with a patch (left, top, right, bottom) of another, and the share of its own that is left.

    Source: arXiv 1905.04899, equation 1; the share is counted after the patch was cut off at the border.
    """
    left, top, right, bottom = patch
    mixed = pixels.clone()
    mixed[:, :, top:bottom, left:right] = pixels[others.to(pixels.device), :, top:bottom, left:right]
    return mixed, 1 - (right - left) * (bottom - top) / (pixels.shape[-2] * pixels.shape[-1])


def _share(alpha: float) -> float:
    """A draw from Beta(alpha, alpha), or its complement where that is larger."""
    drawn = float(torch.distributions.Beta(alpha, alpha).sample())
    return max(drawn, 1 - drawn)


def _patch(share: float, canvas: Frame) -> Patch:
    """A rectangle of the canvas's shape and 1 - share of its area around a random place, cut off at the border."""
    height, width = canvas
    half_height, half_width = (side * (1 - share) ** 0.5 / 2 for side in canvas)
    y, x = (torch.rand(2) * torch.tensor([height, width])).tolist()
    left, right = max(round(x - half_width), 0), min(round(x + half_width), width)
    return left, max(round(y - half_height), 0), right, min(round(y + half_height), height)


def class_in_frame(target: ClassTarget, frame: Frame, size: Frame, patch: Patch | None) -> ClassTarget:
    """The target in the pixels of the batch; its image has the size ``frame`` there, the mixed one ``size``."""
    if target.box_xyxy is None:
        return replace(target, size=size)
    y, x = frame[0] / target.size[0], frame[1] / target.size[1]
    box = target.box_xyxy * target.box_xyxy.new_tensor([x, y, x, y])
    hidden = 0.0 if patch is None else _covered(box, box.new_tensor(patch))
    return replace(target, size=size, box_xyxy=box if hidden <= 0.5 else None)


def _covered(box: Float[Tensor, " 4"], patch: Float[Tensor, " 4"]) -> float:
    """The share of a box that a patch hides."""
    sides = (torch.minimum(box[2:], patch[2:]) - torch.maximum(box[:2], patch[:2])).clamp(min=0)
    return float(sides.prod() / (box[2:] - box[:2]).prod().clamp(min=1e-6))


IN_FRAME: dict[type, Callable[[Any, Frame, Frame, Patch | None], Any]] = {ClassTarget: class_in_frame}
"""How each kind of target that can be mixed is brought into the frame of a mixed image."""
