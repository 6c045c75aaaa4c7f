"""Graph convolution against closed forms and a slow loop."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from visus.nn.graphs import GraphConvolution, GraphTripleConv, averaged


def layer(dim: int = 4, hidden: int = 6) -> GraphTripleConv:
    torch.manual_seed(0)
    return GraphTripleConv(dim=dim, hidden=hidden)


def slowly(conv: GraphTripleConv, objects: Tensor, edges: Tensor, ends: Tensor) -> tuple[Tensor, Tensor]:
    """Edge by edge, as the paper says it."""
    said: list[list[Tensor]] = [[] for _ in objects]
    new_edges = []
    for edge, (subject, object_) in zip(edges, ends.tolist(), strict=True):
        triple = conv.edge(torch.cat([objects[subject], edge, objects[object_]]))
        said[subject].append(triple[: conv.hidden])
        new_edges.append(triple[conv.hidden : conv.hidden + conv.dim])
        said[object_].append(triple[conv.hidden + conv.dim :])
    heard = [torch.stack(some).mean(0) if some else torch.zeros(conv.hidden) for some in said]
    return conv.object(torch.stack(heard)), torch.stack(new_edges)


def test_it_is_the_slow_loop() -> None:
    conv, objects, edges = layer(), torch.randn(5, 4), torch.randn(7, 4)
    ends = torch.tensor([[0, 1], [1, 0], [2, 3], [0, 3], [3, 3], [2, 0], [1, 2]])
    for fast, slow in zip(conv(objects, edges, ends), slowly(conv, objects, edges, ends), strict=True):
        torch.testing.assert_close(fast, slow)


def test_an_object_without_edges_hears_zeros() -> None:
    conv, objects = layer(), torch.randn(3, 4)
    new, edges = conv(objects, torch.randn(1, 4), torch.tensor([[0, 1]]))
    torch.testing.assert_close(new[2], conv.object(torch.zeros(6)))
    assert edges.shape == (1, 4)
    alone, none = conv(objects, torch.zeros(0, 4), torch.zeros(0, 2, dtype=torch.int64))
    torch.testing.assert_close(alone, conv.object(torch.zeros(3, 6)))
    assert none.shape == (0, 4)


def test_the_order_of_the_triples_changes_nothing() -> None:
    conv, objects, edges = layer(), torch.randn(4, 4), torch.randn(6, 4)
    ends, order = torch.randint(0, 4, (6, 2)), torch.randperm(6)
    (new, new_edges), (other, other_edges) = conv(objects, edges, ends), conv(objects, edges[order], ends[order])
    torch.testing.assert_close(new, other)
    torch.testing.assert_close(new_edges[order], other_edges)


def test_renaming_the_objects_renames_what_comes_out() -> None:
    conv, objects, edges, ends = layer(), torch.randn(4, 4), torch.randn(6, 4), torch.randint(0, 4, (6, 2))
    order = torch.randperm(4)
    places = order.argsort()
    torch.testing.assert_close(conv(objects, edges, ends)[0][order], conv(objects[order], edges, places[ends])[0])


def test_a_single_triple_through_networks_that_change_nothing() -> None:
    """The three vectors come back, each where it belongs."""
    conv = GraphTripleConv(dim=2, hidden=2)
    conv.edge, conv.object = nn.Identity(), nn.Identity()
    objects, edge = torch.tensor([[1.0, 2.0], [5.0, 6.0]]), torch.tensor([[3.0, 4.0]])
    new, edges = conv(objects, edge, torch.tensor([[0, 1]]))
    assert torch.equal(new, objects)
    assert torch.equal(edges, edge)


def test_layers_reach_as_far_as_there_are() -> None:
    """In a chain of objects, the last one knows of the first through three layers and not through two."""
    ends = torch.tensor([[0, 1], [1, 2], [2, 3]])
    edges = torch.randn(3, 8)
    for layers, reaches in ((2, False), (3, True)):
        torch.manual_seed(1)
        conv = GraphConvolution(layers=layers, dim=8, hidden=32)
        objects = torch.randn(4, 8)
        moved = objects.clone()
        moved[0] += 10
        changed = not torch.equal(conv(objects, edges, ends)[3], conv(moved, edges, ends)[3])
        assert changed == reaches


def test_no_layers_leave_objects_as_they_are() -> None:
    objects = torch.randn(3, 4)
    conv = GraphConvolution(layers=0, dim=4, hidden=8)
    assert conv(objects, torch.randn(1, 4), torch.tensor([[0, 1]])) is objects


@pytest.mark.parametrize("count", [1, 4])
def test_means_of_places(count: int) -> None:
    values = torch.tensor([[1.0], [3.0], [8.0]])
    found = averaged(values, torch.tensor([0, 0, 0]), count)
    assert found[:, 0].tolist() == [4.0] + [0.0] * (count - 1)
