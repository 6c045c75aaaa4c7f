"""What a prediction says, as numbers and names that JSON can hold: one table for Python, files and the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch

from visus.errors import VisusError
from visus.metrics.coco_format import prediction_to_coco
from visus.names import counted
from visus.ops.graphs import best_of_pairs
from visus.ops.masks import rle_encode
from visus.phrases.wording import attribute_names, caption, relationship_phrases
from visus.types import (
    VOID,
    ClassPrediction,
    EmbeddingPrediction,
    EpisodePrediction,
    GraphPrediction,
    ImagePrediction,
    InstancePrediction,
    PartPrediction,
    Schema,
    SemanticPrediction,
    row,
)

Record = dict[str, Any]

_NAMED = 3  # so many classes are named in one line
_MOST_RELATIONSHIPS = 100  # of an image, best first
_CAPTION_SCORE = 0.5  # the least score of objects and predicates in a caption


def content_of(prediction: Any, schema: Schema) -> Record:
    """What was found in an image: ``objects`` (and ``relationships``), ``classes`` (and ``box_xyxy``) and so on.

    Raises:
        NoRowError: a kind of prediction that `CONTENTS` does not know.
    """
    return row(CONTENTS, prediction, "the content of a prediction")(prediction, schema)


def coco_records(prediction: Any, schema: Schema, image_id: int) -> list[Record]:
    """COCO's results of an image: a record for each object, or for each class of pixels.

    Raises:
        VisusError: COCO has no format for such predictions.
    """
    return row(COCO, prediction, "writing COCO's results")(prediction, schema, image_id)


def words_of(prediction: Any, schema: Schema, min_score: float) -> str:
    """What was found, in a few words; objects are counted from ``min_score`` on."""
    return row(IN_WORDS, prediction, "the words about a prediction")(prediction, schema, min_score)


def class_shares(prediction: SemanticPrediction, schema: Schema) -> list[Record]:
    """The classes among the pixels of an image as JSON: the share of each and its mean score, the largest first."""
    labels, scores = prediction.labels.cpu().flatten().long(), prediction.scores.cpu().flatten().double()
    counts = torch.bincount(labels, minlength=VOID + 1)
    sums = torch.bincount(labels, weights=scores, minlength=VOID + 1)
    order = counts[: schema.num_classes].argsort(descending=True, stable=True).tolist()
    return [
        {
            "category_id": schema.category_ids[label],
            "name": schema.categories[label],
            "label": label,
            "share": round(int(counts[label]) / len(labels), 6),
            "score": round(float(sums[label] / counts[label]), 4),
        }
        for label in order
        if counts[label]
    ]


def part_shares(prediction: PartPrediction, schema: Schema) -> list[Record]:
    """The parts of a shape as JSON: the share of its points and their mean score, the largest first."""
    names, total = schema.part_names, max(len(prediction.labels), 1)
    counts = torch.bincount(prediction.labels.cpu(), minlength=len(names))
    sums = torch.bincount(prediction.labels.cpu(), weights=prediction.scores.cpu().double(), minlength=len(names))
    return [
        {
            "name": names[part],
            "part": part,
            "share": round(int(counts[part]) / total, 6),
            "score": round(float(sums[part] / counts[part]), 4),
        }
        for part in counts.argsort(descending=True, stable=True).tolist()
        if counts[part]
    ]


def size_record(size: tuple[int, ...]) -> Record:
    """The size of an input as JSON: ``width`` and ``height`` of an image, ``points`` of a shape."""
    return {"points": size[0]} if len(size) == 1 else {"width": size[1], "height": size[0]}


def size_words(size: tuple[int, ...]) -> str:
    """The size of an input in words."""
    return f"{size[0]:,} points" if len(size) == 1 else f"{size[1]}x{size[0]}"


def _objects(prediction: InstancePrediction, schema: Schema) -> Record:
    records = prediction_to_coco(prediction, 0, schema)
    labels, boxes = prediction.labels.tolist(), prediction.boxes_xyxy.tolist()
    objects = []
    for record, label, box in zip(records, labels, boxes, strict=True):
        found: Record = {"name": schema.categories[label], "category_id": record["category_id"]}
        found |= {"score": record["score"], "box_xyxy": box}
        objects.append(found | {key: record[key] for key in ("segmentation", "keypoints") if key in record})
    return {"objects": objects}


def _classes(prediction: ClassPrediction, schema: Schema) -> Record:
    """The classes of an image, best first, and the box (left, top, right, bottom) where there is one."""
    scores = zip(prediction.labels.tolist(), prediction.scores.tolist(), strict=True)
    classes = [
        {"category_id": schema.category_ids[label], "name": schema.categories[label], "score": round(score, 6)}
        for label, score in scores
    ]
    if prediction.box_xyxy is None:
        return {"classes": classes}
    return {"classes": classes, "box_xyxy": [round(v, 2) for v in prediction.box_xyxy.tolist()]}


def _graph(prediction: GraphPrediction, schema: Schema) -> Record:
    """Objects with attributes, the best relationship of each pair by the places of its objects, and a caption."""
    objects = _objects(prediction.objects, schema)["objects"]
    attributes = [attribute_names(prediction, schema, place) for place in range(len(prediction))]
    rows, scores = prediction.relationships, prediction.relationship_scores
    places = best_of_pairs(rows, scores, len(prediction))[:_MOST_RELATIONSHIPS]
    named = zip(rows[places].tolist(), scores[places].tolist(), strict=True)
    return {
        "objects": [{**found, "attributes": names} for found, names in zip(objects, attributes, strict=True)],
        "relationships": [
            {"subject": subject, "predicate": schema.predicates[number], "object": object_, "score": round(score, 6)}
            for (subject, number, object_), score in named
        ],
        "caption": caption(prediction, schema, min_score=_CAPTION_SCORE),
    }


def _embedding(prediction: EmbeddingPrediction, schema: Schema) -> Record:
    return {"embedding": [round(value, 6) for value in prediction.embedding.tolist()]}


def _episode(prediction: EpisodePrediction, schema: Schema) -> Record:
    """The class of each query, counted from 0 inside of the episode, with its probability."""
    found = zip(prediction.labels.tolist(), prediction.scores.amax(1).tolist(), strict=True)
    return {"classes": [{"label": label, "score": round(score, 6)} for label, score in found]}


def _parts(prediction: PartPrediction, schema: Schema) -> Record:
    """The parts of a shape, and the number of that of every point."""
    return {"parts": part_shares(prediction, schema), "part_of_point": prediction.labels.tolist()}


def _stuff_records(prediction: SemanticPrediction, schema: Schema, image_id: int) -> list[Record]:
    """The results format of COCO-Stuff: the pixels of each class as run lengths."""
    return [
        {
            "image_id": image_id,
            "category_id": share["category_id"],
            "segmentation": rle_encode(prediction.labels.cpu() == share["label"]),
        }
        for share in class_shares(prediction, schema)
    ]


def _no_records(prediction: Any, schema: Schema, image_id: int) -> list[Record]:
    raise VisusError(
        f"COCO's results hold objects and classes of pixels, no {type(prediction).__name__}; use to_dict()"
    )


def _object_words(prediction: InstancePrediction, schema: Schema, min_score: float) -> str:
    sure = prediction.scores >= min_score
    counts = Counter(schema.categories[label] for label in prediction.labels[sure].tolist())
    found = ", ".join(f"{count} {name}" for name, count in counts.most_common())
    below = len(prediction) - int(sure.sum())
    return f"{found or 'nothing'} from score {min_score:.2g}{f', {below} below' if below else ''}"


def _class_words(prediction: ClassPrediction, schema: Schema, min_score: float) -> str:
    best = zip(prediction.labels[:_NAMED].tolist(), prediction.scores[:_NAMED].tolist(), strict=True)
    return ", ".join(f"{schema.categories[label]} {score:.2f}" for label, score in best)


def _share_words(prediction: SemanticPrediction, schema: Schema, min_score: float) -> str:
    shares = class_shares(prediction, schema)
    named = ", ".join(f"{share['name']} {100 * share['share']:.0f} %" for share in shares[:_NAMED])
    return f"{named}, and {len(shares) - _NAMED} more" if len(shares) > _NAMED else named


def _part_words(prediction: PartPrediction, schema: Schema, min_score: float) -> str:
    shares = part_shares(prediction, schema)
    named = ", ".join(f"{share['name']} {100 * share['share']:.0f} %" for share in shares[:_NAMED])
    return f"{named}, and {len(shares) - _NAMED} more" if len(shares) > _NAMED else named


def _graph_words(prediction: GraphPrediction, schema: Schema, min_score: float) -> str:
    phrases = relationship_phrases(prediction, schema, min_score=min_score)
    more = f", and {len(phrases) - _NAMED} more" if len(phrases) > _NAMED else ""
    return ", ".join(phrases[:_NAMED]) + more or _object_words(prediction.objects, schema, min_score)


CONTENTS: dict[type, Callable[[Any, Schema], Record]] = {
    InstancePrediction: _objects,
    ClassPrediction: _classes,
    SemanticPrediction: lambda prediction, schema: {"classes": class_shares(prediction, schema)},
    EmbeddingPrediction: _embedding,
    EpisodePrediction: _episode,
    PartPrediction: _parts,
    GraphPrediction: _graph,
    ImagePrediction: lambda prediction, schema: _objects(prediction.objects, schema),
}
"""What each kind of prediction says of an image."""

COCO: dict[type, Callable[[Any, Schema, int], list[Record]]] = {
    InstancePrediction: lambda prediction, schema, image_id: prediction_to_coco(prediction, image_id, schema),
    SemanticPrediction: _stuff_records,
    ClassPrediction: _no_records,
    EmbeddingPrediction: _no_records,
    EpisodePrediction: _no_records,
    PartPrediction: _no_records,
    ImagePrediction: _no_records,
    GraphPrediction: lambda prediction, schema, image_id: prediction_to_coco(prediction.objects, image_id, schema),
}
"""How COCO writes each kind of prediction."""

IN_WORDS: dict[type, Callable[[Any, Schema, float], str]] = {
    InstancePrediction: _object_words,
    ClassPrediction: _class_words,
    SemanticPrediction: _share_words,
    EmbeddingPrediction: lambda prediction, _, __: f"an embedding of {len(prediction.embedding)} dimensions",
    EpisodePrediction: lambda prediction, _, __: f"the classes of {counted(len(prediction), 'images')}",
    PartPrediction: _part_words,
    GraphPrediction: _graph_words,
    ImagePrediction: lambda prediction, _, __: f"an image of {counted(len(prediction), 'objects')}",
}
"""Each kind of prediction in a few words."""
