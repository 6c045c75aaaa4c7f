"""``visus reproduce``: train every row of a results table under one protocol, and print it beside the published one."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from visus.errors import VisusError

if TYPE_CHECKING:
    from visus.recipes.metric_table import Row, Setting


@dataclass(frozen=True)
class MetricLearningArguments:
    """The methods of deep metric learning on classes that were never trained, as recall@K.

    Args:
        data: folder of the data set.
        dataset: its layout, a key of `visus list datasets`.
        protocol: ``paper`` trains on the first half of the classes and keeps the best weights on the test classes, as
            the published numbers were chosen; ``mlrc`` chooses on held-out training classes, fold by fold.
        rows: only these methods; all by default.
        minutes: so long a training of each row (and fold, and seed).
        seeds: one or more; the table shows the mean and, from two on, its 95 % confidence interval.
        folds: folds of the training classes for ``mlrc``.
        size: side of the pictures in pixels.
        val_every: epochs from validation to validation.
        run: folder of the table; a new one, runs/metric-learning, by default. An existing one goes on: finished rows
            are not trained again.
    """

    data: Annotated[Path, tyro.conf.arg(metavar="FOLDER")]
    dataset: str = "sop"
    protocol: Literal["paper", "mlrc"] = "paper"
    rows: tuple[str, ...] = ()
    minutes: float = 10.0
    seeds: tuple[int, ...] = (0,)
    folds: int = 4
    size: int = 96
    val_every: int = 4
    run: Annotated[Path, tyro.conf.arg(metavar="FOLDER")] = field(default=Path("runs/metric-learning"))


def main(argv: list[str]) -> int:
    """Runs ``visus reproduce metric-learning``."""
    tables = ("metric-learning",)
    if not argv or argv[0] not in tables:
        raise VisusError(f"visus reproduce TABLE: the tables are {', '.join(tables)}")
    arguments = tyro.cli(MetricLearningArguments, args=argv[1:], prog="visus reproduce metric-learning")
    from visus.cli.metric_runs import measure_frozen, measure_row
    from visus.cli.metric_tables import write_table
    from visus.recipes.metric_table import Setting, metric_table

    setting = Setting(arguments.dataset, str(arguments.data), arguments.size, arguments.minutes)
    rows = _chosen(metric_table(setting), arguments.rows)
    arguments.run.mkdir(parents=True, exist_ok=True)
    results = {"frozen": [measure_frozen(setting, arguments.run)]}
    for name in rows:
        results[name] = [
            measure_row(_with_seed(setting, seed, name), arguments.run, name, _protocol(arguments))
            for seed in arguments.seeds
        ]
        write_table(arguments.run, rows, results, _about(arguments))
    write_table(arguments.run, rows, results, _about(arguments), show=True)
    return 0


def _chosen(rows: dict[str, Row], names: tuple[str, ...]) -> dict[str, Row]:
    from visus.catalog import find

    return {name: find(rows, name, "row") for name in names} if names else rows


def _with_seed(setting: Setting, seed: int, name: str) -> Row:
    from dataclasses import replace

    from visus.recipes.metric_table import metric_table

    return metric_table(replace(setting, seed=seed))[name]


def _protocol(arguments: MetricLearningArguments) -> tuple[int, int]:
    """The folds to train (0 for the whole training half), and the epochs between validations."""
    return (arguments.folds if arguments.protocol == "mlrc" else 0), arguments.val_every


def _about(arguments: MetricLearningArguments) -> dict[str, str]:
    """What the table says of itself."""
    chosen = {
        "paper": "best epoch on the test classes (paper)",
        "mlrc": f"best epoch on held-out training classes, {arguments.folds} folds (mlrc)",
    }
    return {
        "data": f"{arguments.dataset}, {arguments.size} pixels",
        "selection": chosen[arguments.protocol],
        "budget": f"{arguments.minutes:g} minutes a training",
        "seeds": ", ".join(map(str, arguments.seeds)),
    }
