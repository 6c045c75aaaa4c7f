"""Learn to tell individuals apart on your own loop, then meet individuals that were never seen before.

python examples/metric_learning.py --model abier_lite0 --steps 100
"""

from __future__ import annotations

import argparse

import torch
from torch import nn

from visus.data.vignettes.identities import VignetteIdentities
from visus.metrics.retrieval import RetrievalMetric
from visus.systems.metric_learning import MODELS
from visus.systems.metric_learning.criterion import build_criterion
from visus.types import Sample, Schema

CATEGORIES = ("person", "dog", "cat", "car")
VIEWS = 6


def draw(split: str, individuals: int, size: int) -> list[Sample]:
    """Some views of each of some individuals."""
    pictures = VignetteIdentities(split=split, individuals=individuals, views=VIEWS, size=size, categories=CATEGORIES)
    return [pictures[i] for i in range(len(pictures))]


def recall(model: nn.Module, samples: list[Sample], batch_size: int) -> dict[str, float]:
    """Recall@K: every picture looks for another one of the same individual."""
    metric = RetrievalMetric(ks=(1, 2, 4, 8))
    model.eval()
    for start in range(0, len(samples), batch_size):
        batch = samples[start : start + batch_size]
        targets = [sample.target for sample in batch]
        with torch.inference_mode():
            outputs = model(model.transform.batch([sample.input for sample in batch]))
        metric.update(model.postprocess(outputs, [target.size for target in targets]), targets)
    model.train()
    return metric.compute()


def main(argv: list[str] | None = None) -> None:
    """Draws, trains, and measures before and after."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=sorted(MODELS), default="descriptor_lite0")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--individuals", type=int, default=40, help="of each category")
    parser.add_argument("--classes", type=int, default=16, help="of a batch, four views each")
    parser.add_argument("--size", type=int, default=96)
    options = parser.parse_args(argv)

    learned, unseen = (draw(split, options.individuals, options.size) for split in ("train", "test"))
    torch.manual_seed(0)
    model = MODELS[options.model](size=options.size)
    names = tuple(str(i) for i in range(len(learned) // VIEWS))
    criterion = build_criterion(model, Schema(categories=names, category_ids=tuple(range(len(names)))))
    parameters = [p for p in (*model.parameters(), *criterion.parameters()) if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=5e-4, weight_decay=0.02)
    print("before", {name: round(value, 3) for name, value in recall(model, unseen, 64).items()})

    model.to(memory_format=torch.channels_last).train()
    for step in range(options.steps):
        classes = torch.randperm(len(learned) // VIEWS)[: options.classes]
        views = torch.stack([torch.randperm(VIEWS)[:4] for _ in classes])
        batch = [learned[i] for i in (classes[:, None] * VIEWS + views).flatten().tolist()]
        targets = [sample.target for sample in batch]
        losses = criterion(model(model.transform.batch([sample.input for sample in batch]), targets), targets)
        optimizer.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        optimizer.step()
        print(step, "  ".join(f"{name} {loss.item():.3f}" for name, loss in losses.items()), flush=True)

    print("after", {name: round(value, 3) for name, value in recall(model, unseen, 64).items()})


if __name__ == "__main__":
    main()
