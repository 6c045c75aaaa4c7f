"""Parts of one's own by their place, FILE.py:NAME: found, made, used by the commands, or refused in one line."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from visus.cli import main
from visus.runs.own_words import part_of, typed_parts
from visus.training.recipe import OwnRecipe, RecipeError
from visus.training.run import RunFolder

PARTS = """
from dataclasses import dataclass, replace
from beside_my_parts import GAIN
import torch
from tiny_backbone import TinyBackbone
from visus.catalog import LOSSES
from visus.data import ListDataset
import visus


class Summed(torch.nn.Module):
    def forward(self, outputs, targets):
        total = sum(LOSSES["detection"]()(outputs, targets).values())
        return {"mine": 0.5 * total, "half": 0.5 * total}


@dataclass
class Darker:
    gain: float = GAIN

    def __call__(self, sample, generator):
        return replace(sample, input=(sample.input * self.gain).to(torch.uint8))


def scenes():
    drawn = visus.open_dataset("vignettes", "val")
    samples = [drawn[place] for place in range(5)]
    return ListDataset([(one.input, one.target) for one in samples], drawn.schema)


class Needs:
    def __init__(self, size):
        self.size = size


NUMBER = 3
"""


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file with parts, and one beside it that it imports."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    (tmp_path / "beside_my_parts.py").write_text("GAIN = 0.5\n")
    file = tmp_path / "my_parts.py"
    file.write_text(PARTS)
    yield file
    for name in set(sys.modules) - before:
        if "my_parts" in name or name.endswith("_of_your_own"):
            del sys.modules[name]


def test_a_class_is_made_and_a_function_is_the_part_but_for_data(parts: Path) -> None:
    assert type(part_of(f"{parts}:Summed", "loss")).__name__ == "Summed"
    assert part_of(f"{parts}:Darker", "augment").gain == 0.5
    assert len(part_of(f"{parts}:scenes", "data")) == 5
    backbone = part_of(f"{parts}:TinyBackbone", "backbone")
    assert isinstance(backbone, type), "made when the seed is set"
    assert part_of(f"{parts}:scenes", "loss") is part_of(f"{parts}:scenes", "augment"), "imported once"
    assert part_of("math:hypot", "loss")(3, 4) == 5


def test_a_file_takes_no_module_s_place(parts: Path) -> None:
    file = parts.with_name("random.py")
    file.write_text("def loss(outputs, targets): return 0\n")
    before = sys.modules.get("random")
    assert part_of(f"{file}:loss", "loss").__module__ == "random_of_your_own"
    assert sys.modules.get("random") is before


def test_only_what_was_typed_is_looked_up(parts: Path) -> None:
    recorded = OwnRecipe(loss="nowhere.py:Loss")
    assert typed_parts(recorded, recorded) == {}
    typed = OwnRecipe(loss=f"{parts}:Summed", augment=f"{parts}:Darker")
    assert typed_parts(typed, recorded).keys() == {"loss", "augment"}


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("Summed", r"--own\.loss Summed: must be FILE\.py:NAME or MODULE:NAME"),
        ("{0}:", "must be FILE.py:NAME"),
        ("{0}:a-b", "must be FILE.py:NAME"),
        ("{0}:Sumed", "my_parts.py has no Sumed; did you mean Summed"),
        ("{1}/my_part.py:Summed", r"there is no file .*my_part\.py; did you mean .*my_parts\.py\?"),
        ("{0}:Needs", r"cannot be made without arguments \(TypeError: .*size"),
        ("{1}/broken.py:Loss", r"broken\.py cannot be imported \(SyntaxError: .*, line 2\)"),
        ("{1}/failing.py:Loss", r"failing\.py cannot be imported \(ZeroDivisionError: division by zero\)"),
        (
            "nowhere.at.all:Loss",
            r"nowhere\.at\.all cannot be imported \(ModuleNotFoundError: .*'nowhere'",
        ),
    ],
)
def test_what_is_no_part_is_one_line(word: str, message: str, parts: Path) -> None:
    parts.with_name("broken.py").write_text("A = 1\ndef f(:\n")
    parts.with_name("failing.py").write_text("1 / 0\n")
    with pytest.raises(RecipeError, match=message) as caught:
        part_of(word.format(parts, parts.parent), "loss")
    assert "\n" not in str(caught.value)


def test_the_commands_train_go_on_measure_and_look_with_them(parts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = parts.with_name("run")
    mine = ["--own.loss", f"{parts}:Summed", "--own.augment", f"{parts}:Darker", "--own.backbone"]
    mine += [f"{parts}:TinyBackbone", "--own.data", f"{parts}:scenes"]
    small = ["--model-options.size", "64", "--data.workers", "0", "--data.batch-size", "4"]
    train = ["train", "fasterrcnn_lite0", *mine, "--run", str(run), *small, "--fit.epochs", "1"]
    assert main([*train, "--fit.accelerator", "cpu"]) == 0
    said = capsys.readouterr().out.replace("\n", " ")
    assert "3 training and 2 validation images" in said
    assert "loss my_parts.Summed, augment my_parts.Darker, backbone tiny_backbone.TinyBackbone" in said
    recorded = {name: value for name, value in asdict(RunFolder(run).recipe().own).items() if value}
    assert recorded.pop("data") == "visus.data.records.given.ListDataset"
    assert list(recorded.values()) == ["my_parts.Summed", "my_parts.Darker", "tiny_backbone.TinyBackbone"]
    assert "train mine" in RunFolder(run).history()[0]

    resumed = ["train", str(run), "--resume", "--fit.epochs", "2"]
    assert main(resumed) == 2
    assert "as --own.data FILE.py:NAME" in capsys.readouterr().err
    assert main([*resumed, *mine]) == 0
    assert len(RunFolder(run).history()) == 2

    own = ["--own.backbone", f"{parts}:TinyBackbone"]
    assert main(["evaluate", str(run), "--device", "cpu", *own, "--own.data", f"{parts}:scenes"]) == 0
    assert (run / "metrics-listdataset.json").is_file()
    photo = parts.with_name("photo.png")
    from PIL import Image

    Image.new("RGB", (64, 64)).save(photo)
    predict = ["predict", str(run), str(photo), "--device", "cpu", "--out", str(parts.with_name("out"))]
    assert main(predict) == 2
    assert "by --own.backbone FILE.py:NAME" in capsys.readouterr().err
    assert main([*predict, *own]) == 0
    assert json.loads(parts.with_name("out").joinpath("images.json").read_text())["failures"] == []
