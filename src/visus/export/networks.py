"""Networks as exported graphs see them: tensors go in and out, and all that becomes a prediction is in the graph.

A wrapper holds a network and the resizing of its images; the network itself knows nothing of it. `WRAPPERS` has a row
for each kind of network; ``kind`` and ``outputs`` of a wrapper say how `visus.predict.exported` reads its tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor, nn

from visus.clouds import PointBatch, ViewBatch, VoxelBatch
from visus.export.detectors import ExportedFCOS, ExportedMaskRCNN, ExportedSSD, ExportedTwoStage, Tensors
from visus.export.resizing import as_number, enlargement, resizing_of
from visus.export.taken_apart import without_transform
from visus.nn.points.transform import PointTransform, ViewTransform, VoxelTransform
from visus.systems.classification import ImageClassifier, TaughtClassifier
from visus.systems.classification.classifier import SHOWN
from visus.systems.detection.faster_rcnn import FasterRCNN
from visus.systems.detection.fcos import FCOS
from visus.systems.detection.ssd import SSD
from visus.systems.instances.mask_rcnn import MaskRCNN
from visus.systems.metric_learning import ABE, ABIER, HDC, Descriptor
from visus.systems.segmentation.segmenter import Segmenter
from visus.systems.shapes3d.classifier import ShapeClassifier, Voting

NO_SCORE: Mapping[str, float] = {}
"""Networks whose outputs have no least score take none."""


class ExportedClassifier(nn.Module):
    """A classifier of images: the likeliest classes, best first, and the box where there is one."""

    kind = "classes"
    least = NO_SCORE

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.resizing, self.network = resizing_of(model.transform), without_transform(model)
        self.outputs = ("scores", "labels") if model.box_head is None else ("scores", "labels", "boxes")

    def forward(self, images: UInt8[Tensor, "b 3 h w"]) -> Tensors:
        """Scores and labels of each image, and its box in its own pixels."""
        looked = self.resizing(images)
        outputs = self.network(looked.batch)
        best = likeliest(outputs.logits)
        if outputs.boxes_xyxy is None:
            return best
        height, width = images.shape[-2:]
        factors = torch.tensor([1 / looked.frame[1], 1 / looked.frame[0]]).repeat(2)
        sides = torch.stack([as_number(width), as_number(height)]).float().repeat(2)
        boxes = outputs.boxes_xyxy.float() * (factors * sides)
        return (*best, torch.minimum(boxes.clamp(min=0), sides))


class ExportedSegmenter(nn.Module):
    """A segmenter: the class of every pixel of the images, and its probability."""

    kind = "pixels"
    least = NO_SCORE
    outputs = ("labels", "scores")

    def __init__(self, model: Segmenter) -> None:
        super().__init__()
        self.resizing, self.network = resizing_of(model.transform), without_transform(model)
        self.network.aux_classifier = None

    def forward(self, images: UInt8[Tensor, "b 3 h w"]) -> Tensors:
        """Labels and scores in the pixels of the images."""
        looked = self.resizing(images)
        logits = self.network(looked.batch).logits.float()
        ways = [
            enlargement(cells, looked.sizes[0, axis].double() * cells / (looked.frame[axis] * as_number(side)), side)
            for axis, (cells, side) in enumerate(zip(logits.shape[-2:], images.shape[-2:], strict=True))
        ]
        wide = ways[0] @ (logits @ ways[1].T)  # [b, c, h, w]
        top, labels = wide.max(1)
        return labels.to(torch.uint8), torch.exp(top - wide.logsumexp(1))


class ExportedDescriptor(nn.Module):
    """A descriptor, or an ensemble of them: the embedding of each image."""

    kind = "embedding"
    least = NO_SCORE
    outputs = ("embeddings",)

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.resizing, self.network = resizing_of(model.transform), without_transform(model)

    def forward(self, images: UInt8[Tensor, "b 3 h w"]) -> Tensors:
        """One row for each image."""
        return (self.network(self.resizing(images).batch).embeddings.float(),)


class ExportedShapes(nn.Module):
    """A classifier of points, cells or views: the likeliest classes, best first."""

    kind = "classes"
    least = NO_SCORE
    outputs = ("scores", "labels")

    def __init__(self, model: ShapeClassifier) -> None:
        super().__init__()
        self.network = model
        self.batch_of = BATCHES[type(model.transform)]

    def forward(self, shapes: Float[Tensor, "b ..."] | Bool[Tensor, "b ..."]) -> Tensors:
        """Scores and labels of each shape."""
        return likeliest(self.network(self.batch_of(shapes)).logits)


BATCHES: dict[type, Callable[[Any], Any]] = {
    PointTransform: PointBatch,
    VoxelTransform: VoxelBatch,
    ViewTransform: ViewBatch,
}
"""What holds the tensor of a shape, by the network's transform."""


def likeliest(logits: Float[Tensor, "b classes"]) -> tuple[Float[Tensor, "b k"], Int64[Tensor, "b k"]]:
    """The probabilities of the likeliest classes, best first, and their labels."""
    scores, labels = logits.float().softmax(1).topk(min(SHOWN, logits.shape[1]), dim=1)
    return scores, labels


WRAPPERS: dict[type, Callable[[Any], nn.Module]] = {
    ImageClassifier: ExportedClassifier,
    TaughtClassifier: ExportedClassifier,
    Segmenter: ExportedSegmenter,
    SSD: ExportedSSD,
    FCOS: ExportedFCOS,
    FasterRCNN: ExportedTwoStage,
    MaskRCNN: ExportedMaskRCNN,
    Descriptor: ExportedDescriptor,
    HDC: ExportedDescriptor,
    ABIER: ExportedDescriptor,
    ABE: ExportedDescriptor,
    ShapeClassifier: ExportedShapes,
    Voting: ExportedShapes,
}
"""What exports each kind of network."""

REFUSED: dict[str, str] = {
    "scene_graphs": "its pairs of objects are chosen by frequencies of the training data outside of the network",
    "meta_learning": "it learns from the labelled images of each task while it predicts, and no graph does",
    "scene_generation": "it makes images of scene graphs, and predicts from no image",
    "shape_parts": "it answers for every point of the whole cloud, which the graph does not hold",
}
"""Why the networks of a problem cannot be exported."""
