from dataclasses import replace

import pytest

from visus import catalog
from visus.cli import main
from visus.cli.listing import TABLES, summary
from visus.nn.published import PUBLISHED
from visus.recipes import RECIPES
from visus.runs.train import find_recipe

EXPECTED = {
    "models": catalog.MODELS,
    "datasets": catalog.DATASETS,
    "recipes": RECIPES,
    "weights": PUBLISHED,
    "losses": catalog.LOSSES,
    "metrics": catalog.METRICS,
}


@pytest.fixture(autouse=True)
def wide(monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", "240")
    monkeypatch.setenv("VISUS_CACHE", str(tmp_path))


@pytest.mark.parametrize("kind", list(EXPECTED))
def test_every_entry_of_a_kind_is_listed(kind, capsys):
    assert main(["list", kind]) == 0
    page = capsys.readouterr().out
    assert [name for name in EXPECTED[kind] if f"{name} " not in page] == []
    assert all(other not in page.splitlines()[0] for other in EXPECTED if other != kind)


def test_without_a_kind_all_are_listed(capsys):
    assert main(["list"]) == 0
    titles = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert all(kind in titles for kind in TABLES)


def test_published_numbers_are_shown(capsys):
    assert main(["list", "weights"]) == 0
    (line,) = [
        line for line in capsys.readouterr().out.splitlines() if line.lstrip().startswith("maskrcnn_resnet50_fpn ")
    ]
    assert "37.9" in line
    assert "34.6" in line
    assert "170" in line


def test_a_recipe_is_printed_as_json_to_edit_and_train(capsys, tmp_path):
    assert main(["list", "recipes", "maskrcnn_vignettes"]) == 0
    text = capsys.readouterr().out
    assert text == RECIPES["maskrcnn_vignettes"]().to_json()
    (tmp_path / "mine.json").write_text(text.replace('"name": "maskrcnn_vignettes"', '"name": "mine"'))
    assert find_recipe(tmp_path / "mine.json") == replace(RECIPES["maskrcnn_vignettes"](), name="mine")


@pytest.mark.parametrize("kind", [kind for kind in EXPECTED if kind != "recipes"])
def test_an_entry_of_any_kind_is_shown_with_all_that_is_known_of_it(kind, capsys):
    for name in EXPECTED[kind]:
        assert main(["list", kind, name]) == 0
        assert capsys.readouterr().out.strip()


def test_options_are_shown_with_their_defaults(capsys):
    assert main(["list", "losses", "circle"]) == 0
    page = capsys.readouterr().out
    assert page.splitlines()[-3:] == ["  m = 0.4", "  gamma = 80.0", "  normalise = True"]
    assert main(["list", "weights", "ssd300_vgg16"]) == 0
    assert "licence: BSD-3-Clause" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["recipes", "maskrcnn_vignets"], "no recipe called 'maskrcnn_vignets'; did you mean maskrcnn_vignettes"),
        (["losses", "cirkle"], "no loss called 'cirkle'; did you mean circle"),
        (["datasets", "coca"], "no data set called 'coca'; did you mean coco"),
        (["weights", "ssd300"], "no published weights called 'ssd300'; did you mean ssd300_vgg16"),
    ],
)
def test_an_unknown_entry_names_the_nearest(words, message, capsys):
    assert main(["list", *words]) == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_an_unknown_kind_is_refused(capsys):
    assert main(["list", "model"]) == 2
    assert "models" in capsys.readouterr().err


def test_summaries_are_first_sentences():
    def documented():
        """Does one thing
        over two lines. And another.

        More.
        """

    assert summary(documented) == "Does one thing over two lines"
    assert summary(object()) != ""
    assert summary(lambda: None) == ""
