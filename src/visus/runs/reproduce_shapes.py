"""The trainings behind the table of networks for shapes: weights chosen on validation, one look at the test."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from rich.table import Table

from visus.recipes.shape_table import SHAPE_ROWS, ShapeRow
from visus.runs.train import evaluate, train
from visus.terminal import console
from visus.training.run import RunFolder
from visus.whole_file import write_whole

Numbers = Mapping[str, float]


def measure_shapes(row: ShapeRow, data: Path, place: Path, *, minutes: float, seed: int) -> Numbers:
    """Accuracies of one network on the test; a run that was finished before is measured, not trained.

    Args:
        row: the network.
        data: the folder of ModelNet10's cells.
        place: of its run.
        minutes: of its training.
        seed: of its training.
    """
    if not RunFolder(place).metrics_file.is_file():
        recipe = row.recipe()
        fit = replace(recipe.fit, max_minutes=minutes, seed=seed)
        recipe = replace(recipe, data=replace(recipe.data, root=str(data)), fit=fit)
        path = train(recipe, run=place)
        if path != place:  # what broke off before is moved aside
            place.rename(place.with_name(f"{place.name}-unfinished"))
            path.rename(place)
    return evaluate(place, split="test")


def write_shapes(folder: Path, results: Mapping[str, Numbers], about: Mapping[str, str]) -> None:
    """Writes ``table.json`` and shows the table."""
    write_whole(folder / "table.json", json.dumps({"about": dict(about), "rows": results}, indent=1) + "\n")
    table = Table("network", "looks at", "overall", "mean class", "published elsewhere", box=None, header_style="dim")
    for name, numbers in results.items():
        row = SHAPE_ROWS[name]
        shares = (f"{100 * numbers[key]:.1f}" for key in ("overall accuracy", "mean class accuracy"))
        table.add_row(row.title, row.looks_at, *shares, row.published)
    terminal = console()
    terminal.print(table)
    terminal.print(f"Table  {folder / 'table.json'}", soft_wrap=True)
