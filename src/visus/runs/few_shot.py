"""What `visus reproduce few-shot` does: train learners under one budget and measure them on unseen classes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rich.table import Table

from visus.data.files.json_file import read_json
from visus.recipes.few_shot_table import FewShotSetting, few_shot_table
from visus.runs.feed import open_split, val_loader
from visus.runs.reproduce import trained
from visus.terminal import bar, console
from visus.training.recipe import Recipe
from visus.training.run import RunFolder
from visus.whole_file import write_whole

Numbers = Mapping[str, float | str]


def measure_few_shot(
    name: str, settings: Sequence[FewShotSetting], folder: Path, *, command: str
) -> dict[str, Numbers]:
    """Accuracy of one learner on the tasks of the test split, by protocol.

    What has no number of classes of its own is trained once, under the first protocol. A run that was finished before
    is read, not trained.

    Args:
        name: a key of `few_shot_table`.
        settings: protocols under one seed.
        folder: of the table.
        command: kept beside the numbers.
    """
    found: dict[str, Numbers] = {}
    for setting in settings:
        row = few_shot_table(setting)[name]
        learner = row.trained_as or name
        own = f"-{setting.n_way}-way" if row.own_way else ""
        trained_under = few_shot_table(setting if row.own_way else settings[0])[learner]
        place = folder / "rows" / f"{learner}{own}-seed{setting.seed}"
        run = trained(trained_under.recipe, place) if row.learns else None
        minutes = setting.minutes if row.learns else 0.0
        found[f"{name} {setting.n_way}-way {setting.k_shot}-shot seed {setting.seed}"] = {
            "row": name,
            "command": command,
            "minutes": minutes,
            "seed": setting.seed,
            **_on_test(row.recipe, run, setting.measured),
        }
    return found


def _on_test(recipe: Recipe, run: RunFolder | None, tasks: int) -> Mapping[str, float]:
    from visus import catalog
    from visus.nn.weights import load_state, read_weights
    from visus.training.evaluation import measure

    episodes = replace(recipe.data.episodes, measured=tasks)
    asked = replace(recipe, data=replace(recipe.data, val="test", episodes=episodes))
    dataset = open_split(asked, "val")
    model = catalog.build_model(recipe.model, dataset.schema, recipe.model_options)
    if run is not None:
        load_state(model, read_weights(run.weights)[0], source=str(run.weights))
    metric = catalog.problem_of(recipe.model).metric_of(model, recipe, dataset.schema)
    with bar(f"measuring {recipe.model}", len(dataset)) as advance:
        return measure(model, metric, val_loader(asked, dataset, model), on_batch=advance)


def read_few_shot_table(folder: Path) -> dict[str, Numbers]:
    """The rows that earlier commands left in a folder; none where there is no table."""
    path = folder / "table.json"
    return dict(read_json(path)["rows"]) if path.is_file() else {}


def write_few_shot_table(folder: Path, results: Mapping[str, Numbers], about: Mapping[str, str]) -> None:
    """Writes table.json and table.md, as far as there are results."""
    lines = [f"- {name}: {text}" for name, text in about.items()]
    lines += ["", f"| {' | '.join(_HEADS)} |", f"|{'---|' * len(_HEADS)}"]
    lines += [f"| {' | '.join(cells)} |" for cells in _cells(results)]
    write_whole(folder / "table.json", json.dumps({"about": dict(about), "rows": dict(results)}, indent=2) + "\n")
    write_whole(folder / "table.md", "\n".join(lines) + "\n")


def show_few_shot_table(results: Mapping[str, Numbers]) -> None:
    """Prints the table."""
    table = Table(*_HEADS, box=None, header_style="dim", pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for cells in _cells(results):
        table.add_row(*cells)
    console(markup=False).print(table)


_HEADS = ("method", "way, shot", "accuracy", "± 95 %", "transductive", "minutes", "published")


def _cells(results: Mapping[str, Numbers]) -> list[list[str]]:
    """The cells of each row, in the order of the rows and protocols: the mean over the seeds."""
    rows = few_shot_table(FewShotSetting())
    order = list(rows)
    seeds: dict[tuple[int, int, int], list[Numbers]] = {}
    for one in results.values():
        key = (int(one["k_shot"]), int(one["n_way"]), order.index(str(one["row"])))
        seeds.setdefault(key, []).append(one)
    found = []
    for (k_shot, n_way, place), numbers in sorted(seeds.items()):
        row = rows[order[place]]
        accuracy, interval, minutes = (
            sum(float(one[key]) for one in numbers) / len(numbers) for key in ("accuracy", "95 % interval", "minutes")
        )
        published = row.published.get((n_way, k_shot))
        found.append(
            [
                row.title,
                f"{n_way}, {k_shot}",
                f"{100 * accuracy:.2f}",
                f"{100 * interval:.2f}",
                "yes" if numbers[0]["transductive"] else "no",
                f"{minutes:g}",
                "–" if published is None else f"{published:g}",
            ]
        )
    return found
