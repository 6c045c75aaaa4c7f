"""What `visus train learned-optimizer` does: train, compare with tuned rivals, and write a run with the plot."""

from __future__ import annotations

import csv
import io
import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from visus.names import find
from visus.new_folder import new_folder
from visus.terminal import console as new_console
from visus.whole_file import write_whole

if TYPE_CHECKING:
    from rich.console import Console

    from visus.systems.meta_learning.learning_to_learn import Descent
    from visus.training.learned_optimizer import CoordinateLSTM


def train_learned_optimizer(
    *,
    objective: str = "quadratic",
    minutes: float = 2.0,
    steps: int = 100,
    hidden: int = 20,
    preprocessing: str = "",
    meta_loss: str = "logarithms",
    seed: int = 0,
    run: str | Path = "runs/learned-optimizer",
) -> Path:
    """Trains an optimiser on random functions, and compares it with SGD, momentum, RMSprop and Adam on others.

    Args:
        objective: ``quadratic``, or ``network`` for small networks.
        minutes: of training; the comparison takes about as many seconds.
        steps: of a descent; the comparison goes on for twice as many.
        hidden: width of the LSTM.
        preprocessing: of gradients: ``log_and_sign`` or ``identity``; what suits the objective when empty.
        meta_loss: what is summed over the steps: ``logarithms`` of the losses, or their ``values`` as in the paper.
        seed: of everything.
        run: the folder; numbered where it exists.

    Returns:
        The folder: weights.safetensors, curves.csv, metrics.json and report.html with the plots.

    Raises:
        VisusError: there is no such objective.
        ValueError: no such preprocessing, or a number out of its range.
    """
    import torch

    from visus import __version__
    from visus.nn.weights import save_weights
    from visus.systems.meta_learning.learning_to_learn import META_LOSSES, RATES, RIVALS, learn
    from visus.systems.meta_learning.objectives import OBJECTIVES
    from visus.training.learned_optimizer import KIND, CoordinateLSTM

    chosen = find(OBJECTIVES, objective, "objective")
    find(META_LOSSES, meta_loss, "meta-loss")
    if minutes <= 0 or steps < 1 or hidden < 1:
        raise ValueError(f"minutes {minutes}, steps {steps} and hidden {hidden} must be above 0")
    torch.manual_seed(seed)
    network = CoordinateLSTM(hidden=hidden, preprocessing=preprocessing or chosen.preprocessing)
    with new_folder(Path(run), numbered=True) as folder:
        console = new_console(markup=False)
        console.print(f"learned optimiser on random {objective} functions, {minutes:g} min")
        told = partial(_tell_progress, console)
        learn(network, chosen, seconds=60 * minutes, seed=seed, steps=steps, meta_loss=meta_loss, on_check=told)
        metadata = {"visus": __version__, "kind": KIND, "options": json.dumps(network.options), "objective": objective}
        save_weights(folder / "weights.safetensors", network.state_dict(), metadata)
        console.print(f"comparing with {', '.join(RIVALS)}, each at the best of {len(RATES)} learning rates")
        found = _compared(network, objective, steps=steps, seed=seed)
        about = {"objective": objective, "minutes": minutes, "meta_loss": meta_loss, "seed": seed}
        _write(folder, about | {"functions": chosen.tested}, found, steps)
        _tell(console, found)
        console.print(f"{folder}: use it with --optim.name learned --optim.weights {folder}", soft_wrap=True)
        return folder


def _tell_progress(console: Console, rounds: int, value: float, seconds: float) -> None:
    console.print(f"{seconds:.0f} s  {rounds} descents  mean log loss of unseen functions {value:.3f}")


def _tell(console: Console, found: dict[str, dict[str, Descent]]) -> None:
    for length, runs in found.items():
        ends = ", ".join(f"{name} {value:.4g}" for name, value in _ends(runs).items())
        console.print(f"loss after {length}: {ends}", soft_wrap=True)


def _compared(network: CoordinateLSTM, objective: str, *, steps: int, seed: int) -> dict[str, dict[str, Descent]]:
    """Descents on unseen functions: as many steps as were trained, twice as many, and on wider functions."""
    import torch

    from visus.systems.meta_learning.learning_to_learn import compare
    from visus.systems.meta_learning.objectives import OBJECTIVES

    seeds, chosen = [seed + offset for offset in (2_000_003, 3_000_017)], OBJECTIVES[objective]
    unseen, wider = (
        [draw(chosen.tested, torch.Generator().manual_seed(one)) for one in seeds]
        for draw in (chosen.draw, chosen.wider)
    )
    found = {f"{length} steps": compare(network, *unseen, steps=length) for length in (steps, 2 * steps)}
    return found | {f"{steps} steps at twice the width": compare(network, *wider, steps=steps)}


def _write(folder: Path, about: dict[str, object], found: dict[str, dict[str, Descent]], trained: int) -> None:
    """Numbers, curves and page of comparisons: as many steps as were trained, twice as many, and wider functions."""
    short, long, _ = found.values()
    metrics = {
        **about,
        **{f"loss after {length}": _ends(runs) for length, runs in found.items()},
        "learning rates": {name: one.lr for name, one in short.items()},
    }
    write_whole(folder / "metrics.json", json.dumps(metrics, indent=2) + "\n")
    write_whole(folder / "curves.csv", _table(long))
    _write_page(folder, about, long, trained)


def _ends(runs: dict[str, Descent]) -> dict[str, float]:
    return {name: one.values[-1] for name, one in runs.items()}


def _table(runs: dict[str, Descent]) -> str:
    """A row for each optimiser and step."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["optimizer", "step", "loss", "seconds"])
    for name, one in runs.items():
        for step, (value, seconds) in enumerate(zip(one.values, one.seconds, strict=True)):
            writer.writerow([name, step, f"{value:.6g}", f"{seconds:.6g}"])
    return text.getvalue()


def _write_page(folder: Path, about: dict[str, object], runs: dict[str, Descent], trained: int) -> None:
    """The loss over steps and over seconds, as logarithms, on a page of the reports' style."""
    import numpy as np

    from visus.report.charts import line_chart
    from visus.report.layout import write_page

    logs = {name: np.log10(np.maximum(one.values, 1e-12)) for name, one in runs.items()}
    steps = list(range(len(next(iter(logs.values())))))
    by_step = line_chart(
        "log10 of the mean loss over steps (the mark: as far as it was trained)",
        [float(step) for step in steps],
        {name: values.tolist() for name, values in logs.items()},
        x_name="step",
        mark=float(trained),
    )
    last = min(one.seconds[-1] for one in runs.values())
    grid = np.linspace(0, last, 101)
    by_second = line_chart(
        "log10 of the mean loss over milliseconds of a processor",
        (1000 * grid).tolist(),
        {name: np.interp(grid, one.seconds, logs[name]).tolist() for name, one in runs.items()},
        x_name="milliseconds",
    )
    rates = ", ".join(f"{name} {one.lr:.3g}" for name, one in runs.items() if name != "learned")
    note = (
        f"<p class=note>Means over {about['functions']} unseen functions. Learning rates, tuned on others: {rates}.</p>"
    )
    sections = {f"Random {about['objective']} functions": f'{note}<div class="charts">{by_step}{by_second}</div>'}
    write_page(folder / "report.html", title="Learned optimiser", sections=sections)
