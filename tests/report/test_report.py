import json
import math
import re
from html import unescape
from html.parser import HTMLParser

import pytest
import torch

from drawing_scenes import SCHEMA, make_image, make_prediction, make_sample
from visus.data.vignettes.identities import VignetteIdentities
from visus.metrics import CocoMetric, ConfusionMatrix, Measure, PerCategory
from visus.metrics.retrieval import Embedded
from visus.report.machine import describe_machine
from visus.report.report import SECTIONS, Results, write_report
from visus.types import NoRowError, Sample, SemanticPrediction, SemanticTarget

HISTORY = [
    {"epoch": 0, "lr": 0.01, "train loss": 3.0, "train box": 1.0},
    {"epoch": 1, "lr": 0.005, "train loss": 2.0, "train box": 0.5, "val loss": 2.5, "box AP": 0.25},
    {"epoch": 2, "lr": 0.001, "train loss": 1.0, "train box": 0.2, "val loss": 2.0, "box AP": 0.5},
]


MEASURES = {**CocoMetric(schema=SCHEMA).measures, "images a second": Measure(unit="number", headline=True)}


def report(run, **changes):
    run.mkdir(exist_ok=True)
    values = {"title": "A <run> & more", "schema": SCHEMA, "history": HISTORY}
    results = {
        "numbers": {"box AP": 0.5, "box AP50": 0.75, "box APs": -1.0, "mask AP": 0.25, "images a second": 12.5},
        "measures": MEASURES,
        "details": [PerCategory({"box AP": {"cat": 0.4, "dog": 0.6}})],
        "examples": [(make_sample(f"{i}.png"), make_prediction(), i / 10) for i in range(4)],
    }
    results |= {name: changes.pop(name) for name in list(changes) if name not in values}
    return write_report(run, **(values | changes), results=Results(**results)).read_text()


class Balance(HTMLParser):
    """Checks that every tag is closed in its order."""

    VOID = ("meta", "img", "br", "wbr", "link", "line", "circle", "polyline")

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_whole_and_asks_for_nothing(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "recipe.json").write_text(
        json.dumps({"model": "fasterrcnn_lite0", "data": {"dataset": "coco"}})
    )
    page = report(tmp_path / "run")
    parser = Balance()
    parser.feed(page)
    assert parser.open == []
    assert "default-src 'none'" in page
    assert not re.search(r"""(src|href|url)\s*[=(]\s*["']?(https?:)?//""", page)
    assert all(src.startswith("data:image/webp;base64,") for src in re.findall(r'<img src="([^"]*)"', page))
    assert "A &lt;run&gt; &amp; more" in page
    assert "<run>" not in page
    assert "fasterrcnn_<wbr>lite0" in page


def test_numbers_are_hundredths_and_missing_ones_a_dash(tmp_path):
    page = report(tmp_path / "run")
    assert "<strong>50.0</strong>" in page
    assert "75.0 at IoU 0.50" in page
    assert "<strong>12.5</strong>" in page
    rows = re.findall(r"<tr><th>(box|mask)</th>(.*?)</tr>", page)
    assert [re.findall(r">([^<]+)</td>", cells) for _, cells in rows] == [["50.0", "75.0", "–"], ["25.0", "–", "–"]]


def panels(page):
    """The names of the lines of each chart, with the last value of each, by the chart's title."""
    charts = re.findall(r"<figcaption>([^<]+)</figcaption>\s*<ul class=\"legend\">(.*?)</ul>", page)
    return {title: re.findall(r"</i>([^<]+?) <b>([^<]+)</b>", legend) for title, legend in charts}


def test_curves_are_sorted_into_their_panels(tmp_path):
    assert panels(report(tmp_path / "run")) == {
        "Training loss": [("loss", "1"), ("box", "0.2")],
        "Validation loss": [("loss", "2")],
        "Learning rate": [("lr", "0.001")],
        "Validation, in hundredths": [("box AP", "50")],
    }


def test_shares_are_drawn_in_hundredths_and_numbers_as_they_are_in_a_panel_of_their_own(tmp_path):
    measures = {
        "FID": Measure(unit="number", smaller_is_better=True, headline=True),
        "precision": Measure(),
        "AR": Measure(curve=False),
    }
    history = [
        {"epoch": 0, "FID": 35.0, "precision": 0.25, "AR": 0.1},
        {"epoch": 1, "FID": math.nan, "precision": -1.0, "AR": 0.2},
        {"epoch": 2, "FID": 12.0, "precision": 0.8, "AR": 0.3},
    ]
    page = report(tmp_path / "run", history=history, numbers={"FID": 12.0}, measures=measures, details=[], examples=[])
    assert panels(page) == {"Validation": [("FID", "12")], "Validation, in hundredths": [("precision", "80")]}
    drawn = {c["lines"][0][0]: c["lines"][0][1] for c in charts(page)}
    assert drawn == {"FID": [35.0, None, 12.0], "precision": [25.0, None, 80.0]}
    assert "<span>FID</span><strong>12</strong><span>smaller is better</span>" in page


