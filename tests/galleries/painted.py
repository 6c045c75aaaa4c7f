"""A describer that needs no network, and small pictures that it can tell apart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from visus.galleries.parts import FoundPart, Parts


class MeanColours:
    """Describes an image by the mean colours of 36 cells: quick, and alike for pictures that look alike."""

    name = "mean colours"
    parts: Parts | None = None

    def __init__(self, fingerprint: str = "0123456789abcdef") -> None:
        self.fingerprint = fingerprint
        self.described = 0

    def describe(self, images: Sequence[Tensor]) -> np.ndarray:
        self.described += len(images)
        cells = [torch.nn.functional.adaptive_avg_pool2d(image.float() - 127, 6).flatten() for image in images]
        return torch.stack(cells).numpy() if cells else np.empty((0, 0), dtype=np.float32)


def paint(path: Path, thing: int, look: int = 0, size: tuple[int, int] = (24, 24)) -> Path:
    """A picture of a thing: each has colours of its own, each look changes them a little."""
    colours = np.random.default_rng(thing).integers(0, 255, (6, 6, 3))
    change = np.random.default_rng(1000 * thing + look).integers(-30, 31, (6, 6, 3)) if look else 0
    pixels = np.clip(colours + change, 0, 255).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).resize(size, Image.Resampling.NEAREST).save(path)
    return path


def painted(folder: Path, things: int, looks: int = 1) -> Path:
    """A folder of pictures: ``looks`` of each of ``things``."""
    for thing in range(things):
        for look in range(looks):
            paint(folder / f"{thing:03d}_{look}.png", thing, look)
    return folder


class GreenSquares:
    """Finds squares of pure green on grey, as a describer of faces finds faces: their vector is the square's size."""

    name = "green squares"

    def __init__(self) -> None:
        self.fingerprint = "fedcba9876543210"
        self.parts: Parts | None = Parts("square", self._find)

    def describe(self, images: Sequence[Tensor]) -> np.ndarray:
        return np.array([[image.shape[1], 1.0] for image in images], dtype=np.float32)

    def _find(self, image: Tensor) -> list[FoundPart]:
        green = (image[1] == 255) & (image[0] == 0)
        columns = green.any(0).nonzero()[:, 0].tolist()
        starts = [x for x in columns if x - 1 not in columns]
        found = []
        for left in starts:
            width = next(size for size in range(1, 99) if left + size not in columns)
            rows = green[:, left].nonzero()[:, 0]
            box = (float(left), float(rows[0]), float(left + width), float(rows[-1] + 1))
            found.append(FoundPart(box, np.array([width, 1.0], dtype=np.float32)))
        return found


def squares(path: Path, *sides: int) -> Path:
    """Green squares of these sides beside each other on grey."""
    pixels = np.full((40, 45 * max(len(sides), 1), 3), 90, dtype=np.uint8)
    for place, side in enumerate(sides):
        pixels[4 : 4 + side, 45 * place + 2 : 45 * place + 2 + side] = (0, 255, 0)
    Image.fromarray(pixels).save(path)
    return path
