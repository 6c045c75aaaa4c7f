"""Means of losses."""

from __future__ import annotations

import pytest
import torch

from visus.training.means import LossMeans


def test_means_of_each_and_of_the_sum() -> None:
    means = LossMeans()
    assert means.compute(over_processes=True) == {}
    means.add(("a", "b"), torch.tensor([1.0, 10.0]))
    means.add(("a", "b"), torch.tensor([3.0, 30.0]))
    assert means.compute(over_processes=True) == {"loss": 22.0, "a": 2.0, "b": 20.0}
    means.reset()
    assert means.compute(over_processes=False) == {}


def test_a_single_loss_is_the_loss() -> None:
    means = LossMeans()
    means.add(("loss",), torch.tensor([1.0]))
    assert means.compute(over_processes=False) == {"loss": 1.0}


def test_a_loss_that_comes_and_goes_is_refused() -> None:
    means = LossMeans()
    means.add(("a", "b"), torch.ones(2))
    with pytest.raises(ValueError, match=r"\['a'\] after \['a', 'b'\].*logits\.sum"):
        means.add(("a",), torch.ones(1))


@pytest.mark.parametrize("steps", [0, 2])
def test_state_goes_on(steps: int) -> None:
    first, second = LossMeans(), LossMeans()
    for _ in range(steps):
        first.add(("a",), torch.tensor([2.0]))
    second.load_state_dict(first.state_dict())
    for means in (first, second):
        means.add(("a",), torch.tensor([5.0]))
    assert first.compute(over_processes=False) == second.compute(over_processes=False)
