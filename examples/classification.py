"""A classifier that also says where: drawn images with one object each, train, measure, look at one.

python examples/classification.py --steps 200 --out found.png
"""

from __future__ import annotations

import argparse

import torch
from PIL import Image, ImageDraw

from visus.catalog import build_model
from visus.data.feed.collate import Collate
from visus.data.vignettes import Vignettes
from visus.metrics.classification import ClassificationMetric
from visus.nn.model import predict_batch
from visus.systems.classification import ClassificationCriterion
from visus.types import ClassTarget, Sample


def one_object(scenes: Vignettes, index: int) -> Sample:
    """The largest object of a scene with more or less of its surroundings on each side."""
    scene = scenes[index]
    largest = int(scene.target.areas.argmax())
    x1, y1, x2, y2 = scene.target.boxes_xyxy[largest].tolist()
    height, width = scene.target.size
    west, north, east, south = (0.5 * torch.rand(4, generator=torch.Generator().manual_seed(index))).tolist()
    left, top = int(max(x1 - west * (x2 - x1), 0)), int(max(y1 - north * (y2 - y1), 0))
    right, bottom = int(min(x2 + east * (x2 - x1), width)), int(min(y2 + south * (y2 - y1), height))
    box = torch.tensor([x1 - left, y1 - top, x2 - left, y2 - top])
    target = ClassTarget(scene.target.labels[largest], (bottom - top, right - left), index, box)
    return Sample(scene.input[:, top:bottom, left:right], target, scene.path)


def main(argv: list[str] | None = None) -> None:
    """Trains, prints what the unseen images score, and draws the box found in one of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--out", default="found.png")
    options = parser.parse_args(argv)

    torch.manual_seed(0)
    train = Vignettes(split="train", length=16 * options.steps)
    test = Vignettes(split="test", length=64)
    model = build_model("classifier_lite0", train.schema, {"boxes": True, "size": options.size})
    collate = Collate(batcher=model.transform.batch)
    criterion = ClassificationCriterion(label_smoothing=0.1)
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=6e-4, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=6e-4, total_steps=options.steps)

    model.train()
    for step in range(options.steps):
        batch = collate([one_object(train, 16 * step + i) for i in range(16)])
        losses = criterion(model(batch.inputs, batch.targets), batch.targets)
        optimiser.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        optimiser.step()
        schedule.step()
        if step % 20 == 0:
            print(step, {name: round(float(loss.detach()), 3) for name, loss in losses.items()})

    model.eval()
    metric = ClassificationMetric(schema=test.schema, boxes=True)
    for index in range(len(test)):
        sample = one_object(test, index)
        batch = collate([sample])
        _, [found] = predict_batch(model, batch.inputs)
        metric.update([found], batch)
    print({name: round(value, 3) for name, value in metric.compute().items()})

    image = Image.fromarray(sample.input.permute(1, 2, 0).numpy())
    ImageDraw.Draw(image).rectangle(found.box_xyxy.tolist(), outline="red", width=2)
    image.save(options.out)
    print(options.out, test.schema.categories[int(found.labels[0])], f"{float(found.scores[0]):.2f}")


if __name__ == "__main__":
    main()
