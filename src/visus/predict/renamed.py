"""A detector whose boxes get names from a classifier that was taught a few crops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from visus.ops.boxes import clip_boxes
from visus.types import ImageBatch, InstancePrediction, Schema

TAUGHT = "taught"
"""The folder, in the run of a detector, of the classifier that names its boxes."""


@dataclass(frozen=True)
class RenamedOutputs:
    """What the detector returned, and the images, of which boxes are cut out.

    Args:
        found: of the detector.
        images: as it saw them.
    """

    found: Any
    images: ImageBatch


class RenamedDetector(nn.Module):
    """Boxes of a detector, named by a classifier of what they show.

    A box that is like none of the classes keeps its own name.

    Args:
        detector: finds boxes.
        classifier: names what is in them; its categories follow those of the detector.
        old: how many categories the detector has.
        rejects: whether the classifier's last category is "none of these".
    """

    channels_last = True

    def __init__(self, *, detector: nn.Module, classifier: nn.Module, old: int, rejects: bool) -> None:
        super().__init__()
        self.detector, self.classifier, self.old, self.rejects = detector, classifier, old, rejects
        finding: Any = detector
        self.transform, self.adapts = finding.transform, finding.adapts

    def forward(self, images: ImageBatch, targets: Sequence[Any] | None = None) -> RenamedOutputs:
        """What the detector returns; with the images."""
        return RenamedOutputs(self.detector(images, targets), images)

    @torch.no_grad()
    def postprocess(self, outputs: RenamedOutputs, sizes: Sequence[tuple[int, int]]) -> list[InstancePrediction]:
        """The objects of each image with their new names."""
        finding: Any = self.detector
        found = finding.postprocess(outputs.found, sizes)
        return [self._named(outputs.images, place, one) for place, one in enumerate(found)]

    def _named(self, images: ImageBatch, place: int, found: InstancePrediction) -> InstancePrediction:
        """One image's objects with new names."""
        if not len(found):
            return found
        height, width = (int(side) for side in images.sizes[place])
        rows, columns = found.size
        scale = found.boxes_xyxy.new_tensor([width / columns, height / rows, width / columns, height / rows])
        boxes = clip_boxes(found.boxes_xyxy * scale, (height, width))
        crops = [_crop(images.pixels[place], box) for box in boxes.round().long().tolist()]
        naming: Any = self.classifier
        logits = naming(naming.transform.batch(crops).to(found.labels.device)).logits
        names = logits.argmax(dim=1)
        known = names < logits.shape[1] - int(self.rejects)
        return replace(found, labels=torch.where(known, names + self.old, found.labels))


def _crop(pixels: Any, box: Sequence[int]) -> Any:
    """What is in a box, a pixel at least."""
    left, top, right, bottom = box
    return pixels[:, top : max(bottom, top + 1), left : max(right, left + 1)].contiguous()


def renamed_schema(detector: Schema, taught: Schema, *, rejects: bool) -> Schema:
    """The detector's categories and then the new ones."""
    new = taught.categories[: len(taught.categories) - int(rejects)]
    first = max(detector.category_ids, default=0) + 1
    ids = (*detector.category_ids, *range(first, first + len(new)))
    return replace(detector, categories=(*detector.categories, *new), category_ids=ids, colours=())
