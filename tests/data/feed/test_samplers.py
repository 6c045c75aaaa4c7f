from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visus.data.feed.samplers import EpochBatches, aspect_ratio_groups


@settings(max_examples=60, deadline=None)
@given(
    length=st.integers(1, 60),
    batch_size=st.integers(1, 9),
    processes=st.integers(1, 5),
    shuffle=st.booleans(),
    kinds=st.integers(0, 3),
    epoch=st.integers(0, 3),
)
def test_processes_share_the_epoch(
    length: int, batch_size: int, processes: int, shuffle: bool, kinds: int, epoch: int
) -> None:
    groups = [i * 7 % kinds for i in range(length)] if kinds else None
    shares = []
    for rank in range(processes):
        batches = EpochBatches(
            length=length, batch_size=batch_size, shuffle=shuffle, groups=groups, share=(rank, processes)
        )
        batches.set_epoch(epoch)
        shares.append(list(batches))
        assert len(shares[-1]) == len(batches)
    assert len({len(share) for share in shares}) == 1
    together = [tuple(batch) for turn in zip(*shares, strict=True) for batch in turn]
    whole = -(-length // batch_size)
    assert len(together) - whole < processes  # only what fills the last turn is repeated
    assert sorted(index for batch in together[:whole] for index in batch) == list(range(length))


def test_order_depends_on_seed_and_epoch_alone() -> None:
    def epoch_of(seed: int, epoch: int) -> list[list[int]]:
        batches = EpochBatches(length=40, batch_size=4, shuffle=True, seed=seed)
        batches.set_epoch(epoch)
        return list(batches)

    assert epoch_of(1, 3) == epoch_of(1, 3)
    assert epoch_of(1, 3) != epoch_of(1, 4)
    assert epoch_of(1, 3) != epoch_of(2, 3)


def test_an_interrupted_epoch_goes_on_where_it_stopped() -> None:
    batches = EpochBatches(length=20, batch_size=3, shuffle=True)
    batches.set_epoch(5)
    whole = list(batches)
    batches.set_epoch(5, start=4)
    assert len(batches) == len(whole) - 4
    assert list(batches) == whole[4:]
    assert list(batches) == whole  # the next epoch is complete again


def test_batches_keep_to_one_group_except_the_remains() -> None:
    groups = [0] * 10 + [1] * 13
    batches = list(EpochBatches(length=23, batch_size=4, shuffle=True, groups=groups))
    mixed = [batch for batch in batches if len({groups[i] for i in batch}) > 1]
    assert len(mixed) <= 1
    assert sum(len(batch) == 4 for batch in batches) == 5


def test_drop_last() -> None:
    assert [len(b) for b in EpochBatches(length=11, batch_size=4, drop_last=True)] == [4, 4]
    assert [len(b) for b in EpochBatches(length=11, batch_size=4)] == [4, 4, 3]
    grouped = EpochBatches(length=11, batch_size=4, drop_last=True, groups=[0, 1] * 5 + [0], shuffle=True)
    assert [len(b) for b in grouped] == [4, 4]


def test_epoch_is_passed_on() -> None:
    seen: list[int] = []
    batches = EpochBatches(length=4, batch_size=2)
    batches.on_epoch = seen.append
    batches.sampler.set_epoch(7)
    assert seen == [7]


def test_groups_follow_the_published_limits() -> None:
    # w / h = 2 ** (i / 3) opens a group for i = -3..3
    assert aspect_ratio_groups([(100, 40), (100, 50), (100, 100), (100, 99), (100, 199), (100, 200)], 3) == [
        0,
        1,
        4,
        3,
        6,
        7,
    ]
    assert aspect_ratio_groups([(3, 2), (2, 3)], 0) == [0, 1]


def test_wrong_values_are_refused() -> None:
    with pytest.raises(ValueError, match="batch_size"):
        EpochBatches(length=3, batch_size=0)
    with pytest.raises(ValueError, match="groups names 2"):
        EpochBatches(length=3, batch_size=1, groups=[0, 1])
