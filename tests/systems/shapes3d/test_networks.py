"""The networks for shapes: sizes, what they may not depend on, and their layers against loops."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from visus.clouds import PointBatch
from visus.nn.points.orthogonality import orthogonality_loss
from visus.nn.points.pointnet import TNet
from visus.nn.points.transform import some_points
from visus.systems.shapes3d import CLASSIFIERS, ShapeCriterion
from visus.systems.shapes3d.classifier import turned
from visus.systems.shapes3d.dgcnn import DGCNN, EdgeConv
from visus.systems.shapes3d.outputs import ShapeOutputs
from visus.systems.shapes3d.pointnet import PointNet
from visus.systems.shapes3d.pointnet2 import Ball, PointNet2, SetAbstraction
from visus.types import ClassTarget


def parameters(network: torch.nn.Module) -> int:
    return sum(one.numel() for one in network.parameters())


@pytest.mark.parametrize(("classes", "count"), [(10, 917_866), (40, 921_736)])
def test_voxnet_is_as_large_as_the_published_one(classes: int, count: int) -> None:
    assert parameters(CLASSIFIERS["voxnet"](num_classes=classes)) == count


def layers(*channels: int, norms: bool = True) -> int:
    """Weights, biases and norms of layers in a row."""
    return sum(a * b + b + 2 * b * norms for a, b in itertools.pairwise(channels))


def test_pointnet_has_the_layers_of_its_figure() -> None:
    """3.5 million parameters for 40 classes, as the paper's table 6 says."""
    t_nets = sum(layers(k, 64, 128, 1024) + layers(1024, 512, 256) + layers(256, k * k, norms=False) for k in (3, 64))
    body = layers(3, 64, 64) + layers(64, 64, 128, 1024) + layers(1024, 512, 256) + layers(256, 40, norms=False)
    assert parameters(PointNet(num_classes=40)) == t_nets + body
    assert round(parameters(PointNet(num_classes=40)) / 1e6, 1) == 3.5


def test_pointnet2_has_the_layers_of_its_paper() -> None:
    """1.48 million parameters (SSG), 1.74 million (MSG)."""
    count = layers(3, 64, 64, 128) + layers(131, 128, 128, 256) + layers(259, 256, 512, 1024)
    count += layers(1024, 512, 256) + layers(256, 40, norms=False)
    assert parameters(CLASSIFIERS["pointnet2_ssg"](num_classes=40)) == count
    assert round(count / 1e6, 2) == 1.48
    assert round(parameters(CLASSIFIERS["pointnet2_msg"](num_classes=40)) / 1e6, 2) == 1.75


def test_dgcnn_has_1_8_million_parameters() -> None:
    assert round(parameters(DGCNN(num_classes=40)) / 1e6, 2) == 1.81


CLOUD = torch.rand(2, 48, 3, generator=torch.Generator().manual_seed(0)) - 0.5


def networks() -> dict[str, torch.nn.Module]:
    torch.manual_seed(0)
    small = PointNet2(
        first=[Ball(0.3, 64, (8, 16)), Ball(0.5, 64, (8, 16))],
        second=[Ball(0.6, 64, (16, 32))],
        centres=(48, 48),
        num_classes=4,
    )
    return {"pointnet": PointNet(num_classes=4), "pointnet2": small, "dgcnn": DGCNN(num_classes=4, neighbours=6)}


