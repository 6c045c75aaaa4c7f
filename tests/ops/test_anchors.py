"""Anchors against their definition, spelled out in loops."""

from __future__ import annotations

import pytest
import torch

from visus.ops import base_anchors, grid_anchors


def test_published_values() -> None:
    anchors = base_anchors([32], [0.5, 1.0, 2.0])
    assert anchors.tolist() == [[-23, -11, 23, 11], [-16, -16, 16, 16], [-11, -23, 11, 23]]


def test_order_is_ratio_by_ratio() -> None:
    both = base_anchors([32, 64], [0.5, 2.0])
    one_by_one = [base_anchors([size], [ratio]) for ratio in (0.5, 2.0) for size in (32, 64)]
    assert torch.equal(both, torch.cat(one_by_one))


def test_grid_is_rows_columns_anchors() -> None:
    base = base_anchors([8, 16], [1.0])
    anchors = grid_anchors(base, (2, 3), (4, 5))
    expected = [
        [x1 + 5 * column, y1 + 4 * row, x2 + 5 * column, y2 + 4 * row]
        for row in range(2)
        for column in range(3)
        for x1, y1, x2, y2 in base.tolist()
    ]
    assert anchors.tolist() == expected


def test_grid_keeps_type() -> None:
    base = base_anchors([8], [1.0])
    assert grid_anchors(base.double(), (3, 3), (16, 16)).dtype == torch.float64
    assert grid_anchors(base, (0, 3), (16, 16)).shape == (0, 4)


@pytest.mark.usefixtures("without_shape_checks")
def test_compiles_whole() -> None:
    base = base_anchors([8], [1.0, 2.0])
    compiled = torch.compile(grid_anchors, fullgraph=True, backend="eager")
    assert torch.equal(compiled(base, (4, 5), (8, 8)), grid_anchors(base, (4, 5), (8, 8)))
