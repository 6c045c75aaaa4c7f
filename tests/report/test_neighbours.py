"""Sheets of nearest neighbours: failures first, frames that tell right from wrong."""

from __future__ import annotations

import torch

from visus.data.vignettes.identities import VignetteIdentities
from visus.metrics.retrieval import Embedded
from visus.report.neighbours import ASKED, CELL, FRAME, GAP, RIGHT, WRONG, nearest, neighbour_sheet, recall_chart


def test_failures_come_first_and_nobody_is_its_own_neighbour() -> None:
    labels = torch.arange(10).repeat_interleave(2)
    angles = labels.float() + torch.tensor([0.0, 0.01]).repeat(10)
    angles[3] = 6.005  # an image of class 1 among those of class 6
    rows, found = nearest(circle(angles, labels), queries=4, neighbours=3)
    assert all(row not in others for row, others in zip(rows, found.tolist(), strict=True))
    wrong = [bool(labels[others[0]] != labels[row]) for row, others in zip(rows, found.tolist(), strict=True)]
    assert wrong == sorted(wrong, reverse=True)
    assert wrong[0]
    assert not wrong[-1]


def circle(angles: torch.Tensor, labels: torch.Tensor, is_query: torch.Tensor | None = None) -> Embedded:
    return Embedded(torch.stack((angles.cos(), angles.sin()), 1), labels, list(range(len(labels))), is_query)


def test_queries_are_shown_with_images_of_the_gallery_only() -> None:
    labels = torch.arange(6).repeat_interleave(3)
    asks = torch.tensor([True, False, False]).repeat(6)
    rows, found = nearest(circle(labels.float(), labels, asks), queries=4, neighbours=30)
    assert all(asks[rows])
    assert found.shape[1] == 12
    assert not bool(asks[found].any())


def test_frames_tell_right_from_wrong() -> None:
    dataset = VignetteIdentities(split="test", individuals=1, views=2, categories=("ball", "car"))
    sheet = neighbour_sheet(dataset, dataset.labels, [0], torch.tensor([[1, 2]]))
    step = CELL + 2 * FRAME + GAP
    assert [sheet.getpixel((x, 1)) for x in (1, step + GAP + 1, 2 * step + GAP + 1)] == [ASKED, RIGHT, WRONG]


def test_a_curve_needs_two_powers_of_ten() -> None:
    assert recall_chart({"a": {"R@1": 0.5, "R@2": 0.6}}) == ""
    assert "log10 of K" in recall_chart({"a": {"R@1": 0.5, "R@10": 0.9}})
