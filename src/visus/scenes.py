"""Scene graphs as inputs: what an image is to be made of, and the batches that generators look at.

| letter | axis                                  |
|--------|---------------------------------------|
| n      | objects of a graph, or of all         |
| m      | relationships of a graph, or of all   |
| b      | graphs of a batch                     |
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from visus.targets import OnDevice

NOWHERE = float("nan")
"""The edges of boxes that nobody gave."""


@dataclass(frozen=True)
class SceneGraph(OnDevice):
    """The objects of an image that is to be made, their attributes, and how they are related.

    A row of ``relationships`` holds the index of the subject, the number of the predicate in the schema, and the index
    of the object.

    Args:
        labels: the categories of the objects.
        attributes: which of the schema's attributes each object has.
        relationships: subjects, predicates, objects.
        size: the (h, w) of the image, in pixels.
        boxes_xyxy: where objects should be, in those pixels; rows of `NOWHERE` are left to the generator, and so are
            all for None.
        seed: of everything that the graph leaves open.
    """

    labels: Int64[Tensor, " n"]
    attributes: Bool[Tensor, "n attributes"]
    relationships: Int64[Tensor, "m 3"]
    size: tuple[int, int]
    boxes_xyxy: Float[Tensor, "n 4"] | None = None
    seed: int = 0

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def boxes(self) -> Float[Tensor, "n 4"]:
        """The boxes, those that nobody gave as `NOWHERE`."""
        return torch.full((len(self), 4), NOWHERE) if self.boxes_xyxy is None else self.boxes_xyxy


@dataclass(frozen=True)
class GraphBatch(OnDevice):
    """Several graphs as one of many parts: objects, and relationships by their places among the objects of all.

    ``image_index`` is the number of the graph that an object belongs to; ``shares_xyxy`` holds the boxes as shares of
    the sides of the image.
    """

    labels: Int64[Tensor, " n"]
    attributes: Bool[Tensor, "n attributes"]
    image_index: Int64[Tensor, " n"]
    relationships: Int64[Tensor, "m 3"]
    shares_xyxy: Float[Tensor, "n 4"]
    sizes: tuple[tuple[int, int], ...]
    seeds: tuple[int, ...]

    @property
    def frames(self) -> list[tuple[int, ...]]:
        """The (h, w) of each image."""
        return list(self.sizes)

    def __len__(self) -> int:
        return len(self.sizes)


def graph_batch(graphs: list[SceneGraph]) -> GraphBatch:
    """Graphs in one batch, which needs at least one."""
    counts = [len(graph) for graph in graphs]
    starts = [sum(counts[:place]) for place in range(len(graphs))]
    moved = [graph.relationships + torch.tensor([s, 0, s]) for graph, s in zip(graphs, starts, strict=True)]
    shares = [graph.boxes / torch.tensor([graph.size[1], graph.size[0]] * 2) for graph in graphs]
    return GraphBatch(
        labels=torch.cat([graph.labels for graph in graphs]),
        attributes=torch.cat([graph.attributes for graph in graphs]),
        image_index=torch.arange(len(graphs)).repeat_interleave(torch.tensor(counts)),
        relationships=torch.cat(moved),
        shares_xyxy=torch.cat(shares),
        sizes=tuple(graph.size for graph in graphs),
        seeds=tuple(graph.seed for graph in graphs),
    )
