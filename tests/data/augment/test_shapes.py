"""What each change of a shape changes, and what it leaves."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from contracts.fakes import a_ball
from visus.clouds import PointCloud
from visus.data.augment.mirror import Mirror
from visus.data.augment.shapes import ShapeAugment
from visus.types import ClassTarget, PartTarget, Sample

BALL = a_ball(200)
SQUEEZED = PointCloud(BALL.points * torch.tensor([1.0, 0.5, 0.25]), BALL.normals)
SAMPLE = Sample(SQUEEZED, ClassTarget(torch.tensor(0), SQUEEZED.frame, 3), "ball")


def changed(seed: int = 0, sample: Sample = SAMPLE, **options: Any) -> Sample:
    return ShapeAugment(**options)(sample, torch.Generator().manual_seed(seed))


def in_order(cloud: PointCloud, seed: int = 0) -> torch.Tensor:
    """The points in the order of the cloud before: the first draw is the order."""
    order = torch.randperm(len(cloud), generator=torch.Generator().manual_seed(seed))
    return cloud.points[order.argsort()]


def test_without_options_only_the_order_changes() -> None:
    cloud = changed().input
    assert not torch.equal(cloud.points, SQUEEZED.points)
    assert torch.equal(in_order(cloud), SQUEEZED.points)


def test_a_turn_keeps_heights_and_distances() -> None:
    points = in_order(changed(rotate=180.0).input)
    assert torch.equal(points[:, 2], SQUEEZED.points[:, 2])
    torch.testing.assert_close(points[:, :2].norm(dim=1), SQUEEZED.points[:, :2].norm(dim=1))
    assert not torch.allclose(points, SQUEEZED.points, atol=1e-3)
    angles = []
    for seed in range(40):
        x, y = in_order(changed(seed, rotate=30.0).input, seed)[0, :2]
        a, b = SQUEEZED.points[0, :2]
        angles.append(float(torch.rad2deg(torch.atan2(a * y - b * x, a * x + b * y))))
    assert max(map(abs, angles)) <= 30.001
    assert max(angles) > 15
    assert min(angles) < -15


def test_normals_turn_with_the_points() -> None:
    sample = Sample(BALL, ClassTarget(torch.tensor(0), BALL.frame), "")
    cloud = changed(3, sample, rotate=180.0).input
    outwards = torch.nn.functional.normalize(cloud.points, dim=1)
    assert float((outwards * cloud.normals).sum(1).min()) > 0.99


def test_scale_and_shift() -> None:
    scaled = in_order(changed(scale=(2.0, 2.0)).input)
    torch.testing.assert_close(scaled, 2 * SQUEEZED.points)
    shift = in_order(changed(translate=0.2).input) - SQUEEZED.points
    torch.testing.assert_close(shift, shift[:1].expand_as(shift), rtol=0, atol=1e-6)
    assert 0 < float(shift.abs().max()) <= 0.2
    ratio = in_order(changed(stretch=1.5).input) / SQUEEZED.points
    torch.testing.assert_close(ratio, ratio[:1].expand_as(ratio), rtol=1e-3, atol=1e-4)
    assert 1 / 1.5 <= float(ratio.min()) < float(ratio.max()) <= 1.5


def test_noise_is_limited_to_five_deviations() -> None:
    moved = in_order(changed(jitter=0.01).input) - SQUEEZED.points
    assert float(moved.std()) == pytest.approx(0.01, rel=0.2)
    assert float(moved.abs().max()) <= 0.0501


def test_a_mirror_changes_the_side_of_points_and_of_labels() -> None:
    mirror = Mirror(categories=(1, 0))
    sample = changed(flip=1.0, mirror=mirror)
    torch.testing.assert_close(in_order(sample.input), SQUEEZED.points * torch.tensor([-1.0, 1, 1]))
    assert int(sample.target.label) == 1
    refused = changed(flip=1.0, mirror=Mirror(refusals=("a shoe has a side",)))
    assert torch.equal(in_order(refused.input), SQUEEZED.points)


def test_parts_stay_with_their_points() -> None:
    parts = (SQUEEZED.points[:, 2] > 0).long()
    sample = Sample(SQUEEZED, PartTarget(parts, torch.tensor(0), SQUEEZED.frame), "")
    found = changed(1, sample, rotate=180.0)
    assert torch.equal(found.target.labels, (found.input.points[:, 2] > 0).long())


@pytest.mark.parametrize("options", [{"scale": (2.0, 1.0)}, {"stretch": 0.5}, {"jitter": -0.1}])
def test_wrong_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        ShapeAugment(**options)
