"""The graph beside the image: layers, arrows, and what becomes of many objects."""

from __future__ import annotations

import random

import torch
from PIL import Image, ImageChops

from visus.draw.draw import draw
from visus.draw.graphs import _IN_A_ROW, _edge, draw_graph, layered
from visus.types import GraphPrediction, Schema

SCHEMA = Schema(("cat", "couch"), (1, 2), attributes=("red",), predicates=("on", "under"))


def found(count: int = 2) -> GraphPrediction:
    corner = torch.arange(count)[:, None] * 2.0
    rows = torch.tensor([[0, 0, 1]]) if count > 1 else torch.zeros(0, 3, dtype=torch.int64)
    return GraphPrediction(
        boxes_xyxy=torch.cat([corner, corner, corner + 20, corner + 30], dim=1),
        labels=torch.arange(count) % 2,
        scores=torch.linspace(0.9, 0.6, count),
        size=(200, 300),
        attribute_scores=torch.zeros(count, 1),
        relationships=rows,
        relationship_scores=torch.full((len(rows),), 0.5),
    )


def test_subjects_stand_above_objects_and_lonely_ones_below_all() -> None:
    assert layered(5, [(0, 1), (1, 2), (3, 2)]) == [[0, 3], [1], [2], [4]]


def test_circles_are_opened_and_wide_layers_broken() -> None:
    assert layered(2, [(0, 1), (1, 0)]) == [[0], [1]]
    layers = layered(13, [])
    assert [len(layer) for layer in layers] == [_IN_A_ROW, _IN_A_ROW, 3]


def test_each_object_has_one_place_whatever_the_edges() -> None:
    dice = random.Random(0)
    for _ in range(50):
        count = dice.randint(1, 12)
        edges = [(dice.randrange(count), dice.randrange(count)) for _ in range(dice.randint(0, 20))]
        edges = [edge for edge in edges if edge[0] != edge[1]]
        assert sorted(node for layer in layered(count, edges) for node in layer) == list(range(count))


def test_arrows_begin_and_end_at_borders() -> None:
    box = (0.0, 0.0, 10.0, 4.0)
    assert _edge((5, 2), (25, 2), box) == (10, 2)
    assert _edge((5, 2), (5, -8), box) == (5, 0)


def test_a_graph_is_drawn_right_of_its_image() -> None:
    image = torch.full((3, 200, 300), 90, dtype=torch.uint8)
    picture = draw(image, found(), SCHEMA, min_score=0.5)
    objects = draw(image, found().objects, SCHEMA, min_score=0.5)
    assert picture.width > objects.width
    left = picture.crop((0, 0, objects.width, objects.height))
    assert ImageChops.difference(left, objects).getbbox() is None


def test_frames_of_a_video_keep_their_size_and_nothing_found_draws_nothing() -> None:
    image = torch.zeros(3, 480, 640, dtype=torch.uint8)
    one = GraphPrediction(**{**vars(found()), "size": (480, 640)})
    assert draw(image, one, SCHEMA, legend="inside").size == (640, 480)
    assert draw(image, one, SCHEMA, min_score=0.99).size == (640, 480)


def test_three_hundred_objects_fit_into_a_picture() -> None:
    picture = draw(torch.zeros(3, 200, 300, dtype=torch.uint8), found(300), SCHEMA, min_score=0.5)
    assert isinstance(picture, Image.Image)
    assert picture.height < 3000


def test_thirty_objects_do_not_cover_each_other() -> None:
    """Every box of an object keeps its colour in its middle line: the pictures are wide enough for their rows."""
    names = [f"object {number}" for number in range(30)]
    edges = [(number, (number * 7 + 3) % 30, "next to") for number in range(30) if number != (number * 7 + 3) % 30]
    picture = draw_graph(names, [(200, 40, 40)] * 30, edges, font_size=12)
    red = sum(count for count, colour in picture.getcolors(1 << 20) if colour == (200, 40, 40))
    assert red > 30 * 40 * 10


def test_more_names_of_arrows_get_more_room_and_equal_arrows_are_one() -> None:
    names, colours = ["cup", "table"], [(200, 60, 60), (60, 60, 200)]
    one = draw_graph(names, colours, [(0, 1, "on")], font_size=12)
    both = draw_graph(names, colours, [(0, 1, "on"), (1, 0, "under")], font_size=12)
    assert both.height > one.height
    joined = draw_graph(names, colours, [(0, 1, "on"), (0, 1, "in")], font_size=12)
    assert joined.height == one.height
    assert joined.tobytes() == draw_graph(names, colours, [(0, 1, "on, in")], font_size=12).tobytes()
