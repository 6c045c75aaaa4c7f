"""Tasks of few-shot learning (episodes) drawn from a data set of classes.

An episode has ``n_way`` classes, ``k_shot`` labelled images of each, and queries of the same classes (Vinyals et al.,
"Matching Networks for One Shot Learning", arXiv 1606.04080, section 4.1). It is a function of (seed, number) alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch.utils.data import Dataset

from visus.data.errors import EpisodeError
from visus.data.feed.class_batches import ClassBatches
from visus.data.feed.loader import SampleDataset
from visus.names import counted
from visus.types import Episode, EpisodeTarget, Sample, Schema

_MOST = 2**62
"""Numbers of training episodes are drawn below this, so that no two epochs repeat one."""


class Episodes(Dataset[Sample]):
    """Episodes of a data set that knows the label of every image.

    Labelled images and queries are never the same. The order of the queries says nothing of their classes.

    Args:
        dataset: the images; with ``labels``.
        n_way: classes of an episode.
        k_shot: labelled images of each.
        queries: further images of each.
        count: how many episodes there are; any larger number is one as well.
        seed: of the draws.

    Raises:
        EpisodeError: the data does not tell its labels, or has too few classes with enough images.
    """

    def __init__(
        self, dataset: SampleDataset, *, n_way: int, k_shot: int, queries: int, count: int, seed: int = 0
    ) -> None:
        labels = getattr(dataset, "labels", None)
        if labels is None:
            raise EpisodeError("episodes need a data set of classes, which tells the label of every image ahead")
        self.dataset = dataset
        self.n_way, self.k_shot, self.queries, self.count, self.seed = n_way, k_shot, queries, count, seed
        known = labels.numpy()
        order = np.argsort(known, kind="stable")
        self._labels, first, sizes = np.unique(known[order], return_index=True, return_counts=True)
        self._images = [order[start : start + size] for start, size in zip(first, sizes, strict=True)]
        each = k_shot + queries
        self._usable = np.flatnonzero(sizes >= each)
        if len(self._usable) < n_way:
            raise EpisodeError(_too_few(len(sizes), len(self._usable), n_way, each, int(sizes.max(initial=0))))

    @property
    def schema(self) -> Schema:
        """That of the images."""
        return self.dataset.schema

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        chosen, places = self._drawn(index)
        samples = [[self.dataset[int(place)] for place in of_class] for of_class in places]
        _refuse_shared(samples)
        shuffled = np.random.default_rng((self.seed, index, 1)).permutation(self.n_way * self.queries)
        asked = [(label, one.input) for label, some in enumerate(samples) for one in some[self.k_shot :]]
        episode = Episode(
            support=tuple(one.input for some in samples for one in some[: self.k_shot]),
            support_labels=torch.arange(self.n_way).repeat_interleave(self.k_shot),
            queries=tuple(asked[int(i)][1] for i in shuffled),
        )
        target = EpisodeTarget(
            labels=torch.tensor([asked[int(i)][0] for i in shuffled]),
            classes=torch.from_numpy(self._labels[chosen]),
            size=episode.size,
            image_id=index,
            k_shot=self.k_shot,
        )
        return Sample(episode, target, self.path(index))

    def size(self, index: int) -> tuple[int, int]:
        """The (h, w) of an episode's sheet, see `visus.types.Episode`."""
        _, places = self._drawn(index)
        height, width = self.dataset.size(int(places[0][0]))
        return self.n_way * height, (self.k_shot + self.queries) * width

    def path(self, index: int) -> str:
        """A name for messages: the number of the episode and its first image."""
        _, places = self._drawn(index)
        return f"episode {index} with {self.dataset.path(int(places[0][0]))}"

    def _drawn(self, index: int) -> tuple[np.ndarray, list[np.ndarray]]:
        """The places of an episode's classes, and the images of each, the labelled ones first."""
        if index < 0:
            raise IndexError(f"episode {index}: they are numbered from 0")
        rng = np.random.default_rng((self.seed, index))
        chosen = self._usable[rng.permutation(len(self._usable))[: self.n_way]]
        each = self.k_shot + self.queries
        return chosen, [self._images[one][rng.permutation(len(self._images[one]))[:each]] for one in chosen]


def episode_batches(*, batch_size: int, per_epoch: int, seed: int = 0) -> ClassBatches:
    """A sampler of training batches: numbers of episodes, others in every epoch.

    Args:
        batch_size: episodes of a batch, on each process.
        per_epoch: episodes of an epoch, on all processes.
        seed: of the numbers.
    """

    def draw(rng: np.random.Generator) -> list[int]:
        return [int(number) for number in rng.integers(_MOST, size=batch_size)]

    return ClassBatches(draw=draw, batches=lambda processes: max(1, per_epoch // (batch_size * processes)), seed=seed)


def _refuse_shared(samples: Sequence[Sequence[Sample]]) -> None:
    """Refuses an image that two classes of an episode share: whichever is said, it would be wrong.

    Raises:
        EpisodeError: the message names both files.
    """
    seen: dict[bytes, tuple[int, str]] = {}
    for label, some in enumerate(samples):
        for one in some:
            other, path = seen.setdefault(one.input.numpy().tobytes(), (label, one.path))
            if other != label:
                raise EpisodeError(f"{one.path}: the same image as {path} of another class; take one of them away")


def _too_few(classes: int, usable: int, n_way: int, each: int, most: int) -> str:
    if classes < n_way:
        return f"a task of {n_way} classes needs as many, but the data has {counted(classes, 'classes')}: lower n_way"
    return (
        f"a task of {n_way} classes needs {each} images of each (k_shot + queries), but {counted(usable, 'classes')} "
        f"of {classes} have so many, and the largest has {most}: lower k_shot or queries"
    )
