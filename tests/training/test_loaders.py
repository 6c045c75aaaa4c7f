"""Loaders start at any batch of any epoch."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from visus.training.loaders import EpochLoader


def ids(batches: object) -> list[list[int]]:
    return [[target.image_id for target in batch.targets] for batch in batches]


def brightness(batches: object) -> list[float]:
    return [float(batch.inputs.pixels.float().mean()) for batch in batches]


@pytest.mark.parametrize("workers", [0, 1])
def test_epoch_decides_order_and_augmentation(squares: SimpleNamespace, workers: int) -> None:
    recipe = squares.recipe()
    now = {"epoch": 0}
    loader = EpochLoader(squares.loaders(recipe)[0], lambda: now["epoch"])
    first = list(loader)
    now["epoch"] = 1
    second = list(loader)
    now["epoch"] = 0
    again = list(loader)
    loader.close()
    assert ids(first) == ids(again) != ids(second)
    assert brightness(first) == brightness(again)
    assert sorted(index for batch in ids(second) for index in batch) == list(range(40))


def test_state_goes_on_inside_an_epoch(squares: SimpleNamespace) -> None:
    recipe = squares.recipe()
    whole = ids(EpochLoader(squares.loaders(recipe)[0], lambda: 2))
    interrupted = EpochLoader(squares.loaders(recipe)[0], lambda: 2)
    batches = iter(interrupted)
    done = [next(batches) for _ in range(2)]
    resumed = EpochLoader(squares.loaders(recipe)[0], lambda: 2)
    resumed.load_state_dict(interrupted.state_dict())
    assert len(resumed) == 5
    rest = iter(resumed)
    third = next(rest)
    assert len(resumed) == 5
    assert resumed.state_dict() == {"served": 3, "processes": 1}
    assert ids([*done, third, *rest]) == whole
    assert ids(resumed) == whole
