"""What the report shows of detections, of the data, of a batch, and of several runs beside each other."""

import json
import re
from html import unescape

import pytest
import torch

from drawing_scenes import SCHEMA, make_image, make_prediction, make_sample, make_target
from visus.data.vignettes import Vignettes
from visus.errors import VisusError
from visus.metrics import Measure, ObjectMetric
from visus.report.batch import batch_html
from visus.report.comparison import ComparedRun, comparison_sections
from visus.report.distribution import distribution
from visus.report.objects import confusion_section, score_sections
from visus.report.report import Background, Results, write_report
from visus.runs.compare import compare
from visus.types import Batch, ImageBatch


def measured(scores=(0.9, 0.8)):
    metric = ObjectMetric(SCHEMA)
    metric.update([make_prediction(scores)], Batch(None, [make_target()]))
    return metric.compute(), *metric.details()


def charts(page):
    return {one["xName"]: one for one in (json.loads(unescape(t)) for t in re.findall(r'data-chart="([^"]*)"', page))}


def test_curves_table_and_threshold():
    """The cat is found at .9; the dog is a crowd, so nothing is annotated of its category."""
    numbers, curves, confusion = measured()
    (_, html, note), (_, table, said) = score_sections(curves)
    assert "an IoU of their masks of 0.50" in note
    assert "share of detections that are right" in note
    f1 = dict(charts(html)["score threshold"]["lines"])
    assert f1["cat"][90] == 1.0
    assert f1["cat"][91] == 0.0
    assert "dog" not in f1
    assert dict(charts(html)["recall"]["lines"])["cat"] == [1.0] * 101
    assert numbers["score threshold"] == 0.45
    assert "threshold 0.45 has the largest mean F1" in said
    cells = re.findall(r"<t[dh]>([^<]*)</t[dh]>", table)
    assert cells[-6:] == ["cat", "1", "100.0", "100.0", "100.0", "0.45"]
    heading, chart, _ = confusion_section(confusion, SCHEMA.categories)
    assert heading == "Confusion matrix"
    assert "cat predicted as cat: 100.0 % (1)" in chart
    assert "not found" in chart
    assert "nothing there" in chart


def test_where_nothing_is_found_the_page_says_so():
    _, curves, confusion = measured((0.0, 0.0))
    assert confusion.counts[0, -1] in (0, 1)
    metric = ObjectMetric(SCHEMA)
    empty = make_prediction()[torch.zeros(2, dtype=torch.bool)]
    metric.update([empty], Batch(None, [make_target()]))
    metric.compute()
    (_, _, _), (_, _, said) = score_sections(metric.details()[0])
    assert "no threshold can be suggested" in said
    assert curves.objects.tolist() == [1, 0]


def test_the_data_is_counted_for_each_split():
    train, val = Vignettes(split="train", length=5, size=64), Vignettes(split="val", length=3, size=64)
    html, note = distribution({"train": train, "val": val}, train.schema)
    assert note.startswith("Counted in 5 of 5 images of train and 3 of 3 images of val.")
    for heading in ("Objects of each category", "Side of the objects", "Images with so many objects"):
        assert heading in html
    counted = [int(n) for n in re.findall(r"<em>(\d+)</em>", html.split("Side of the objects")[0])]
    assert sum(counted) == sum(len(data[i].target) for data in (train, val) for i in range(len(data)))
    assert distribution({}, train.schema) == ("", "")
    assert " shapes of val." in distribution({"val": val}, train.schema, noun="shapes")[1]


def test_a_batch_is_shown_as_it_was_fed_with_targets_that_were_resized():
    """An image of 96 x 128 that was halved: the box of the target is halved, too."""
    pixels = torch.full((1, 3, 64, 96), 90, dtype=torch.uint8)
    inputs = ImageBatch(pixels, torch.tensor([[48, 64]]), ((96, 128),))
    errors = []
    html = batch_html(Batch(inputs, [make_target()], ["a/scene.png"]), SCHEMA, lambda *told: errors.append(told))
    assert errors == []
    assert 'alt="scene.png"' in html
    assert html.count("<img") == 1
    wrong = Batch(inputs, [make_sample()], ["a/scene.png"])
    with pytest.raises(AttributeError):
        batch_html(wrong, SCHEMA, lambda *told: errors.append(told))


def test_one_image_that_cannot_be_drawn_does_not_end_the_report(tmp_path):
    good = (make_sample("good.png"), make_prediction(), 0.9)
    sample = make_sample("bad.png")
    bad = (type(sample)(make_image(10, 10), sample.target, "bad.png"), make_prediction(), 0.1)
    errors = []
    results = Results({"box AP": 0.5}, {"box AP": Measure(headline=True)}, examples=[good, bad])
    page = write_report(
        tmp_path,
        title="run",
        schema=SCHEMA,
        history=[],
        results=results,
        background=Background({"minutes": "1.5"}),
        on_error=lambda name, error: errors.append(name),
    ).read_text()
    assert set(errors) == {"bad.png"}
    assert "good.png" in page
    assert "bad.png" in page
    assert "minutes <b>1.5</b>" in page
    assert list(tmp_path.iterdir()) == [tmp_path / "report.html"]  # written whole: no part is left


def run(name, value, lr):
    return ComparedRun(
        name=name,
        numbers={"box AP": value},
        measures={"box AP": Measure(headline=True)},
        per_category={"box AP": {"cat": value}},
        facts={"minutes": "2.0"},
        settings={"optim.lr": lr, "model": "m"},
        curves=[{"step": 1.0, "train loss": 2.0}, {"step": 2.0, "train loss": value}],
        data="test of voc, 9 images",
    )


def test_runs_stand_side_by_side_with_the_best_in_bold_and_what_differs():
    sections = comparison_sections([run("a", 0.25, "0.1"), run("b <i>", 0.5, "0.2")])
    rows = re.findall(r"<tr><th>.*?</i>([^<]+)</th><td( class=main)?>([\d.]+)</td>", sections["Measures"])
    assert rows[:2] == [("a", "", "25.0"), ("b &lt;i&gt;", " class=main", "50.0")]
    assert "Measured on test of voc" in sections["Measures"]
    assert [name for name, _ in charts(sections["Training"])["step"]["lines"]] == ["a", "b <i>"]
    assert "optim.lr" in sections["What differs"]
    assert ">model<" not in sections["What differs"]
    alone = comparison_sections([run("a", 0.25, "0.1")])
    assert "class=main" not in alone["Measures"]


def test_a_page_is_never_written_over_and_a_run_that_was_not_measured_is_named(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    with pytest.raises(VisusError, match=r"run is no run folder"):
        compare([folder])
    with pytest.raises(VisusError, match="named twice"):
        compare([folder, tmp_path / "other" / ".." / "run"])
