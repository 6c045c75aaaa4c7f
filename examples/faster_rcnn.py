"""Faster R-CNN on a COCO folder by a recipe: train, measure, predict, in Python.

python examples/faster_rcnn.py --root my_coco --epochs 24
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import visus
from visus.recipes import RECIPES


def main(argv: list[str] | None = None) -> None:
    """Trains on ``--root``, prints COCO's numbers, and finds the objects of one image."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--size", type=int, default=320)
    parser.add_argument("--run", type=Path, default=Path("runs/example"))
    parser.add_argument("--image", type=Path)
    options = parser.parse_args(argv)

    recipe = RECIPES["fasterrcnn_lite0"]()
    recipe = replace(
        recipe,
        model_options={"size": options.size},
        data=replace(
            recipe.data, root=str(options.root), augment=replace(recipe.data.augment, size=(options.size,) * 2)
        ),
        fit=replace(recipe.fit, epochs=options.epochs),
    )
    run = visus.train(recipe, run=options.run)

    predictor = visus.load(run)
    if options.image:
        [result] = predictor.predict(options.image)
        found = result.prediction
        for box, label, score in zip(found.boxes_xyxy, found.labels, found.scores, strict=True):
            print(result.names[label], f"{score:.2f}", [round(x) for x in box.tolist()])


if __name__ == "__main__":
    main()
