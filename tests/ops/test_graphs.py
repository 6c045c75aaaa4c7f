"""Relationships as rows: the graph constraint, what is sure, overlaps and unions."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from visus.ops.graphs import around, best_of_pairs, overlapping, sure_relationships

rows = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 3), st.integers(0, 5)), max_size=20)


@given(rows)
def test_each_pair_keeps_its_first_best(found: list[tuple[int, int, int, int]]) -> None:
    table = torch.tensor(found, dtype=torch.int64).reshape(-1, 4)
    kept = best_of_pairs(table[:, :3], table[:, 3].float(), 4).tolist()
    taken, expected = set(), []
    for place in sorted(range(len(found)), key=lambda i: -found[i][3]):
        pair = found[place][0], found[place][2]
        if pair not in taken:
            taken.add(pair)
            expected.append(place)
    assert kept == expected


def test_sure_is_the_predicate_given_both_objects() -> None:
    table = torch.tensor([[0, 0, 1], [1, 1, 0], [0, 1, 2]])
    objects = torch.tensor([0.6, 0.6, 0.4])
    scores = torch.tensor([0.6 * 0.36, 0.4 * 0.36, 0.9 * 0.24])
    assert sure_relationships(table, scores, objects, 0.5).tolist() == [0]


def test_boxes_overlap_where_they_share_an_area() -> None:
    boxes = torch.tensor([[0.0, 0, 2, 2], [1, 1, 3, 3], [2, 0, 4, 2]])
    assert overlapping(boxes).tolist() == [[True, True, False], [True, True, True], [False, True, True]]


def test_the_box_around_two() -> None:
    found = around(torch.tensor([[0.0, 5, 2, 6]]), torch.tensor([[1.0, 1, 3, 3]]))
    assert found.tolist() == [[0, 1, 3, 6]]
