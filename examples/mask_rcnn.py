"""Mask R-CNN on your own loop: a few steps on drawn scenes, then the objects of one more scene.

python examples/mask_rcnn.py --steps 200 --out scene.png
"""

from __future__ import annotations

import argparse

import torch

from visus.catalog import build_model
from visus.data.feed.collate import Collate
from visus.data.feed.loader import make_loader
from visus.data.vignettes import Vignettes
from visus.draw.draw import draw
from visus.nn.model import predict_batch
from visus.systems.instances import InstanceCriterion


def main(argv: list[str] | None = None) -> None:
    """Trains, predicts, draws."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--out", default="scene.png")
    options = parser.parse_args(argv)

    scenes = Vignettes(split="train", length=8 * options.steps, size=options.size)
    model = build_model("maskrcnn_lite0_fpn", scenes.schema, {"size": options.size})
    criterion = InstanceCriterion()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-3)

    model.train()
    for step, batch in enumerate(make_loader(scenes, collate=Collate(), batch_size=8)):
        outputs = model(batch.inputs, batch.targets)
        losses = criterion(outputs, batch.targets)
        optimizer.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        optimizer.step()
        print(step, "  ".join(f"{name} {loss.item():.3f}" for name, loss in losses.items()), flush=True)

    model.eval()
    image = Vignettes(split="val", length=1, size=options.size)[0].input
    _, [found] = predict_batch(model, model.transform.batch([image]))
    draw(image, found, scenes.schema, min_score=0.3).save(options.out)
    print(f"{len(found)} objects, drawn to {options.out}")


if __name__ == "__main__":
    main()
