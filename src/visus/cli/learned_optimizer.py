"""``visus train learned-optimizer``: train an optimiser, and compare it with tuned others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

NAME = "learned-optimizer"


@dataclass(frozen=True)
class LearnedOptimizerArguments:
    """Train an optimiser on random functions, and compare it with SGD, momentum, RMSprop and Adam at their best.

    Args:
        objective: random quadratics of 10 dimensions, or small networks on drawn points.
        minutes: of training.
        steps: of a descent.
        hidden: width of the LSTM.
        preprocessing: of gradients; what suits the objective by default.
        meta_loss: what is summed over the steps: the logarithms of the mean loss, or the losses as in the paper.
        seed: of everything.
        run: folder of the run, numbered where it exists.
    """

    objective: Literal["quadratic", "network"] = "quadratic"
    minutes: float = 2.0
    steps: int = 100
    hidden: int = 20
    preprocessing: Literal["", "log_and_sign", "identity"] = ""
    meta_loss: Literal["logarithms", "values"] = "logarithms"
    seed: int = 0
    run: Path = Path("runs/learned-optimizer")


def main(argv: list[str]) -> int:
    """Runs ``visus train learned-optimizer``."""
    arguments = tyro.cli(LearnedOptimizerArguments, args=argv, prog=f"visus train {NAME}")
    from visus.runs.learned_optimizer import train_learned_optimizer

    train_learned_optimizer(
        objective=arguments.objective,
        minutes=arguments.minutes,
        steps=arguments.steps,
        hidden=arguments.hidden,
        preprocessing=arguments.preprocessing,
        meta_loss=arguments.meta_loss,
        seed=arguments.seed,
        run=arguments.run,
    )
    return 0
