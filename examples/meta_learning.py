"""Learn to learn new kinds of things from one image each, then meet kinds that were never seen before.

python examples/meta_learning.py --model prototypical_conv4 --steps 100
"""

from __future__ import annotations

import argparse

import torch

from visus.data.feed.collate import Collate
from visus.data.feed.episodes import Episodes, episode_batches
from visus.data.vignettes import NOVEL_CATEGORIES
from visus.data.vignettes.kinds import CATEGORIES
from visus.data.vignettes.objects import VignetteObjects
from visus.metrics.episodes import EpisodeMetric
from visus.nn.model import predict_batch
from visus.systems.meta_learning import PROBLEM
from visus.training.recipe import Recipe

WAY = 5


def tasks(split: str, categories: tuple[str, ...], images: int, size: int, count: int) -> Episodes:
    """Tasks of five kinds of drawn things, one labelled image and three queries of each."""
    drawn = VignetteObjects(split=split, length=images * len(categories), size=size, categories=categories)
    return Episodes(drawn, n_way=WAY, k_shot=1, queries=3, count=count)


def measure(model: torch.nn.Module, episodes: Episodes, collate: Collate) -> dict[str, float]:
    """Accuracy over all tasks, with its interval and what it belongs to."""
    metric = EpisodeMetric()
    model.eval()
    for index in range(len(episodes)):
        batch = collate([episodes[index]])
        metric.update(predict_batch(model, batch.inputs)[1], batch)
    model.train()
    return metric.compute()


def main(argv: list[str] | None = None) -> None:
    """Draws, trains, and measures before and after."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=sorted(PROBLEM.models), default="prototypical_conv4")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--images", type=int, default=40, help="of each kind")
    parser.add_argument("--tasks", type=int, default=50, help="that are measured")
    parser.add_argument("--size", type=int, default=32)
    options = parser.parse_args(argv)

    torch.manual_seed(0)
    build = PROBLEM.models[options.model]
    takes_channels = "lite0" not in options.model
    model = build(size=options.size, **({"channels": 3} if takes_channels else {}))
    recipe = Recipe(name="example", model=options.model)
    learned = tasks("train", CATEGORIES, options.images, options.size, options.steps)
    unseen = tasks("test", NOVEL_CATEGORIES, options.images, options.size, options.tasks)
    criterion = PROBLEM.criterion(model, recipe, learned.schema)
    collate = Collate(batcher=model.transform.batch)
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-3)
    print("before", {name: round(value, 3) for name, value in measure(model, unseen, collate).items()})

    for step, numbers in enumerate(episode_batches(batch_size=2, per_epoch=2 * options.steps)):
        batch = collate([learned[number] for number in numbers])
        losses = criterion(model(batch.inputs, batch.targets), batch.targets)
        optimizer.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        optimizer.step()
        print(step, "  ".join(f"{name} {loss.item():.3f}" for name, loss in losses.items()), flush=True)

    print("after", {name: round(value, 3) for name, value in measure(model, unseen, collate).items()})


if __name__ == "__main__":
    main()
