"""The guard names the first bad step, however many it looks at together."""

from __future__ import annotations

import pytest
import torch

from visus.training.guard import LossGuard, TrainingDiverged


def train_ten_batches(guard: LossGuard, bad: float) -> None:
    """The fifth batch and those after it have a bad loss."""
    for batch in range(10):
        values = torch.tensor([1.0, bad if batch >= 4 else 2.0])
        guard.watch(("class", "box"), values, epoch=1, batch=batch, paths=[f"a{batch}.jpg", f"b{batch}.jpg"])
    guard.look()


@pytest.mark.parametrize("every", [1, 3, 100])
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_first_bad_step_is_named(every: int, bad: float) -> None:
    with pytest.raises(TrainingDiverged, match=r"'box' is not finite in epoch 2, batch 5 .*a4\.jpg, b4\.jpg"):
        train_ten_batches(LossGuard(every), bad)


def test_finite_losses_pass_and_are_forgotten() -> None:
    guard = LossGuard(2)
    for batch in range(5):
        guard.watch(("a",), torch.tensor([1e30]), epoch=0, batch=batch, paths=[])
    guard.look()
    assert guard._waiting == []


def test_message_helps_where_images_have_no_name() -> None:
    with pytest.raises(TrainingDiverged, match=r"unnamed.*optim\.lr.*clip_norm.*visus data check"):
        LossGuard().watch(("a",), torch.tensor([float("nan")]), epoch=0, batch=0, paths=[""])
