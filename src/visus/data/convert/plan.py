"""What a conversion will do, before it does it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from visus.data.formats.coco_values import Record


@dataclass(frozen=True)
class AnnotatedImage:
    """An image: its file, its (h, w), and its objects in COCO's format, ``category_id`` counting from 0."""

    file: Path
    size: tuple[int, int]
    objects: list[Record]


@dataclass
class Plan:
    """What a conversion will do: which image goes where, and what the text files hold."""

    copies: list[tuple[Path, Path]] = field(default_factory=list)
    files: dict[Path, str] = field(default_factory=dict)
    objects: int = 0
    left_out: Counter[str] = field(default_factory=Counter)


Splits = Mapping[str, Sequence[AnnotatedImage]]
