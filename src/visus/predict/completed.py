"""What a scene graph leaves open and a generator needs: what is behind the objects, and who stands left of whom.

Generators learn from graphs in which every object has a relationship by its place (`visus.ops.graphs.GEOMETRIC`). Where
boxes are given these follow from them; elsewhere they are drawn from the seed of the graph, so that another seed gives
another arrangement.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from random import Random

import torch

from visus.ops.graphs import GEOMETRIC, geometric_relation
from visus.scenes import SceneGraph
from visus.types import Schema

_SIDE_BY_SIDE = ("next to", "beside", "near", "by")
"""Predicates that say that one thing is left of another, and not which."""


def completed(graph: SceneGraph, schema: Schema) -> SceneGraph:
    """The graph with a backdrop, where the schema knows some and the graph names none, and an arrangement.

    Objects that are added stand behind those of the graph.
    """
    rng = Random(f"visus scene {graph.seed}")
    count = len(graph)
    graph = _with_backdrop(graph, schema, rng)
    if any(name not in schema.predicates for name in GEOMETRIC):
        return graph
    rows = [*_by_boxes(graph, schema, rng), *_by_chance(graph, count, schema, rng), *_layers(graph, count, schema)]
    added = torch.tensor(rows, dtype=torch.int64).reshape(-1, 3)
    return replace(graph, relationships=torch.cat([graph.relationships, added]))


def _with_backdrop(graph: SceneGraph, schema: Schema, rng: Random) -> SceneGraph:
    known = {schema.categories.index(name) for names in schema.backdrops for name in names}
    if not schema.backdrops or known & set(graph.labels.tolist()):
        return graph
    labels = [schema.categories.index(name) for name in rng.choice(schema.backdrops)]
    plain = graph.attributes.new_zeros(len(labels), graph.attributes.shape[1])
    nowhere = torch.full((len(labels), 4), torch.nan)
    return replace(
        graph,
        labels=torch.cat([graph.labels, torch.tensor(labels)]),
        attributes=torch.cat([graph.attributes, plain]),
        boxes_xyxy=torch.cat([graph.boxes, nowhere]),
    )


def _by_boxes(graph: SceneGraph, schema: Schema, rng: Random) -> list[tuple[int, int, int]]:
    """A relationship of each object with a box to another with one, by these."""
    known = graph.boxes.isfinite().all(dim=1).nonzero()[:, 0].tolist()
    rows = []
    for place in known if len(known) > 1 else []:
        other = rng.choice([one for one in known if one != place])
        name = GEOMETRIC[geometric_relation(graph.boxes[place], graph.boxes[other])]
        rows.append((place, schema.predicates.index(name), other))
    return rows


def _by_chance(graph: SceneGraph, count: int, schema: Schema, rng: Random) -> list[tuple[int, int, int]]:
    """Groups of related things in an order from left to right, and the order of those that stand side by side."""
    left, right = (schema.predicates.index(name) for name in ("left of", "right of"))
    open_places = set(range(count)) - set(graph.boxes.isfinite().all(dim=1).nonzero()[:, 0].tolist())
    rows = []
    beside = [(i, j) for i, number, j in graph.relationships.tolist() if schema.predicates[number] in _SIDE_BY_SIDE]
    for i, j in dict.fromkeys(tuple(sorted(pair)) for pair in beside):
        if {i, j} & open_places:
            rows.append((i, rng.choice((left, right)), j))
    groups = [group for group in _groups(graph, count) if set(group) & open_places]
    rng.shuffle(groups)
    for first, second in pairwise(groups):
        rows.append((rng.choice(first), left, rng.choice(second)))
    return rows


def _groups(graph: SceneGraph, count: int) -> list[list[int]]:
    """The things that hang together by their relationships."""
    group = list(range(len(graph)))
    for subject, _, object_ in graph.relationships.tolist():
        old, new = group[object_], group[subject]
        group = [new if one == old else one for one in group]
    members: dict[int, list[int]] = {}
    for place in range(count):
        members.setdefault(group[place], []).append(place)
    return list(members.values())


def _layers(graph: SceneGraph, count: int, schema: Schema) -> list[tuple[int, int, int]]:
    """What was added behind the objects lies in layers, the first on top."""
    above = schema.predicates.index("above")
    return [(place, above, place + 1) for place in range(count, len(graph) - 1)]
