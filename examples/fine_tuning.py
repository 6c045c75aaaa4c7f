"""Fine-tuning on a small set: a detector learns drawn scenes of 13 kinds, then two other classes from 24 images.

The second training is done twice, from ImageNet's weights and from the detector's, with the same steps: about a minute
on one core. python examples/fine_tuning.py
"""

from __future__ import annotations

import argparse
from pathlib import Path

import visus
from visus.data import ListDataset

LIVING = ("person", "dog", "cat", "bird")


def thing_or_living(split: str, first: int, count: int) -> ListDataset:
    """Drawn scenes whose objects have other classes: a data set of pairs, as a program may hold one."""
    scenes = visus.open_dataset("vignettes", split)
    names = scenes.schema.categories
    pairs = []
    for sample in (scenes[index] for index in range(first, first + count)):
        labels = [int(names[label] in LIVING) for label in sample.target.labels.tolist()]
        pairs.append((sample.input, {"boxes": sample.target.boxes_xyxy, "labels": labels}))
    return ListDataset(pairs, ["thing", "living"])


def main(argv: list[str] | None = None) -> None:
    """Prints the box AP of both on images that neither has seen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=960, help="that the first detector learns from")
    parser.add_argument("--images", type=int, default=24, help="of the small set")
    parser.add_argument("--epochs", type=int, default=10, help="over the small set")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--runs", type=Path, default=Path("runs/fine_tuning"))
    options = parser.parse_args(argv)

    settings = {"model_options.size": options.size, "fit.ema_decay": 0.9, "fit.val_every_epochs": options.epochs}
    settings |= {"fit.max_minutes": None, "fit.accelerator": "cpu"}  # numbers that do not depend on the clock
    scenes = {"data.train_length": options.scenes, "data.val_length": 20}
    first = visus.train("fcos_vignettes", run=options.runs / "first", epochs=1, settings={**settings, **scenes})

    small, unseen = thing_or_living("train", 5000, options.images), thing_or_living("test", 100, 40)
    found = {}
    for name, init in (("from ImageNet", None), ("fine-tuned", first)):
        run = visus.train(
            "fcos_vignettes",
            data=small,
            val=unseen,
            init=init,
            epochs=options.epochs,
            run=options.runs / name.replace(" ", "_"),
            settings=settings,
        )
        found[name] = visus.evaluate(run, data=unseen)
    for name, measures in found.items():
        print(f"{name}: box AP {measures['box AP']:.3f}, AP50 {measures['box AP50']:.3f}")


if __name__ == "__main__":
    main()
