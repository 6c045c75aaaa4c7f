"""Frechet distance and score against closed forms, and what the metric makes of layouts."""

from __future__ import annotations

import math

import pytest
import torch

from contracts.fakes import as_batch, example
from visus.metrics.generation import GenerationMetric, frechet_distance, inception_score
from visus.types import ImagePrediction


def test_normal_distributions_of_one_dimension() -> None:
    """(a - b)^2 + (s - t)^2 for means a, b and deviations s, t."""
    one = torch.tensor([[-1.0], [1.0]], dtype=torch.float64)  # mean 0, variance 2
    other = torch.tensor([[1.0], [7.0]], dtype=torch.float64)  # mean 4, variance 18
    assert frechet_distance(one, other) == pytest.approx(16 + (math.sqrt(18) - math.sqrt(2)) ** 2)


def test_against_the_root_of_a_matrix() -> None:
    """The trace of the root of A B by the eigenvalues of A B, of which those of the root are the roots."""
    generator = torch.Generator().manual_seed(0)
    one = torch.randn(40, 5, generator=generator, dtype=torch.float64)
    other = 2 * torch.randn(60, 5, generator=generator, dtype=torch.float64) + 1
    a, b = torch.cov(one.T), torch.cov(other.T)
    root = torch.linalg.eigvals(a @ b).sqrt().real.sum()
    wanted = (one.mean(0) - other.mean(0)).square().sum() + a.trace() + b.trace() - 2 * root
    assert frechet_distance(one, other) == pytest.approx(float(wanted))


def test_equal_sets_have_no_distance_and_fewer_images_than_dimensions_are_fine() -> None:
    some = torch.randn(6, 50)
    assert frechet_distance(some, some.flip(0)) == pytest.approx(0.0, abs=1e-4)
    assert frechet_distance(some, some + 2) == pytest.approx(4 * 50, rel=1e-4)


def test_the_score_counts_classes() -> None:
    """As many sure classes as there are: that many; the same class, or no opinion: 1."""
    assert inception_score(100 * torch.eye(7)) == pytest.approx(7.0)
    assert inception_score(100 * torch.eye(7)[:1].expand(5, -1)) == pytest.approx(1.0)
    assert inception_score(torch.zeros(5, 7)) == pytest.approx(1.0)


def test_numbers_say_by_what_and_on_how_many_images() -> None:
    metric = GenerationMetric()
    pairs = [example(ImagePrediction, index, right=index > 0) for index in range(4)]
    metric.update([made for made, _ in pairs], as_batch([real for _, real in pairs]))
    numbers = metric.compute()
    assert set(numbers) == {"FD (8x8 pixels)", "IS (8x8 pixels)", "real IS (8x8 pixels)", "box IoU", "images"}
    assert numbers["images"] == 4
    assert 0.75 < numbers["box IoU"] < 1
    assert numbers["FD (8x8 pixels)"] > 0


def test_layouts_of_other_objects_are_refused() -> None:
    made, real = example(ImagePrediction, 0)
    fewer = ImagePrediction(made.pixels, made.boxes_xyxy[:1], made.labels[:1], made.masks[:1], made.size)
    with pytest.raises(ValueError, match="image 0: 1 objects for 2 of the target"):
        GenerationMetric().update([fewer], as_batch([real]))
