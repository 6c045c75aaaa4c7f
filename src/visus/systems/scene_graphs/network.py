"""Scene graphs on Faster R-CNN: objects by the detector, their attributes, and a relation model over all pairs.

The detector is frozen, as in Neural Motifs (arXiv 1711.06640): train it first and start from its run. What is given
decides the mode (Xu et al. 2017, arXiv 1701.02426): boxes and classes (``predcls``), boxes (``sgcls``) or nothing
(``sgdet``). Where a network looks at images without targets, as in prediction, nothing is given. In all modes we learn
from annotated boxes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from visus.nn.transform import size_pairs, training_targets
from visus.systems.detection.faster_rcnn import FasterRCNN
from visus.systems.detection.roi_heads import RoIHeads, index_of_images
from visus.systems.scene_graphs.frequencies import Frequencies
from visus.systems.scene_graphs.heads import AttributeHead, NoUnions, UnionFeatures
from visus.systems.scene_graphs.outputs import Graph, GraphOutputs, Objects, Scene, graph_prediction
from visus.types import GraphPrediction, ImageBatch, InstanceTarget

Mode = Literal["predcls", "sgcls", "sgdet"]


class SceneGraphNetwork(nn.Module):
    """A frozen detector, an attribute head, features of unions, and a relation model.

    Args:
        detector: finds objects; its parts have the names that they have in a detector alone.
        relations: from a `Scene` to the logits of objects (or None) and of predicates.
        attributes: from regions, pixels and classes to attributes.
        unions: from the boxes around pairs to features.
        frequencies: counts what is learned from; the relation model may use it.
        mode: what is given where there are targets.
        max_objects: of a detected image, best first, that relations are looked for among.
    """

    channels_last = True
    adapts = False

    def __init__(
        self,
        *,
        detector: FasterRCNN,
        relations: nn.Module,
        attributes: AttributeHead,
        unions: UnionFeatures | NoUnions,
        frequencies: Frequencies,
        mode: Mode = "sgdet",
        max_objects: int = 64,
    ) -> None:
        super().__init__()
        self.transform, self.backbone, self.rpn = detector.transform, detector.backbone, detector.rpn
        self.roi_heads: RoIHeads = detector.roi_heads
        for part in self._detector():
            part.requires_grad_(False)
        self.frequencies, self.relations = frequencies, relations
        self.attributes, self.unions = attributes, unions
        self.mode, self.max_objects = mode, max_objects
        self.learned = any(True for _ in relations.parameters())

    def _detector(self) -> tuple[nn.Module, ...]:
        return self.transform, self.backbone, self.rpn, self.roi_heads

    def train(self, mode: bool = True) -> SceneGraphNetwork:
        """The detector stays as it is: its norms count nothing."""
        super().train(mode)
        for part in self._detector():
            part.eval()
        return self

    def forward(self, images: ImageBatch, targets: Sequence[InstanceTarget] | None = None) -> GraphOutputs:
        """Features; with targets also the graph of the annotated objects, that losses look at."""
        with torch.no_grad():
            pixels = self.transform(images)
            features = self.backbone(pixels)
        outputs = GraphOutputs(images.sizes, features, pixels)
        if targets is None:
            return outputs
        annotated = training_targets(targets, images.sizes)
        self.frequencies.observe(annotated)
        objects = self._annotated(features, annotated)
        return replace(outputs, given=self._graph(outputs, objects))

    @torch.no_grad()
    def postprocess(self, outputs: GraphOutputs, sizes: Sequence[tuple[int, int]]) -> list[GraphPrediction]:
        """The graph of each image, in the pixels of images of ``sizes`` (h, w); of given objects where they are."""
        graph, given = outputs.given, self.mode != "sgdet"
        if graph is None or not given:
            given = False
            objects = self._detected(outputs)
            graph = self._graph(outputs, objects)
        scores = graph.objects.class_scores
        if graph.object_logits is not None and self.mode != "predcls":
            scores = graph.object_logits.float().softmax(dim=1)
        return [
            graph_prediction(graph, scores, image, (old, size), every_pair=given)
            for image, (old, size) in enumerate(zip(size_pairs(outputs.image_sizes), sizes, strict=True))
        ]

    def _graph(self, outputs: GraphOutputs, objects: Objects) -> Graph:
        """Everything that is to be said of some objects."""
        features, sizes = outputs.features, outputs.image_sizes
        exact = self.frequencies.counts.dtype
        objects = replace(objects, class_scores=objects.class_scores.to(exact))
        boxes, images = objects.boxes_xyxy, objects.image_index
        with torch.no_grad():
            pooled = self.roi_heads.pooling(features, boxes, images)
            vectors = self.roi_heads.box_head(pooled)
        pairs = objects.pairs()
        shares = boxes.to(exact) / sizes.flip(1).repeat(1, 2)[images].to(exact)
        unions = self.unions(features, boxes, shares, images, pairs, self.roi_heads)
        object_logits, predicates = self.relations(Scene(objects, shares, vectors, pairs, unions))
        attributes = self.attributes(pooled, outputs.pixels, objects)
        return Graph(objects, pairs, predicates, attributes, object_logits, learned=self.learned)

    @torch.no_grad()
    def _annotated(self, features: list[Tensor], targets: list[InstanceTarget]) -> Objects:
        """The annotated objects; their classes as the detector sees them where these are not given."""
        boxes, images = torch.cat([t.boxes_xyxy for t in targets]), index_of_images([t.boxes_xyxy for t in targets])
        labels = torch.cat([t.labels for t in targets])
        if self.mode == "predcls":
            given = F.one_hot(labels, self.roi_heads.num_classes).to(boxes)
            return Objects(boxes, images, labels, torch.ones_like(boxes[:, 0]), given)
        return _classified(boxes, images, self.roi_heads.score(features, boxes, images)[0])

    def _detected(self, outputs: GraphOutputs) -> Objects:
        """What the detector finds, the best of each image."""
        rpn = self.rpn(outputs.features, tuple(outputs.pixels.shape[-2:]), outputs.image_sizes)
        found = self.roi_heads.detect(outputs.features, rpn.proposals, outputs.image_sizes)
        images = range(len(outputs.image_sizes))
        best = [torch.nonzero(found.image_index == image)[: self.max_objects, 0] for image in images]
        kept = torch.cat(best)
        scores = F.one_hot(found.labels[kept], self.roi_heads.num_classes).to(found.scores)
        return Objects(found.boxes_xyxy[kept], found.image_index[kept], found.labels[kept], found.scores[kept], scores)


def _classified(boxes: Tensor, images: Tensor, logits: Float[Tensor, "n classes"]) -> Objects:
    """Boxes with their classes by a detector's logits, the background left out."""
    class_scores = logits[:, 1:].softmax(dim=1)
    scores, labels = class_scores.max(dim=1)
    return Objects(boxes, images, labels, scores, class_scores)
