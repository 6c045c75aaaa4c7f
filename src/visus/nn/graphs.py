"""Graph convolution over triples of subject, predicate and object (Johnson et al. 2018, arXiv 1804.01622, section 3).

Every edge looks at its two objects and itself and says something to each of the three; what the edges say to an object
is averaged. An object without any edge hears zeros.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn


class GraphTripleConv(nn.Module):
    """One layer: new vectors of objects and of edges.

    Args:
        dim: of vectors, before and after.
        hidden: units between the two layers of each of its two perceptrons.
    """

    def __init__(self, *, dim: int, hidden: int) -> None:
        super().__init__()
        self.dim, self.hidden = dim, hidden
        self.edge = nn.Sequential(nn.Linear(3 * dim, hidden), nn.ReLU(), nn.Linear(hidden, 2 * hidden + dim), nn.ReLU())
        self.object = nn.Sequential(nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, dim), nn.ReLU())
        for layer in (*self.edge, *self.object):
            if isinstance(layer, nn.Linear):
                nn.init.kaiming_normal_(layer.weight)  # of torch's own, nothing is left behind ten layers

    def forward(
        self, objects: Float[Tensor, "n d"], edges: Float[Tensor, "m d"], ends: Int64[Tensor, "m 2"]
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, "m d"]]:
        """The new vectors of objects and edges; ``ends`` are the places of subjects and objects."""
        triples = torch.cat([objects[ends[:, 0]], edges, objects[ends[:, 1]]], dim=1)
        to_subject, new_edges, to_object = self.edge(triples).split([self.hidden, self.dim, self.hidden], dim=1)
        heard = averaged(torch.cat([to_subject, to_object]), ends.t().flatten(), len(objects))
        return self.object(heard), new_edges


class GraphConvolution(nn.Module):
    """Several such layers, one after the other.

    Args:
        layers: how many; none leaves objects as they are.
        dim: of vectors.
        hidden: as for `GraphTripleConv`.
        skip: whether the vectors of objects that go in are added to those that come out; the paper has no such
            shortcut. What an object is cannot be lost with it among what its neighbours are.
    """

    def __init__(self, *, layers: int, dim: int, hidden: int, skip: bool = False) -> None:
        super().__init__()
        self.skip = skip and layers > 0
        self.layers = nn.ModuleList(GraphTripleConv(dim=dim, hidden=hidden) for _ in range(layers))

    def forward(
        self, objects: Float[Tensor, "n d"], edges: Float[Tensor, "m d"], ends: Int64[Tensor, "m 2"]
    ) -> Float[Tensor, "n d"]:
        """The vectors of objects that know of their neighbours, as far away as there are layers."""
        first = objects
        for layer in self.layers:
            objects, edges = layer(objects, edges, ends)
        return objects + first if self.skip else objects


def averaged(values: Float[Tensor, "e d"], places: Int64[Tensor, " e"], count: int) -> Float[Tensor, "n d"]:
    """The mean of the values of each place out of ``count``; 0 where there is none."""
    sums = values.new_zeros(count, values.shape[1]).index_add(0, places, values)
    return sums / torch.bincount(places, minlength=count).clamp(min=1).to(values.dtype)[:, None]
