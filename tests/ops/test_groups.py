"""Groups of embeddings, by hand and against a plain search."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from visus.ops import groups
from visus.ops.groups import chinese_whispers, connected_groups, near_pairs


def line(*places: float) -> Tensor:
    return torch.tensor(places, dtype=torch.float64)[:, None]


@given(st.lists(st.integers(0, 30), max_size=12), st.integers(1, 4))
@settings(max_examples=25, deadline=None)
def test_connected_groups_are_what_can_be_reached(places: list[int], threshold: int) -> None:
    found = connected_groups(line(*places), threshold=threshold).tolist()
    names: list[int] = [-1] * len(places)
    for start in range(len(places)):
        if names[start] >= 0:
            continue
        names[start] = number = max(names, default=-1) + 1
        waiting = [start]
        while waiting:
            one = waiting.pop()
            for other in range(len(places)):
                if names[other] < 0 and abs(places[one] - places[other]) < threshold:
                    names[other] = number
                    waiting.append(other)
    assert found == names


def test_pairs_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    points = torch.rand(23, 3, generator=torch.Generator().manual_seed(0))
    whole = near_pairs(points, 0.5)
    monkeypatch.setattr(groups, "BLOCK", 50)
    for one, other in zip(near_pairs(points, 0.5), whole, strict=True):
        assert torch.equal(one, other)
    assert all(row < column for row, column in zip(whole[0].tolist(), whole[1].tolist(), strict=True))


@pytest.mark.parametrize("group", [connected_groups, chinese_whispers])
def test_what_was_said_of_pairs_holds(group: object) -> None:
    """0, 1 and 2 hang together; 0 and 2 never. 9 is far and always with 0. Without pairs all is as before."""
    points = line(0.0, 1.0, 1.9, 9.0)
    assert group(points, threshold=1.5).tolist() == [0, 0, 0, 1]  # type: ignore[operator]
    apart = group(points, threshold=1.5, never=[(0, 2)]).tolist()  # type: ignore[operator]
    assert apart[0] != apart[2]
    assert apart[1] in (apart[0], apart[2])
    joined = group(points, threshold=1.5, always=[(3, 0)]).tolist()  # type: ignore[operator]
    assert joined == [0, 0, 0, 0]
    both = group(points, threshold=1.5, always=[(3, 0)], never=[(3, 1)]).tolist()  # type: ignore[operator]
    assert both[0] == both[3] != both[1]


def test_nearer_pairs_come_first() -> None:
    """1 is nearer to 2 than to 0, which is never with 2."""
    assert connected_groups(line(0.0, 1.0, 1.9), threshold=1.5, never=[(0, 2)]).tolist() == [0, 1, 1]


@given(st.lists(st.integers(0, 12), min_size=2, max_size=10), st.data())
@settings(max_examples=25, deadline=None)
def test_never_is_never(places: list[int], data: st.DataObject) -> None:
    rows = st.integers(0, len(places) - 1)
    never = [pair for pair in data.draw(st.lists(st.tuples(rows, rows), max_size=5)) if pair[0] != pair[1]]
    for group in (connected_groups, chinese_whispers):
        found = group(line(*places), threshold=2.5, never=never).tolist()
        assert all(found[one] != found[other] for one, other in never)
        assert sorted(set(found)) == list(range(max(found) + 1))


def test_whispers_leave_a_thin_bridge() -> None:
    """Two cliques of five that one pair connects: one connected group, two of Chinese whispers."""
    points = line(0.0, 0.1, 0.2, 0.3, 0.4, 1.4, 1.5, 1.6, 1.7, 1.8)
    assert len(near_pairs(points, 1.05)[0]) == 10 + 10 + 1
    assert len(connected_groups(points, threshold=1.05).unique()) == 1
    assert chinese_whispers(points, threshold=1.05).tolist() == [0] * 5 + [1] * 5


@pytest.mark.parametrize("group", [connected_groups, chinese_whispers])
@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        ({"never": [(0, 5)]}, "no pair"),
        ({"never": [(1, 1)]}, "apart from itself"),
        ({"never": [(0, 2)], "always": [(0, 1), (1, 2)]}, "always together, and by other pairs never"),
    ],
)
def test_contradictions_are_refused(group: object, pairs: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        group(line(0, 1, 2), threshold=1.0, **pairs)  # type: ignore[operator]


def test_nothing_gives_nothing() -> None:
    assert connected_groups(torch.zeros(0, 4), threshold=1.0).tolist() == []
    assert chinese_whispers(torch.zeros(0, 4), threshold=1.0).tolist() == []
