"""Batches by class: what is in them, repeatable, shared without overlap, resumed where they were cut."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from visus.data.feed.class_batches import ClassBatches, class_batches

LABELS = torch.arange(12).repeat_interleave(5)[torch.randperm(60, generator=torch.Generator().manual_seed(0))]
SUPER_LABELS = LABELS // 4


def _epoch(batches: ClassBatches, epoch: int = 0, start: int = 0) -> list[list[int]]:
    batches.set_epoch(epoch, start)
    return list(batches)


def _classes(batch: list[int]) -> Counter[int]:
    return Counter(LABELS[batch].tolist())


def test_classes_are_p_times_k_different_images() -> None:
    for batch in _epoch(class_batches("classes", LABELS, batch_size=16, images_per_class=4)):
        assert sorted(_classes(batch).values()) == [4] * 4
        assert len(set(batch)) == 16


def test_images_repeat_only_where_a_class_has_too_few() -> None:
    labels = torch.tensor([0, 0, 0, 1, 1, 1, 1, 1, 1, 2])
    for batch in _epoch(class_batches("classes", labels, batch_size=8, images_per_class=4, batches_per_epoch=20)):
        counts = Counter(batch)
        assert set(labels[batch].tolist()) == {0, 1}  # the class of one image is never compared
        assert sorted(counts[i] for i in (0, 1, 2)) == [1, 1, 2]
        assert max(counts[i] for i in range(3, 9)) == 1


def test_pairs_hold_two_of_each_class() -> None:
    for batch in _epoch(class_batches("pairs", LABELS, batch_size=10, images_per_class=4)):
        assert sorted(_classes(batch).values()) == [2] * 5
        assert (LABELS[batch[0::2]] == LABELS[batch[1::2]]).all()


def test_lifted_has_positive_pairs_by_their_number_and_images_of_other_classes() -> None:
    labels = torch.tensor([0] * 9 + [1] * 3 + list(range(2, 30)))  # 36 and 3 positive pairs, and 28 single images
    pairs: Counter[int] = Counter()
    for batch in _epoch(class_batches("lifted", labels, batch_size=8, batches_per_epoch=400)):
        drawn = labels[batch].view(-1, 2)
        assert len(batch) == 8
        assert (drawn[:2, 0] == drawn[:2, 1]).all()
        assert not set(drawn[:2].flatten().tolist()) & set(drawn[2:].flatten().tolist())
        assert all(a != b for a, b in zip(batch[:4:2], batch[1:4:2], strict=True))
        pairs.update(drawn[:2, 0].tolist())
    assert 0.88 < pairs[0] / pairs.total() < 0.96  # 36 / 39 of the list


def test_super_classes_are_few_and_share_equally() -> None:
    for batch in _epoch(class_batches("super_classes", LABELS, SUPER_LABELS, batch_size=12, images_per_class=3)):
        assert sorted(_classes(batch).values()) == [3] * 4
        assert sorted(Counter(SUPER_LABELS[batch].tolist()).values()) == [6, 6]


@pytest.mark.parametrize("kind", ["classes", "pairs", "lifted", "super_classes"])
def test_an_epoch_is_a_function_of_seed_and_epoch(kind: str) -> None:
    def made(seed: int) -> ClassBatches:
        return class_batches(kind, LABELS, SUPER_LABELS, batch_size=8, images_per_class=2, seed=seed)  # type: ignore[arg-type]

    first = _epoch(made(0))
    assert first == _epoch(made(0))
    assert first != _epoch(made(0), epoch=1)
    assert first != _epoch(made(1))
    assert len(first) == len(made(0)) == 8  # 60 images in batches of 8
    assert len({tuple(batch) for batch in first}) == 8


def test_a_resumed_epoch_goes_on_where_it_was_cut_and_only_once() -> None:
    batches = class_batches("classes", LABELS, batch_size=8)
    whole = _epoch(batches, epoch=3)
    batches.set_epoch(3, 5)
    assert len(batches) == len(whole) - 5
    assert list(batches) == whole[5:]
    assert len(batches) == len(whole)


@settings(max_examples=15, deadline=None)
@given(processes=st.integers(1, 5), epoch=st.integers(0, 9))
def test_shares_are_equally_many_and_together_those_of_one_process(processes: int, epoch: int) -> None:
    shares = [
        _epoch(class_batches("classes", LABELS, batch_size=8, batches_per_epoch=4, share=(rank, processes)), epoch)
        for rank in range(processes)
    ]
    alone = _epoch(class_batches("classes", LABELS, batch_size=8, batches_per_epoch=4 * processes), epoch)
    assert [shares[i % processes][i // processes] for i in range(4 * processes)] == alone
    shared = class_batches("classes", LABELS, batch_size=8, share=(0, processes))
    assert len(shared) == -(-60 // (8 * processes))


def test_the_data_set_hears_of_the_epoch() -> None:
    heard: list[int] = []
    batches = class_batches("pairs", LABELS, batch_size=4)
    batches.on_epoch = heard.append
    batches.sampler.set_epoch(7)
    assert heard == [7]


def test_errors_say_what_to_do() -> None:
    with pytest.raises(ValueError, match="classes, pairs, lifted, super_classes"):
        class_batches("shuffled", LABELS, batch_size=8)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="none of 5 classes has two images"):
        class_batches("pairs", torch.arange(5), batch_size=4)
    with pytest.raises(ValueError, match="asks for 16 classes, but only 12"):
        class_batches("classes", LABELS, batch_size=64)
    with pytest.raises(ValueError, match="multiple"):
        class_batches("classes", LABELS, batch_size=10, images_per_class=4)
    with pytest.raises(ValueError, match="even number"):
        class_batches("lifted", LABELS, batch_size=7)
    with pytest.raises(ValueError, match="no super-classes"):
        class_batches("super_classes", LABELS, batch_size=8)
    with pytest.raises(ValueError, match="share equally"):
        class_batches("super_classes", LABELS, SUPER_LABELS, batch_size=12, images_per_class=4)
    with pytest.raises(ValueError, match="5 classes in each of 2 super-classes, but 0"):
        class_batches("super_classes", LABELS, SUPER_LABELS, batch_size=20, images_per_class=2)
    with pytest.raises(ValueError, match="two super-classes"):
        class_batches("super_classes", LABELS, torch.arange(60) % 2, batch_size=8, images_per_class=2)
    with pytest.raises(ValueError, match="59 super-labels"):
        class_batches("super_classes", LABELS, SUPER_LABELS[1:], batch_size=8, images_per_class=2)
    with pytest.raises(ValueError, match="batches_per_epoch"):
        class_batches("pairs", LABELS, batch_size=4, batches_per_epoch=0)
