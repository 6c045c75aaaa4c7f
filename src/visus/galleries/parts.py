"""Parts of images that a describer finds by itself, such as faces: each becomes an entry of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from jaxtyping import Float32, UInt8
from torch import Tensor

from visus.galleries.entry import Box
from visus.galleries.errors import NoPartError, SeveralPartsError

FACES: Final = "faces"
"""The describer of faces (`visus.galleries.faces`), whose vectors are compared by distance."""

Pixels: TypeAlias = UInt8[Tensor, "3 h w"]


@dataclass(frozen=True)
class FoundPart:
    """Where a part is, and its vector."""

    box_xyxy: Box
    vector: Float32[np.ndarray, " d"]


@dataclass(frozen=True)
class Parts:
    """What finds and describes the parts of an image.

    Args:
        noun: what one is.
        find: gives those of an image, the surest first.
    """

    noun: str
    find: Callable[[Pixels], Sequence[FoundPart]]

    def asked(self, pixels: Pixels, name: str, box: Box | None, *, several: bool) -> Sequence[FoundPart]:
        """The parts of an image that is asked for.

        Args:
            pixels: of the image.
            name: of the image, for messages.
            box: only parts whose middle lies in it are meant.
            several: whether there may be more than one.

        Raises:
            NoPartError: there is none.
            SeveralPartsError: there are several, and one is asked for.
        """
        found = [part for part in self.find(pixels) if box is None or _middle_in(part.box_xyxy, box)]
        if not found:
            where = "" if box is None else " in this box"
            raise NoPartError(
                f"{name}: no {self.noun} found{where}; is it large enough? enlarge the image, or cut it out"
            )
        if len(found) > 1 and not several:
            boxes = "; ".join(" ".join(f"{value:.0f}" for value in part.box_xyxy) for part in found[:4])
            raise SeveralPartsError(
                f"{name}: {len(found)} {self.noun}s, where one is asked for; say which by a box (--box): {boxes}"
            )
        return found


def _middle_in(part: Box, box: Box) -> bool:
    x, y = (part[0] + part[2]) / 2, (part[1] + part[3]) / 2
    return box[0] <= x <= box[2] and box[1] <= y <= box[3]
