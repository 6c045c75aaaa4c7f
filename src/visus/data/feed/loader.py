"""From a data set to batches: augmentation that repeats exactly, and a loader with the right number of workers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from visus.data.feed.collate import Collate
from visus.data.feed.failures import Guarded
from visus.data.feed.samplers import EpochBatches, EpochSampler, aspect_ratio_groups
from visus.data.feed.transport import InOnePiece
from visus.names import counted
from visus.stopping import be_worker
from visus.types import Batch, Sample, Schema


@runtime_checkable
class SampleDataset(Protocol):
    """What every data set offers."""

    @property
    def schema(self) -> Schema:
        """What labels and keypoints mean."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample: ...

    def size(self, index: int) -> tuple[int, ...]:
        """The (h, w) of an image, without decoding it; the number of points of a shape."""

    def path(self, index: int) -> str:
        """Where an image comes from, for messages."""


@runtime_checkable
class Transform(Protocol):
    """A random change of a sample; all its randomness comes from ``generator``."""

    def __call__(self, sample: Sample, generator: torch.Generator) -> Sample:
        """The changed sample; ``sample`` itself stays as it is."""


class Wrapped(Dataset[Sample]):
    """Another data set, of which a subclass changes the samples."""

    def __init__(self, dataset: SampleDataset) -> None:
        self.dataset = dataset
        self.schema = dataset.schema

    def __len__(self) -> int:
        return len(self.dataset)

    def size(self, index: int) -> tuple[int, ...]:
        """The (h, w) of an image as it is in the data set, without decoding it."""
        return self.dataset.size(index)

    def path(self, index: int) -> str:
        """Where an image comes from, for messages."""
        return self.dataset.path(index)


class Transformed(Wrapped):
    """A data set seen through an augmentation that depends on (seed, epoch, index) and on nothing else.

    So the stream is the same for any number of workers, and a run resumed at epoch k continues it exactly. The epoch
    lies in shared memory: workers that live for the whole run see it change.
    """

    def __init__(self, dataset: SampleDataset, transform: Transform, *, seed: int = 0) -> None:
        super().__init__(dataset)
        self.transform = transform
        self.seed = seed
        self._epoch = torch.zeros(1, dtype=torch.int64).share_memory_()  # type: ignore[no-untyped-call]

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose variations are drawn from now on, in running workers too."""
        self._epoch.fill_(epoch)

    def __getitem__(self, index: int) -> Sample:
        generator = generator_for(self.seed, int(self._epoch), index)
        return self.transform(self.dataset[index], generator)


def generator_for(*key: int) -> torch.Generator:
    """A generator whose stream is a function of ``key`` and unrelated to that of any other key."""
    words = np.random.SeedSequence([part & 0xFFFF_FFFF_FFFF_FFFF for part in key]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(words[0] >> np.uint64(1)))


def make_loader(
    dataset: SampleDataset,
    *,
    collate: Collate,
    batch_size: int,
    shuffle: bool = False,
    workers: int = -1,
    seed: int = 0,
    drop_last: bool = False,
    aspect_ratio_factor: int | None = None,
    frame: Callable[[tuple[int, ...]], tuple[int, ...]] | None = None,
) -> DataLoader[Batch]:
    """A loader of batches, the same for any number of workers; ``loader.batch_sampler.set_epoch`` moves it to an epoch.

    Args:
        dataset: the images, usually `Transformed`.
        collate: makes a batch of samples.
        batch_size: images of a batch, on each process of a distributed run.
        shuffle: draw a new order every epoch.
        workers: processes that read; 0 reads in this one, -1 chooses by the number of processors.
        seed: of the order.
        drop_last: leave out the batch that is not full.
        aspect_ratio_factor: group images of like shape (see `aspect_ratio_groups`); None mixes all.
        frame: what an image of some (h, w) is padded to alone. Only images with the same are put together, so that the
            size of the batches changes no result; the batches are in the order of their first images.

    Raises:
        ValueError: the data set is empty, or smaller than one batch of which none may be left over.
    """
    if len(dataset) == 0:
        raise ValueError("the data set holds no image")
    if drop_last and len(dataset) < batch_size:
        raise ValueError(
            f"{counted(len(dataset), 'images')} cannot fill a batch of {batch_size}: lower batch_size or keep the last "
            "batch"
        )
    groups = None if aspect_ratio_factor is None else _shapes(dataset, aspect_ratio_factor)
    if frame is not None:
        frames = [frame(dataset.size(i)) for i in range(len(dataset))]
        groups = [sorted(set(frames)).index(size) for size in frames]
    batches = EpochBatches(
        length=len(dataset),
        batch_size=batch_size,
        shuffle=shuffle,
        seed=seed,
        drop_last=drop_last,
        groups=groups,
        mixed=frame is None,
    )
    return load_batches(dataset, batches, collate=collate, workers=workers)


def load_batches(
    dataset: SampleDataset, batches: EpochSampler, *, collate: Collate, workers: int = -1
) -> DataLoader[Batch]:
    """A loader of the batches that a sampler makes up; ``workers`` as for `make_loader`.

    An error over a sample names its file and is the same with and without workers (`failures`).
    """
    batches.on_epoch = dataset.set_epoch if isinstance(dataset, Transformed) else None
    count = _worker_count() if workers < 0 else workers
    return BatchLoader(
        Guarded(dataset),
        batch_sampler=batches,
        num_workers=count,
        collate_fn=InOnePiece(collate),
        persistent_workers=count > 0,
        worker_init_fn=be_worker,
    )


class BatchLoader(DataLoader[Batch]):
    """A loader whose workers end with the first error: left to the garbage collector, each takes five seconds more."""

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        try:
            yield from super().__iter__()
        except Exception:
            end_workers(self)
            raise


def end_workers(loader: DataLoader[Batch]) -> None:
    """Ends the processes of a loader now, while they still hear it; the next iteration starts others."""
    iterator: Any = getattr(loader, "_iterator", None)
    if iterator is not None:
        loader._iterator = None
        iterator._shutdown_workers()


def _shapes(dataset: SampleDataset, factor: int) -> list[int]:
    """The group of each image by its aspect ratio."""
    sizes = [dataset.size(i) for i in range(len(dataset))]
    return aspect_ratio_groups([(size[0], size[1]) for size in sizes], factor)


def _worker_count() -> int:
    """One reader less than this process may use processors, at most 8: the last one computes."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(8, allowed - 1)
