"""What scene-graph networks look at, and what they return."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from visus.nn.transform import scale_boxes
from visus.types import GraphPrediction

_MOST_TRIPLETS = 100
"""Of an image, beside the best of each pair; more are never looked at."""


@dataclass(frozen=True)
class Objects:
    """The objects of all images of a batch, image by image, in network pixels.

    ``class_scores`` are the probabilities of the classes: 1 and 0 where the class is given.
    """

    boxes_xyxy: Float[Tensor, "n 4"]
    image_index: Int64[Tensor, " n"]
    labels: Int64[Tensor, " n"]
    scores: Float[Tensor, " n"]
    class_scores: Float[Tensor, "n classes"]

    def __len__(self) -> int:
        return len(self.labels)

    def pairs(self) -> Int64[Tensor, "p 2"]:
        """All ordered pairs of different objects of one image."""
        together = self.image_index[:, None] == self.image_index[None]
        return (together & ~torch.eye(len(self), dtype=torch.bool, device=together.device)).nonzero()


@dataclass(frozen=True)
class Scene:
    """What a relation model sees of the objects of a batch and of their pairs.

    Args:
        objects: boxes and classes.
        shares_xyxy: the boxes as shares of the image's sides.
        vectors: what the detector's box head says of each object.
        pairs: the indices of subject and object.
        unions: the features of the box around each pair.
    """

    objects: Objects
    shares_xyxy: Float[Tensor, "n 4"]
    vectors: Float[Tensor, "n d"]
    pairs: Int64[Tensor, "p 2"]
    unions: Float[Tensor, "p e"]


@dataclass(frozen=True)
class Graph:
    """The scene graphs of a batch as logits.

    Args:
        objects: boxes and classes that went in.
        pairs: the indices of subject and object.
        predicate_logits: of each pair; the first says that it is not related.
        attribute_logits: of each object.
        object_logits: the classes as the relation model sees them in context; None where it does not judge them.
        learned: whether predicates are learned; False where they are counted, as by FREQ.
    """

    objects: Objects
    pairs: Int64[Tensor, "p 2"]
    predicate_logits: Float[Tensor, "p predicates"]
    attribute_logits: Float[Tensor, "n attributes"]
    object_logits: Float[Tensor, "n classes"] | None
    learned: bool = True


@dataclass(frozen=True)
class GraphOutputs:
    """One look at the images: features, and with targets the graph of the annotated objects, for losses.

    `postprocess` makes predictions of the features, or of ``given`` where boxes or classes are given. ``pixels`` are
    what the network saw, normalised and padded.
    """

    image_sizes: Int64[Tensor, "b 2"]
    features: list[Float[Tensor, "b c _ _"]]
    pixels: Float[Tensor, "b 3 h w"]
    given: Graph | None = None


def graph_prediction(
    graph: Graph,
    class_scores: Float[Tensor, "n classes"],
    image: int,
    sizes: tuple[tuple[int, int], tuple[int, int]],
    *,
    every_pair: bool,
) -> GraphPrediction:
    """The graph of one image: the best predicate of each pair (or of the best pairs), and the best triplets of all.

    Args:
        graph: of a batch.
        class_scores: the probabilities of the classes of its objects.
        image: the number of the image in the batch.
        sizes: the (h, w) of the image that the boxes are in the pixels of, and of the one they should be in.
        every_pair: whether every pair has its predicate, as where objects are given; else the best hundred have.
    """
    objects = graph.objects
    mine = torch.nonzero(objects.image_index == image)[:, 0]
    labels = class_scores[mine].max(dim=1).indices if len(mine) else mine
    scores = objects.scores[mine]
    first = int(mine[0]) if len(mine) else 0
    chosen = torch.isin(graph.pairs[:, 0], mine)
    pairs = graph.pairs[chosen] - first
    shares = graph.predicate_logits[chosen].float().softmax(dim=1)[:, 1:]  # [p, predicates]
    triplets = shares * (scores[pairs[:, 0]] * scores[pairs[:, 1]])[:, None]
    flat, predicates = triplets.flatten(), triplets.shape[1]
    score, predicate = triplets.max(dim=1) if len(pairs) else (flat, pairs[:, 0])
    best = torch.arange(len(pairs), device=flat.device) * predicates + predicate
    best = best if every_pair else best[score.topk(min(_MOST_TRIPLETS, len(best))).indices]
    kept = torch.unique(torch.cat([best, flat.topk(min(_MOST_TRIPLETS, len(flat))).indices]))
    kept = kept[flat[kept].argsort(descending=True, stable=True)]
    ends = pairs[kept // predicates]
    rows = torch.stack([ends[:, 0], kept % predicates, ends[:, 1]], dim=1)
    return GraphPrediction(
        boxes_xyxy=scale_boxes(objects.boxes_xyxy[mine], *sizes),
        labels=labels,
        scores=scores,
        size=sizes[1],
        attribute_scores=graph.attribute_logits[mine].float().sigmoid(),
        relationships=rows,
        relationship_scores=flat[kept],
    )
