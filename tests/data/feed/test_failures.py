"""What a worker raises arrives as itself, in one line that names the file."""

from __future__ import annotations

import json
import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from rectangles import rectangles
from visus.cli.dispatch import is_user_error, main, message_of
from visus.data.errors import AnnotationError, ImageError
from visus.data.feed.collate import Collate
from visus.data.feed.failures import SampleError
from visus.data.feed.loader import Transformed, make_loader
from visus.data.readers.coco import write_fake
from visus.types import Sample, Schema


class OfTwoWordsError(ImageError):
    """An error that cannot be sent to another process."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} {two}")


def image_error() -> None:
    raise ImageError("shots/3.png: damaged")


def annotation_error() -> None:
    raise AnnotationError("labels.json: image 3 has no size")


def value_error() -> None:
    raise ValueError("a box of\nno area")


def os_error() -> None:
    raise OSError(5, "Input/output error", "shots/3.png")


def os_error_without_a_file() -> None:
    raise OSError(5, "Input/output error")


def unsendable() -> None:
    raise OfTwoWordsError("shots/3.png:", "odd")


CASES: list[tuple[Callable[[], None], type[Exception], str]] = [
    (image_error, ImageError, "shots/3.png: damaged"),
    (annotation_error, AnnotationError, "labels.json: image 3 has no size"),
    (value_error, SampleError, "shots/3.png: a box of no area"),
    (os_error, SampleError, "shots/3.png: Input/output error"),
    (os_error_without_a_file, SampleError, "shots/3.png: Input/output error"),
    (unsendable, Exception, "shots/3.png: odd"),
]


class Failing:
    """Six samples, of which the fourth fails."""

    schema = Schema(categories=("a", "b", "c"), category_ids=(1, 2, 3), has_masks=True)

    def __init__(self, fail: Callable[[], None]) -> None:
        self.fail = fail

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> Sample:
        if index == 3:
            self.fail()
        return rectangles((8, 8), [])

    def size(self, index: int) -> tuple[int, int]:
        return (8, 8)

    def path(self, index: int) -> str:
        return f"shots/{index}.png"


class Change:
    """An augmentation that fails as a data set does."""

    def __init__(self, fail: Callable[[], None]) -> None:
        self.fail = fail

    def __call__(self, sample: Sample, generator: torch.Generator) -> Sample:
        self.fail()
        return sample


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize(("fail", "kind", "message"), CASES)
def test_errors_arrive_as_themselves(
    fail: Callable[[], None], kind: type[Exception], message: str, workers: int
) -> None:
    loader = make_loader(Failing(fail), collate=Collate(), batch_size=2, workers=workers)
    with pytest.raises(kind) as raised:
        list(loader)
    assert str(raised.value) == message
    assert is_user_error(raised.value)
    if workers and kind is not Exception:  # --debug shows where it happened
        assert f"in {fail.__name__}" in "".join(getattr(raised.value, "__notes__", []))


@pytest.mark.parametrize("workers", [0, 1])
def test_errors_of_an_augmentation_name_the_file(workers: int) -> None:
    data = Transformed(Failing(lambda: None), Change(value_error))
    with pytest.raises(SampleError) as raised:
        list(make_loader(data, collate=Collate(), batch_size=2, workers=workers))
    assert message_of(raised.value) == "shots/0.png: a box of no area"


class Refusing:
    """A batcher that takes nothing."""

    def __call__(self, images: object) -> None:
        raise ValueError("too small")


@pytest.mark.parametrize("workers", [0, 1])
def test_errors_of_a_batch_name_its_files(workers: int) -> None:
    samples = Failing(lambda: None)
    loader = make_loader(samples, collate=Collate(batcher=Refusing()), batch_size=2, workers=workers)  # type: ignore
    with pytest.raises(ValueError, match="too small") as raised:
        list(loader)
    assert str(raised.value) == "too small (in the batch of unnamed samples)"


def defect() -> None:
    raise KeyError("boxes")


@pytest.mark.parametrize("workers", [0, 1])
def test_defects_keep_their_traceback_and_name_the_file(workers: int) -> None:
    with pytest.raises(KeyError) as raised:
        list(make_loader(Failing(defect), collate=Collate(), batch_size=2, workers=workers))
    said = str(raised.value) + "".join(getattr(raised.value, "__notes__", []))
    assert "shots/3.png" in said


def test_a_loader_can_be_used_again_after_an_error() -> None:
    loader = make_loader(Failing(image_error), collate=Collate(), batch_size=2, workers=1)
    begin, others = time.monotonic(), set(multiprocessing.active_children())
    for _ in range(2):
        with pytest.raises(ImageError):
            list(loader)
    assert time.monotonic() - begin < 5  # which each worker that is not told takes to end
    assert set(multiprocessing.active_children()) <= others


@pytest.mark.parametrize("workers", ["0", "1"])
@pytest.mark.parametrize("broken", ["train", "val"])
def test_the_command_line_says_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], workers: str, broken: str
) -> None:
    root = tmp_path / "data"
    write_fake(root, images=8)
    found = json.loads((root / "annotations" / f"instances_{broken}.json").read_text())["images"]
    victim = root / broken / found[-1]["file_name"]
    victim.write_bytes(victim.read_bytes()[:300])
    where = ["--data.root", str(root), "--data.workers", workers, "--run", str(tmp_path / "run")]
    small = ["--fit.epochs", "1", "--data.batch-size", "4", "--data.augment.size", "96", "96"]
    assert main(["train", "maskrcnn_lite0", *where, *small]) == 2
    said = capfd.readouterr().err.strip().splitlines()
    errors = [line for line in said if line.startswith("visus: ")]
    assert len(errors) == 1
    assert victim.name in errors[0]
    assert "Traceback" not in "\n".join(said)


def test_the_check_says_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for number in range(3):
            Image.new("RGB", (32, 32), (number * 40, 9, 9)).save(tmp_path / name / f"{number}.png")
    (tmp_path / "cat" / "1.png").write_bytes(b"nothing")
    assert main(["data", "check", str(tmp_path)]) == 1
    said = capfd.readouterr()
    assert "Traceback" not in said.out + said.err
    assert "not an image of a known format" in " ".join(said.out.split())
