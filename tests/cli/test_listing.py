import pytest

from visus import catalog
from visus.cli import main
from visus.cli.listing import TABLES, summary
from visus.nn.published import PUBLISHED
from visus.recipes import RECIPES

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
