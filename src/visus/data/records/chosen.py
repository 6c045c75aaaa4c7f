"""Some samples of a data set: the first of them, those that can be read, those that are held out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import torch

from visus.data.feed.failures import USER_ERRORS
from visus.data.feed.loader import SampleDataset, Wrapped
from visus.data.records.class_splits import LabelledDataset
from visus.types import Sample


class Chosen(Wrapped):
    """The samples at some places of a data set.

    Args:
        dataset: all samples.
        places: those that are shown, in this order.
    """

    def __init__(self, dataset: SampleDataset, places: Sequence[int]) -> None:
        super().__init__(dataset)
        self.places = places

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        return self.dataset[self.places[index]]

    def size(self, index: int) -> tuple[int, ...]:
        """The (h, w) of an image."""
        return self.dataset.size(self.places[index])

    def path(self, index: int) -> str:
        """Where a sample comes from."""
        return self.dataset.path(self.places[index])


class ChosenLabelled(Chosen):
    """The same of a data set that tells the label of every sample ahead."""

    def __init__(self, dataset: LabelledDataset, places: Sequence[int]) -> None:
        super().__init__(dataset, places)
        kept = torch.tensor(list(places), dtype=torch.int64)
        self.labels = dataset.labels[kept]
        self.super_labels = None if dataset.super_labels is None else dataset.super_labels[kept]


def chosen(dataset: SampleDataset, places: Sequence[int]) -> Chosen:
    """The samples at some places, with their labels where the data set tells those of all."""
    return ChosenLabelled(dataset, places) if isinstance(dataset, LabelledDataset) else Chosen(dataset, places)


def readable(dataset: SampleDataset, places: Iterable[int]) -> Iterator[Sample]:
    """The samples at some places that can be read; where none can, the error of the first one.

    Raises:
        VisusError: none of them can be read.
    """
    failed: Exception | None = None
    found = False
    for place in places:
        try:
            sample = dataset[place]
        except USER_ERRORS as error:
            failed = failed or error
            continue
        found = True
        yield sample
    if failed and not found:
        raise failed


def first_readable(dataset: SampleDataset) -> Sample:
    """The first sample that can be read; errors as for `readable`."""
    return next(readable(dataset, range(len(dataset))))


def unreadable(dataset: SampleDataset, on_each: Callable[[], object] = lambda: None) -> dict[int, str]:
    """The places of the samples that cannot be read, and why; reads every one.

    Args:
        dataset: the samples.
        on_each: called behind each.
    """
    found = {}
    for place in range(len(dataset)):
        try:
            dataset[place]
        except USER_ERRORS as error:
            path, message = dataset.path(place), " ".join(str(error).split())
            found[place] = message if path in message else f"{path}: {message}"
        on_each()
    return found
