"""What the values of a COCO annotation file may be: the reader refuses, and the check reports, the same ones."""

from __future__ import annotations

from itertools import chain
from typing import Any, TypeGuard

_LARGEST = 1e9  # of a coordinate or a number of pixels: far beyond any image, and exact enough in float32 arithmetic


def is_identifier(value: Any) -> TypeGuard[int]:
    """Whether a value is a whole number that fits into 64 bits."""
    return isinstance(value, int) and -(2**63) <= value < 2**63


def is_side(value: Any) -> TypeGuard[int]:
    """Whether a value can be the height or width of an image."""
    return isinstance(value, int) and 0 < value <= 1_000_000


def is_finite(value: Any) -> TypeGuard[float]:
    """Whether a value is a number that is neither NaN nor infinite nor absurdly large."""
    return isinstance(value, int | float) and abs(value) <= _LARGEST


def are_numbers(value: Any, count: int) -> TypeGuard[list[float]]:
    """Whether a value is a list of ``count`` numbers, NaN and infinity included."""
    return isinstance(value, list) and len(value) == count and all(isinstance(n, int | float) for n in value)


def declares_keypoints_well(category: dict[str, Any]) -> bool:
    """Whether the keypoints of a category, if any, are names, and its skeleton joins pairs of them, counted from 1."""
    names, skeleton = category.get("keypoints") or [], category.get("skeleton") or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return False
    if not isinstance(skeleton, list) or not all(are_numbers(pair, 2) for pair in skeleton):
        return False
    return all(isinstance(end, int) and 1 <= end <= len(names) for end in chain.from_iterable(skeleton))
