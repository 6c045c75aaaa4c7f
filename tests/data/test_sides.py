"""Names that mean a side: every common style, what only looks like one, and what is left where a counterpart lacks."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visus.data.sides import flip_pairs_of, other_side, sides_of

STYLES = {
    "left_eye": "{left}_{part}",
    "LEFT_EYE": "{LEFT}_{PART}",
    "leftEye": "{left}{Part}",
    "LeftEye": "{Left}{Part}",
    "lefteye": "{left}{part}",
    "left eye": "{left} {part}",
    "left-eye": "{left}-{part}",
    "left.eye": "{left}.{part}",
    "eye_left": "{part}_{left}",
    "eyeLeft": "{part}{Left}",
    "eyeleft": "{part}{left}",
    "eye left": "{part} {left}",
    "eye (left)": "{part} ({left})",
    "left_eye_2": "{left}_{part}_2",
    "left_eye2": "{left}_{part}2",
    "eye_l": "{part}_{l}",
    "eye_L": "{part}_{L}",
    "l_eye": "{l}_{part}",
    "L_Eye": "{L}_{Part}",
    "l-eye": "{l}-{part}",
    "l eye": "{l} {part}",
    "eye.L": "{part}.{L}",
    "lEye": "{l}{Part}",
    "LEye": "{L}{Part}",
    "eyeL": "{part}{L}",
    "Leye": "{L}{part}",
    "leye": "{l}{part}",
    "eye_l1": "{part}_{l}1",
}
SIDES = ("left", "right")


def styled(style: str, part: str, side: str) -> str:
    words = {"left": side, "Left": side.capitalize(), "LEFT": side.upper(), "l": side[0], "L": side[0].upper()}
    return STYLES[style].format(part=part, Part=part.capitalize(), PART=part.upper(), **words)


@pytest.mark.parametrize("style", STYLES)
def test_keypoints_of_every_style(style: str) -> None:
    names = [styled(style, part, side) for part in ("eye", "mouth", "hip") for side in reversed(SIDES)]
    assert flip_pairs_of(["nose", *names, "chin"]) == ((2, 1), (4, 3), (6, 5))


@pytest.mark.parametrize("style", [style for style in STYLES if style not in ("Leye", "leye")])
def test_one_pair_is_enough(style: str) -> None:
    names = [styled(style, "eye", side) for side in SIDES]
    assert flip_pairs_of(names) == ((0, 1),)
    assert sides_of(names).pairs == ((0, 1),)  # as categories, too


@given(st.sampled_from(sorted(STYLES)), st.permutations(range(10)), st.integers(0, 9))
def test_pairs_follow_their_names_wherever_they_stand(style: str, order: list[int], gone: int) -> None:
    names = [styled(style, part, side) for part in ("ear", "toe", "arm", "paw") for side in SIDES] + ["nose", "chin"]
    shuffled = [names[place] for place in order]
    pairs = flip_pairs_of(shuffled)
    assert pairs is not None
    assert {frozenset(order[place] for place in pair) for pair in pairs} == {
        frozenset(pair) for pair in ((0, 1), (2, 3), (4, 5), (6, 7))
    }
    without = [name for name in shuffled if name != names[gone]]
    lone = style in ("eyeleft", "Leye", "leye")  # these mean no side by themselves
    assert (flip_pairs_of(without) is None) == (gone < 8 and not lone)


def test_what_does_not_tell() -> None:
    assert flip_pairs_of([str(number) for number in range(68)]) is None
    assert flip_pairs_of(["nose", "tail"]) is None
    assert flip_pairs_of(["upright", "bright", "leftover", "copyright"]) is None
    assert flip_pairs_of(["lip", "rip", "nose"]) is None  # one pair of whole words may be chance
    assert flip_pairs_of(["L1", "L2", "T1", "T2", "C1", "R1"]) is None  # letters of a longer row


def test_a_keypoint_by_itself() -> None:
    assert flip_pairs_of(["nose"]) == ()
    assert flip_pairs_of(["left_eye"]) is None  # in a mirror it would be the right one


def test_sides_of_sides() -> None:
    names = ["left_eye_l", "left_eye_r", "right_eye_l", "right_eye_r"]
    assert flip_pairs_of(names) == ((0, 3), (1, 2))
    assert flip_pairs_of(["left eye left", "left eye right", "right eye left", "right eye right"]) == ((0, 3), (1, 2))
    assert flip_pairs_of(["left_eye", "right_eye", "l_ear", "r_ear", "nose"]) == ((0, 1), (2, 3))
    assert flip_pairs_of(["left_eye", "Left_Eye", "right_eye", "Right_Eye"]) == ((0, 2), (1, 3))


@pytest.mark.parametrize(
    ("names", "pairs"),
    [
        (["left shoe", "hat", "right shoe"], ((0, 2),)),
        (["on", "left of", "right of"], ((1, 2),)),
        (["to the left of", "to the right of"], ((0, 1),)),
        (["left to right", "right to left"], ((0, 1),)),
        (["right shoe of the left person", "left shoe of the right person"], ((1, 0),)),
        (["facing right", "facing left", "standing"], ((1, 0),)),
        (["leftmost", "rightmost"], ((0, 1),)),
        (["turn-left", "turn-right"], ((0, 1),)),
        (["left", "right"], ((0, 1),)),
        (["shoe_l", "shoe_r"], ((0, 1),)),
        (["upleft", "upright"], ((0, 1),)),
    ],
)
def test_labels_with_a_side(names: list[str], pairs: tuple[tuple[int, int], ...]) -> None:
    sides = sides_of(names)
    assert sides.pairs == pairs
    assert sides.missing == ()
    table = sides.table(len(names))
    assert [names[place] for place in table] != names
    assert [table[place] for place in table] == list(range(len(names)))


@pytest.mark.parametrize(
    "names",
    [
        ["copyright", "Copyright", "copyleft", "CopyRight", "leftover", "left over", "leftovers", "bright", "upright"],
        ["Wright", "Albright", "playwright", "fright", "cleft", "alright", "all right", "outright", "rights"],
        ["right whale", "right angle", "right-angled", "right of way", "righteous"],
        ["led", "red", "lock", "rock", "light", "right angle"],
        ["size S", "size M", "size L"],
        list("ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
        ["L1", "L2", "S1", "T1", "R1", "S2", "T2"],
        ["left and right hand", "left-right", "left/right"],
    ],
)
def test_labels_that_have_none(names: list[str]) -> None:
    assert sides_of(names).table(len(names)) == ()
    assert sides_of(names).missing == ()


@pytest.mark.parametrize("name", ["left shoe", "facing left", "to the left of", "no left turn", "leftmost", "Left"])
def test_a_label_without_counterpart(name: str) -> None:
    sides = sides_of(["hat", name, "right glove", "left glove"])
    assert sides.missing == (1,)
    assert sides.pairs == ((3, 2),)
    assert sides_of([other_side(name), name]).pairs == ((1, 0),)


def test_many_names_are_fast_and_stay_apart() -> None:
    names = [f"class {number} {side}" for number in range(5000) for side in ("left", "right", "both")]
    random.Random(0).shuffle(names)
    sides = sides_of(names)
    assert len(sides.pairs) == 5000
    assert all(other_side(names[one]) == names[other] for one, other in sides.pairs)
