"""``visus reproduce modelnet10``: train the networks for shapes on the cells of ModelNet10, and print their table."""

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
class ModelNetArguments:
    """The networks for shapes on ModelNet10, overall and mean class accuracy on its test.

    Weights are chosen on a tenth of the training shapes; the test is looked at once.

    Args:
        data: folder of modelnet10_30.npz.
        rows: only these networks; all by default.
        minutes: so long a training of each.
        seed: of all trainings.
        run: folder of the table. An existing one goes on: finished rows are not trained again.
    """

    data: Folder
    rows: tuple[str, ...] = ()
    minutes: float = 25.0
    seed: int = 0
    run: Folder = field(default=Path("runs/modelnet10"))


def main(argv: list[str]) -> int:
    """Runs ``visus reproduce modelnet10``."""
    arguments = tyro.cli(ModelNetArguments, args=argv, prog="visus reproduce modelnet10")
    if arguments.minutes <= 0:
        raise VisusError(f"--minutes must be above 0, not {arguments.minutes:g}")
    refuse_other_folder(arguments.run)
    from visus.recipes.shape_table import SHAPE_ROWS
    from visus.runs.reproduce_shapes import measure_shapes, write_shapes

    rows = {name: find(SHAPE_ROWS, name, "row of the table") for name in arguments.rows or tuple(SHAPE_ROWS)}
    about = {
        "command": shlex.join(["visus", "reproduce", "modelnet10", *argv]),
        "protocol": "weights chosen on every tenth training shape of a class, no votes, the test measured once",
    }
    results = {}
    for name, row in rows.items():
        place = arguments.run / "rows" / f"{name}-seed{arguments.seed}"
        place.parent.mkdir(parents=True, exist_ok=True)
        results[name] = measure_shapes(row, arguments.data, place, minutes=arguments.minutes, seed=arguments.seed)
        write_shapes(arguments.run, results, about)
    return 0
