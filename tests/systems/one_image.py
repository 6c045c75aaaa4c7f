"""The least that a detector has to learn: the two objects of one image."""

from __future__ import annotations

from typing import Any

import torch

from visus.ops import box_iou
from visus.types import InstanceTarget


def assert_learned_by_heart(model: Any, criterion: Any, target: InstanceTarget, *, rounds: int) -> None:
    """The model finds both objects of one image after so many rounds on it.

    Args:
        model: for two classes and images of 96 pixels.
        criterion: its losses.
        target: object 0 at (10, 10, 40, 40) and object 1 at (30, 50, 80, 90).
        rounds: of AdamW at 2e-3.
    """
    model.train()
    image = torch.full((3, 96, 96), 0.2)
    image[0, 10:40, 10:40], image[1, 50:90, 30:80] = 1, 1
    batch, truth = model.transform.batch([image]), [target]
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=2e-3)
    for _ in range(rounds):
        losses = criterion(model(batch, truth), truth)
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
    # Batch norms have not seen enough to be trusted, so the outputs of training are looked at.
    [found] = model.postprocess(model(batch), [(192, 96)])
    assert sorted(found.labels[:2].tolist()) == [0, 1]
    order = found.labels[:2].argsort()
    wanted = torch.tensor([[10.0, 20, 40, 80], [30, 100, 80, 180]])
    assert box_iou(found.boxes_xyxy[:2][order], wanted).diagonal().min() > 0.6
