"""Keep what a training run measured: its numbers with machine, versions, commit, command and seed.

python benchmarks/record_run.py runs/demo --name demo --command "make demo"
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
from importlib.metadata import version
from pathlib import Path

from interleaved import commit, cpu

RESULTS = Path(__file__).resolve().parent / "results"


def main() -> None:
    """Writes ``benchmarks/results/NAME.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--name", required=True)
    parser.add_argument("--command", required=True, help="the command that made the run")
    options = parser.parse_args()
    recipe = json.loads((options.run / "recipe.json").read_text())
    root = Path(recipe["data"]["root"])
    recipe["data"]["root"] = root.name if root.is_absolute() else str(root)  # where the data lay is nobody's business
    with (options.run / "metrics.csv").open() as file:
        minutes = [float(row["minutes"]) for row in csv.DictReader(file) if row.get("minutes")]
    record = {
        "command": options.command,
        "commit": commit(),
        "seed": recipe["fit"]["seed"],
        "machine": {"cpu": cpu(), "cores": os.cpu_count(), "system": platform.platform()},
        "versions": {name: version(name) for name in ("torch", "visus", "pytorch-lightning", "hotcoco", "numpy")},
        "minutes of training": round(max(minutes), 2),
        "recipe": recipe,
        "metrics": json.loads((options.run / "metrics.json").read_text()),
    }
    file_name = RESULTS / f"{options.name}.json"
    file_name.write_text(json.dumps(record, indent=2) + "\n")
    print(file_name)


if __name__ == "__main__":
    main()
