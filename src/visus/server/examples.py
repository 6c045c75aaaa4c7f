"""Inputs to try a model with: those that its run was validated on, else drawn scenes and shapes."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

from visus.errors import VisusError
from visus.runs.feed import open_split
from visus.server.answers import ENCODED
from visus.server.loaded import LoadedModel
from visus.server.settings import RequestError
from visus.training.run import RunFolder
from visus.types import row

COUNT: Final = 6
"""Of examples of a model."""

_SIZE = 384
"""The side of a drawn scene in pixels."""


def example(model: LoadedModel, number: int) -> tuple[bytes, str, str]:
    """An input that the model can look at: the content of a file, its type, and a name for it.

    Raises:
        RequestError: there is no example of that number.
    """
    if not 0 <= number < COUNT:
        raise RequestError(f"there are {COUNT} examples, numbered from 0, so no {number}", status=404)
    given = _validated(model, number)
    if given is None:
        given = _drawn(model.about["takes"], number)
    content, kind = row(ENCODED, given, "an example")(given)
    return content, kind, f"example_{number}{'.png' if kind == 'image/png' else '.xyz'}"


def _validated(model: LoadedModel, number: int) -> Any:
    """The input of one of the samples that the run was measured on; None where its data is not there any more."""
    if model.folder is None:
        return None
    with suppress(VisusError, ValueError, OSError, IndexError):
        dataset = open_split(RunFolder(model.folder).recipe(), "val")
        given = dataset[number * max(1, len(dataset) // COUNT)].input
        return given if type(given) in ENCODED else None
    return None


def _drawn(takes: str, number: int) -> Any:
    if takes == "shape":
        from visus.data.vignettes3d import Vignettes3D

        return Vignettes3D(split="test", length=COUNT)[number].input
    from visus.data.vignettes import Vignettes

    return Vignettes(split="test", length=COUNT, size=_SIZE)[number].input
