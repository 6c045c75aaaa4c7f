"""A loader that can start at any batch of any epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from torch.utils.data import DataLoader

from visus.data.feed.loader import end_workers
from visus.ops.processes import share_of_this_process
from visus.types import Batch


class EpochLoader:
    """Moves a loader to the right epoch each time it is iterated, and to the right batch after a resume.

    The engine asks for the first iterator before it tells anyone the epoch, and workers would read ahead with the wrong
    one. Here the work starts with the first batch that is asked for.

    Args:
        loader: its batch sampler offers ``set_epoch(epoch, start)``, as `visus.data.feed.samplers.EpochBatches` does.
        epoch: tells the epoch at that moment.
    """

    def __init__(self, loader: DataLoader[Batch], epoch: Callable[[], int]) -> None:
        self.loader = loader
        self._epoch = epoch
        self._start = (0, 1)  # batches that each of so many processes has seen
        self._served = 0
        self._length: int | None = None

    def __len__(self) -> int:
        return len(self.loader) if self._length is None else self._length

    def __iter__(self) -> Iterator[Batch]:
        sampler: Any = self.loader.batch_sampler
        epoch = self._epoch()
        sampler.set_epoch(epoch)
        self._length = len(self.loader)
        _, processes = share_of_this_process()
        start, self._start = self._start, (0, processes)
        self._served = start[0] * start[1] // processes  # a few batches come again where the numbers do not divide
        sampler.set_epoch(epoch, self._served)
        for batch in self.loader:
            self._served += 1
            yield batch

    def close(self) -> None:
        """Ends the workers now (see `end_workers`)."""
        end_workers(self.loader)

    def state_dict(self) -> dict[str, int]:
        """The batches of the epoch that were handed out."""
        return {"served": self._served, "processes": share_of_this_process()[1]}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """The next iteration leaves those batches out."""
        self._start = state_dict["served"], state_dict.get("processes", share_of_this_process()[1])
