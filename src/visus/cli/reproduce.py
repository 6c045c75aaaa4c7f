"""``visus reproduce``: train every row of a results table under one protocol, and print it beside the published one."""

from __future__ import annotations

import shlex
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import tyro

from visus.cli.few_shot import main as few_shot
from visus.cli.reproduce_scenes import main as scene_generation
from visus.cli.reproduce_shapes import main as modelnet10
from visus.errors import VisusError
from visus.new_folder import refuse_other_folder
from visus.recipes.metric_table import PoolingName

if TYPE_CHECKING:
    from visus.recipes.metric_table import Row, Setting


BEST = 3
"""So many rows get further seeds."""

_SPLITS = {"training": "train", "test": "val"}


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
        more_seeds: with these too, the three best rows are trained once all rows are done.
        folds: folds of the training classes for ``mlrc``.
        size: side of the images in pixels.
        pooling: ``layout`` also tells where in the image things are, ``average`` is the papers'; HDC has its own.
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
    more_seeds: tuple[int, ...] = ()
    folds: int = 4
    size: int = 96
    pooling: PoolingName = "layout"
    val_every: int = 4
    run: Annotated[Path, tyro.conf.arg(metavar="FOLDER")] = field(default=Path("runs/metric-learning"))


def main(argv: list[str]) -> int:
    """Runs ``visus reproduce``."""
    if argv and argv[0] in ("-h", "--help"):
        print(
            "usage: visus reproduce TABLE --data FOLDER\n\n"
            f"The tables: {', '.join(TABLES)}; `visus reproduce TABLE --help` explains the options of one"
        )
        return 0
    if not argv or argv[0] not in TABLES:
        raise VisusError(f"visus reproduce TABLE: the tables are {', '.join(TABLES)}")
    return TABLES[argv[0]](argv[1:])


def _metric_learning(argv: list[str]) -> int:
    """Runs ``visus reproduce metric-learning``."""
    arguments = tyro.cli(MetricLearningArguments, args=argv, prog="visus reproduce metric-learning")
    _check_seeds(arguments)
    from visus.recipes.metric_table import frozen_backbones, metric_table
    from visus.runs.reproduce import measure_frozen, measure_row
    from visus.runs.results_table import write_table
    from visus.stopping import StoppedOnRequest, exit_status

    refuse_other_folder(arguments.run)
    setting = _setting(arguments)
    about = _about(arguments, argv)
    rows = _chosen(metric_table(setting), arguments.rows)
    frozen = frozen_backbones(setting)
    results = {name: [measure_frozen(row)] for name, row in frozen.items()}
    arguments.run.mkdir(parents=True, exist_ok=True)
    try:
        for name, seed in _trainings(list(rows), arguments, results):
            row = _with_seed(setting, seed, name)
            results.setdefault(name, []).append(measure_row(row, arguments.run, name, _protocol(arguments)))
            write_table(arguments.run, frozen | rows, results, about)
    except StoppedOnRequest as stop:
        print(
            f"Stopped in {name} with seed {seed}, as asked. What is finished stays in {arguments.run}: the same "
            "command goes on from there, and trains this row from its start."
        )
        return exit_status(stop.number)
    write_table(arguments.run, frozen | rows, results, about, show=True)
    return 0


def _check_seeds(arguments: MetricLearningArguments) -> None:
    """Refuses a seed that is named twice: the same training once more says nothing of how results vary."""
    for option, seeds in (("--seeds", arguments.seeds), ("--more-seeds", arguments.more_seeds)):
        if len(set(seeds)) < len(seeds):
            raise VisusError(f"{option} {' '.join(map(str, seeds))} names a seed twice: give each once")
    if not arguments.seeds:
        raise VisusError("--seeds needs at least one seed")


def _setting(arguments: MetricLearningArguments) -> Setting:
    """What all rows share, with the number of classes that a training has, or a fold leaves it."""
    from visus.data.datasets import DATASETS
    from visus.names import find
    from visus.recipes.metric_table import Setting

    dataset = find(DATASETS, arguments.dataset, "data set")
    split = f"train:fold0of{arguments.folds}" if arguments.protocol == "mlrc" else "train"
    classes = dataset.open(arguments.data, split, for_training=True).schema.num_classes
    return Setting(
        dataset=arguments.dataset,
        root=str(arguments.data),
        size=arguments.size,
        pooling=arguments.pooling,
        minutes=arguments.minutes,
        classes=classes,
    )


def _trainings(
    names: list[str], arguments: MetricLearningArguments, results: dict[str, list[dict[str, float]]]
) -> Iterator[tuple[str, int]]:
    """Each row with each seed, then those that did best with the further seeds, by what ``results`` holds by then."""
    yield from ((name, seed) for name in names for seed in arguments.seeds)
    best = sorted(names, key=lambda name: -statistics.fmean(numbers["R@1"] for numbers in results[name]))
    yield from ((name, seed) for name in best[:BEST] for seed in arguments.more_seeds if seed not in arguments.seeds)


def _chosen(rows: dict[str, Row], names: tuple[str, ...]) -> dict[str, Row]:
    from visus.names import find

    return {name: find(rows, name, "row") for name in names} if names else rows


def _with_seed(setting: Setting, seed: int, name: str) -> Row:
    from dataclasses import replace

    from visus.recipes.metric_table import metric_table

    return metric_table(replace(setting, seed=seed))[name]


def _protocol(arguments: MetricLearningArguments) -> tuple[int, int]:
    """The folds to train (0 for the whole training half), and the epochs between validations."""
    return (arguments.folds if arguments.protocol == "mlrc" else 0), arguments.val_every


def _about(arguments: MetricLearningArguments, argv: list[str]) -> dict[str, str]:
    """What the table says of itself."""
    from visus.data.datasets import DATASETS

    entry = DATASETS[arguments.dataset]
    parts = {name: entry.open(arguments.data, split, for_training=False) for name, split in _SPLITS.items()}
    counts = [f"{part.schema.num_classes:,} {name} classes ({len(part):,} images)" for name, part in parts.items()]
    chosen = {
        "paper": "best epoch on the test classes (paper)",
        "mlrc": f"best epoch on held-out training classes, {arguments.folds} folds (mlrc)",
    }
    return {
        "data": f"{arguments.dataset} in {arguments.data.resolve()}, {arguments.size} pixels",
        "counts": ", ".join(counts),
        "network": f"EfficientNet-Lite0 from its ImageNet weights, pooling: {arguments.pooling}",
        "selection": chosen[arguments.protocol],
        "budget": f"{arguments.minutes:g} minutes a training",
        "seeds": ", ".join(map(str, arguments.seeds)) + _more(arguments),
        "command": shlex.join(["visus", "reproduce", "metric-learning", *argv]),
    }


def _more(arguments: MetricLearningArguments) -> str:
    seeds = ", ".join(map(str, arguments.more_seeds))
    return f" (the {BEST} best rows: {seeds} too)" if seeds else ""


TABLES: Final[dict[str, Callable[[list[str]], int]]] = {
    "metric-learning": _metric_learning,
    "few-shot": few_shot,
    "modelnet10": modelnet10,
    "scene-generation": scene_generation,
}
"""What each table of ``visus reproduce`` is measured by, with the arguments that follow its name."""
