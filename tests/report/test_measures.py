import re

from visus.report.measures import cards, measure_tables


def shown(html):
    return re.findall(r"<span>([^<]*)</span><strong>([^<]*)", html)


def test_any_measure_becomes_a_card_in_hundredths_and_larger_numbers_stay():
    metrics = {"mIoU": 0.612, "boundary F1": -1.0, "classes": 11.0, "seconds": 1234.5}
    expected = [("mIoU", "61.2"), ("boundary F1", "–"), ("classes", "11"), ("seconds", "1234"), ("model", "small")]
    assert shown(cards(metrics, {"model": "small"})) == expected
    assert measure_tables(metrics)[0] == ""


def test_a_kind_without_ap_shows_what_it_has():
    assert shown(cards({"VOC AP50": 0.5}, {})) == [("VOC AP50", "50.0")]
    assert "IoU 0.50 to 0.95" not in measure_tables({"VOC AP50": 0.5})[1]
    assert "IoU 0.50 to 0.95" in measure_tables({"box AP": 0.5})[1]


def test_many_measures_are_listed():
    metrics = {f"R@{k}": k / 100 for k in range(1, 10)}
    assert len(shown(cards(metrics, {}))) == 6
    assert re.findall(r"<th>(R@\d)</th><td>([\d.]+)", measure_tables(metrics)[0])[-1] == ("R@9", "9.0")
