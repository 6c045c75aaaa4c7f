"""A meta-step of MAML against a plain loop over tasks with ``create_graph``, as few-shot libraries write it.

Run ``python benchmarks/maml_step.py``. Omniglot's setting: 28x28, 5-way 1-shot, 32 tasks, 5 inner steps, second order,
one query of each class; four convolutions of stride 2 with 64 channels and norms by the statistics of the batch.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import torch
from interleaved import Cases, run
from torch import Tensor, nn
from torch.nn import functional as F

TASKS, WAY, STEPS, SIDE, WIDTH, RATE = 32, 5, 5, 28, 64, 0.4
QUERIES = (1, 15)
SIZES = {"tasks": TASKS, "n_way": WAY, "k_shot": 1, "inner steps": STEPS, "side": SIDE, "queries of a class": QUERIES}


def images(count: int) -> Tensor:
    """Random drawings [tasks, count, 3, side, side], grey."""
    generator = torch.Generator().manual_seed(count)
    return torch.randint(0, 256, (TASKS, count, 1, SIDE, SIDE), generator=generator, dtype=torch.uint8)


def ours() -> Cases:
    from visus.systems.meta_learning.losses import EpisodeCriterion
    from visus.systems.meta_learning.maml import maml_conv4
    from visus.types import EpisodeBatch, EpisodeTarget

    torch.manual_seed(0)
    model = maml_conv4(n_way=WAY, inner_steps=STEPS, inner_lr=RATE, width=WIDTH).train()
    criterion = EpisodeCriterion()

    def step(queries: int) -> None:
        support, asked = (images(WAY * count).expand(-1, -1, 3, -1, -1) for count in (1, queries))
        labels = torch.arange(WAY)
        batch = EpisodeBatch(support, labels.expand(TASKS, -1), asked, WAY, ((WAY * SIDE, 2 * SIDE),) * TASKS)
        target = EpisodeTarget(labels.repeat_interleave(queries), labels, (WAY * SIDE, 2 * SIDE))
        model.zero_grad(set_to_none=True)
        criterion(model(batch), [target] * TASKS)["queries"].backward()

    return {f"{queries} queries of a class": partial(step, queries) for queries in QUERIES}


def theirs() -> Cases:
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for channels in (1, WIDTH, WIDTH, WIDTH):
        norm = nn.BatchNorm2d(WIDTH, track_running_stats=False)
        layers += [nn.Conv2d(channels, WIDTH, 3, stride=2, padding=1, bias=False), norm, nn.ReLU()]
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(WIDTH, WAY))
    labels = torch.arange(WAY)

    def step(queries: int) -> None:
        support, asked = (1 - images(WAY * count) / 255 for count in (1, queries))
        model.zero_grad(set_to_none=True)
        for shown, wanted in zip(support, asked, strict=True):
            fast = dict(model.named_parameters())
            for _ in range(STEPS):
                loss = F.cross_entropy(torch.func.functional_call(model, fast, (shown,)), labels)
                slopes = torch.autograd.grad(loss, list(fast.values()), create_graph=True)
                fast = {name: value - RATE * slope for (name, value), slope in zip(fast.items(), slopes, strict=True)}
            logits = torch.func.functional_call(model, fast, (wanted,))
            (F.cross_entropy(logits, labels.repeat_interleave(queries)) / TASKS).backward()

    return {f"{queries} queries of a class": partial(step, queries) for queries in QUERIES}


if __name__ == "__main__":
    run(__file__, ours, theirs, SIZES, peer=Path(sys.executable))
