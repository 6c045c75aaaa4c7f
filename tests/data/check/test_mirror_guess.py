"""Pairs of keypoints from their mean positions: the well-known ones of 68 landmarks, of drawn people, and none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.landmarks import LANDMARKS, Faces, face
from visus.data.check.mirror_guess import guess_flip_pairs, symmetrical_pairs
from visus.data.vignettes import Vignettes


@pytest.mark.parametrize("seed", range(5))
def test_the_68_landmarks_of_a_face(seed: int) -> None:
    assert len(face()) == 68
    guess = guess_flip_pairs(Faces(70, seed))
    assert guess is not None
    assert guess.objects == 70
    assert {frozenset(pair) for pair in guess.pairs} == {frozenset(pair) for pair in LANDMARKS}


def test_drawn_people() -> None:
    people = Vignettes(split="train", length=60, size=96, categories=("person", "dog"))
    assert people.schema.keypoints is not None
    guess = guess_flip_pairs(people)
    assert guess is not None
    assert guess.pairs == people.schema.keypoints.flip_pairs
    assert 40 < guess.objects < 120  # people alone


@given(st.integers(0, 10**6), st.integers(0, 6), st.integers(0, 4), st.floats(0.3, 0.7))
def test_what_is_symmetrical_is_found(seed: int, pairs: int, middle: int, line: float) -> None:
    random = np.random.default_rng(seed)
    corners = np.array([(x, y) for x in (0.04, 0.12, 0.2) for y in (0.2, 0.5, 0.8)])
    sides = random.permutation(corners)[:pairs] + random.uniform(-0.01, 0.01, (pairs, 2))
    alone = np.stack((np.zeros(middle), np.linspace(0.1, 0.9, middle)), axis=1)
    points = np.concatenate((sides, sides * (-1, 1), alone)) + np.array([line, 0])
    order = random.permutation(len(points))
    found = symmetrical_pairs(points[order])
    if len(points) < 2:
        assert found is None
    else:
        assert found is not None
        wanted = {frozenset((place, place + pairs)) for place in range(pairs)}
        assert {frozenset(int(order[place]) for place in pair) for pair in found} == wanted


def test_what_is_not_symmetrical_gives_no_guess() -> None:
    assert symmetrical_pairs(np.array([[0.1, 0.1], [0.9, 0.5], [0.3, 0.95]])) is None
    assert symmetrical_pairs(np.array([[0.5, 0.1]])) is None
    assert symmetrical_pairs(np.full((4, 2), np.nan)) is None
    assert symmetrical_pairs(np.array([[0.2, 0.5], [np.nan, np.nan], [0.8, 0.5]])) == ((0, 2),)
    assert symmetrical_pairs(np.array([[0.5, 0.1], [0.5, 0.9]])) == ()  # beak and tail of birds that fly both ways


def test_too_few_objects_tell_nothing() -> None:
    assert guess_flip_pairs(Faces(2, 0)) is None
    assert guess_flip_pairs(Faces(0, 0)) is None
