"""Batches put together by class, for losses that compare the images of a batch with each other.

A batch is a function of (seed, epoch, its number) alone: every process draws only its own, a resumed epoch goes on
where it was cut, and no two epochs repeat each other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Int64
from torch import Tensor

from visus.data.feed.samplers import EpochSampler

SUPER_CLASSES = 2  # of a batch, as in the released training of hard-aware deeply cascaded embedding on products
BatchKind: TypeAlias = Literal["classes", "pairs", "lifted", "super_classes"]
_Draw: TypeAlias = Callable[[np.random.Generator], list[int]]


class ClassBatches(EpochSampler):
    """A batch sampler whose batches come from ``draw``.

    The batches of one turn of all processes are neighbours in one sequence, so that none is drawn twice.

    Args:
        draw: makes a batch, all its randomness from the generator that it is given.
        batches: tells how many there are in an epoch on each process, from the number of processes.
        seed: of everything.
        share: as for `EpochSampler`.
    """

    def __init__(
        self,
        *,
        draw: _Draw,
        batches: Callable[[int], int],
        seed: int = 0,
        share: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(seed=seed, share=share)
        self.draw = draw
        self.batches = batches

    def batches_each(self, processes: int) -> int:
        """What ``batches`` says."""
        return self.batches(processes)

    def draw_batches(self, numbers: Iterable[int]) -> Iterator[list[int]]:
        """The batches of these numbers, each drawn by a generator of its own."""
        for number in numbers:
            yield self.draw(np.random.default_rng((self.seed, self.epoch, number)))


def class_batches(
    kind: BatchKind,
    labels: Int64[Tensor, " n"],
    super_labels: Int64[Tensor, " n"] | None = None,
    *,
    batch_size: int,
    images_per_class: int = 4,
    batches_per_epoch: int | None = None,
    seed: int = 0,
    share: tuple[int, int] | None = None,
) -> ClassBatches:
    """The sampler called ``kind``.

    - ``classes``: batch_size / images_per_class classes, that many images of each;
    - ``pairs``: batch_size / 2 classes, one pair of each (N-pair loss: Sohn, NIPS 2016);
    - ``lifted``: half the batch are pairs drawn from the list of all positive pairs, so that large classes come more
      often; the other half are random images of other classes (after Song et al., "Lifted Structured Feature
      Embedding", CVPR 2016, section 4, where the share of negatives is left open);
    - ``super_classes``: classes of two super-classes, images_per_class images of each (hard-aware deeply cascaded
      embedding: Yuan, Yang, Zhang, ICCV 2017).

    An image comes twice in a batch only where its class has fewer images than are asked for, and in ``lifted`` where
    two pairs share it.

    Args:
        kind: how a batch is put together.
        labels: the class of each image.
        super_labels: the super-class of each image; needed for ``super_classes``.
        batch_size: images of a batch, on each process.
        images_per_class: images of a class in a batch of ``classes`` or ``super_classes``.
        batches_per_epoch: on each process; None makes as many as show about as many images as there are.
        seed: of the draws.
        share: (rank, number of processes); None asks torch.distributed.

    Raises:
        ValueError: the kind is unknown, the sizes do not fit each other, or there are too few classes.
    """
    if kind not in _KINDS:
        raise ValueError(f"batches must be one of {', '.join(_KINDS)}, not {kind!r}")
    if batches_per_epoch is not None and batches_per_epoch < 1:
        raise ValueError(f"batches_per_epoch must be at least 1, or None, not {batches_per_epoch}")
    draw = _KINDS[kind](Classes(labels), super_labels, batch_size, images_per_class)
    images = len(labels)

    def count(processes: int) -> int:
        return batches_per_epoch or max(1, math.ceil(images / (batch_size * processes)))

    return ClassBatches(draw=draw, batches=count, seed=seed, share=share)


class Classes:
    """The images of each class that has at least two, in two arrays.

    Raises:
        ValueError: no class has two images.
    """

    def __init__(self, labels: Int64[Tensor, " n"]) -> None:
        known = labels.numpy()
        self._order = np.argsort(known, kind="stable")
        names, self._first, self.sizes = np.unique(known[self._order], return_index=True, return_counts=True)
        self.usable = np.flatnonzero(self.sizes >= 2)
        if not len(self.usable):
            raise ValueError(
                f"none of {len(names)} classes has two images, so nothing can be compared within a class; batches put"
                " together by class need at least two of each of some classes"
            )

    def images(self, place: int, count: int, rng: np.random.Generator) -> list[int]:
        """``count`` random images of a class; each as equally often as can be where there are fewer."""
        size, first = int(self.sizes[place]), int(self._first[place])
        rounds = [rng.permutation(size) for _ in range(math.ceil(count / size))]
        return [int(self._order[first + i]) for i in np.concatenate(rounds)[:count]]

    def images_outside(self, places: np.ndarray, count: int, rng: np.random.Generator) -> list[int]:
        """``count`` random images of other classes than ``places``, of any where there is no other."""
        free = np.ones(len(self.sizes), dtype=bool)
        free[places] = False
        others = self._order[np.repeat(free, self.sizes)]
        others = others if len(others) else self._order
        chosen: list[int] = rng.choice(others, count, replace=len(others) < count).tolist()
        return chosen

    def by_super_class(self, super_labels: Int64[Tensor, " n"]) -> list[np.ndarray]:
        """The classes with two images of each super-class.

        Raises:
            ValueError: a class has images of two super-classes, or the numbers of labels differ.
        """
        known = super_labels.numpy()
        if len(known) != len(self._order):
            raise ValueError(f"{len(known)} super-labels for {len(self._order)} labels")
        supers = known[self._order]
        of_class = supers[self._first]
        if (np.repeat(of_class, self.sizes) != supers).any():
            raise ValueError("a class belongs to two super-classes: every image of it needs the same super-label")
        return [self.usable[of_class[self.usable] == one] for one in np.unique(of_class)]

    def choose(self, places: np.ndarray, count: int, rng: np.random.Generator) -> list[int]:
        """``count`` different classes of ``places``, in random order."""
        return [int(place) for place in rng.choice(places, count, replace=False)]

    def require(self, count: int, batch_size: int) -> None:
        """Refuse a batch of more classes than there are."""
        if len(self.usable) < count:
            raise ValueError(
                f"a batch of {batch_size} asks for {count} classes, but only {len(self.usable)} have two images:"
                " lower batch_size, or raise images_per_class"
            )


def _classes_at_a_time(batch_size: int, images_per_class: int) -> int:
    if images_per_class < 2 or batch_size < 2 * images_per_class or batch_size % images_per_class:
        raise ValueError(
            f"batch_size {batch_size} is not made of two or more classes of images_per_class {images_per_class} (at"
            " least 2): make it a multiple"
        )
    return batch_size // images_per_class


def _of_classes(classes: Classes, super_labels: Tensor | None, batch_size: int, images_per_class: int) -> _Draw:
    count = _classes_at_a_time(batch_size, images_per_class)
    classes.require(count, batch_size)

    def draw(rng: np.random.Generator) -> list[int]:
        chosen = classes.choose(classes.usable, count, rng)
        return [image for place in chosen for image in classes.images(place, images_per_class, rng)]

    return draw


def _of_pairs(classes: Classes, super_labels: Tensor | None, batch_size: int, images_per_class: int) -> _Draw:
    return _of_classes(classes, super_labels, batch_size, 2)


def _of_lifted(classes: Classes, super_labels: Tensor | None, batch_size: int, images_per_class: int) -> _Draw:
    if batch_size < 4 or batch_size % 2:
        raise ValueError(f"batch_size {batch_size} is not made of two or more pairs: take an even number from 4")
    classes.require(2, batch_size)
    # A class of k images has k (k - 1) / 2 positive pairs: drawing by this weight is drawing from the list of all.
    weights = classes.sizes * (classes.sizes - 1) / 2
    shares = weights / weights.sum()
    pairs = batch_size // 4

    def draw(rng: np.random.Generator) -> list[int]:
        anchors = rng.choice(len(shares), pairs, p=shares)
        batch = [image for place in anchors for image in classes.images(int(place), 2, rng)]
        return batch + classes.images_outside(anchors, batch_size - len(batch), rng)

    return draw


def _of_super_classes(classes: Classes, super_labels: Tensor | None, batch_size: int, images_per_class: int) -> _Draw:
    if super_labels is None:
        raise ValueError("this data set has no super-classes: put batches together by 'classes'")
    count = _classes_at_a_time(batch_size, images_per_class)
    if count % SUPER_CLASSES:
        raise ValueError(
            f"batch_size {batch_size} of images_per_class {images_per_class} are {count} classes, which {SUPER_CLASSES}"
            " super-classes cannot share equally: take a multiple"
        )
    each = count // SUPER_CLASSES
    members = [places for places in classes.by_super_class(super_labels) if len(places) >= each]
    if len(members) < SUPER_CLASSES:
        raise ValueError(
            f"a batch of {batch_size} asks for {each} classes in each of {SUPER_CLASSES} super-classes, but"
            f" {len(members)} super-classes have as many with two images: lower batch_size, or raise images_per_class"
        )

    def draw(rng: np.random.Generator) -> list[int]:
        supers = rng.choice(len(members), SUPER_CLASSES, replace=False)
        chosen = [place for one in supers for place in classes.choose(members[int(one)], each, rng)]
        return [image for place in chosen for image in classes.images(place, images_per_class, rng)]

    return draw


_KINDS: dict[str, Callable[[Classes, Tensor | None, int, int], _Draw]] = {
    "classes": _of_classes,
    "pairs": _of_pairs,
    "lifted": _of_lifted,
    "super_classes": _of_super_classes,
}
