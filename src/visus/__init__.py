"""visus: one library for every visual-perception problem, in pure PyTorch.

The public interface: `load` a trained model, `predict` with it (a `Result` an image), `train` a recipe or a folder of
data, `evaluate` a run, `export` it for other run times, `optimize` a model, `teach` new classes from a few images,
`open_dataset` to look at data, `keep_memory` for programs that compute on a CPU. Everything else lies in the packages
below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from visus.lazy import lazily

__version__ = "0.1.0"

if TYPE_CHECKING:
    from visus.export.written import export
    from visus.memory import keep_memory
    from visus.predict.faster import optimize
    from visus.predict.predictor import load, predict
    from visus.predict.result import Result
    from visus.runs.feed import open_dataset
    from visus.runs.teach import teach
    from visus.runs.train import evaluate, train

_PUBLIC = {
    "Result": "visus.predict.result",
    "load": "visus.predict.predictor",
    "optimize": "visus.predict.faster",
    "predict": "visus.predict.predictor",
    "train": "visus.runs.train",
    "evaluate": "visus.runs.train",
    "export": "visus.export.written",
    "keep_memory": "visus.memory",
    "teach": "visus.runs.teach",
    "open_dataset": "visus.runs.feed",
}

__all__ = [
    "Result",
    "__version__",
    "evaluate",
    "export",
    "keep_memory",
    "load",
    "open_dataset",
    "optimize",
    "predict",
    "teach",
    "train",
]
__getattr__ = lazily(__name__, _PUBLIC)


def __dir__() -> list[str]:
    """The public names alone: packages that happen to be imported are none."""
    return list(__all__)
