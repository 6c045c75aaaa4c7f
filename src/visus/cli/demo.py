"""``visus demo``: a small Mask R-CNN with keypoints learns drawn scenes in five minutes and shows what it sees."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from visus.errors import VisusError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

SHOWN = 6
SMALLEST, LARGEST = 64, 1024
"""Sides of a scene that a person can look at."""

MAIN_MEASURES = ("AP", "AP50", "AP75")


@dataclass(frozen=True)
class DemoArguments:
    """Train on drawn scenes, measure on scenes never seen, draw a few predictions and write the report.

    Args:
        run: folder of the run; a new one, runs/demo, by default. One that exists is never written over.
        minutes: at most so long a training.
        scenes: number of unseen scenes to measure on.
        size: side of the scenes in pixels.
    """

    run: Annotated[Path, tyro.conf.arg(metavar="FOLDER")] = Path("runs/demo")
    minutes: float = 4.8
    scenes: int = 200
    size: int = 192


def main(argv: list[str]) -> int:
    """Runs ``visus demo``."""
    arguments = tyro.cli(DemoArguments, args=argv, prog="visus demo")
    for name, value, least in (("minutes", arguments.minutes, 0.1), ("scenes", arguments.scenes, 1)):
        if not value >= least:
            raise VisusError(f"--{name} must be at least {least:g}, not {value:g}")
    if not SMALLEST <= arguments.size <= LARGEST:
        raise VisusError(f"--size must be from {SMALLEST} to {LARGEST} pixels, not {arguments.size}")
    from visus.recipes import RECIPES
    from visus.runs.train import train
    from visus.terminal import console

    start = time.perf_counter()
    recipe = RECIPES["maskrcnn_vignettes"]()
    recipe = replace(
        recipe,
        model_options={**recipe.model_options, "size": arguments.size},
        data=replace(recipe.data, val_length=arguments.scenes),
        fit=replace(recipe.fit, max_minutes=arguments.minutes),
    )
    folder = train(recipe, run=arguments.run)
    pictures = _predict_a_few(folder, arguments.scenes, arguments.size)
    _tell(folder, pictures, time.perf_counter() - start, console())
    return 0


def _predict_a_few(folder: Path, first: int, size: int) -> list[Path]:
    """Drawings of the run's predictions on scenes after those that were measured."""
    from visus.data.vignettes import Vignettes
    from visus.predict.predictor import load

    predictor = load(folder)
    scenes = Vignettes(split="test", length=first + SHOWN, size=size)
    images = [scenes[first + number].input for number in range(SHOWN)]
    out = folder / "pictures"
    out.mkdir(exist_ok=True)
    written = []
    for number, result in enumerate(predictor.predict(images)):
        written.append(result.save(out / f"scene_{number}.png"))
    return written


def _tell(folder: Path, pictures: list[Path], seconds: float, console: Console) -> None:
    """The closing table, and where to look."""
    from visus.training.run import RunFolder

    numbers: Mapping[str, object] = RunFolder(folder).metrics()
    console.print()
    for kind in ("box", "mask", "keypoint"):
        for measure in MAIN_MEASURES:
            value = numbers.get(f"{kind} {measure}")
            if isinstance(value, float):
                console.print(f"{kind} {measure} {value:.3f}", highlight=False)
    console.print(
        f"measured on {numbers['pictures']} unseen scenes; {seconds / 60:.1f} minutes in all", highlight=False
    )
    console.print(f"Pictures  {pictures[0].parent}", soft_wrap=True, highlight=False)
    console.print(f"Report    {folder / 'report.html'}", soft_wrap=True, highlight=False)
    console.print(f"Next      visus predict {folder} YOUR_PHOTO.jpg", soft_wrap=True, highlight=False)
