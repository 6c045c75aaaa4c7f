"""Data sets, augmentation, batches and checks. `ListDataset` makes a data set of pairs that a program holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from visus.data.records.given import ListDataset

__all__ = ["ListDataset"]


def __getattr__(name: str) -> Any:
    """Imports the public name when it is first used, so that the package itself costs nothing."""
    if name not in __all__:
        raise AttributeError(f"module 'visus.data' has no attribute {name!r}; it has {', '.join(__all__)}")
    from visus.data.records.given import ListDataset

    return ListDataset
