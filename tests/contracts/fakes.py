"""Small models, batches, targets and predictions for the contracts, chosen by what the catalog says of its entries."""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_type_hints

import torch
from torch import Tensor, nn

from visus import catalog
from visus.clouds import PointCloud
from visus.data.feed.collate import Collate
from visus.data.feed.episodes import Episodes
from visus.metrics.metric import Metric
from visus.problem import Architecture
from visus.scenes import SceneGraph
from visus.types import (
    VOID,
    Batch,
    ClassPrediction,
    ClassTarget,
    EmbeddingPrediction,
    Episode,
    EpisodePrediction,
    EpisodeTarget,
    GraphPrediction,
    ImageBatch,
    ImagePrediction,
    ImageTarget,
    InstancePrediction,
    InstanceTarget,
    Keypoints,
    PartPrediction,
    PartTarget,
    Sample,
    Schema,
    SemanticPrediction,
    SemanticTarget,
    row,
)

SCHEMA = Schema(
    categories=("cat", "dog", "owl", "bee", "cow", "fox", "elk"),
    category_ids=(3, 7, 9, 11, 40, 41, 90),
    has_masks=True,
    keypoints=Keypoints(("nose", "tail"), ((0, 1),), (0.05, 0.1), ((0, 1),)),
    parts=(("cat", ("head", "leg")), ("dog", ("head", "leg", "tail")), ("owl", ("wing",))),
    attributes=("red", "asleep"),
    predicates=("on", "beside"),
)
SIZE = (40, 60)
POINTS = (50,)
N_WAY = 5
"""Classes of a task, as the learners that are made for a number of them expect by default."""
SMALL = {
    "min_size": 64,
    "max_size": 96,
    "size": 64,
    "boxes": True,
    "pretrained": False,
    "hidden": 16,
    "points": 64,
    "views": 2,
    "width": 16,
    "dim": 8,
    "noise": 2,
    "inner_steps": 2,
    "test_steps": 3,
}
"""Arguments that make a model small, complete and offline, of builders that have them."""


# --- models and what they learn from ---


def small_options(model: str) -> dict[str, Any]:
    """Those of `SMALL` that a model takes."""
    known = inspect.signature(catalog.MODELS[model]).parameters
    return {name: value for name, value in SMALL.items() if name in known}


def quick_model(architecture: Architecture) -> str:
    """The model of an architecture that is made for a CPU, else its first."""
    return min(architecture.models, key=lambda name: "lite0" not in name)


@cache
def model_of(name: str) -> nn.Module:
    """A small model with random weights for its problem's samples, built once; callers set its mode and gradients."""
    torch.manual_seed(0)
    schema = learnable(catalog.problem_of(name).name).schema
    return catalog.build_model(name, schema, small_options(name))


@dataclass(frozen=True, eq=False)
class Learnable:
    """What a problem learns from: six samples with what they mean; where classes matter, two of each of three."""

    schema: Schema
    samples: tuple[Sample, ...]

    def batch(self, model: nn.Module, *, order: Sequence[int] | None = None, empty: bool = False) -> Batch:
        """A batch as ``model`` takes it: in another order, or of targets in which there is nothing to learn."""
        samples = [self.samples[i] for i in order or range(len(self.samples))]
        if empty:
            samples = [replace(one, target=emptied(one.target, i)) for i, one in enumerate(samples)]
        network: Any = model
        return Collate(batcher=network.transform.batch)(samples)


@cache
def learnable(name: str) -> Learnable:
    """Samples for the problem called ``name``, of the first data set that suits it; drawn ones come first."""
    problem = catalog.PROBLEMS[name]
    for entry in sorted(catalog.DATASETS.values(), key=lambda entry: entry.write_fake is not None):
        with tempfile.TemporaryDirectory() as folder:
            if entry.write_fake is not None:
                entry.write_fake(Path(folder))
            dataset = entry.open(Path(folder), "train", for_training=True)
            labels = getattr(dataset, "labels", None)
            if Episode in problem.inputs:
                if labels is None or not entry.unseen_classes or not small(dataset):
                    continue
                tasks = Episodes(dataset, n_way=N_WAY, k_shot=1, queries=2, count=6)
                return Learnable(dataset.schema, tuple(tasks[i] for i in range(len(tasks))))
            first = dataset[0]
            if type(first.input) not in problem.inputs:
                continue
            if type(first.target) in problem.targets and (labels is not None or not problem.unseen_classes):
                chosen = range(min(6, len(dataset))) if labels is None else _of_three_classes(labels)
                return Learnable(dataset.schema, tuple(dataset[i] for i in chosen))
    raise AssertionError(f"no data set of the catalog suits {name}: its contracts need one")


