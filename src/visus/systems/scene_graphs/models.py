"""Scene-graph networks for a CPU, on `visus.systems.detection.faster_rcnn.fasterrcnn_lite0_fpn`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from visus.names import named
from visus.problem import Builder
from visus.systems.detection.faster_rcnn import FasterRCNN, fasterrcnn_lite0_fpn
from visus.systems.scene_graphs.frequencies import Frequencies, FrequencyModel
from visus.systems.scene_graphs.heads import AttributeHead, NoUnions, UnionFeatures
from visus.systems.scene_graphs.imp import MessagePassing
from visus.systems.scene_graphs.motifs import Motifs
from visus.systems.scene_graphs.network import Mode, SceneGraphNetwork
from visus.systems.scene_graphs.vtranse import VTransE

_POOLED = 7
_ATTRIBUTE_WIDTH = 128


@dataclass(frozen=True)
class Sizes:
    """What a relation model is built for."""

    width: int
    hidden: int
    num_classes: int
    num_predicates: int


@dataclass(frozen=True)
class RelationModel:
    """A way to find relationships.

    Args:
        make: builds it from sizes and counts.
        unions: whether it looks at the boxes around pairs.
        overlap: whether unrelated pairs are counted only where boxes overlap.
    """

    make: Callable[[Sizes, Frequencies], nn.Module]
    unions: bool = False
    overlap: bool = False


def scene_graph_lite0(
    model: RelationModel,
    /,
    *,
    num_classes: int = 90,
    num_attributes: int = 0,
    num_predicates: int = 1,
    pretrained: bool = True,
    size: int = 192,
    hidden: int = 256,
    mode: Mode = "sgdet",
) -> SceneGraphNetwork:
    """A relation model on our small Faster R-CNN, which is frozen: start from the run of one (``init``).

    Args:
        num_classes: categories without the background.
        num_attributes: attributes that objects may have.
        num_predicates: predicates that relate objects.
        pretrained: start from the ImageNet weights.
        size: the shorter side of an image in pixels; the longer may be twice that.
        hidden: the width of the relation model.
        mode: what is given where there are targets: boxes and classes, boxes, or nothing.
    """
    detector: FasterRCNN = fasterrcnn_lite0_fpn(num_classes=num_classes, pretrained=pretrained, size=size)
    pyramid: Any = detector.backbone
    box_head: Any = detector.roi_heads.box_head
    frequencies = Frequencies(num_classes, num_predicates, overlap=model.overlap)
    sizes = Sizes(box_head.width, hidden, num_classes, num_predicates)
    return SceneGraphNetwork(
        detector=detector,
        relations=model.make(sizes, frequencies),
        attributes=AttributeHead(
            channels=pyramid.out_channels,
            pooled=_POOLED,
            hidden=_ATTRIBUTE_WIDTH,
            num_classes=num_classes,
            num_attributes=num_attributes,
        ),
        unions=UnionFeatures(pyramid.out_channels, _POOLED, hidden) if model.unions else NoUnions(),
        frequencies=frequencies,
        mode=mode,
    )


def _motifs(sizes: Sizes, frequencies: Frequencies) -> Motifs:
    return Motifs(width=sizes.width, hidden=sizes.hidden, frequencies=frequencies)


def _imp(sizes: Sizes, frequencies: Frequencies) -> MessagePassing:
    return MessagePassing(
        width=sizes.width,
        hidden=sizes.hidden,
        num_classes=sizes.num_classes,
        num_predicates=sizes.num_predicates,
    )


def _vtranse(sizes: Sizes, frequencies: Frequencies) -> VTransE:
    return VTransE(
        width=sizes.width,
        hidden=sizes.hidden,
        num_classes=sizes.num_classes,
        num_predicates=sizes.num_predicates,
    )


def _freq(sizes: Sizes, frequencies: Frequencies) -> FrequencyModel:
    return FrequencyModel(frequencies)


_RELATION_MODELS: dict[str, tuple[RelationModel, str]] = {
    "motifs_lite0": (RelationModel(_motifs, unions=True), "Neural Motifs: objects in the context of all others."),
    "vtranse_lite0": (RelationModel(_vtranse), "VTransE: a predicate is the step from the subject to the object."),
    "imp_lite0": (RelationModel(_imp, unions=True), "Iterative message passing between objects and pairs."),
    "freq_lite0": (RelationModel(_freq), "FREQ: predicates by classes alone."),
    "freq_overlap_lite0": (RelationModel(_freq, overlap=True), "FREQ+OVERLAP: the same, where boxes overlap."),
}
MODELS: dict[str, Builder] = {
    name: named(name, scene_graph_lite0, model, about) for name, (model, about) in _RELATION_MODELS.items()
}
