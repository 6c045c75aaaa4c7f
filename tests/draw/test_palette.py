from itertools import combinations

import pytest

from visus.draw.palette import INK, PAPER, category_colour, text_colour


def test_the_first_twenty_categories_are_told_apart():
    colours = [category_colour(label) for label in range(20)]
    nearest = min(sum(abs(a - b) for a, b in zip(one, other, strict=True)) for one, other in combinations(colours, 2))
    assert nearest > 30


def test_a_turn_changes_the_colour_a_little():
    plain, turned = category_colour(0), category_colour(0, 1)
    assert plain != turned
    assert sum(abs(a - b) for a, b in zip(plain, turned, strict=True)) < 120


@pytest.mark.parametrize(("background", "expected"), [(PAPER, INK), ((255, 240, 0), INK), ((0, 0, 90), PAPER)])
def test_text_contrasts_with_its_background(background, expected):
    assert text_colour(background) == expected
