"""Atrous spatial pyramid pooling: its average of an image, and its norm of single values."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from visus.nn.aspp import ASPP, SingleValueNorm, mean_inside


def test_the_average_leaves_padding_out() -> None:
    x = torch.randn(2, 3, 4, 6, generator=torch.Generator().manual_seed(0))
    means = mean_inside(x, torch.tensor([[1.0, 1.0], [0.5, 0.55]]))
    torch.testing.assert_close(means[0], x[0].mean((1, 2)))
    torch.testing.assert_close(means[1], x[1, :, :2, :4].mean((1, 2)))


def test_padding_reaches_the_result_only_where_it_is_averaged() -> None:
    torch.manual_seed(0)
    x, covered = torch.randn(1, 4, 9, 9), torch.tensor([[1 / 3, 1 / 3]])
    changed = x.clone()
    changed[..., 6:, 6:] += 1  # out of reach of the filters at the first cell
    for inside_only in (True, False):
        pyramid = ASPP(4, (2, 3), width=5, inside_only=inside_only).eval()
        same = torch.allclose(pyramid(x, covered)[..., 0, 0], pyramid(changed, covered)[..., 0, 0], atol=1e-6)
        assert same == inside_only


def test_a_single_value_is_normed_by_what_is_known() -> None:
    torch.manual_seed(0)
    norm, plain = SingleValueNorm(3), nn.BatchNorm2d(3)
    batch = torch.randn(4, 3, 2, 2)
    torch.testing.assert_close(norm(batch), plain(batch))
    single = torch.randn(1, 3, 1, 1)
    with pytest.raises(ValueError, match="more than 1 value"):
        plain(single)
    seen = norm.running_mean.clone()
    torch.testing.assert_close(norm(single), plain.eval()(single))
    assert torch.equal(norm.running_mean, seen)


@pytest.mark.parametrize("separable", [True, False])
def test_filters_of_any_rate_keep_the_size(separable: bool) -> None:
    pyramid = ASPP(4, (1, 6, 36), width=5, separable=separable)
    assert pyramid(torch.randn(2, 4, 3, 7), torch.ones(2, 2)).shape == (2, 5, 3, 7)
