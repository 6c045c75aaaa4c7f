"""How the time of ours grows: with pixels, objects, images of a batch, entries of a gallery, and processes.

Run ``OMP_WAIT_POLICY=passive python benchmarks/growth.py``. The network is Mask R-CNN on EfficientNet-Lite0 with random
weights, fused in float32, that always finds as many objects as it may. Points of a line are timed in turns; what is
written is the median of each, its ratio to the first, and how many times larger its size is: the two are equal where
time grows linearly. ``results/growth.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gallery_search import NEIGHBOURS, clustered, filled
from interleaved import commit, cpu
from PIL import Image

from visus import catalog, keep_memory
from visus.nn.fused.choose import choose
from visus.nn.model import predict_batch
from visus.recipes import RECIPES
from visus.training.run import RunFolder

RESULT = Path(__file__).resolve().parent / "results" / "growth.json"
NETWORK = "maskrcnn_lite0_fpn"
SIDES = ((240, 320), (480, 640), (960, 1280), (1920, 2560))
OBJECTS = (1, 10, 100, 300)
BATCHES = (1, 4, 16)
ENTRIES = (10_000, 100_000, 1_000_000)
PROCESSES, IMAGES = (1, 2), 64

Points = Mapping[float, Callable[[], object]]
"""What is timed, by its size."""


def line(points: Points, rounds: int) -> list[dict[str, float]]:
    """The median of each point in turns, beside how much larger it is than the first."""
    seconds: dict[float, list[float]] = {size: [] for size in points}
    for turn in range(rounds + 1):
        for size, call in points.items():
            start = time.perf_counter()
            call()
            if turn:  # the first one warms up
                seconds[size].append(time.perf_counter() - start)
    medians = {size: statistics.median(times) for size, times in seconds.items()}
    first = next(iter(medians))
    return [
        {"size": size, "seconds": round(one, 6), "times larger": size / first, "times longer": one / medians[first]}
        for size, one in medians.items()
    ]


def image(size: tuple[int, int]) -> torch.Tensor:
    return torch.randint(0, 256, (3, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def look(size: tuple[int, int] = (480, 640), *, objects: int = 100, images: int = 1) -> Callable[[], object]:
    """A look of the network at so many images of such a size, which finds so many objects in each."""
    torch.manual_seed(0)
    model: Any = catalog.MODELS[NETWORK](pretrained=False).eval()
    model.roi_heads.limits = replace(model.roi_heads.limits, score=0.0, count=objects)
    given = [image(size)] * images
    fast = choose(model, model.transform.batch(given[:1]), "fp32", on_note=sys.exit)
    return lambda: predict_batch(fast, model.transform.batch(given))


def search(folder: Path, count: int) -> Callable[[], object]:
    """One query of a gallery with so many entries."""
    gallery, query = filled(folder / str(count), clustered(count, 1)), clustered(1, 2)
    return lambda: gallery.nearest(query, NEIGHBOURS)


def run_of_random_weights(folder: Path) -> Path:
    """What a training would leave."""
    recipe = RECIPES["maskrcnn_vignettes"]()
    schema = catalog.DATASETS[recipe.data.dataset].open(Path(""), "val", for_training=False).schema
    torch.manual_seed(0)
    run = RunFolder(folder / "run")
    run.create(recipe)
    run.save_weights(catalog.build_model(recipe.model, schema, recipe.model_options).state_dict(), recipe, schema)
    return run.path


def sharded(run: Path, photos: Path, folder: Path, count: int) -> Callable[[], object]:
    """`visus predict` of a folder in so many processes of one thread each, from their start to their end."""

    def call() -> None:
        with tempfile.TemporaryDirectory(dir=folder) as out:
            words = ["predict", str(run), str(photos), "--out", f"{out}/found", "--shards", str(count)]
            command = [sys.executable, "-m", "visus", *words, "--precision", "fp32", "--threads", "1"]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    return call


def main() -> None:
    """Measures all lines and writes them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-write", action="store_true", help="leave the results as they are")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    keep_memory()
    lines: dict[str, list[dict[str, float]]] = {}
    with torch.no_grad(), tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines["pixels"] = line({h * w: look((h, w)) for h, w in SIDES}, options.rounds)
        lines["objects"] = line({count: look(objects=count) for count in OBJECTS}, options.rounds)
        lines["images of a batch"] = line({count: look(images=count) for count in BATCHES}, options.rounds)
        lines["entries of a gallery"] = line({n: search(folder, n) for n in ENTRIES}, options.rounds)
        run, photos = run_of_random_weights(folder), folder / "photos"
        photos.mkdir()
        for number in range(IMAGES):
            Image.fromarray(np.roll(image((480, 640)).permute(1, 2, 0).numpy(), number, 0)).save(
                photos / f"{number}.jpg"
            )
        lines["processes"] = line({n: sharded(run, photos, folder, n) for n in PROCESSES}, min(options.rounds, 3))
    for what, found in lines.items():
        for one in found:
            print(f"{what:22s} {one['size']:>10,.0f} {one['seconds'] * 1e3:10.1f} ms  ", end="")
            print(f"{one['times larger']:7.1f} times the size, {one['times longer']:6.2f} times the time", flush=True)
    record = {
        "command": f"python benchmarks/growth.py --threads {options.threads} --rounds {options.rounds}",
        "commit": commit(),
        "machine": {"cpu": cpu(), "cores": os.cpu_count(), "threads": options.threads, "system": platform.platform()},
        "versions": {"torch": torch.__version__, "numpy": np.__version__},
        "network": NETWORK,
        "lines": lines,
    }
    if not options.no_write:
        RESULT.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
