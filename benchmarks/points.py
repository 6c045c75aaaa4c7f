"""Operators on point clouds against fpsample (C++) and plain PyTorch.

Run ``python benchmarks/points.py --threads 1``. Farthest point sampling is compared with fpsample's ``fps_sampling``,
the same algorithm in C++, cloud by cloud as it works, and with its ``bucket_fps_kdline_sampling``, which divides a
cloud by a tree. Neighbours are compared with ``torch.cdist`` and ``topk``, and with torch-geometric's ``L2KNNIndex``
(faiss; its ``knn`` needs a compiled extension), a ball query and an edge convolution with the way that published
PyTorch code goes: sorted indices, and a convolution of all edges. A step of PointNet's training (forward, both losses,
backward, Adam) is compared with the same network of torch-geometric's ``MLP``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from interleaved import Cases, run
from torch import Tensor

FARTHEST = ((16, 1024, 128), (32, 2048, 256), (1, 50_000, 4096))
NEAREST = ((8, 1024), (8, 8192))
NEIGHBOURS, RADIUS, SAMPLES = 20, 0.2, 32
CLOUDS, POINTS, CLASSES = 16, 1024, 40


def clouds(batch: int, length: int) -> Tensor:
    return torch.rand(batch, length, 3, generator=torch.Generator().manual_seed(length))


def with_names(
    farthest: Callable[..., Any],
    tree: Callable[..., Any],
    nearest: Callable[..., Any],
    indexed: Callable[..., Any],
    ball: Callable[..., Any],
) -> dict[str, Callable[[], object]]:
    cases: dict[str, Callable[[], object]] = {}
    for batch, length, count in FARTHEST:
        points = clouds(batch, length)
        cases[f"farthest points {batch} x {length} -> {count}"] = partial(farthest, points, count)
        cases[f"farthest points {batch} x {length} -> {count}, peer with a tree"] = partial(tree, points, count)
    for batch, length in NEAREST:
        points = clouds(batch, length)
        cases[f"{NEIGHBOURS} nearest points {batch} x {length}, cdist and topk"] = partial(nearest, points, NEIGHBOURS)
        cases[f"{NEIGHBOURS} nearest points {batch} x {length}, L2KNNIndex"] = partial(indexed, points, NEIGHBOURS)
    points = clouds(16, 1024)
    cases["ball query 16 x 1024, 512 centres"] = partial(ball, points, points[:, :512])
    return cases


def ours() -> Cases:
    from visus.ops.points import ball_query, farthest_points, nearest_points
    from visus.systems.shapes3d.dgcnn import EdgeConv
    from visus.systems.shapes3d.losses import ShapeCriterion
    from visus.systems.shapes3d.pointnet import PointNet
    from visus.types import ClassTarget

    def nearest(points: Tensor, count: int) -> Tensor:
        return nearest_points(points, points, count)

    cases = with_names(
        farthest_points,
        farthest_points,
        nearest,
        nearest,
        lambda points, centres: ball_query(points, centres, RADIUS, SAMPLES),
    )
    layer, features = EdgeConv(64, 64, NEIGHBOURS), torch.rand(4, 512, 64)
    network, criterion = PointNet(num_classes=CLASSES), ShapeCriterion()
    targets = [ClassTarget(torch.tensor(place), (1, 1)) for place in range(CLOUDS)]
    step = trained(network, lambda points: sum(criterion(network(points), targets).values()))
    return {**cases, **of_networks(layer, features, step)}


def theirs() -> Cases:
    import fpsample
    import numpy as np
    from torch_geometric.nn.pool import L2KNNIndex

    def farthest(points: Tensor, count: int) -> Any:
        return np.stack([fpsample.fps_sampling(one.numpy(), count, start_idx=0) for one in points])

    def by_tree(points: Tensor, count: int) -> Any:
        height = 3 if points.shape[1] < 10_000 else 7  # as its documentation advises
        found = [fpsample.bucket_fps_kdline_sampling(one.numpy(), count, h=height, start_idx=0) for one in points]
        return np.stack(found)

    def nearest(points: Tensor, count: int) -> Tensor:
        return torch.stack([torch.cdist(one, one).topk(count, largest=False).indices for one in points])

    def indexed(points: Tensor, count: int) -> Tensor:
        return torch.stack([L2KNNIndex(one).search(one, count).index for one in points])

    cases = with_names(farthest, by_tree, nearest, indexed, sorted_ball)
    layer, features = EveryEdge(64, 64), torch.rand(4, 512, 64)
    network, labels = plain_pointnet(), torch.arange(CLOUDS)

    def loss(points: Tensor) -> Tensor:
        logits, matrices = network(points)
        far = (matrices @ matrices.mT - torch.eye(64)).square().sum()
        return torch.nn.functional.cross_entropy(logits, labels) + 0.0005 * far

    return {**cases, **of_networks(layer, features, trained(network, loss))}


def of_networks(layer: torch.nn.Module, features: Tensor, step: Callable[[Tensor], None]) -> Cases:
    return {
        "edge convolution 4 x 512, 64 channels": partial(backward, layer, features),
        f"PointNet, a step of training, {CLOUDS} x {POINTS}": partial(step, clouds(CLOUDS, POINTS)),
    }


def trained(network: torch.nn.Module, loss: Callable[[Tensor], Any]) -> Callable[[Tensor], None]:
    """A step of training."""
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)

    def step(points: Tensor) -> None:
        optimizer.zero_grad()
        loss(points).backward()
        optimizer.step()

    return step


def plain_pointnet() -> torch.nn.Module:
    """PointNet of torch-geometric's layers: logits, and the matrices that align features."""
    from torch_geometric.nn import MLP

    def shared(*channels: int) -> torch.nn.Module:
        return MLP(list(channels), plain_last=False)

    class Align(torch.nn.Module):
        def __init__(self, channels: int) -> None:
            super().__init__()
            self.channels = channels
            self.points, self.cloud = shared(channels, 64, 128, 1024), shared(1024, 512, 256)
            self.matrix = torch.nn.Linear(256, channels * channels)

        def forward(self, x: Tensor) -> Tensor:
            """The matrix of each cloud."""
            features = self.cloud(self.points(x.flatten(0, 1)).view(len(x), -1, 1024).amax(1))
            return self.matrix(features).view(-1, self.channels, self.channels) + torch.eye(self.channels)

    class Plain(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.align_points, self.align_features = Align(3), Align(64)
            self.first, self.second = shared(3, 64, 64), shared(64, 64, 128, 1024)
            self.head = MLP([1024, 512, 256, CLASSES], dropout=0.3)

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            """Logits and matrices."""
            x = x @ self.align_points(x)
            x = self.first(x.flatten(0, 1)).view(len(x), -1, 64)
            matrices = self.align_features(x)
            x = x @ matrices
            return self.head(self.second(x.flatten(0, 1)).view(len(x), -1, 1024).amax(1)), matrices

    return Plain()


def sorted_ball(points: Tensor, centres: Tensor) -> Tensor:
    batch, length, _ = points.shape
    index = torch.arange(length).expand(batch, centres.shape[1], -1).clone()
    index[torch.cdist(centres, points) > RADIUS] = length
    index = index.sort(dim=-1).values[..., :SAMPLES]
    first = index[..., :1].expand_as(index)
    return torch.where(index == length, first, index)


class EveryEdge(torch.nn.Module):
    """An edge convolution that multiplies the features of every edge."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Conv2d(2 * inputs, outputs, 1, bias=False),
            torch.nn.BatchNorm2d(outputs),
            torch.nn.LeakyReLU(0.2),
        )

    def forward(self, x: Tensor) -> Tensor:
        """The maximum over the edges of each point."""
        index = torch.stack([torch.cdist(one, one).topk(NEIGHBOURS, largest=False).indices for one in x])
        near = torch.stack([one[places] for one, places in zip(x, index, strict=True)])
        own = x[:, :, None].expand_as(near)
        edges = torch.cat([near - own, own], dim=3).permute(0, 3, 1, 2)
        return self.layers(edges).amax(dim=3)


def backward(layer: torch.nn.Module, features: Tensor) -> None:
    layer.zero_grad()
    layer(features).sum().backward()


if __name__ == "__main__":
    sizes = {"farthest points": FARTHEST, "neighbours": NEIGHBOURS, "radius": RADIUS, "samples of a ball": SAMPLES}
    run(__file__, ours, theirs, sizes, peer=Path(sys.executable))
