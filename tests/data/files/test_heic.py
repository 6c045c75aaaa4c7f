"""HEIC, where the package that reads it is installed (`pip install pillow-heif`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from visus.data.check.folder import check_folder
from visus.data.errors import ImageError
from visus.data.files import opened as opened_module
from visus.data.files.images import image_size, read_image
from visus.data.files.walk import files_below
from visus.data.recognise import layout_of, open_folder
from visus.predict.items import Reading, items_of


@pytest.fixture
def heif() -> Any:
    return pytest.importorskip("pillow_heif")


def picture(height: int = 40, width: int = 64) -> Image.Image:
    """Red to the left, blue to the right, and a green stripe above."""
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    pixels[:, : width // 2, 0] = 255
    pixels[:, width // 2 :, 2] = 255
    pixels[: height // 4] = (0, 255, 0)
    return Image.fromarray(pixels)


def save(heif: Any, path: Path, orientation: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[0x0112] = orientation
    heif.from_pillow(picture()).save(path, quality=100, chroma=444, exif=exif.tobytes() if orientation > 1 else None)


@pytest.mark.parametrize("suffix", [".heic", ".HEIC", ".heif", ".jpg"])
def test_heic_under_any_name(heif: Any, tmp_path: Path, suffix: str) -> None:
    save(heif, tmp_path / f"a{suffix}")
    assert image_size(tmp_path / f"a{suffix}") == (40, 64)
    pixels = read_image(tmp_path / f"a{suffix}")
    assert tuple(pixels.shape) == (3, 40, 64)
    expected = np.asarray(picture()).transpose(2, 0, 1).astype(int)
    assert abs(pixels.numpy().astype(int) - expected).mean() < 6


@pytest.mark.parametrize("orientation", range(1, 9))
def test_size_and_pixels_agree_for_every_orientation(heif: Any, tmp_path: Path, orientation: int) -> None:
    save(heif, tmp_path / "a.heic", orientation)
    picture().save(tmp_path / "a.png", exif=exif_of(orientation))
    pixels, expected = read_image(tmp_path / "a.heic"), read_image(tmp_path / "a.png")
    assert tuple(pixels.shape[-2:]) == image_size(tmp_path / "a.heic")
    assert pixels.shape == expected.shape
    assert (pixels.int() - expected.int()).abs().float().mean() < 6


def exif_of(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def test_a_folder_of_heic(heif: Any, tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        for number in range(5):
            save(heif, tmp_path / name / f"{number}.heic")
    assert len(files_below(tmp_path)) == 10
    assert layout_of(tmp_path) == "image_folder"
    data = open_folder(tmp_path, "train")
    assert tuple(data[0].input.shape) == (3, 40, 64)
    assert check_folder(tmp_path).errors == 0
    assert len([item.read() for item in items_of(tmp_path, Reading())]) == 10


def test_a_damaged_one_is_one_error(heif: Any, tmp_path: Path) -> None:
    save(heif, tmp_path / "a.heic")
    data = (tmp_path / "a.heic").read_bytes()
    for cut in range(12, len(data), max(1, len(data) // 25)):
        (tmp_path / "a.heic").write_bytes(data[:cut])
        with pytest.raises(ImageError, match=r"a\.heic: ") as raised:
            read_image(tmp_path / "a.heic")
        assert len(str(raised.value).splitlines()) == 1


def test_without_the_package_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opened_module, "_knows_heif", lambda source: False)
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    for read in (read_image, image_size):
        with pytest.raises(ImageError, match=r"a\.heic: .*HEIC needs one more package: pip install pillow-heif"):
            read(tmp_path / "a.heic")