def small(dataset: Any) -> bool:
    """Whether its images are as small and as grey as those that few-shot learners are made for."""
    return max(dataset.size(0)) < 32


def _of_three_classes(labels: Tensor) -> list[int]:
    return [int(i) for label in torch.unique(labels)[:3] for i in (labels == label).nonzero()[:2, 0]]


def emptied(target: Any, index: int) -> Any:
    """The target of the same image with nothing in it: no object, no pixel that counts, a class for itself alone."""
    return row(EMPTIED, target, "emptying a target")(target, index)


EMPTIED: dict[type, Callable[[Any, int], Any]] = {
    InstanceTarget: lambda target, index: target[torch.zeros(len(target), dtype=torch.bool)],
    SemanticTarget: lambda target, index: replace(target, labels=torch.full_like(target.labels, VOID)),
    ClassTarget: lambda target, index: replace(target, label=torch.tensor(index), box_xyxy=None),
    EpisodeTarget: lambda target, index: target,  # a task always has classes
    PartTarget: lambda target, index: target,  # and a shape parts
    ImageTarget: lambda target, index: target,  # and a graph objects
}


# --- predictions beside their targets ---


def kind_measured(metric: Metric) -> type:
    """The kind of prediction that a metric takes, by the annotation of its ``update``."""
    hints = get_type_hints(inspect.unwrap(type(metric).update))
    kind: type = get_args(hints["predictions"])[0]
    return kind


def example(kind: type, index: int, *, right: bool = True) -> tuple[Any, Any]:
    """A prediction of ``kind`` and the target of the same image, number ``index``: all right, or all wrong."""
    return EXAMPLES[kind](index, right)


def target_example(kind: type, index: int = 0) -> Any:
    """A target of ``kind``."""
    return next(target for make in EXAMPLES.values() if type(target := make(index, True)[1]) is kind)


def as_batch(targets: Sequence[Any]) -> Batch:
    """Targets of `SIZE` with black images."""
    sizes = torch.tensor([SIZE] * len(targets)).reshape(-1, 2)
    pixels = torch.zeros(len(targets), 3, *SIZE, dtype=torch.uint8)
    return Batch(ImageBatch(pixels, sizes), list(targets), [f"image {i}" for i in range(len(targets))])


def _objects(index: int, right: bool) -> tuple[InstancePrediction, InstanceTarget]:
    left = float(index % 3) * 4
    boxes = torch.tensor([[left, 4, left + 12, 20], [30, 8 + left, 50, 24 + left]])
    labels = torch.tensor([index % 3, (index + 1) % 3])
    target = InstanceTarget(
        boxes_xyxy=boxes,
        labels=labels,
        areas=torch.tensor([12.0 * 16, 20.0 * 16]),
        is_crowd=torch.zeros(2, dtype=torch.bool),
        size=SIZE,
        image_id=index,
        masks=_filled(boxes),
        keypoints_xyv=_corners(boxes),
    )
    found = boxes if right else boxes + torch.tensor([9.0, 11.0, 9.0, 11.0])
    prediction = InstancePrediction(
        boxes_xyxy=found,
        labels=labels if right else (labels + 1) % 3,
        scores=torch.tensor([0.9, 0.8]),
        size=SIZE,
        masks=_filled(found),
        keypoints_xyv=_corners(found),
        keypoint_scores=torch.ones(2, 2),
    )
    return prediction, target


def _filled(boxes: Tensor) -> Tensor:
    masks = torch.zeros(len(boxes), *SIZE, dtype=torch.bool)
    for mask, (left, top, right, bottom) in zip(masks, boxes.int().tolist(), strict=True):
        mask[top:bottom, left:right] = True
    return masks


def _corners(boxes: Tensor) -> Tensor:
    """Two visible keypoints in two corners of each box."""
    corners = boxes.view(-1, 2, 2)
    return torch.cat([corners, torch.full((len(boxes), 2, 1), 2.0)], dim=2)


def _pixels(index: int, right: bool) -> tuple[SemanticPrediction, SemanticTarget]:
    labels = torch.zeros(SIZE, dtype=torch.uint8)
    labels[10:30, 5 * index : 5 * index + 20] = 1 + index % 2
    found = labels if right else (labels + 3).roll((7, 7), dims=(0, 1))
    target = SemanticTarget(labels.clone(), SIZE, image_id=index)
    target.labels[:2] = VOID
    return SemanticPrediction(found, torch.full(SIZE, 0.75), SIZE), target


def _class(index: int, right: bool) -> tuple[ClassPrediction, ClassTarget]:
    label, box = index // 2, torch.tensor([4.0, 4.0, 30.0, 30.0])
    order = [label, *(other for other in range(SCHEMA.num_classes) if other != label)]
    labels = torch.tensor(order if right else order[::-1])
    scores = torch.tensor([0.4, 0.2, 0.15, 0.1, 0.08, 0.05, 0.02])
    target = ClassTarget(torch.tensor(label), SIZE, image_id=index, box_xyxy=box)
    return ClassPrediction(labels, scores, SIZE, box if right else box + 25), target


