"""What models of every kind of input are given in their contract, and what they learn from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from contracts.fakes import POINTS, a_ball
from visus import catalog
from visus.clouds import PointCloud
from visus.scenes import SceneGraph
from visus.types import (
    VOID,
    ClassTarget,
    Episode,
    EpisodeTarget,
    ImageBatch,
    ImageTarget,
    InstanceTarget,
    PartTarget,
    SemanticTarget,
)

SIZES = [(64, 96), (64, 64)]


def looked_at(name: str) -> type:
    """The kind of input that a model looks at."""
    return catalog.problem_of(name).inputs[0]


def inputs_of(name: str, model: Any) -> Any:
    """Two inputs as a model takes them."""
    return INPUTS[looked_at(name)](model)


def clouds(model: Any) -> Any:
    """Two balls of points."""
    return model.transform.batch([a_ball(POINTS[0]), squeezed(a_ball(POINTS[0]))])


def squeezed(cloud: PointCloud) -> PointCloud:
    return PointCloud(cloud.points * torch.tensor([1.0, 0.4, 0.7]), cloud.normals)


def images() -> ImageBatch:
    pixels = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    pixels[1, :, :, 64:] = 0
    return ImageBatch(pixels, torch.tensor(SIZES))


def in_own_frames(inputs: Any) -> Any:
    """The same inputs, of which images were of another size before."""
    return replace(inputs, originals=((128, 192), (32, 32))) if type(inputs) is ImageBatch else inputs


def tasks(side: int = 28) -> list[Episode]:
    """Two tasks of five classes, an image and two queries of each."""
    generator = torch.Generator().manual_seed(1)
    grey = torch.randint(0, 256, (2, 15, 1, side, side), generator=generator, dtype=torch.uint8)
    return [Episode(tuple(some[:5]), torch.arange(5), tuple(some[5:])) for some in grey.expand(-1, -1, 3, -1, -1)]


def graphs(attributes: int = 2) -> list[SceneGraph]:
    """Two graphs, of the objects that are learned from, in a schema of so many attributes."""
    found = []
    for place, one in enumerate(objects_of_each(empty=False, times=1)):
        wide = torch.zeros(len(one.labels), attributes, dtype=torch.bool)
        wide[:, :2] = one.attributes[:, :attributes]
        found.append(SceneGraph(one.labels, wide, one.relationships, one.size, seed=place))
    return found


INPUTS: dict[type, Callable[[Any], Any]] = {
    Tensor: lambda model: images(),
    PointCloud: clouds,
    Episode: lambda model: model.transform.batch(tasks()),
    SceneGraph: lambda model: model.transform.batch(graphs(model.transform.num_attributes)),
}
"""What a model is given, by the kind of input that it looks at."""


def episode_targets(empty: bool, times: int) -> list[EpisodeTarget]:
    """A task always has classes, and its targets know nothing of the size of its images."""
    labels = torch.arange(5).repeat(2)
    return [EpisodeTarget(labels, torch.arange(5), (140 * times, 84 * times), image_id=i) for i in range(2)]


def targets_of(name: str, *, empty: bool = False, times: int = 1) -> list[Any]:
    """What the problem of a model learns from; ``empty``: images in which there is nothing to learn."""
    problem = catalog.problem_of(name)
    kinds = problem.inputs[0], problem.targets[0]
    make = pair_of_classes if problem.unseen_classes and kinds == (Tensor, ClassTarget) else TARGETS[kinds]
    return make(empty, times)


def class_of_shapes(empty: bool, times: int) -> list[ClassTarget]:
    """A shape always has a class."""
    return [ClassTarget(torch.tensor(label), POINTS, image_id=label) for label in (0, 1)]


def parts_of_shapes(empty: bool, times: int) -> list[PartTarget]:
    """The parts of a shape of each of two categories; there is no shape without."""
    parts = torch.arange(POINTS[0])
    return [PartTarget(parts % 2, torch.tensor(0), POINTS, 0), PartTarget(0 * parts + 2, torch.tensor(1), POINTS, 1)]


def objects_of_each(empty: bool, times: int) -> list[InstanceTarget]:
    return [scaled(objects(0 if empty else count, size), times) for count, size in zip((2, 1), SIZES, strict=True)]


def pixels_of_each(empty: bool, times: int) -> list[SemanticTarget]:
    sizes = [(height * times, width * times) for height, width in SIZES]
    return [SemanticTarget(painted(size, empty), size, image_id=i) for i, size in enumerate(sizes)]


def class_of_each(empty: bool, times: int) -> list[ClassTarget]:
    box = None if empty else torch.tensor([10.0, 10.0, 40.0, 50.0]) * times
    return [replace(target, label=torch.tensor(2), box_xyxy=box) for target in pair_of_classes(False, times)]


def pair_of_classes(empty: bool, times: int) -> list[ClassTarget]:
    """Two images of one class; ``empty``: without any positive pair."""
    labels = (0, 1) if empty else (2, 2)
    return [
        ClassTarget(torch.tensor(label), (height * times, width * times), image_id=i)
        for i, (label, (height, width)) in enumerate(zip(labels, SIZES, strict=True))
    ]


def images_of_graphs(empty: bool, times: int) -> list[ImageTarget]:
    """A graph always has objects, so that its image shows some."""
    found = []
    for place, one in enumerate(objects_of_each(empty=False, times=times)):
        pixels = images().pixels[place, :, : one.size[0] // times, : one.size[1] // times]
        whole = (255 * pixels).to(torch.uint8).repeat_interleave(times, 1).repeat_interleave(times, 2)
        found.append(ImageTarget(whole, one.boxes_xyxy, one.labels, one.size, image_id=place, masks=one.masks))
    return found


TARGETS: dict[tuple[type, type], Callable[[bool, int], list[Any]]] = {
    (Tensor, InstanceTarget): objects_of_each,
    (Tensor, SemanticTarget): pixels_of_each,
    (Tensor, ClassTarget): class_of_each,
    (Episode, EpisodeTarget): episode_targets,
    (PointCloud, ClassTarget): class_of_shapes,
    (PointCloud, PartTarget): parts_of_shapes,
    (SceneGraph, ImageTarget): images_of_graphs,
}
"""What is learned from two inputs, by the kinds of input and target."""


def painted(size: tuple[int, int], empty: bool) -> torch.Tensor:
    labels = torch.full(size, VOID if empty else 0, dtype=torch.uint8)
    if not empty:
        labels[size[0] // 4 : size[0] // 2] = 1
        labels[:, : size[1] // 4] = 2
    return labels


def objects(count: int, size: tuple[int, int]) -> InstanceTarget:
    generator = torch.Generator().manual_seed(count)
    corner = torch.rand(count, 2, generator=generator) * 30
    boxes = torch.cat([corner, corner + 10 + 20 * torch.rand(count, 2, generator=generator)], 1)
    masks = torch.zeros(count, *size, dtype=torch.bool)
    for mask, box in zip(masks, boxes.int().tolist(), strict=True):
        mask[box[1] : box[3], box[0] : box[2]] = True
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    keypoints = torch.cat([middle, torch.full((count, 1), 2.0)], 1)[:, None].repeat(1, 2, 1)
    return InstanceTarget(
        boxes_xyxy=boxes,
        labels=torch.arange(count) % 3,
        areas=masks.flatten(1).sum(1).float(),
        is_crowd=torch.zeros(count, dtype=torch.bool),
        size=size,
        masks=masks,
        keypoints_xyv=keypoints,
        attributes=torch.arange(2) == torch.arange(count)[:, None] % 2,
        relationships=torch.tensor([[0, 1, 1]])[: count // 2],
    )


def scaled(one: InstanceTarget, times: int) -> InstanceTarget:
    return replace(
        one,
        boxes_xyxy=one.boxes_xyxy * times,
        areas=one.areas * times**2,
        size=(one.size[0] * times, one.size[1] * times),
        masks=one.masks.repeat_interleave(times, 1).repeat_interleave(times, 2),
        keypoints_xyv=one.keypoints_xyv * torch.tensor([times, times, 1.0]),
    )


def images_of_any_sizes(model: Any) -> tuple[list[Any], list[Any]]:
    """Images, and their frames."""
    generator, sizes = torch.Generator().manual_seed(2), [(70, 50), (40, 90), (64, 64)]
    return [torch.randint(0, 256, (3, *size), generator=generator, dtype=torch.uint8) for size in sizes], sizes


def clouds_of_any_sizes(model: Any) -> tuple[list[Any], list[Any]]:
    """Clouds; where parts are told of every point, all of one length."""
    whole = getattr(model.transform, "whole", False)
    sizes = [(70,), (70,), (70,)] if whole else [(70,), (20,), (64,)]
    return [a_ball(size[0]) for size in sizes], sizes


def tasks_of_any_sizes(model: Any) -> tuple[list[Any], list[Any]]:
    """Tasks, whose images have one size in each."""
    given = [tasks(side)[0] for side in (28, 20, 40)]
    return given, [task.size for task in given]


def graphs_of_any_sizes(model: Any) -> tuple[list[Any], list[Any]]:
    """Graphs whose images should be of these sizes."""
    sizes = [(70, 50), (40, 90), (64, 64)]
    return [replace(graphs()[0], size=size) for size in sizes], sizes


ANY_SIZES: dict[type, Callable[[Any], tuple[list[Any], list[Any]]]] = {
    Tensor: images_of_any_sizes,
    PointCloud: clouds_of_any_sizes,
    Episode: tasks_of_any_sizes,
    SceneGraph: graphs_of_any_sizes,
}
"""Three inputs of different sizes with their frames, by the kind of input."""
