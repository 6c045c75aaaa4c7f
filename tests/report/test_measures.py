import math
import re

from visus.metrics import CocoMetric, Measure
from visus.report.measures import cards, measure_tables
from visus.types import Keypoints, Schema

KEYPOINTS = Keypoints(names=("nose",), flip_pairs=(), sigmas=(0.1,))
COCO = CocoMetric(schema=Schema(("cat",), (1,), has_masks=True, keypoints=KEYPOINTS)).measures
HEADLINE, NUMBER = Measure(headline=True), Measure(unit="number", headline=True)


def shown(html):
    """Name, value and what stands below of each card."""
    return re.findall(r"<span>([^<]*)</span><strong>(.*?)</strong><span>([^<]*)", html)


def table(html):
    """The lines of a table, cell by cell."""
    return [re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", line) for line in re.findall(r"<tr>(.*?)</tr>", html)]


def test_shares_are_in_hundredths_and_numbers_as_they_are():
    measures = {"mIoU": HEADLINE, "boundary F1": HEADLINE, "classes": NUMBER, "seconds": NUMBER, "distance": NUMBER}
    numbers = {"mIoU": 0.612, "boundary F1": -1.0, "classes": 11.0, "seconds": 1234.5, "distance": 0.8}
    expected = [("mIoU", "61.2"), ("boundary F1", "–"), ("classes", "11"), ("seconds", "1234"), ("distance", "0.8")]
    assert [card[:2] for card in shown(cards(numbers, measures, {"model": "small_net"}))] == [
        *expected,
        ("model", "small_<wbr>net"),
    ]
    assert measure_tables(numbers, measures) == ("", "")


def test_a_number_that_could_not_be_measured_is_a_dash():
    assert shown(cards({"FID": math.nan}, {"FID": NUMBER}, {})) == [("FID", "–", "")]


def test_a_card_says_where_smaller_is_better():
    measures = {"FID": Measure(unit="number", smaller_is_better=True, headline=True), "top-1": HEADLINE}
    found = shown(cards({"FID": 12.25, "top-1": 0.5}, measures, {}))
    assert found == [("FID", "12.25", "smaller is better"), ("top-1", "50.0", "")]


def test_only_headlines_are_cards():
    measures = {"AP": HEADLINE, "AR": Measure(), "speed": Measure(unit="number")}
    numbers = {"AP": 0.5, "AR": 0.25, "speed": 12.5}
    assert shown(cards(numbers, measures, {})) == [("AP", "50.0", "")]
    html, note = measure_tables(numbers, measures)
    assert table(html) == [["AP", "50.0"], ["AR", "25.0"], ["speed", "12.5"]]
    assert note == "Shares in hundredths."


def test_numbers_alone_are_not_called_shares():
    measures = {"FID": NUMBER, "KID": Measure(unit="number")}
    html, note = measure_tables({"FID": 12.0, "KID": 0.25}, measures)
    assert table(html) == [["FID", "12"], ["KID", "0.25"]]
    assert note == ""


def test_what_was_not_measured_has_no_place():
    assert shown(cards({"mask AP": 0.5}, COCO, {})) == [("mask AP", "50.0", "")]
    assert "keypoint" not in measure_tables({"mask AP": 0.5}, COCO)[0]


def test_coco_is_a_table_of_a_row_for_each_kind_and_a_column_for_each_measure():
    numbers = {name: 0.01 * place for place, name in enumerate(COCO)}
    numbers |= {"mask APs": -1.0, "box AP": 0.5, "box AP50": 0.75}
    html, note = measure_tables(numbers, COCO)
    head, box, mask, keypoint = table(html)
    assert head[:7] == ["", "AP", "AP50", "AP75", "AP small", "AP medium", "AP large"]
    assert [line[0] for line in (box, mask, keypoint)] == ["box", "mask", "keypoint"]
    assert box[1:3] == ["50.0", "75.0"]
    assert mask[head.index("AP small")] == "–"
    assert keypoint[head.index("AP small")] == "–"  # COCO has no small people
    assert {len(line) for line in (head, box, mask, keypoint)} == {len(head)}
    assert html.count("class=main") == 3
    assert "IoU 0.50 to 0.95" in note


def test_the_card_of_an_ap_has_that_at_one_overlap_below():
    found = shown(cards({"box AP": 0.5, "box AP50": 0.75, "mask AP": 0.25}, COCO, {}))
    assert found == [("box AP", "50.0", "75.0 at IoU 0.50"), ("mask AP", "25.0", "")]


def test_an_average_precision_outside_of_cocos_table_has_no_note_on_its_means():
    assert shown(cards({"VOC AP50": 0.5}, {"VOC AP50": HEADLINE}, {})) == [("VOC AP50", "50.0", "")]
    assert measure_tables({"VOC AP50": 0.5}, {"VOC AP50": HEADLINE}) == ("", "")


def test_many_measures_are_listed():
    numbers = {f"R@{k}": k / 100 for k in range(1, 10)}
    measures = dict.fromkeys(numbers, HEADLINE)
    assert len(shown(cards(numbers, measures, {}))) == 6
    assert table(measure_tables(numbers, measures)[0])[-1] == ["R@9", "9.0"]


def test_names_are_escaped():
    measures = {"AP <5 px": HEADLINE, "b & c": Measure(row="a <row>", column="<i>")}
    assert "AP &lt;5 px" in cards({"AP <5 px": 0.5}, measures, {"data": "<b>"})
    html = measure_tables({"b & c": 0.5}, measures)[0]
    assert "a &lt;row&gt;" in html
    assert "<i>" not in html
