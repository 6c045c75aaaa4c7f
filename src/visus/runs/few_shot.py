"""What `visus reproduce few-shot` does: train learners under one budget and measure them on unseen classes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from rich.table import Table

from visus.recipes.few_shot_table import FewShotRow
from visus.runs.feed import open_split, val_loader
from visus.runs.reproduce import trained
from visus.terminal import console
from visus.training.recipe import Recipe
from visus.training.run import RunFolder
from visus.whole_file import write_whole

Numbers = dict[str, float]


def measure_few_shot(row: FewShotRow, folder: Path, name: str) -> Numbers:
    """Accuracy of one learner on the tasks of the test split; a run that was finished before is read, not trained."""
    run = trained(row.recipe, folder / "rows" / f"{name}-seed{row.recipe.fit.seed}") if row.learns else None
    return _on_test(row.recipe, run)


def _on_test(recipe: Recipe, run: RunFolder | None) -> Numbers:
    from visus import catalog
    from visus.nn.weights import load_state, read_weights
    from visus.training.evaluation import measure

    asked = replace(recipe, data=replace(recipe.data, val="test"))
    dataset = open_split(asked, "val")
    model = catalog.build_model(recipe.model, dataset.schema, recipe.model_options)
    if run is not None:
        load_state(model, read_weights(run.weights)[0], source=str(run.weights))
    metric = catalog.problem_of(recipe.model).metric_of(model, recipe, dataset.schema)
    return measure(model, metric, val_loader(asked, dataset, model))


def write_few_shot_table(
    folder: Path, rows: Mapping[str, FewShotRow], results: Mapping[str, list[Numbers]], about: Mapping[str, str]
) -> None:
    """Writes table.json and table.md, as far as there are results."""
    lines = [f"- {name}: {text}" for name, text in about.items()]
    lines += ["", f"| {' | '.join(_HEADS)} |", f"|{'---|' * len(_HEADS)}"]
    lines += [f"| {' | '.join(cells)} |" for cells in _cells(rows, results)]
    write_whole(folder / "table.json", json.dumps({"about": dict(about), "rows": dict(results)}, indent=2) + "\n")
    write_whole(folder / "table.md", "\n".join(lines) + "\n")


def show_few_shot_table(rows: Mapping[str, FewShotRow], results: Mapping[str, list[Numbers]]) -> None:
    """Prints the table."""
    table = Table(*_HEADS, box=None, header_style="dim", pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for cells in _cells(rows, results):
        table.add_row(*cells)
    console(markup=False).print(table)


_HEADS = ("method", "accuracy", "± 95 %", "tasks", "transductive", "published")


def _cells(rows: Mapping[str, FewShotRow], results: Mapping[str, list[Numbers]]) -> list[list[str]]:
    """The cells of each row: the mean over its seeds."""
    found = []
    for name, numbers in results.items():
        row, count = rows[name], len(results[name])
        mean = {key: sum(one[key] for one in numbers) / count for key in numbers[0]}
        published = row.published.get((int(mean["n_way"]), int(mean["k_shot"])))
        found.append(
            [
                row.title,
                f"{100 * mean['accuracy']:.2f}",
                f"{100 * mean['95 % interval']:.2f}",
                f"{mean['tasks']:.0f}",
                "yes" if mean["transductive"] else "no",
                "–" if published is None else f"{published:g}",
            ]
        )
    return found
