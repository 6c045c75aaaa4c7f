"""Keep what a training run measured: its numbers with machine, versions, commit, command and seed.

python benchmarks/record_run.py runs/demo --name demo --command "make demo"

The folder of a results table (``visus reproduce``) is kept with its rows and their recipes.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from interleaved import commit, cpu

RESULTS = Path(__file__).resolve().parent / "results"


def main() -> None:
    """Writes ``benchmarks/results/NAME.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--name", required=True)
    parser.add_argument("--command", required=True, help="the command that made the run")
    options = parser.parse_args()
    record = {
        "command": options.command,
        "commit": commit(),
        "machine": {"cpu": cpu(), "cores": os.cpu_count(), "system": platform.platform()},
        "versions": {name: version(name) for name in ("torch", "visus", "pytorch-lightning", "hotcoco", "numpy")},
        **(table(options.run) if (options.run / "table.json").is_file() else one_run(options.run)),
    }
    file_name = RESULTS / f"{options.name}.json"
    file_name.write_text(json.dumps(record, indent=2) + "\n")
    print(file_name)


def one_run(folder: Path) -> dict[str, object]:
    """Seed, minutes, recipe and measures of a run; of a learned optimiser, what it says itself."""
    if not (folder / "recipe.json").is_file():
        return dict(json.loads((folder / "metrics.json").read_text()))
    recipe = recipe_of(folder)
    with (folder / "metrics.csv").open() as file:
        minutes = [float(row["minutes"]) for row in csv.DictReader(file) if row.get("minutes")]
    files = {
        "metrics": folder / "metrics.json",
        "metrics of the test": folder / "metrics-test.json",
        "metrics in sgdet": folder / "metrics-test-sgdet.json",
    }
    return {
        "seed": recipe["fit"]["seed"],
        "minutes of training": round(max(minutes), 2),
        "recipe": recipe,
        **{name: json.loads(file.read_text()) for name, file in files.items() if file.is_file()},
    }


def table(folder: Path) -> dict[str, object]:
    """The rows of a table, and how each was trained."""
    rows = folder / "rows"  # a fold of a row lies one deeper
    runs = {str(file.parent.relative_to(rows)): one_run(file.parent) for file in sorted(rows.rglob("metrics.json"))}
    for run in runs.values():
        del run["metrics"]
    return {"table": json.loads((folder / "table.json").read_text()), "runs": runs}


def recipe_of(folder: Path) -> dict[str, Any]:
    """The recipe of a run."""
    recipe: dict[str, Any] = json.loads((folder / "recipe.json").read_text())
    root = Path(recipe["data"]["root"])
    recipe["data"]["root"] = root.name if root.is_absolute() else str(root)  # where the data lay is nobody's business
    return recipe


if __name__ == "__main__":
    main()
