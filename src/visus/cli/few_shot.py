"""``visus reproduce few-shot``: the learners of few-shot learning under one budget, beside the published numbers."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from visus.new_folder import refuse_other_folder


@dataclass(frozen=True)
class FewShotArguments:
    """Few-shot learners on tasks of unseen classes, as accuracy with its 95 % interval.

    Args:
        data: folder of the data set.
        dataset: its layout, a key of `visus list datasets`.
        n_way: classes of a task of the test; several, and each is measured.
        k_shot: labelled images of each.
        rows: only these learners; all by default.
        minutes: so long a training of each row (and seed).
        seeds: one or more; the table shows the mean.
        measured: tasks of the test.
        run: folder of the table; an existing one goes on: finished rows stay and are not trained again.
    """

    data: Annotated[Path, tyro.conf.arg(metavar="FOLDER")]
    dataset: str = "omniglot"
    n_way: tuple[int, ...] = (5,)
    k_shot: int = 1
    rows: tuple[str, ...] = ()
    minutes: float = 5.0
    seeds: tuple[int, ...] = (0,)
    measured: int = 600
    run: Annotated[Path, tyro.conf.arg(metavar="FOLDER")] = field(default=Path("runs/few-shot"))


def main(argv: list[str]) -> int:
    """Runs ``visus reproduce few-shot``."""
    arguments = tyro.cli(FewShotArguments, args=argv, prog="visus reproduce few-shot")
    from visus.names import find
    from visus.recipes.few_shot_table import FewShotSetting, few_shot_table
    from visus.runs.few_shot import (
        measure_few_shot,
        read_few_shot_table,
        show_few_shot_table,
        write_few_shot_table,
    )

    refuse_other_folder(arguments.run)
    settings = {
        seed: [
            FewShotSetting(
                dataset=arguments.dataset,
                root=str(arguments.data),
                n_way=n_way,
                k_shot=arguments.k_shot,
                minutes=arguments.minutes,
                measured=arguments.measured,
                seed=seed,
            )
            for n_way in arguments.n_way
        ]
        for seed in arguments.seeds
    }
    known = few_shot_table(FewShotSetting())
    names = arguments.rows or tuple(known)
    for name in names:
        find(known, name, "row")
    about = {
        "data": f"{arguments.dataset}, {arguments.measured} tasks of the test split",
        "selection": "weights of the last validation, on tasks of validation classes",
    }
    command = shlex.join(["visus", "reproduce", "few-shot", *argv])
    arguments.run.mkdir(parents=True, exist_ok=True)
    results = read_few_shot_table(arguments.run)
    for name in names:
        for some in settings.values():
            results |= measure_few_shot(name, some, arguments.run, command=command)
            write_few_shot_table(arguments.run, results, about)
    show_few_shot_table(results)
    return 0
