"""SSD on a COCO folder: the recipe written out in full, with SSD's own augmentation; train, measure, predict.

python examples/ssd.py --root my_coco --epochs 24
"""

from __future__ import annotations

import argparse
from pathlib import Path

import visus
from visus.training.recipe import AugmentRecipe, DataRecipe, FitRecipe, OptimRecipe, Recipe


def recipe(root: Path, size: int, epochs: int) -> Recipe:
    """The small SSD on images of ``size`` by ``size`` pixels."""
    return Recipe(
        name="ssd_example",
        model="ssd_lite0",
        model_options={"size": size},
        data=DataRecipe(
            dataset="coco", root=str(root), batch_size=8, augment=AugmentRecipe(kind="ssd", size=(size, size))
        ),
        optim=OptimRecipe(name="adamw", lr=2e-3, weight_decay=0.02, warmup_steps=50, clip_norm=5.0),
        fit=FitRecipe(epochs=epochs, ema_decay=0.98),
    )


def main(argv: list[str] | None = None) -> None:
    """Trains on ``--root``, prints COCO's numbers, and finds the objects of one image."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--size", type=int, default=320)
    parser.add_argument("--run", type=Path, default=Path("runs/ssd_example"))
    parser.add_argument("--image", type=Path)
    options = parser.parse_args(argv)

    run = visus.train(recipe(options.root, options.size, options.epochs), run=options.run)

    predictor = visus.load(run)
    if options.image:
        [result] = predictor.predict(options.image, min_score=0.3)
        found = result.prediction
        for box, label, score in zip(found.boxes_xyxy, found.labels, found.scores, strict=True):
            print(result.names[label], f"{score:.2f}", [round(x) for x in box.tolist()])


if __name__ == "__main__":
    main()
