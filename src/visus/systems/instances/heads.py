"""Mask R-CNN's two further branches (He et al., arXiv 1703.06870, figure 4 right, and section 5).

The mask branch answers, for each cell of a region, "object or not" in a channel per class; the keypoint branch points
at one cell per keypoint. Parameter names are torchvision's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from visus.systems.detection.box_heads import conv_norm_relu
from visus.systems.detection.roi_heads import RoIPooling


class MaskHead(nn.Sequential):
    """A stack of 3x3 convolutions over the pooled region."""

    def __init__(self, channels: int, *, width: int = 256, depth: int = 4, norm: bool = False) -> None:
        inputs = [channels] + [width] * (depth - 1)
        super().__init__(*(conv_norm_relu(before, width, norm=norm) for before in inputs))
        self.width = width


class MaskPredictor(nn.Module):
    """Doubles the resolution and gives one logit per cell, in the channel of the wanted class.

    The published layout has a channel for the background too (slot 0), which is never used.
    """

    def __init__(self, channels: int, width: int, num_classes: int) -> None:
        super().__init__()
        self.conv5_mask = nn.ConvTranspose2d(channels, width, 2, stride=2)
        self.mask_fcn_logits = nn.Conv2d(width, num_classes + 1, 1)
        nn.init.kaiming_normal_(self.conv5_mask.weight, mode="fan_out", nonlinearity="relu")
        # Nearly even odds to begin with: large random logits cost the first hundred steps to unlearn.
        nn.init.normal_(self.mask_fcn_logits.weight, std=1e-3)
        for layer in (self.conv5_mask, self.mask_fcn_logits):
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, hidden: Float[Tensor, "r c p p"], labels: Int64[Tensor, " r"]) -> Float[Tensor, "r m m"]:
        """Logits in fp32, only for the class of each region: the other channels are not computed."""
        fine = F.relu(self.conv5_mask(hidden))
        weight = self.mask_fcn_logits.weight[labels + 1, :, 0, 0].to(fine.dtype)  # [r, c]
        bias = self.mask_fcn_logits.bias[labels + 1]  # type: ignore[index]
        logits = torch.bmm(weight[:, None], fine.flatten(2)).float()  # [r, 1, m*m]
        whole = logits + bias[:, None, None]  # [r, 1, m*m]
        return whole[:, 0].unflatten(1, fine.shape[-2:])  # type: ignore[no-any-return, no-untyped-call]


class KeypointHead(nn.Sequential):
    """A stack of 3x3 convolutions over the pooled region, laid flat as in the published files.

    Which of two ankles is the left one shows in the face, so the last convolution must see the whole region: the paper
    takes eight of them, ``dilations`` gets there with half as many.
    """

    def __init__(
        self, channels: int, *, width: int = 512, dilations: Sequence[int] = (1,) * 8, norm: bool = False
    ) -> None:
        layers: list[nn.Module] = []
        for before, dilation in zip([channels] + [width] * (len(dilations) - 1), dilations, strict=True):
            layers += list(conv_norm_relu(before, width, norm=norm, dilation=dilation))
        super().__init__(*layers)
        self.width = width


class KeypointPredictor(nn.Module):
    """Quadruples the resolution: a transposed convolution doubles it, bilinear interpolation doubles it again."""

    def __init__(self, channels: int, num_keypoints: int) -> None:
        super().__init__()
        self.kps_score_lowres = nn.ConvTranspose2d(channels, num_keypoints, 4, stride=2, padding=1)
        nn.init.normal_(self.kps_score_lowres.weight, std=1e-3)
        nn.init.zeros_(self.kps_score_lowres.bias)  # type: ignore[arg-type]

    def forward(self, hidden: Float[Tensor, "r c p p"]) -> Float[Tensor, "r k s s"]:
        """One map of logits per keypoint, in fp32."""
        logits = self.kps_score_lowres(hidden).float()
        return F.interpolate(logits, scale_factor=2.0, mode="bilinear", align_corners=False)


@dataclass(frozen=True)
class MaskBranch:
    """Pooling, mask head and mask predictor. Not a module: the heads that use it own the parts."""

    pooling: RoIPooling
    head: MaskHead
    predictor: MaskPredictor

    def __call__(
        self,
        features: Sequence[Float[Tensor, "b c _ _"]],
        boxes: Float[Tensor, "r 4"],
        image_index: Int64[Tensor, " r"],
        labels: Int64[Tensor, " r"],
    ) -> Float[Tensor, "r m m"]:
        """Mask logits of regions for their labels."""
        regions = self.pooling(features, boxes, image_index)
        logits: Tensor = self.predictor(self.head(regions), labels)
        return logits


@dataclass(frozen=True)
class KeypointBranch:
    """Pooling, keypoint head and keypoint predictor. Not a module: the heads that use it own the parts.

    ``labels`` names the categories that carry keypoints; empty means all of them.
    """

    pooling: RoIPooling
    head: KeypointHead
    predictor: KeypointPredictor
    labels: tuple[int, ...] = ()

    def __call__(
        self,
        features: Sequence[Float[Tensor, "b c _ _"]],
        boxes: Float[Tensor, "r 4"],
        image_index: Int64[Tensor, " r"],
    ) -> Float[Tensor, "r k s s"]:
        """Keypoint logits of regions."""
        logits: Tensor = self.predictor(self.head(self.pooling(features, boxes, image_index)))
        return logits

    def carries(self, labels: Int64[Tensor, " n"]) -> Bool[Tensor, " n"]:
        """Which of ``labels`` carry keypoints."""
        if not self.labels:
            return torch.ones_like(labels, dtype=torch.bool)
        return torch.isin(labels, labels.new_tensor(self.labels))
