"""Semantic segmentation on your own loop: a few steps on drawn scenes, then the classes of one more scene.

python examples/segmentation.py --steps 200 --out classes.png
"""

from __future__ import annotations

import argparse

import torch

from visus.data.feed.collate import Collate
from visus.data.feed.loader import make_loader
from visus.data.vignettes.semantic import SemanticVignettes
from visus.draw.draw import draw
from visus.nn.model import predict_batch
from visus.systems.segmentation import PROBLEM, SegmentationCriterion
from visus.systems.segmentation.inference import AveragedSegmenter


def main(argv: list[str] | None = None) -> None:
    """Trains, predicts, draws."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="deeplabv3_lite0", choices=sorted(PROBLEM.models))
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--out", default="classes.png")
    options = parser.parse_args(argv)

    scenes = SemanticVignettes("train", length=8 * options.steps, size=options.size)
    model = PROBLEM.models[options.model](num_classes=scenes.schema.num_classes)
    criterion = SegmentationCriterion()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=2e-3)

    model.train()
    for step, batch in enumerate(make_loader(scenes, collate=Collate(), batch_size=8)):
        outputs = model(batch.inputs, batch.targets)
        losses = criterion(outputs, batch.targets)
        optimizer.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        optimizer.step()
        print(step, "  ".join(f"{name} {loss.item():.3f}" for name, loss in losses.items()), flush=True)

    both_ways = AveragedSegmenter(model.eval(), flip=True)
    sample = SemanticVignettes("val", length=1, size=options.size)[0]
    _, [found] = predict_batch(both_ways, Collate()([sample]).inputs)
    right = (found.labels == sample.target.labels).float().mean().item()
    draw(sample.input, found, scenes.schema).save(options.out)
    print(f"{right:.0%} of the pixels are right, drawn to {options.out}")


if __name__ == "__main__":
    main()