def _embedding(index: int, right: bool) -> tuple[EmbeddingPrediction, ClassTarget]:
    """Two views of each class, either beside each other or each beside a view of another class."""
    label, view = divmod(index, 2)
    place = label if right else (label + view) % 3
    vector = torch.full((8,), 0.01 * view)
    vector[place] += 1
    return EmbeddingPrediction(vector, SIZE), ClassTarget(torch.tensor(label), SIZE, image_id=index, camera=view)


def _episode(index: int, right: bool) -> tuple[EpisodePrediction, EpisodeTarget]:
    """A task of two classes with two queries of each."""
    labels = torch.tensor([0, 1, 1, 0])
    scores = torch.tensor([[0.75, 0.25], [0.25, 0.75]])[labels if right else 1 - labels]
    return EpisodePrediction(scores, SIZE), EpisodeTarget(labels, torch.tensor([index % 3, 4]), SIZE, image_id=index)


def _parts(index: int, right: bool) -> tuple[PartPrediction, PartTarget]:
    """Pairs of shapes of one category, whose parts are numbered through over the categories."""
    label = index // 2
    first, count = (0, 2, 5)[label], (2, 3, 1)[label]
    labels = first + torch.arange(POINTS[0]) % count
    found = labels if right else (labels + 1) % 6
    target = PartTarget(labels, torch.tensor(label), POINTS, image_id=index)
    return PartPrediction(found, torch.full(POINTS, 0.75), POINTS), target


def input_example(kind: type) -> Any:
    """An input that a prediction or a target of ``kind`` may belong to: a black image, or a ball of points."""
    if kind in (PartPrediction, PartTarget):
        return a_ball(POINTS[0])
    return torch.zeros(3, *SIZE, dtype=torch.uint8)


def a_ball(count: int) -> PointCloud:
    """Points on a ball."""
    points = torch.randn(count, 3, generator=torch.Generator().manual_seed(count))
    points = points - points.mean(dim=0)
    points = points / points.norm(dim=1).max()
    return PointCloud(points, torch.nn.functional.normalize(points, dim=1))


def tensors_of(given: Any) -> list[Tensor]:
    """What an input of any kind holds."""
    return row(TENSORS, given, "looking into an input")(given)


TENSORS: dict[type, Callable[[Any], list[Tensor]]] = {
    Tensor: lambda image: [image],
    PointCloud: lambda cloud: [cloud.points],
    Episode: lambda episode: [*episode.support, *episode.queries],
    SceneGraph: lambda graph: [graph.labels, graph.attributes, graph.relationships],
}


def _graph(index: int, right: bool) -> tuple[GraphPrediction, InstanceTarget]:
    objects, target = _objects(index, right)
    attributes = torch.tensor([[True, False], [False, True]])
    relationships = torch.tensor([[0, index % 2, 1]])
    prediction = GraphPrediction(
        boxes_xyxy=objects.boxes_xyxy,
        labels=objects.labels,
        scores=torch.tensor([0.9, 0.9]),
        size=SIZE,
        attribute_scores=(attributes if right else ~attributes).float(),
        relationships=relationships,
        relationship_scores=torch.tensor([0.7]),
    )
    return prediction, replace(target, attributes=attributes, relationships=relationships)


def _made(index: int, right: bool) -> tuple[ImagePrediction, ImageTarget]:
    """An image as it should be with its layout, or a grey one."""
    objects, target = _objects(index, right)
    pixels = torch.randint(0, 256, (3, *SIZE), generator=torch.Generator().manual_seed(index), dtype=torch.uint8)
    pixels[index % 3] = 0
    real = ImageTarget(pixels, target.boxes_xyxy, target.labels, SIZE, image_id=index, masks=target.masks)
    made = pixels if right else torch.full_like(pixels, 128)
    return ImagePrediction(made, objects.boxes_xyxy, target.labels, objects.masks.float(), SIZE), real


EXAMPLES: Mapping[type, Callable[[int, bool], tuple[Any, Any]]] = {
    InstancePrediction: _objects,
    SemanticPrediction: _pixels,
    ClassPrediction: _class,
    EmbeddingPrediction: _embedding,
    EpisodePrediction: _episode,
    PartPrediction: _parts,
    GraphPrediction: _graph,
    ImagePrediction: _made,
}
"""By the kind of prediction: the prediction and the target of one image, all of it right or wrong. Images 0 to 5 are
enough for anything: pairs of them are of one class."""
