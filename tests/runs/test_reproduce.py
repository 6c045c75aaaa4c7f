"""The table of metric learning: rows are trained once, read again, and stand beside the published numbers."""

from __future__ import annotations

import csv
import html
import json
from pathlib import Path

import pytest

from visus.cli import main
from visus.data.readers import sop
from visus.recipes.metric_table import Setting, frozen_backbones, metric_table
from visus.runs.results_table import interval, write_table
from visus.stopping import StoppedOnRequest
from visus.training.recipe import Recipe

SMALL = ["--minutes", "0.02", "--size", "32", "--rows", "proxy_nca"]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COLUMNS", "200")
    sop.write_fake(tmp_path / "sop", classes=40, views=4, seed=0)
    return tmp_path / "sop"


def test_a_row_is_trained_once_and_stands_beside_the_published(data: Path, tmp_path: Path, capsys) -> None:
    words = ["reproduce", "metric-learning", "--data", str(data), "--run", str(tmp_path / "table"), *SMALL]
    assert main(words) == 0
    assert "73.7" in capsys.readouterr().out
    rows = list(csv.DictReader((tmp_path / "table" / "table.csv").open()))
    assert [row["method"] for row in rows] == ["Frozen backbone", "Frozen, layout", "Proxy-NCA"]
    assert [row["dimension"] for row in rows] == ["1280", "2288", "512"]
    assert all(0 < float(row["R@1"]) <= 100 for row in rows)
    assert "Proxy-NCA" in (tmp_path / "table" / "report.html").read_text()
    weights = tmp_path / "table" / "rows" / "proxy_nca-seed0" / "weights.safetensors"
    written = weights.stat().st_mtime_ns
    assert main([*words, "--seeds", "0", "1"]) == 0
    assert weights.stat().st_mtime_ns == written
    values = json.loads((tmp_path / "table" / "table.json").read_text())
    assert len(values["rows"]["proxy_nca"]) == 2


def test_the_page_says_what_was_measured_and_how(data: Path, tmp_path: Path, capsys) -> None:
    words = ["reproduce", "metric-learning", "--data", str(data), "--run", str(tmp_path / "table"), *SMALL]
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert "Frozen backbone: 80 images, nothing is trained" in shown
    about = json.loads((tmp_path / "table" / "table.json").read_text())["about"]
    assert str(data.resolve()) in about["data"]
    assert about["counts"] == "20 training classes (80 images), 20 test classes (80 images)"
    assert about["command"] == "visus " + " ".join(words)
    page = (tmp_path / "table" / "report.html").read_text()
    assert all(html.escape(text) in page for text in (about["data"], about["counts"], about["command"]))
    [row] = json.loads((tmp_path / "table" / "table.json").read_text())["rows"]["proxy_nca"]
    assert f"Proxy-NCA <b>{100 * row['R@1']:.3g}</b>" in page  # the legend tells R@1


def test_a_seed_that_is_named_twice_is_refused(data: Path, tmp_path: Path, capsys) -> None:
    words = ["reproduce", "metric-learning", "--data", str(data), "--run", str(tmp_path / "table"), *SMALL]
    assert main([*words, "--seeds", "0", "0"]) == 2
    assert "--seeds 0 0 names a seed twice" in capsys.readouterr().err
    assert main([*words, "--more-seeds", "3", "3"]) == 2
    assert "--more-seeds 3 3 names a seed twice" in capsys.readouterr().err
    assert not (tmp_path / "table").exists()


def test_numbers_of_papers_stand_beside_those_of_their_data_set_only(tmp_path: Path, capsys) -> None:
    numbers = [{"R@1": 0.5, "R@10": 0.6, "R@100": 0.7, "R@1000": 1.0, "MAP@R": 0.4}]
    for dataset, beside in (("sop", True), ("omniglot", False)):
        rows = frozen_backbones(Setting(dataset=dataset)) | metric_table(Setting(dataset=dataset))
        write_table(tmp_path, rows, dict.fromkeys(rows, numbers), {"data": dataset}, show=True)
        texts = capsys.readouterr().out, *((tmp_path / name).read_text() for name in ("table.csv", "report.html"))
        for text in (text.replace(str(tmp_path), "") for text in texts):
            assert ("73.7" in text) == ("ublished" in text) == beside


