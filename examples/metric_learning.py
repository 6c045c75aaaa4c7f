"""Learn to tell individuals apart on your own loop, then meet individuals that were never seen before.

python examples/metric_learning.py --model abier_lite0 --steps 100
"""

from __future__ import annotations

import argparse

import torch
from torch import nn

from visus.data.feed.collate import Collate
from visus.data.vignettes.identities import VignetteIdentities
from visus.metrics.retrieval import RetrievalMetric
from visus.nn.model import predict_batch
from visus.systems.metric_learning import PROBLEM
from visus.training.recipe import Recipe
from visus.types import Sample, Schema

CATEGORIES = ("person", "dog", "cat", "car")
VIEWS = 6


def draw(split: str, individuals: int, size: int) -> list[Sample]:
    """Some views of each of some individuals."""
    images = VignetteIdentities(split=split, individuals=individuals, views=VIEWS, size=size, categories=CATEGORIES)
    return [images[i] for i in range(len(images))]


def recall(model: nn.Module, samples: list[Sample], batch_size: int) -> dict[str, float]:
    """Recall@K: every image looks for another one of the same individual."""
    metric, collate = RetrievalMetric(ks=(1, 2, 4, 8)), Collate(batcher=model.transform.batch)
    model.eval()
    for start in range(0, len(samples), batch_size):
        batch = collate(samples[start : start + batch_size])
        _, predictions = predict_batch(model, batch.inputs)
        metric.update(predictions, batch)
    model.train()
    return metric.compute()


def main(argv: list[str] | None = None) -> None:
    """Draws, trains, and measures before and after."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=sorted(PROBLEM.models), default="descriptor_lite0")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--individuals", type=int, default=40, help="of each category")
    parser.add_argument("--classes", type=int, default=16, help="of a batch, four views each")
    parser.add_argument("--size", type=int, default=96)
    options = parser.parse_args(argv)

    learned, unseen = (draw(split, options.individuals, options.size) for split in ("train", "test"))
    torch.manual_seed(0)
    model = PROBLEM.models[options.model](size=options.size)
    names = tuple(str(i) for i in range(len(learned) // VIEWS))
    schema = Schema(categories=names, category_ids=tuple(range(len(names))))
    criterion = PROBLEM.criterion(model, Recipe(name="example", model=options.model), schema)  # its usual loss
    collate = Collate(batcher=model.transform.batch)
    parameters = [p for p in (*model.parameters(), *criterion.parameters()) if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=5e-4, weight_decay=0.02)
    print("before", {name: round(value, 3) for name, value in recall(model, unseen, 64).items()})

    model.to(memory_format=torch.channels_last).train()
    for step in range(options.steps):
        classes = torch.randperm(len(learned) // VIEWS)[: options.classes]
        views = torch.stack([torch.randperm(VIEWS)[:4] for _ in classes])
        batch = collate([learned[i] for i in (classes[:, None] * VIEWS + views).flatten().tolist()])
        losses = criterion(model(batch.inputs, batch.targets), batch.targets)
        optimizer.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        optimizer.step()
        print(step, "  ".join(f"{name} {loss.item():.3f}" for name, loss in losses.items()), flush=True)

    print("after", {name: round(value, 3) for name, value in recall(model, unseen, 64).items()})


if __name__ == "__main__":
    main()
