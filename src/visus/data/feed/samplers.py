"""Which images make up each batch: shuffled from (seed, epoch), grouped by aspect ratio, shared out among processes.

Every process computes the whole epoch's list of batches from the same seed and takes its own share, so that the shares
are disjoint, complete and independent of timing, and a run resumed at epoch k sees the batches it would have seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence

import torch
from torch import Tensor
from torch.utils.data import Sampler

from visus.ops.processes import share_of_this_process


class EpochSampler(Sampler[list[int]]):
    """A batch sampler that is a function of (seed, epoch) alone.

    All processes yield the same number of batches, as collective operations need. A subclass says how many, and which.

    Args:
        seed: of everything that is random.
        share: (rank, number of processes); None asks torch.distributed when iterated.

    Attributes:
        on_epoch: called with the epoch by `set_epoch`, for a data set whose augmentation depends on it.
    """

    def __init__(self, *, seed: int = 0, share: tuple[int, int] | None = None) -> None:
        self.seed = seed
        self.share = share
        self.on_epoch: Callable[[int], None] | None = None
        self.epoch = 0
        self._start = 0

    @property
    def sampler(self) -> EpochSampler:
        """Itself: trainers look for ``set_epoch`` at ``loader.batch_sampler.sampler``."""
        return self

    def set_epoch(self, epoch: int, start: int = 0) -> None:
        """Choose the epoch of the next iteration; ``start`` leaves out batches that an interrupted epoch has done."""
        self.epoch = epoch
        self._start = start
        if self.on_epoch is not None:
            self.on_epoch(epoch)

    def __iter__(self) -> Iterator[list[int]]:
        rank, processes = self.share or share_of_this_process()
        turns = range(self._start, self.batches_each(processes))
        yield from self.draw_batches(turn * processes + rank for turn in turns)
        self._start = 0

    def __len__(self) -> int:
        _, processes = self.share or share_of_this_process()
        return self.batches_each(processes) - self._start

    @property
    def different(self) -> int:
        """How many batches of an epoch differ; what several processes get beyond them repeats the first ones."""
        return self.batches_each(1)

    def batches_each(self, processes: int) -> int:
        """How many batches of an epoch each of so many processes gets."""
        raise NotImplementedError

    def draw_batches(self, numbers: Iterable[int]) -> Iterator[list[int]]:
        """The batches of these numbers in the sequence of the epoch."""
        raise NotImplementedError


class EpochBatches(EpochSampler):
    """Every image once an epoch.

    Where the number of batches does not divide among the processes, the first ones are repeated (measures leave out
    images they have seen).

    Args:
        length: the number of images.
        batch_size: images of a batch, on each process.
        shuffle: draw a new order every epoch; otherwise the order of the data set.
        seed: of the order.
        drop_last: leave out the batch that is not full.
        groups: the group of each image; a batch mixes groups only for what remains at the end of the epoch.
        mixed: False for batches that never mix groups, but are smaller where a group ends.
        share: as for `EpochSampler`.
    """

    def __init__(
        self,
        *,
        length: int,
        batch_size: int,
        shuffle: bool = False,
        seed: int = 0,
        drop_last: bool = False,
        groups: Sequence[int] | None = None,
        mixed: bool = True,
        share: tuple[int, int] | None = None,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, not {batch_size}")
        if groups is not None and len(groups) != length:
            raise ValueError(f"groups names {len(groups)} images, the data set has {length}")
        super().__init__(seed=seed, share=share)
        self.length = length
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.drop_last = drop_last
        self.groups = None if groups is None else torch.as_tensor(groups)
        self.mixed = mixed

    def batches_each(self, processes: int) -> int:
        """As many as hold every image."""
        sizes = torch.tensor([self.length])
        if self.groups is not None and not self.mixed:
            sizes = torch.unique(self.groups, return_counts=True)[1]
        full = sizes // self.batch_size if self.drop_last else -(-sizes // self.batch_size)
        return math.ceil(int(full.sum()) / processes)

    def draw_batches(self, numbers: Iterable[int]) -> Iterator[list[int]]:
        """The batches of these numbers; after the last comes the first."""
        batches = self._all_batches()
        for number in numbers:
            yield batches[number % len(batches)]

    def _all_batches(self) -> list[list[int]]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        order = torch.randperm(self.length, generator=generator) if self.shuffle else torch.arange(self.length)
        runs = (order,) if self.groups is None else self._by_group(order, self.groups[order])
        batches = [batch.tolist() for run in runs for batch in torch.split(run, self.batch_size) if len(run)]
        if self.drop_last:
            batches = [batch for batch in batches if len(batch) == self.batch_size]
        if not self.mixed and not self.shuffle:
            batches.sort(key=lambda batch: batch[0])
        if self.groups is not None and self.shuffle:
            turns = torch.randperm(len(batches), generator=generator).tolist()
            batches = [batches[turn] for turn in turns]
        return batches

    def _by_group(self, order: Tensor, groups: Tensor) -> Sequence[Tensor]:
        """The images whose batches are of one group, batch by batch, and those that remain, group by group.

        Where nothing is mixed, the images of each group.
        """
        if not self.mixed:
            return [order[groups == group] for group in torch.unique(groups).tolist()]
        full, rest = [order[:0]], [order[:0]]
        for group in torch.unique(groups).tolist():
            members = order[groups == group]
            cut = len(members) // self.batch_size * self.batch_size
            full.append(members[:cut])
            rest.append(members[cut:])
        return torch.cat(full), torch.cat(rest)


def aspect_ratio_groups(sizes: Sequence[tuple[int, int]], factor: int = 3) -> list[int]:
    """Group images by aspect ratio w / h, so that a batch pads little.

    The limits are ``2 ** (i / factor)`` for i in -factor..factor, as in torchvision's detection references.

    Args:
        sizes: (h, w) of each image.
        factor: groups for each doubling of the ratio; 0 tells only landscape from portrait.
    """
    limits = torch.tensor([2.0 ** (i / factor) for i in range(-factor, factor + 1)] if factor else [1.0])
    ratios = torch.tensor([width / height for height, width in sizes])
    groups: list[int] = torch.bucketize(ratios, limits, right=True).tolist()
    return groups