def test_what_is_said_on_interruption_is_true(data: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    def interrupted(recipe: Recipe, run: Path) -> Path:
        raise StoppedOnRequest(f"Stopped, as asked; add --resume to go on from there ({run}).")

    words = ["reproduce", "metric-learning", "--data", str(data), "--run", str(tmp_path / "table"), *SMALL]
    with monkeypatch.context() as patch:
        patch.setattr("visus.runs.reproduce.train", interrupted)
        assert main(words) == 130
    said = capsys.readouterr().out
    assert "--resume" not in said
    assert "Stopped in proxy_nca with seed 0" in said
    assert "the same command goes on from there" in said
    assert main(words) == 0
    assert (tmp_path / "table" / "table.csv").is_file()


def test_rows_that_were_trained_in_another_way_are_not_read(data: Path, tmp_path: Path, capsys) -> None:
    words = ["reproduce", "metric-learning", "--data", str(data), "--run", str(tmp_path / "table"), *SMALL]
    assert main(words) == 0
    assert main([*words, "--minutes", "7"]) == 2
    assert "proxy_nca-seed0 was trained with another fit.max_minutes" in capsys.readouterr().err


def test_the_best_rows_get_further_seeds(data: Path, tmp_path: Path) -> None:
    words = ["reproduce", "metric-learning", "--data", str(data), "--run", str(tmp_path / "table"), *SMALL]
    assert main([*words, "--more-seeds", "0", "3"]) == 0
    values = json.loads((tmp_path / "table" / "table.json").read_text())
    assert len(values["rows"]["proxy_nca"]) == 2
    assert (tmp_path / "table" / "rows" / "proxy_nca-seed3").is_dir()
    assert "(the 3 best rows: 0, 3 too)" in values["about"]["seeds"]


def test_cross_validation_joins_the_folds(data: Path, tmp_path: Path) -> None:
    words = ["reproduce", "metric-learning", "--data", str(data), "--run", str(tmp_path / "table"), *SMALL]
    assert main([*words, "--protocol", "mlrc", "--folds", "2"]) == 0
    [row] = json.loads((tmp_path / "table" / "table.json").read_text())["rows"]["proxy_nca"]
    assert {"R@1", "R@1 joined"} <= set(row)


def test_intervals_fit_a_terminal_of_80_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    rows = frozen_backbones(Setting()) | metric_table(Setting())
    numbers = [{"R@1": r, "R@10": 0.6, "R@100": 0.7, "R@1000": 1.0, "MAP@R": 0.4} for r in (0.5, 0.51, 0.54)]
    write_table(tmp_path, rows, dict.fromkeys(rows, numbers), {"data": "sop"}, show=True)
    shown = capsys.readouterr().out.partition("Table ")[0]
    assert "…" not in shown
    assert "± 5.2" in shown
    assert "R@1000" in shown
    assert "69.5 84.4 92.8 97.7" in shown


def test_an_unknown_table_or_row_is_named(data: Path, tmp_path: Path, capsys) -> None:
    assert main(["reproduce", "imagenet"]) == 2
    assert "metric-learning" in capsys.readouterr().err
    words = ["reproduce", "metric-learning", "--data", str(data), "--run", str(tmp_path / "table")]
    assert main([*words, "--rows", "contrast"]) == 2
    assert "contrastive" in capsys.readouterr().err


def test_the_interval_is_student_s() -> None:
    assert interval([1.0]) == 0
    assert interval([1.0, 2.0, 3.0]) == pytest.approx(4.303 / 3**0.5)


def test_every_method_has_its_row() -> None:
    rows = metric_table(Setting())
    assert len(rows) == 12
    assert {row.recipe.fit.max_minutes for row in rows.values()} == {10.0}


def test_all_rows_but_hdc_pool_as_the_setting_says() -> None:
    for pooling in ("average", "layout"):
        rows = metric_table(Setting(pooling=pooling))
        assert {row.recipe.model_options["pooling"] for name, row in rows.items() if name != "hdc"} == {pooling}
    assert "pooling" not in rows["hdc"].recipe.model_options
    assert list(frozen_backbones(Setting(pooling="average"))) == ["frozen"]


def test_few_classes_fill_a_batch_with_more_images_of_each() -> None:
    assert [Setting(classes=classes).images_per_class for classes in (11_318, 16, 10, 2)] == [4, 4, 8, 32]
    pairs = metric_table(Setting(classes=10))["npairs"].recipe
    assert (pairs.data.batch_size, pairs.data.images_per_class) == (20, 2)
