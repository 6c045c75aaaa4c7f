"""How good the prediction of one image is, so that a report can show the best and the worst ones.

Of objects: average precision needs the scores of a whole data set and says little about one image. Panoptic quality
(Kirillov et al. 2019, arXiv 1801.00868, equation 1) is defined on one: the F1 score of the objects times the mean IoU
of matches.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from visus.metrics.confusion import class_iou
from visus.metrics.object_matches import match_objects
from visus.metrics.scene_graph_matches import NEVER, Protocol, found_at, ranked
from visus.metrics.semantic import pixel_confusion
from visus.ops.boxes import box_iou
from visus.types import (
    VOID,
    ClassPrediction,
    ClassTarget,
    EmbeddingPrediction,
    EpisodePrediction,
    EpisodeTarget,
    GraphPrediction,
    ImagePrediction,
    ImageTarget,
    InstancePrediction,
    InstanceTarget,
    PartPrediction,
    PartTarget,
    SemanticPrediction,
    SemanticTarget,
    row,
)


def image_quality(prediction: Any, target: Any) -> float | None:
    """Measures one image from 0, nothing right, to 1, everything right; None where a single image says nothing.

    Raises:
        NoRowError: a kind of prediction that `QUALITIES` does not know.
    """
    return row(QUALITIES, prediction, "the quality of one image")(prediction, target)


def semantic_quality(prediction: SemanticPrediction, target: SemanticTarget) -> float:
    """The mean IoU over the classes that are annotated or predicted in this image; 1 where all of it is void."""
    labels, found = target.labels.cpu(), prediction.labels.cpu()
    num_classes = max((int(v[v != VOID].max()) + 1 for v in (labels, found) if (v != VOID).any()), default=1)
    iou = class_iou(pixel_confusion(found, labels, num_classes))
    return float(iou.nanmean().nan_to_num(1.0))


def class_quality(prediction: ClassPrediction, target: ClassTarget) -> float:
    """The probability that the prediction gives to the right class, 0 where it does not name it.

    Where both have a box, one that overlaps the annotated one by an IoU of 0.5 or less makes it 0.
    """
    share = float(prediction.scores[prediction.labels == target.label].sum())
    if prediction.box_xyxy is not None and target.box_xyxy is not None:
        iou = box_iou(prediction.box_xyxy[None].float(), target.box_xyxy[None].float())
        share *= float(iou > 0.5)
    return share


def instance_quality(
    prediction: InstancePrediction, target: InstanceTarget, *, min_score: float = 0.5, min_iou: float = 0.5
) -> float:
    """Measures one image from 0, nothing right, to 1, every object found exactly and nothing else.

    The sum of the IoU of matched objects over (matches + half of the false alarms + half of the misses). Predictions of
    at least ``min_score`` are matched best first to the object of the same label that they overlap most, if by
    ``min_iou`` or more. Overlap is that of the masks where both have them, else of the boxes. Crowds need not be found,
    and a prediction that lies on one by half or more is no false alarm. An image without objects, where none is
    found, has quality 1.
    """
    return match_objects(prediction, target, min_iou=min_iou).quality(min_score)


def part_quality(prediction: PartPrediction, target: PartTarget) -> float:
    """The share of the points whose part is right."""
    return float((prediction.labels.cpu() == target.labels.cpu()).double().mean())


def graph_quality(prediction: GraphPrediction, target: InstanceTarget) -> float | None:
    """The share of the annotated relationships that are among the 20 best found; None where none is annotated."""
    rows = ranked(prediction, constrained=True)[:20]
    ranks = found_at(rows, prediction, target, Protocol())
    return float((ranks < NEVER).double().mean()) if len(ranks) else None


def no_quality(prediction: EmbeddingPrediction, target: ClassTarget) -> None:
    """An embedding alone is neither good nor bad: only its neighbours say."""


def episode_quality(prediction: EpisodePrediction, target: EpisodeTarget) -> float:
    """The share of queries that got their class."""
    return float((prediction.labels == target.labels).float().mean())


def layout_quality(prediction: ImagePrediction, target: ImageTarget) -> float:
    """The mean IoU of the boxes of the layout with those of the real image."""
    return float(box_iou(prediction.boxes_xyxy.float(), target.boxes_xyxy.float()).diagonal().mean())


QUALITIES: dict[type, Callable[[Any, Any], float | None]] = {
    InstancePrediction: instance_quality,
    SemanticPrediction: semantic_quality,
    ClassPrediction: class_quality,
    EmbeddingPrediction: no_quality,
    EpisodePrediction: episode_quality,
    PartPrediction: part_quality,
    GraphPrediction: graph_quality,
    ImagePrediction: layout_quality,
}
"""How good the prediction of one image is, by the kind of prediction."""

MEANINGS: dict[type, str] = {
    InstancePrediction: (
        "Quality: 1 where every object is found exactly and nothing else, 0 where nothing is right: the IoU of what "
        "was found (of masks where the network gives them, else of boxes), summed, over found + half of the wrong + "
        "half of the missed. Drawn and counted are objects from a score of {threshold} on: green is right, with its "
        "IoU, red is wrong, with its score, yellow was missed."
    ),
    SemanticPrediction: "Quality: the mean IoU of the classes in the image, 1 where every pixel is right.",
    ClassPrediction: "Quality: the probability that the right class was given, 0 where its box is wrong.",
    EmbeddingPrediction: "An embedding alone is neither good nor bad.",
    EpisodePrediction: "Quality: the share of the queries of a task that got their class.",
    PartPrediction: "Quality: the share of the points whose part is right.",
    GraphPrediction: "Quality: the share of the annotated relationships among the 20 best that were found.",
    ImagePrediction: "Quality: the mean IoU of the boxes of the layout with those of the real image.",
}
"""What the quality of one image means, by the kind of prediction; ``{threshold}`` is the least score that counts."""


def quality_meaning(prediction: Any) -> str:
    """A sentence for people.

    Raises:
        NoRowError: a kind of prediction that `MEANINGS` does not know.
    """
    return row(MEANINGS, prediction, "the meaning of quality")
