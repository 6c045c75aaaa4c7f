"""The frame that all segmentation networks share: a backbone, a classifier of cells, and perhaps a second one.

FCN, SegNet and DeepLabv3 differ in what they do between the last features and the logits, and that is their classifier.
Parameter names are torchvision's: ``backbone``, ``classifier``, ``aux_classifier``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from visus.nn.backbones import Backbone
from visus.nn.transform import ImageTransform, size_pairs
from visus.systems.segmentation.outputs import Frame, SegmentationOutputs
from visus.systems.segmentation.upsampling import most_likely
from visus.types import ImageBatch, SemanticPrediction, SemanticTarget


class Classifier(Protocol):
    """What turns the stages of a backbone into logits; the frame says which part of them is image."""

    def __call__(self, stages: list[Shaped[Tensor, "b _ _ _"]], frame: Frame) -> Float[Tensor, "b c h w"]:
        """The logits of each cell."""


class Segmenter(nn.Module):
    """Transform, backbone, classifier.

    Args:
        transform: resizing and normalising.
        backbone: gives features at several strides.
        classifier: a `Classifier`.
        aux_classifier: a second `Classifier` that only helps to learn, or None.
    """

    channels_last = True
    adapts = False

    def __init__(
        self,
        *,
        transform: ImageTransform,
        backbone: Backbone,
        classifier: nn.Module,
        aux_classifier: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.transform, self.backbone = transform, backbone
        self.classifier, self.aux_classifier = classifier, aux_classifier

    def forward(self, images: ImageBatch, targets: Sequence[SemanticTarget] | None = None) -> SegmentationOutputs:
        """The logits of each cell; targets change nothing."""
        pixels = self.transform(images)
        frame = Frame((pixels.shape[-2], pixels.shape[-1]), images.sizes)
        stages = self.backbone.stages(pixels)
        logits = self.classifier(stages, frame)
        aux = None if self.aux_classifier is None else self.aux_classifier(stages, frame)
        return SegmentationOutputs(logits, aux, images.sizes, frame.size)

    @torch.no_grad()
    def postprocess(self, outputs: SegmentationOutputs, sizes: Sequence[tuple[int, int]]) -> list[SemanticPrediction]:
        """The class of each pixel of images of ``sizes`` (h, w), and its probability."""
        found = []
        for logits, size, wanted in zip(outputs.logits, size_pairs(outputs.image_sizes), sizes, strict=True):
            wanted = (int(wanted[0]), int(wanted[1]))
            labels, scores = most_likely(logits, outputs.frame, size, wanted)
            found.append(SemanticPrediction(labels, scores, wanted))
        return found
