"""visus: one library for every visual-perception problem, in pure PyTorch."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from visus.predict.predictor import load
    from visus.runs.train import evaluate, train

_PUBLIC = {"train": "visus.runs.train", "evaluate": "visus.runs.train", "load": "visus.predict.predictor"}

__all__ = ["__version__", "evaluate", "load", "train"]


def __getattr__(name: str) -> Any:
    """Imports what a public name needs when it is first used, so that ``import visus`` itself costs nothing."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'visus' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)