@pytest.mark.parametrize("name", ["pointnet", "pointnet2", "dgcnn"])
def test_the_order_of_the_points_does_not_matter(name: str) -> None:
    """Where balls have room for all of their points, and every point is a centre."""
    network = networks()[name].eval()
    order = torch.randperm(48, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        one, other = network(CLOUD).logits, network(CLOUD[:, order]).logits
        moved = network(CLOUD + 0.05 * torch.randn(CLOUD.shape)).logits
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(one, moved, atol=1e-5), "it looks at the points at all"


def test_an_edge_conv_is_what_a_loop_over_edges_says() -> None:
    torch.manual_seed(0)
    conv = EdgeConv(3, 5, 4).eval()
    x = CLOUD[:1, :10]
    with torch.no_grad():
        found = conv(x)[0]
        for i in range(10):
            near = ((x[0] - x[0, i]) ** 2).sum(1).argsort()[:4]
            assert int(near[0]) == i, "a point is its own neighbour"
            edges = torch.stack([torch.cat([x[0, j] - x[0, i], x[0, i]]) for j in near])
            wanted = torch.nn.functional.leaky_relu(conv.norm(edges @ conv.linear.weight.t()), 0.2).amax(0)
            torch.testing.assert_close(found[i], wanted, rtol=1e-4, atol=1e-5)


def test_set_abstraction_is_what_a_loop_over_centres_says() -> None:
    torch.manual_seed(0)
    level = SetAbstraction(2, [Ball(0.4, 6, (5, 7))], 8).eval()
    features = torch.rand(1, 48, 2)
    with torch.no_grad():
        centres, found = level(CLOUD[:1], features)
        for centre, wanted in zip(centres[0], found[0], strict=True):
            inside = (((CLOUD[0] - centre) ** 2).sum(1) < 0.16).nonzero()[:6, 0]
            rows = torch.cat([CLOUD[0][inside] - centre, features[0][inside]], dim=1)
            out = level.layers[0](rows.t()[None, :, :, None]).amax(2)[0, :, 0]
            torch.testing.assert_close(wanted, out, rtol=1e-4, atol=1e-5)


def test_t_nets_start_as_the_identity() -> None:
    x = torch.rand(2, 3, 20)
    assert torch.equal(TNet(3).eval()(x), torch.eye(3).expand(2, 3, 3))


def test_the_regulariser_is_half_of_the_sum_over_the_batch() -> None:
    assert float(orthogonality_loss(2 * torch.eye(3)[None])) == 13.5
    assert float(orthogonality_loss(2 * torch.eye(3).expand(4, 3, 3))) == 4 * 13.5
    rotation = turned(torch.eye(3)[None], 0.7)
    assert float(orthogonality_loss(rotation)) == pytest.approx(0, abs=1e-10)


def test_the_criterion_smooths_and_regularises() -> None:
    logits = torch.tensor([[3.0, 0, 0], [0, 1, 0]])
    targets = [ClassTarget(torch.tensor(0), (9,)), ClassTarget(torch.tensor(2), (9,))]
    plain = ShapeCriterion()(ShapeOutputs(logits), targets)
    assert list(plain) == ["class"]
    assert float(plain["class"]) == pytest.approx(float(-logits.log_softmax(1)[[0, 1], [0, 2]].mean()))
    losses = ShapeCriterion(label_smoothing=0.2)(ShapeOutputs(logits, 2 * torch.eye(3)[None].repeat(2, 1, 1)), targets)
    assert float(losses["orthogonality"]) == pytest.approx(0.027)
    assert float(losses["class"]) > 0
    with pytest.raises(ValueError, match="label_smoothing"):
        ShapeCriterion(label_smoothing=1.0)


def test_turning_keeps_heights_and_distances_and_changes_the_rest() -> None:
    once = turned(CLOUD, math.pi / 3)
    assert torch.equal(once[..., 2], CLOUD[..., 2])
    torch.testing.assert_close(once.norm(dim=2), CLOUD.norm(dim=2))
    assert not torch.allclose(once[..., :2], CLOUD[..., :2], atol=0.1)
    torch.testing.assert_close(turned(once, -math.pi / 3), CLOUD)


def test_votes_are_the_mean_over_turns() -> None:
    torch.manual_seed(0)
    voting, single = (CLASSIFIERS["pointnet"](num_classes=3, points=48, votes=votes) for votes in (4, 1))
    single.load_state_dict(voting.state_dict())
    voting.eval()
    single.eval()
    with torch.no_grad():
        votes = voting(PointBatch(CLOUD)).logits
        each = [single(PointBatch(turned(CLOUD, math.tau * i / 4))).logits for i in range(4)]
    torch.testing.assert_close(votes, torch.stack(each).mean(0), rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="votes"):
        CLASSIFIERS["pointnet"](num_classes=3, votes=0)


def test_some_points_are_always_the_same_and_few_are_repeated() -> None:
    assert torch.equal(some_points(100, 30), some_points(100, 30))
    assert len(some_points(100, 30).unique()) == 30
    assert sorted(some_points(5, 10).tolist()) == sorted([*range(5)] * 2)
