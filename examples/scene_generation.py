"""Scene generation on your own loop: a generator and its judges learn drawn scenes, then a phrase becomes an image.

python examples/scene_generation.py --steps 2000 --out made.png
"""

from __future__ import annotations

import argparse

import torch

from visus.catalog import build_model
from visus.data.feed.collate import Collate
from visus.data.feed.loader import make_loader
from visus.data.vignettes.graphs import VignetteGraphs
from visus.predict.generate import sheet
from visus.predict.predictor import Predictor
from visus.scenes import SceneGraph
from visus.systems.scene_generation import SceneGenerationCriterion


def main(argv: list[str] | None = None) -> None:
    """Trains, and draws a sheet of graph, layout and image."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--width", type=int, default=16, help="channels at the full size of the image")
    parser.add_argument("--phrase", default="a red ball on top of a table and a black dog")
    parser.add_argument("--out", default="made.png")
    options = parser.parse_args(argv)

    torch.manual_seed(0)
    scenes = VignetteGraphs(split="train", length=8 * options.steps, size=options.size)
    sizes = {"size": options.size, "width": options.width, "dim": 32, "noise": 4, "own_masks": 0.5}
    model = build_model("scene_generator", scenes.schema, sizes)
    criterion = SceneGenerationCriterion(num_classes=scenes.schema.num_classes, width=2 * options.width)
    # The judges live in the criterion. All losses are taken at the same weights, so that one backward pass serves all.
    optimizers = [torch.optim.Adam(part.parameters(), lr=1e-3, betas=(0.5, 0.999)) for part in (model, criterion)]

    loader = make_loader(scenes, collate=Collate(batcher=model.transform.batch), batch_size=8)
    for step, batch in enumerate(loader):
        losses = criterion(model.train()(batch.inputs, batch.targets), batch.targets)
        for optimizer in optimizers:
            optimizer.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        for optimizer in optimizers:
            optimizer.step()
        if step % 20 == 0:
            print(step, "  ".join(f"{name} {loss.item():.3f}" for name, loss in losses.items()), flush=True)

    predictor = Predictor(model, scenes.schema, inputs=(SceneGraph,))
    sheet(predictor.generate(options.phrase, samples=3)).save(options.out)
    print(f"graph, layout and image in {options.out}")


if __name__ == "__main__":
    main()
