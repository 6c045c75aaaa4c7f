"""Iterative message passing (Xu et al. 2017, arXiv 1701.02426): objects and relations tell each other what they are.

A recurrent unit holds the state of each object, another that of each pair. In every round an object gets the states of
its pairs, and a pair those of its two objects, weighted by learned gates (equations 1 and 2).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from visus.systems.scene_graphs.outputs import Scene


class MessagePassing(nn.Module):
    """Node and edge units, gates, and a classifier for each.

    Args:
        width: of the box head's vectors.
        hidden: of the states.
        num_classes: categories.
        num_predicates: predicates, without the background.
        rounds: how often messages pass.
    """

    def __init__(self, *, width: int, hidden: int, num_classes: int, num_predicates: int, rounds: int = 2) -> None:
        super().__init__()
        self.rounds = rounds
        self.node_input = nn.Linear(width + num_classes, hidden)
        self.node_unit, self.edge_unit = nn.GRUCell(hidden, hidden), nn.GRUCell(hidden, hidden)
        self.gates = nn.ModuleList(nn.Linear(2 * hidden, 1) for _ in range(4))
        self.classifier = nn.Linear(hidden, num_classes)
        self.predicates = nn.Linear(hidden, num_predicates + 1)

    def forward(self, scene: Scene) -> tuple[Float[Tensor, "n classes"], Float[Tensor, "p predicates"]]:
        """The logits of the classes of the objects, and of the predicates of each pair."""
        objects, (subjects, others) = scene.objects, scene.pairs.unbind(1)
        inputs = self.node_input(torch.cat([scene.vectors, objects.class_scores], dim=1))
        nodes = self.node_unit(inputs, torch.zeros_like(inputs))
        edges = self.edge_unit(scene.unions, torch.zeros_like(scene.unions))
        for _ in range(self.rounds):
            to_subject = self._gated(0, nodes[subjects], edges, edges)
            to_object = self._gated(1, nodes[others], edges, edges)
            messages = torch.zeros_like(nodes).index_add(0, subjects, to_subject.to(nodes))
            messages = messages.index_add(0, others, to_object.to(nodes))
            first = self._gated(2, nodes[subjects], edges, nodes[subjects])
            second = self._gated(3, nodes[others], edges, nodes[others])
            nodes, edges = self.node_unit(messages, nodes), self.edge_unit(first + second, edges)
        return self.classifier(nodes) + objects.class_scores.clamp(min=1e-4).log(), self.predicates(edges)

    def _gated(self, gate: int, nodes: Tensor, edges: Tensor, message: Tensor) -> Float[Tensor, "p hidden"]:
        """A message weighted by what both ends are."""
        return torch.sigmoid(self.gates[gate](torch.cat([nodes, edges], dim=1))) * message