def charts(page):
    """What each chart shows, as the page's script reads it."""
    return [json.loads(unescape(text)) for text in re.findall(r'data-chart="([^"]*)"', page)]


def test_an_unknown_kind_of_detail_is_named(tmp_path):
    with pytest.raises(NoRowError, match="the report knows no Sample; it knows PerCategory, ConfusionMatrix, Embedded"):
        report(tmp_path / "run", details=[make_sample()])


def test_a_kind_of_detail_is_one_row(tmp_path, monkeypatch):
    def heading(detail, title, schema, results):
        return [("A <new> kind", f"<p>{len(detail)} of {len(results.numbers)}</p>", "As it is.")]

    monkeypatch.setitem(SECTIONS, list, heading)
    page = report(tmp_path / "run", details=[[1, 2]])
    assert "<h2>A &lt;new&gt; kind</h2><p class=note>As it is.</p><p>2 of 5</p>" in page


def test_a_report_of_embeddings(tmp_path):
    dataset = VignetteIdentities(split="test", individuals=2, views=2, categories=("ball", "car"))
    angles = dataset.labels.float()
    images = Embedded(torch.stack((angles.cos(), angles.sin()), 1), dataset.labels, list(range(len(dataset))))
    numbers = {"R@1": 0.5, "R@10": 1.0}
    measures = {name: Measure(headline=True) for name in numbers}
    shared = {"numbers": numbers, "measures": measures, "details": [images], "examples": [], "history": []}
    page = report(tmp_path / "run", **shared, dataset=dataset)
    assert "log10 of K" in page
    assert "<h2>Nearest neighbours</h2>" in page
    assert "Nearest neighbours" not in report(tmp_path / "run", **shared)


def test_categories_are_sorted_by_value(tmp_path):
    page = report(tmp_path / "run")
    assert re.findall(r'class="name" title="(\w+)"', page) == ["dog", "cat"]


def test_best_and_worst_examples_do_not_repeat(tmp_path):
    page = report(tmp_path / "run")
    worst, best = page.split("Worst predictions")[1].split("Best predictions")
    assert re.findall(r"quality ([\d.]+)", best) == ["0.30", "0.20"]
    assert re.findall(r"quality ([\d.]+)", worst) == ["0.00", "0.10"]


@pytest.mark.parametrize(
    "history", [[], HISTORY[2:], [{"step": 20, "train loss": 1.0}, {"step": 40, "train loss": 0.5}]]
)
def test_short_histories(tmp_path, history):
    page = report(tmp_path / "run", history=history, details=[], examples=[], numbers={})
    assert ("Training loss" in page) == bool(history)
    assert ("<polyline" in page) == (len(history) > 1)
    assert ">step</text>" in page or len(history) != 2


def test_the_machine_is_described():
    facts = describe_machine()
    assert facts["torch"]
    assert facts["visus"]
    assert all(isinstance(value, str) and value for value in facts.values())


def test_a_report_of_pixels(tmp_path):
    labels = torch.zeros(96, 128, dtype=torch.uint8)
    labels[:, 64:] = 1
    sample = Sample(make_image(), SemanticTarget(labels, (96, 128)), "street.png")
    found = SemanticPrediction(labels, torch.ones(96, 128), (96, 128))
    history = [{"epoch": e, "mIoU": 0.1 + 0.2 * e, "pixel accuracy": -1.0, "train loss": -0.5} for e in range(3)]
    page = report(
        tmp_path / "run",
        history=history,
        numbers={"mIoU": 0.5, "pixel accuracy": -1.0},
        measures={name: Measure(headline=True) for name in ("mIoU", "pixel accuracy")},
        details=[
            PerCategory({"IoU": {"cat": 0.5, "dog": -1}, "accuracy": {"cat": 0.75, "dog": -1}}),
            ConfusionMatrix(torch.tensor([[3, 1], [0, 0]])),
        ],
        examples=[(sample, found, 0.25), (sample, found, 0.75)],
    )
    parser = Balance()
    parser.feed(page)
    assert parser.open == []
    assert "<strong>50.0</strong>" in page
    assert "mIoU <b>50</b>" in page
    assert "cat predicted as dog: 25.0 % (1)" in page
    assert "pixel accuracy <b>" not in page  # nothing was measured, so nothing is drawn
    assert page.index("Categories") < page.index("Confusion matrix") < page.index("Worst predictions")
    assert page.count('class="pair whole"') == 2


def test_hundreds_of_categories_are_cut_to_the_ends(tmp_path):
    detail = PerCategory({"accuracy": {f"c{i}": i / 300 for i in range(300)}})
    page = report(tmp_path / "run", details=[detail], examples=[])
    names = re.findall(r'class="name" title="c(\d+)"', page)
    assert len(names) == 100
    assert (names[0], names[49], names[50], names[-1]) == ("299", "250", "49", "0")
