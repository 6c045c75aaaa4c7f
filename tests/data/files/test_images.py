from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from camera_turns import TURNS
from visus.data.files.images import ImageError, image_size, is_damaged_jpeg, read_image


def gradient(height: int = 24, width: int = 40) -> Image.Image:
    rows, columns = np.mgrid[0:height, 0:width]
    pixels = np.stack([rows * 255 // height, columns * 255 // width, 128 + 0 * rows], axis=2)
    return Image.fromarray(pixels.astype(np.uint8))


def saved(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)  # type: ignore[arg-type]
    return path


def test_png_is_exact(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", gradient())
    assert np.array_equal(read_image(path).permute(1, 2, 0).numpy(), np.asarray(gradient()))
    assert read_image(path).is_contiguous()


@pytest.mark.parametrize("mode", ["L", "P", "1", "CMYK", "LA", "RGBA"])
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    suffix = "tif" if mode == "CMYK" else "png"
    image = gradient().convert(mode)
    path = saved(tmp_path / f"a.{suffix}", image)
    expected = torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)
    assert torch.equal(read_image(path), expected)


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_jpeg_modes(tmp_path: Path, mode: str) -> None:
    path = saved(tmp_path / "a.jpg", gradient().convert(mode), quality=95)
    with Image.open(path) as image:
        expected = torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)
    assert (read_image(path).int() - expected.int()).abs().max() <= 2


def test_transparent_pixels_lie_on_white(tmp_path: Path) -> None:
    image = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    assert read_image(saved(tmp_path / "a.png", image)).eq(255).all()


def test_16_bit_grey_keeps_its_upper_bits(tmp_path: Path) -> None:
    values = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    path = saved(tmp_path / "a.png", Image.fromarray(values))
    assert np.array_equal(read_image(path)[0].numpy(), (values >> 8).astype(np.uint8))


def test_floating_point_pixels_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.tif", Image.fromarray(np.zeros((4, 4), dtype=np.float32)))
    with pytest.raises(ImageError, match=r"a\.tif.*floating-point"):
        read_image(path)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_turned_cameras(tmp_path: Path, orientation: int, suffix: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path / f"a.{suffix}", gradient(), exif=exif.tobytes(), quality=95)
    expected = TURNS[orientation](np.asarray(gradient()))
    image = read_image(path)
    assert tuple(image.shape[-2:]) == image_size(path) == expected.shape[:2]
    assert np.abs(image.permute(1, 2, 0).numpy().astype(int) - expected).max() <= (8 if suffix == "jpg" else 0)


def test_scaled_decode_keeps_the_least_side(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.jpg", gradient(400, 600))
    height, width = read_image(path, min_side=150).shape[-2:]
    assert 150 <= min(height, width) < 400
    assert width / height == pytest.approx(1.5, rel=0.02)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1)])
def test_extreme_sizes(tmp_path: Path, size: tuple[int, int]) -> None:
    path = saved(tmp_path / "a.jpg", gradient(*size))
    assert tuple(read_image(path).shape) == (3, *size)


def jpeg() -> bytes:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "jpeg")
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"", "empty"),
        (b"hello", "not an image"),
        (jpeg()[: len(jpeg()) // 2], "incomplete"),
        (jpeg()[:30], "image of a known|incomplete image"),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "image"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, content: bytes, cause: str) -> None:
    path = tmp_path / "bad.jpg"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=rf"bad\.jpg.*{cause}"):
        read_image(path)


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"none\.jpg: no such file"):
        read_image(tmp_path / "none.jpg")
    with pytest.raises(ImageError, match="cannot be read"):
        read_image(tmp_path)
    with pytest.raises(ImageError, match=r"none\.jpg: no such file"):
        image_size(tmp_path / "none.jpg")


def test_damage_inside_a_jpeg_is_noticed(tmp_path: Path) -> None:
    data = bytearray(jpeg())
    whole, damaged = tmp_path / "a.jpg", tmp_path / "b.jpg"
    whole.write_bytes(data)
    data[-200:-150] = b"\xff\xd0" * 25  # restart marks where none belong
    damaged.write_bytes(data)
    assert not is_damaged_jpeg(whole)
    assert is_damaged_jpeg(damaged)
    assert not is_damaged_jpeg(saved(tmp_path / "c.png", gradient()))
