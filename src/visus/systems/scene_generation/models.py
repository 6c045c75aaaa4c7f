"""Generators of images from scene graphs."""

from __future__ import annotations

import math

from visus.nn.graphs import GraphConvolution
from visus.systems.scene_generation.generator import GraphWords, SceneGenerator
from visus.systems.scene_generation.heads import BoxHead, MaskHead, NoMaskHead
from visus.systems.scene_generation.refinement import FIRST_SIDE, RefinementNetwork
from visus.systems.scene_generation.transform import GraphTransform

_LAYERS = 5
_HIDDEN = 4
"""Units of the perceptrons for each dimension of the vectors: 512 for 128, as in the paper."""


def scene_generator(
    *,
    num_classes: int = 13,
    num_attributes: int = 0,
    num_predicates: int = 1,
    masks: bool = True,
    size: int = 64,
    dim: int = 128,
    noise: int = 32,
    width: int = 64,
    graph_convolution: bool = True,
    skip: bool = False,
    own_masks: float = 0.0,
) -> SceneGenerator:
    """Images from scene graphs, arXiv 1804.01622; the defaults are the paper's network.

    Args:
        num_classes: categories of objects.
        num_attributes: attributes that objects may have.
        num_predicates: predicates that relate objects.
        masks: whether outlines are predicted.
        size: side of the image in pixels: 64, 128 or another power of 2.
        dim: of the vectors of objects and relationships.
        noise: channels of noise beside the layout.
        width: channels of the last module of the refinement network; the first has 16 times as many.
        graph_convolution: whether objects know of their relationships; the paper's ablation.
        skip: whether the graph convolution adds to the vectors of objects; the paper's replaces them.
        own_masks: the share of outlines in training's layouts that are predicted, not annotated; the paper's is 0.

    Raises:
        ValueError: a size that is no power of 2 from 8 on.
    """
    if size < 2 * FIRST_SIDE or not math.log2(size).is_integer():
        raise ValueError(f"size must be a power of 2 from {2 * FIRST_SIDE} on, such as 64 or 128, not {size}")
    hidden = _HIDDEN * dim
    return SceneGenerator(
        transform=GraphTransform(size=size, num_attributes=num_attributes),
        words=GraphWords(
            num_classes=num_classes, num_attributes=num_attributes, num_predicates=num_predicates, dim=dim
        ),
        convolution=GraphConvolution(layers=_LAYERS if graph_convolution else 0, dim=dim, hidden=hidden, skip=skip),
        box_head=BoxHead(dim=dim, hidden=hidden),
        mask_head=MaskHead(dim=dim) if masks else NoMaskHead(),
        refinement=RefinementNetwork(layout=dim + noise, size=size, width=width),
        noise=noise,
        own_masks=own_masks,
    )
