"""What `visus teach` makes of five images of each of 20 classes that its features never saw, beside its rivals.

Run ``python benchmarks/teach.py coil20 FOLDER`` with the folder of COIL-20 (``obj1__0.png`` and so on): taught are
views 0, 14, 28, 43 and 57 of 72, asked for are every sixth of the others. Or ``python benchmarks/teach.py emoji
FOLDER`` with drawings in the layout of Stanford Online Products: of every fifth class of the test list that has eight
images, the first five by name are taught, the others are asked for. The rivals have the same images: class centroids of
the averaged features of the same network, and a classifier on the same ImageNet weights, fine-tuned for a minute.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from interleaved import ROOT, commit, cpu
from torch.nn import functional as F

import visus
from visus.systems.classification.taught import NONE

CLASSES, TAUGHT = 20, 5
VIEWS, EVERY_CLASS, IMAGES = (0, 14, 28, 43, 57), 5, 8
Parts = tuple[dict[str, list[Path]], dict[str, list[Path]]]


def coil20(folder: Path) -> Parts:
    """The images to teach and to ask for, by class."""
    asked = [view for view in range(3, 72, 6) if view not in VIEWS]
    views = [(f"object {n}", n) for n in range(1, CLASSES + 1)]
    taught, others = (
        {name: [folder / f"obj{n}__{view}.png" for view in some] for name, n in views} for some in (VIEWS, asked)
    )
    return taught, others


def emoji(folder: Path) -> Parts:
    """The images to teach and to ask for, by class."""
    images = defaultdict(list)
    for line in (folder / "Ebay_test.txt").read_text(encoding="utf-8").splitlines()[1:]:
        _, number, _, path = line.split()
        images[number].append(folder / path)
    whole = [(number, sorted(paths)) for number, paths in images.items() if len(paths) >= IMAGES]
    chosen = whole[::EVERY_CLASS][:CLASSES]
    if len(chosen) < CLASSES:
        raise SystemExit(f"{folder}: fewer than {CLASSES} classes to choose")
    return {n: paths[:TAUGHT] for n, paths in chosen}, {n: paths[TAUGHT:] for n, paths in chosen}


def shares(named: Sequence[Sequence[str]], truth: Sequence[str]) -> dict[str, float]:
    """How often the first name is right, with and without "none of these" among the names."""
    known = [next(name for name in names if name != NONE) for names in named]
    return {
        "top-1": sum(one == true for one, true in zip(known, truth, strict=True)) / len(truth),
        "called none of these": sum(names[0] == NONE for names in named) / len(truth),
    }


def by_run(run: Path, paths: Sequence[Path]) -> list[list[str]]:
    """What a run calls each image, the likeliest name first."""
    results = visus.load(run, device="cpu").predict(list(paths))
    predictions: list[Any] = [result.prediction for result in results]
    return [[r.names[label] for label in p.labels.tolist()] for r, p in zip(results, predictions, strict=True)]


def by_average(taught: Mapping[str, Sequence[Path]], paths: Sequence[Path], size: int) -> list[list[str]]:
    """The class whose mean of averaged features is nearest by cosine."""
    from visus.data.files.images import read_image
    from visus.systems.meta_learning.centroids import centroids_lite0

    model = centroids_lite0(size=size, pooling="average").eval()

    def features(some: Sequence[Path]) -> torch.Tensor:
        images = [
            F.interpolate(read_image(p)[None].float(), (size, size), mode="bilinear", antialias=True) for p in some
        ]
        pixels = torch.cat(images).round().clamp(0, 255).byte()
        with torch.no_grad():
            found: torch.Tensor = model.encoder(model.transform(pixels[None])[0])
        return found

    means = torch.stack([F.normalize(features(some).mean(dim=0), dim=0) for some in taught.values()])
    names = list(taught)
    return [[names[place]] for place in (features(paths) @ means.T).argmax(dim=1).tolist()]


def by_fine_tuning(
    taught: Mapping[str, Sequence[Path]], paths: Sequence[Path], size: int, place: Path
) -> list[list[str]]:
    """The classifier after a minute on the images that were taught; they are its validation, too."""
    for split in ("train", "val"):
        for name, some in taught.items():
            for path in some:
                (place / "data" / split / name).mkdir(parents=True, exist_ok=True)
                shutil.copy(path, place / "data" / split / name)
    settings = {"data.root": str(place / "data"), "model_options.size": size, "data.augment.size": (size, size)}
    settings |= {"data.batch_size": 20, "fit.val_every_epochs": 1000}
    settings |= {"optim.warmup_steps": 5, "fit.ema_decay": 0.9}  # so that few steps do something
    run = visus.train("classifier_lite0", run=place / "run", epochs=1000, minutes=1.0, settings=settings)
    return by_run(run, paths)


def main() -> None:
    """Teaches, asks, prints, and writes ``benchmarks/results/teach_NAME.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", choices=("coil20", "emoji"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", type=int, default=96)
    options = parser.parse_args()
    taught, asked = {"coil20": coil20, "emoji": emoji}[options.data](options.folder)
    paths = [path for some in asked.values() for path in some]
    truth = [name for name, some in asked.items() for _ in some]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        began = time.process_time()
        lesson = visus.teach(taught, run=place / "taught", size=options.size)
        seconds = time.process_time() - began
        rows = {
            "visus teach": shares(by_run(lesson.run, paths), truth),
            "centroids of averaged features": shares(by_average(taught, paths, options.size), truth),
            "a minute of fine-tuning": shares(by_fine_tuning(taught, paths, options.size, place / "tuned"), truth),
        }
    record = {
        "command": f"python benchmarks/teach.py {options.data} FOLDER --size {options.size}",
        "commit": commit(),
        "machine": {"cpu": cpu(), "cores": os.cpu_count(), "system": platform.platform()},
        "images taught": sum(map(len, taught.values())),
        "images asked": len(truth),
        "rows": rows,
        "leave-one-out top-1 of those taught": lesson.leave_one_out,
        "seconds of the processor to teach": round(seconds, 2),
    }
    print(json.dumps(record, indent=2))
    result = ROOT / "benchmarks" / "results" / f"teach_{options.data}.json"
    result.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
