import re

import pytest
import torch

from visus.report.confusion import confusion_chart


def cells(html):
    """(row and column names, share) by the titles of the cells."""
    found = re.findall(r"<title>(.+?) predicted as (.+?): ([\d.]+) % \((\d+)\)</title>", html)
    return {(true, predicted): (float(share), int(count)) for true, predicted, share, count in found}


def test_shares_are_of_the_rows_and_mistakes_are_listed_by_share():
    matrix = torch.tensor([[6, 2, 0], [0, 0, 0], [1, 30, 69]])
    html = confusion_chart(matrix, ["cat", "dog", "a <b>"])
    assert cells(html) == {
        ("cat", "cat"): (75.0, 6),
        ("cat", "dog"): (25.0, 2),
        ("a &lt;b&gt;", "cat"): (1.0, 1),
        ("a &lt;b&gt;", "dog"): (30.0, 30),
        ("a &lt;b&gt;", "a &lt;b&gt;"): (69.0, 69),
    }
    assert html.count('class="right"') == 2
    rows = re.findall(r"<tr><td>(.+?)</td><td>(.+?)</td><td>(.+?)</td>", html)
    assert rows == [("a &lt;b&gt;", "dog", "30.0"), ("cat", "dog", "25.0"), ("a &lt;b&gt;", "cat", "1.0")]
    assert "<b>" not in html


def test_numbers_stand_in_the_cells_of_few_classes_only():
    for count, numbers in ((15, 15), (16, 0)):
        html = confusion_chart(torch.eye(count, dtype=torch.int64) * 7, [f"c{i}" for i in range(count)])
        assert html.count(">100</text>") == numbers
        assert html.count("<rect") == count + 1
        assert "Most frequent mistakes" not in html


def test_a_wide_map_fits_the_page_and_a_huge_one_is_a_list():
    html = confusion_chart(torch.ones(80, 80, dtype=torch.int64), ["tennis racket"] * 80)
    assert float(re.search(r'viewBox="0 0 (\d+)', html)[1]) < 1090
    html = confusion_chart(torch.ones(101, 101, dtype=torch.int64), [f"c{i}" for i in range(101)])
    assert "<svg" not in html
    assert html.count("<tr><td>") == 10


def test_classes_that_occur_nowhere_have_no_row():
    counts = torch.zeros(20, 20, dtype=torch.int64)
    counts[3, 3], counts[3, 7] = 5, 1
    html = confusion_chart(counts, [f"class {i}" for i in range(20)], [f"named {i}" for i in range(20)])
    assert html.count('class="name"') == 4, "two rows and two columns"
    assert "class 3 predicted as named 7: 16.7 % (1)" in html
    assert "class 12" not in html


def test_nothing_counted_shows_nothing_and_a_wrong_size_is_refused():
    assert confusion_chart(torch.zeros(2, 2, dtype=torch.int64), ["a", "b"]) == ""
    with pytest.raises(ValueError, match=r"\(2, 2\) does not belong to 3 categories"):
        confusion_chart(torch.ones(2, 2, dtype=torch.int64), ["a", "b", "c"])
