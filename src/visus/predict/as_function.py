"""The package ``visus.predict`` has the name of a public function, so it can be called like that.

Python sets ``visus.predict`` to the package as soon as anything of it is imported, which would hide the function.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from visus.predict.items import Pictures
    from visus.predict.predictor import Predictor
    from visus.predict.result import Result


class PredictPackage(ModuleType):
    """A package that is called as `visus.predict.predictor.predict` is."""

    def __call__(
        self,
        model: str | Path | Predictor,
        images: Pictures,
        *,
        device: str | None = None,
        batch_size: int = 1,
        min_score: float | None = None,
        bgr: bool = False,
        pages: bool = False,
    ) -> list[Result]:
        """Loads a model and looks at images; see `visus.predict.predictor.predict`."""
        from visus.predict.predictor import predict

        return predict(model, images, device=device, batch_size=batch_size, min_score=min_score, bgr=bgr, pages=pages)
