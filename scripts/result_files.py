"""The files of benchmarks/results, and how tables of them are written in Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parents[1] / "benchmarks" / "results"
Record = Mapping[str, Any]
Lines = list[str]


def record_of(name: str) -> Record:
    """One file of results."""
    record: Record = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return record


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Lines:
    """A table in Markdown."""
    return [_row(header), "|" + "---|" * len(header), *map(_row, rows)]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def percent(value: float, digits: int = 1) -> str:
    """A share in percent; a dash where COCO's tools say -1, which is nothing to measure."""
    return f"{100 * value:.{digits}f}" if value >= 0 else "-"


def sources(*names: str, commands: bool = True) -> Lines:
    """Which files a table was made of, by which commands and on which machines: a paragraph for each machine."""
    machines: dict[str, list[str]] = {}
    for name in names:
        record = record_of(name)
        said = f"`{name}.json` (`{record['command']}`)" if commands else f"`{name}.json`"
        machines.setdefault(_machine(record), []).append(said)
    return [line for machine, files in machines.items() for line in ("", f"{', '.join(files)}: {machine}.")]


def _machine(record: Record) -> str:
    machine, versions = record["machine"], record.get("versions", {})
    if isinstance(machine, str):  # a file that kept no more than the architecture
        return f"{machine}, torch {record['torch']}"
    parts = [str(machine["cpu"]), f"{machine['cores']} cores"]
    parts += [f"{machine['threads']} thread{'s' * (machine['threads'] > 1)}"] if "threads" in machine else []
    load = machine.get("load", [])
    parts += [f"load {(load if isinstance(load, float) else load[0]):.0f}"] if load else []
    torch = versions.get("torch") or versions.get("ours", {}).get("torch")
    return ", ".join([*parts, *([f"torch {torch}"] if torch else [])])
