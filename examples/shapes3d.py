"""What a shape is, from its points: PointNet in a loop of your own on parametric shapes, then a picture of one.

python examples/shapes3d.py --steps 200 --out shape.png
"""

from __future__ import annotations

import argparse

import torch

from visus.catalog import build_model
from visus.data.augment.shapes import ShapeAugment
from visus.data.feed.collate import Collate
from visus.data.vignettes3d import Vignettes3D
from visus.draw.draw import draw
from visus.metrics.shapes import ShapeMetric
from visus.nn.model import predict_batch
from visus.systems.shapes3d import ShapeCriterion


def main(argv: list[str] | None = None) -> None:
    """Trains, prints both accuracies of unseen shapes, and draws the last of them with its scores."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--points", type=int, default=256)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--out", default="shape.png")
    options = parser.parse_args(argv)

    torch.manual_seed(0)
    train = Vignettes3D(length=options.batch * options.steps)
    test = Vignettes3D(split="test", length=2 * options.batch)
    model = build_model("pointnet", train.schema, {"points": options.points})
    collate, vary = Collate(batcher=model.transform.batch), ShapeAugment(rotate=180, jitter=0.01)
    criterion, generator = ShapeCriterion(), torch.Generator().manual_seed(0)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3)

    model.train()
    for step in range(options.steps):
        samples = [vary(train[options.batch * step + i], generator) for i in range(options.batch)]
        batch = collate(samples)
        losses = criterion(model(batch.inputs, batch.targets), batch.targets)
        optimiser.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        optimiser.step()
        if step % 20 == 0:
            print(step, {name: round(float(loss.detach()), 3) for name, loss in losses.items()})

    model.eval()
    metric = ShapeMetric(schema=test.schema)
    for index in range(len(test)):
        batch = collate([test[index]])
        _, [found] = predict_batch(model, batch.inputs)
        metric.update([found], batch)
    print({name: round(value, 3) for name, value in metric.compute().items()})
    draw(test[index].input, found, test.schema).save(options.out)
    print(options.out, test.schema.categories[int(found.labels[0])], f"{float(found.scores[0]):.2f}")


if __name__ == "__main__":
    main()
