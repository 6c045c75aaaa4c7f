"""``visus reproduce scene-generation``: train the model and its ablations for the same time, and print one table."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from visus.errors import VisusError
from visus.names import find
from visus.new_folder import refuse_other_folder

Folder = Annotated[Path, tyro.conf.arg(metavar="FOLDER")]


@dataclass(frozen=True)
class SceneGenerationArguments:
    """Images from scene graphs of drawn scenes: the whole model, without graph convolution, without discriminators.

    A scene-graph model that was trained on real images says what it recognises in the made ones.

    Args:
        graphs: the run of that model, such as of `visus train motifs_vignettes --init RUN`.
        rows: only these variants; all by default.
        minutes: so long a training of each.
        seed: of all trainings.
        images: of the test that are measured.
        run: folder of the table. An existing one goes on: finished rows are not trained again.
    """

    graphs: Annotated[str, tyro.conf.arg(metavar="RUN")]
    rows: tuple[str, ...] = ()
    minutes: float = 19.5
    seed: int = 0
    images: int = 500
    run: Folder = field(default=Path("runs/scene-generation"))


def main(argv: list[str]) -> int:
    """Runs ``visus reproduce scene-generation``."""
    arguments = tyro.cli(SceneGenerationArguments, args=argv, prog="visus reproduce scene-generation")
    if arguments.minutes <= 0:
        raise VisusError(f"--minutes must be above 0, not {arguments.minutes:g}")
    if arguments.images < 1:
        raise VisusError(f"--images must be at least 1, not {arguments.images}")
    refuse_other_folder(arguments.run)
    from visus.predict.pictures import write_picture
    from visus.predict.predictor import load
    from visus.recipes.scene_table import SCENE_ROWS
    from visus.runs.feed import open_split
    from visus.runs.scene_generation import check_looking, comparison, measure_row, write_scenes

    rows = {name: find(SCENE_ROWS, name, "row of the table") for name in arguments.rows or tuple(SCENE_ROWS)}
    looking = load(arguments.graphs)
    check_looking(looking)
    about = {
        "command": shlex.join(["visus", "reproduce", "scene-generation", *argv]),
        "protocol": "FD and IS by EfficientNet-Lite0 at 128 pixels; recognised: the class that the detector of "
        f"{arguments.graphs} sees in an object's box; found: by itself, score and IoU from 0.5; R@20: of relationships "
        "between given objects.",
        "seed": str(arguments.seed),
        "minutes": f"{arguments.minutes:g}",
    }
    results, generators = {}, {}
    for name, row in rows.items():
        place = arguments.run / "rows" / f"{name}-seed{arguments.seed}"
        place.parent.mkdir(parents=True, exist_ok=True)
        results[name] = measure_row(
            row, looking, place, minutes=arguments.minutes, seed=arguments.seed, images=arguments.images
        )
        generators[row.title] = load(place)
        write_scenes(arguments.run, results, about)
    samples = open_split(next(iter(rows.values())).recipe(), "val")
    write_picture(comparison(generators, [samples[place] for place in range(6)]), arguments.run / "sheet.png")
    print(f"Sheet  {arguments.run / 'sheet.png'}")
    return 0
