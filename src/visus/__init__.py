"""visus: one library for every visual-perception problem, in pure PyTorch.

The public interface: `load` a trained model, `predict` with it, `train` a recipe or a folder of data, `evaluate` a run,
`open_dataset` to look at data. Everything else lies in the packages below.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from visus.predict.predictor import load, predict
    from visus.runs.feed import open_dataset
    from visus.runs.train import evaluate, train

_PUBLIC = {
    "load": "visus.predict.predictor",
    "predict": "visus.predict.predictor",
    "train": "visus.runs.train",
    "evaluate": "visus.runs.train",
    "open_dataset": "visus.runs.feed",
}

__all__ = ["__version__", "evaluate", "load", "open_dataset", "predict", "train"]


def __getattr__(name: str) -> Any:
    """Imports what a public name needs when it is first used, so that ``import visus`` itself costs nothing."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'visus' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
