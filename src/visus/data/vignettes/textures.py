"""Patterns on surfaces: seamless tiles of blending weights, made once in a process and looked up pixel by pixel.

A pattern says how much of a part's second colour shows at a pixel, from 0 to 1. Every tile is a sum of waves with whole
numbers of periods, so that it repeats without a seam and can be shifted freely.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from visus.data.vignettes.palette import Colour

TILE = 128  # pixels of a tile's side
Weights: TypeAlias = NDArray[np.float32]


class Pattern(NamedTuple):
    """A named tile and the colour that it mixes in."""

    tile: str
    second: Colour


STRIPES = (
    "stripes level coarse",
    "stripes level fine",
    "stripes upright coarse",
    "stripes upright fine",
    "stripes slant",
)
DOTS = ("dots coarse", "dots fine")
CHECKS = ("checks coarse", "checks fine")
FUR_MARKS = ("blotches", "speckle", "bands")
WORDS = {"stripes": "striped", "dots": "dotted", "checks": "checked", "blotches": "spotted", "bands": "striped"}


def pattern_word(pattern: Pattern | None) -> str | None:
    """The adjective for a surface that carries ``pattern``, None for a plain one."""
    return WORDS.get(pattern.tile.split()[0]) if pattern else None


@cache
def sheet(tile: str, height: int, width: int) -> Image.Image:
    """A tile repeated over (height, width) pixels and one tile more each way, as weights 0..255."""
    repeats = (height // TILE + 2, width // TILE + 2)
    return Image.fromarray(np.tile((_tiles()[tile] * 255).astype(np.uint8), repeats))


@cache
def grain(height: int, width: int) -> Weights:
    """White noise of unit variance for (height, width) pixels and one tile more each way."""
    shape = (height + TILE, width + TILE)
    return np.random.default_rng(17).standard_normal(shape).astype(np.float32)


@cache
def _tiles() -> dict[str, Weights]:
    slow, fast = _noise(3, 5, 5), _noise(5, 26, 26)
    made: dict[str, NDArray[np.floating[Any]]] = {
        "plain": np.zeros((TILE, TILE), dtype=np.float32),
        "stripes level coarse": _sharp(_wave(0, 10)),
        "stripes level fine": _sharp(_wave(0, 18)),
        "stripes upright coarse": _sharp(_wave(10, 0)),
        "stripes upright fine": _sharp(_wave(18, 0)),
        "stripes slant": _sharp(_wave(9, 9)),
        "dots coarse": _sharp(_wave(10, 0) + _wave(0, 10) - 0.7),
        "dots fine": _sharp(_wave(16, 0) + _wave(0, 16) - 0.8),
        "checks coarse": _sharp(_wave(8, 0) * _wave(0, 8) * 4),
        "checks fine": _sharp(_wave(14, 0) * _wave(0, 14) * 4),
        "blotches": _sharp(slow - 0.45),
        "speckle": np.clip(0.4 * fast, 0, 0.7),
        "bands": _sharp(_wave(2, 13) + 0.6 * slow - 0.4),
        "leaves": np.clip(0.35 + 0.35 * fast + 0.15 * slow, 0, 1),
        "grass": np.clip(0.3 + 0.25 * _noise(9, 34, 11) + 0.2 * slow, 0, 1),
        "gravel": np.clip(0.3 + 0.3 * fast, 0, 1),
        "cloudy": np.clip(0.4 + 0.4 * slow, 0, 1),
        "planks": _sharp(_wave(0, 8) - 0.9) + np.clip(0.3 * _noise(11, 2.5, 20), 0, 0.6),
        "bricks": _bricks(),
        "windows": np.minimum(_sharp(_wave(10, 0) - 0.2), _sharp(_wave(0, 8) + 0.1)),
        "tiling": np.maximum(_sharp(_wave(6, 0) - 0.93), _sharp(_wave(0, 6) - 0.93)),
        "wallpaper": 0.7 * _sharp(_wave(12, 0) * _wave(0, 9) - 0.5),
        "panelling": 0.6 * _sharp(_wave(7, 0) - 0.75),
    }
    return {name: np.clip(weights, 0, 1).astype(np.float32) for name, weights in made.items()}


def _grid() -> tuple[Weights, Weights]:
    steps = np.arange(TILE, dtype=np.float32) / TILE
    return np.tile(steps, (TILE, 1)), np.tile(steps[:, None], (1, TILE))


def _wave(across: int, down: int) -> Weights:
    """A cosine of whole periods, -1..1."""
    x, y = _grid()
    wave: Weights = np.cos(2 * np.pi * (across * x + down * y)).astype(np.float32)
    return wave


def _sharp(field: NDArray[np.floating[Any]]) -> Weights:
    """The field's positive side with soft edges of about a pixel."""
    sharp: Weights = np.clip(0.5 + 3.0 * field, 0, 1).astype(np.float32)
    return sharp


def _noise(seed: int, across: float, down: float) -> Weights:
    """Seamless noise of unit variance whose waves are at most about so many periods of a tile each way."""
    white = np.random.default_rng(seed).standard_normal((TILE, TILE))
    frequency = np.fft.fftfreq(TILE) * TILE
    reach = np.hypot(frequency[None] / across, frequency[:, None] / down)
    smooth = np.fft.ifft2(np.fft.fft2(white) * np.exp(-(reach**2))).real
    noise: Weights = (smooth / smooth.std()).astype(np.float32)
    return noise


def _bricks() -> Weights:
    """Mortar lines of a brick wall: rows of 16 pixels, bricks of 32, every second row shifted by half."""
    rows, columns = np.indices((TILE, TILE))
    shift = (rows // 16 % 2) * 16
    mortar: Weights = ((rows % 16 < 2) | ((columns + shift) % 32 < 2)).astype(np.float32)
    return mortar
