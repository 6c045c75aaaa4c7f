import html
import json
import math
import re

import pytest

from visus.report.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, bar_chart, line_chart, ticks


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]), (0, 37, [0, 10, 20, 30, 40]), (0, 0, [0, 0.2]), (-3, 3, [-4, -2, 0, 2, 4])],
)
def test_ticks_are_round_and_enclose(low, high, expected):
    assert ticks(low, high) == pytest.approx(expected)


def test_a_line_runs_from_corner_to_corner():
    chart = line_chart("loss", [1, 2, 3], {"a": [0.0, 0.5, 1.0]})
    points = re.search(r'points="([^"]+)"', chart)[1].split()
    assert points == [
        f"{LEFT:.1f},{HEIGHT - BOTTOM:.1f}",
        f"{(LEFT + WIDTH - RIGHT) / 2:.1f},{(TOP + HEIGHT - BOTTOM) / 2:.1f}",
        f"{WIDTH - RIGHT:.1f},{TOP:.1f}",
    ]


def test_missing_and_infinite_values_are_bridged():
    chart = line_chart("loss", [1, 2, 3, 4], {"a": [1.0, None, math.inf, 2.0], "b": [None] * 4})
    assert len(re.search(r'points="([^"]+)"', chart)[1].split()) == 2
    data = json.loads(html.unescape(re.search(r'data-chart="([^"]+)"', chart)[1]))
    assert data["lines"][0] == ["a", [1.0, None, None, 2.0]]


def test_nothing_to_draw_gives_nothing():
    assert line_chart("loss", [1.0], {"a": [None]}) == ""
    assert line_chart("loss", [1.0], {}) == ""


def test_names_cannot_break_the_page():
    page = line_chart("<b>", [1, 2], {'"><script>': [1.0, 2.0]}) + bar_chart([("<i>x", [0.5])], ["<s>", "t"])
    assert "<script>" not in page
    assert "<b>" not in page.replace("<b>2</b>", "")
    assert "<i>x" not in page


def test_bars_show_hundredths_and_a_dash_for_nothing():
    bars = bar_chart([("cat", [0.5, -1.0]), ("dog", [None, 1.2])], ["box", "mask"])
    assert re.findall(r"<em>([^<]+)</em>", bars) == ["50.0", "–", "–", "120.0"]
    assert re.findall(r"width:([\d.]+)%", bars) == ["50.0", "100.0"]


def test_many_points_get_round_labels():
    chart = line_chart("loss", [7.0 * i for i in range(1, 60)], {"a": [1.0] * 59}, x_name="step")
    labels = [float(v) for v in re.findall(r'text-anchor="middle">([\d.]+)</text>', chart)]
    assert labels == [100, 200, 300, 400]


def test_few_points_are_labelled_themselves():
    chart = line_chart("loss", [1.0, 2.0, 3.0], {"a": [1.0] * 3})
    assert re.findall(r'text-anchor="middle">([\d.]+)</text>', chart) == ["1", "2", "3"]
