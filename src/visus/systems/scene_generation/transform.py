"""Graphs to batches, and images to the numbers that networks make and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from visus.nn.backbones.interface import IMAGENET_MEAN, IMAGENET_STD
from visus.ops.layout import windows
from visus.scenes import GraphBatch, SceneGraph, graph_batch
from visus.systems.scene_generation.outputs import Truth
from visus.types import ImageTarget

MOST_OBJECTS = 100
"""Of one graph."""


class GraphTransform(nn.Module):
    """Puts graphs into batches, and normalises the images that are learned from.

    Args:
        size: side of the images that are made, in pixels.
        num_attributes: attributes that an object may have.
        mean: the mean of each colour in units of 0..1.
        std: the standard deviation of each colour in units of 0..1.
    """

    one_frame = True
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        *,
        size: int,
        num_attributes: int,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
    ) -> None:
        super().__init__()
        self.size, self.num_attributes = size, num_attributes
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    def batch(self, inputs: Sequence[Any]) -> GraphBatch:
        """Graphs in one batch.

        Args:
            inputs: scene graphs; anything else is refused.

        Raises:
            ValueError: inputs that are no scene graphs, or a graph that has no object, too many, or relationships of
                objects that it does not have.
        """
        if not inputs:
            raise ValueError("cannot make a batch of no graphs")
        for one in inputs:
            if not isinstance(one, SceneGraph):
                what = f"{type(one).__name__} {list(one.shape)}" if isinstance(one, Tensor) else type(one).__name__
                raise ValueError(f"images are made of scene graphs (visus.scenes.SceneGraph), not of a {what}")
            self._check(one)
        return graph_batch(list(inputs))

    def frame(self, size: tuple[int, ...]) -> tuple[int, ...]:
        """Not asked, as all batches have one frame."""
        return self.size, self.size

    def truth(self, targets: Sequence[ImageTarget], mask_side: int) -> Truth:
        """What is annotated, in the size of the network; objects without an outline fill their boxes."""
        images, boxes, masks = [], [], []
        for target in targets:
            height, width = target.size
            pixels = target.pixels[None].to(self.mean.dtype) / 255
            images.append(F.interpolate(pixels, size=(self.size, self.size), mode="area"))
            shares = target.boxes_xyxy.to(pixels) / pixels.new_tensor([width, height, width, height])
            boxes.append(shares)
            masks.append(self._in_boxes(target, shares, mask_side))
        return Truth((torch.cat(images) - self.mean) / self.std, torch.cat(boxes), torch.cat(masks))

    def pixels(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
        """What a network made, in 0..1."""
        return (images * self.std + self.mean).clamp(0, 1)

    def _in_boxes(self, target: ImageTarget, boxes: Float[Tensor, "n 4"], side: int) -> Float[Tensor, "n k k"]:
        if target.masks is None:
            return boxes.new_ones(len(boxes), side, side)
        masks = F.interpolate(target.masks[:, None].to(boxes.dtype), size=(self.size, self.size), mode="area")
        return windows(masks, boxes, torch.arange(len(boxes), device=boxes.device), side)[:, 0]

    def _check(self, graph: SceneGraph) -> None:
        count = len(graph)
        if not count:
            raise ValueError("a scene graph without any object: there is nothing to make an image of")
        if count > MOST_OBJECTS:
            raise ValueError(f"a scene graph of {count} objects; at most {MOST_OBJECTS} go into an image")
        if graph.attributes.shape != (count, self.num_attributes):
            raise ValueError(
                f"attributes must be [{count}, {self.num_attributes}], one row an object, not "
                f"{list(graph.attributes.shape)}"
            )
        ends = graph.relationships[:, ::2]
        if len(ends) and not 0 <= int(ends.min()) <= int(ends.max()) < count:
            raise ValueError(f"a relationship names object {int(ends.max())} of a graph of {count}")
