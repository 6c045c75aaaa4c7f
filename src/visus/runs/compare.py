"""What `visus report RUN RUN` does, as functions: reads what several runs left behind and writes one page of it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from visus.errors import VisusError
from visus.metrics.metric import Measure
from visus.report.comparison import ComparedRun, best_of, comparison_sections, shared_measures
from visus.report.layout import write_page
from visus.runs.results_shown import print_rows
from visus.terminal import console
from visus.training.recipe import Recipe, settings
from visus.training.run import THRESHOLD, RunError, RunFolder

PAGE = Path("runs/comparison.html")


def compare(runs: Sequence[str | Path], *, out: str | Path | None = None) -> Path:
    """Writes a page that shows several runs side by side, and prints their headlines.

    Args:
        runs: the folders of runs that were measured.
        out: the page; ``runs/comparison.html``, or the next free number of it, when None.

    Returns:
        The path of the page.

    Raises:
        RunError: a folder holds no measured run.
        VisusError: there is a file at ``out``, or a run is named twice.
    """
    paths = [Path(run) for run in runs]
    real = [path.resolve() for path in paths]
    if len(set(real)) < len(real):
        raise VisusError(f"{paths[next(i for i in range(len(real)) if real[i] in real[:i])]} is named twice")
    compared = [read_run(path, name) for path, name in zip(paths, _short(paths), strict=True)]
    page = _free() if out is None else Path(out)
    if page.exists():
        raise VisusError(f"{page} exists already: name another file with --out")
    page.parent.mkdir(parents=True, exist_ok=True)
    title = "Comparison of " + ", ".join(run.name for run in compared)
    write_page(page, title=title, sections=comparison_sections(compared))
    terminal = console(markup=True)
    _tell(compared, terminal)
    terminal.print(escape(f"Report   {page}"), soft_wrap=True)
    return page


def read_run(path: Path, name: str) -> ComparedRun:
    """What a run left behind.

    Raises:
        RunError: the folder is no run, was not measured, or by an earlier version.
    """
    folder = RunFolder(path)
    recipe, metrics = folder.recipe(), folder.metrics()
    said: Any = metrics.get("measures")
    if not isinstance(said, dict):
        raise RunError(f"{path} was measured by an earlier version: visus evaluate {path} measures it anew")
    numbers = {key: value for key, value in metrics.items() if key in said and isinstance(value, float)}
    per_category: Any = metrics.get("per category") or {}
    data = f"{recipe.data.val} of {recipe.data.dataset}{f' in {recipe.data.root}' if recipe.data.root else ''}"
    return ComparedRun(
        name=name,
        numbers={key: value for key, value in numbers.items() if key != THRESHOLD},
        measures={key: Measure(**values) for key, values in said.items() if key != THRESHOLD},
        per_category=per_category,
        facts=_facts(folder, recipe, metrics),
        settings={name: str(value) for name, value in settings(recipe).items()},
        curves=folder.curves(),
        data=f"{data}, {metrics.get('pictures', '?')} images",
    )


def _facts(folder: RunFolder, recipe: Recipe, metrics: Mapping[str, object]) -> dict[str, str]:
    history, threshold = folder.history(), folder.threshold()
    facts = {"model": recipe.model}
    if history:
        facts["minutes"] = f"{history[-1].get('minutes', 0.0):.1f}"
        facts["best epoch"] = f"{metrics.get('best epoch') or '–'} of {len(history)}"
    if threshold is not None:
        facts["score threshold"] = f"{threshold:.2f}"
    return facts


def _short(paths: Sequence[Path]) -> list[str]:
    """The names of the folders, or as much of their paths as tells them apart."""
    parts = [path.resolve().parts for path in paths]
    for length in range(1, max(map(len, parts)) + 1):
        names = [os.sep.join(part[-length:]) for part in parts]
        if len(set(names)) == len(names):
            return names
    return [str(path) for path in paths]


def _free() -> Path:
    """The first page of that name that does not exist."""
    for number in range(2, 10_000):
        page = PAGE if number == 2 else PAGE.with_stem(f"{PAGE.stem}-{number - 1}")
        if not page.exists():
            return page
    raise VisusError(f"{PAGE} and ten thousand numbered pages beside it are taken: name another with --out")


def _tell(runs: Sequence[ComparedRun], console: Console) -> None:
    """The headlines of each run, the best in bold."""
    chosen = {name: measure for name, measure in shared_measures(runs).items() if measure.headline}
    rows = {}
    for run in runs:
        cells = []
        for name, measure in chosen.items():
            text, best = measure.text(run.numbers.get(name)), best_of(runs, name, measure)
            is_best = best is not None and run.numbers.get(name) == best
            cells.append(f"[bold green]{text}[/]" if is_best else text)
        rows[run.name] = cells
    print_rows(list(chosen), rows, console)
