"""An image that Pillow opened has the pixels of its file, whatever the file holds."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from visus.data.files.images import read_image, rgb_pixels

RANDOM = np.random.default_rng(0)
RGB = RANDOM.integers(0, 256, (20, 30, 3), dtype=np.uint8)
IMAGE = Image.fromarray(RGB)
DEEP = RANDOM.integers(0, 65536, (20, 30), dtype=np.uint16)


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def png_of_16_bits(pixels: np.ndarray, *, bits: int | None = None) -> bytes:
    """A grey or coloured PNG, which Pillow cannot write; ``bits`` are those that it says it uses."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    head = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 16, 0 if channels == 1 else 2, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    said = chunk(b"sBIT", bytes([bits] * channels)) if bits else b""
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + said + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


FILES: dict[str, bytes] = {
    "jpeg": saved(IMAGE, "jpeg", quality=60),
    "progressive jpeg": saved(IMAGE, "jpeg", progressive=True, subsampling=2),
    "grey jpeg": saved(IMAGE.convert("L"), "jpeg"),
    "cmyk jpeg": saved(IMAGE.convert("CMYK"), "jpeg"),
    "turned jpeg": saved(IMAGE, "jpeg", exif=turned()),
    "turned png": saved(IMAGE, "png", exif=turned()),
    "turned tiff": saved(IMAGE, "tiff", exif=turned()),
    "cmyk tiff": saved(IMAGE.convert("CMYK"), "tiff"),
    "palette": saved(IMAGE.convert("P"), "png"),
    "palette with a transparent colour": saved(IMAGE.convert("P"), "png", transparency=3),
    "gif with a transparent colour": saved(IMAGE.convert("P"), "gif", transparency=3),
    "opacity": saved(Image.fromarray(np.dstack([RGB, RGB[..., 0]])), "png"),
    "grey with opacity": saved(Image.fromarray(np.dstack([RGB, RGB[..., 0]])).convert("LA"), "png"),
    "black and white": saved(IMAGE.convert("1"), "png"),
    "16 bits": saved(Image.fromarray(DEEP), "png"),
    "16 bits in a tiff": saved(Image.fromarray(DEEP), "tiff"),
    "12 of 16 bits": png_of_16_bits(DEEP >> 4, bits=12),
    "colours of 16 bits": png_of_16_bits(np.dstack([DEEP] * 3)),
    "colours of 12 of 16 bits": png_of_16_bits(np.dstack([DEEP >> 4] * 3), bits=12),
    "webp": saved(IMAGE, "webp", lossless=True),
}


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("decoded", [False, True])
def test_an_opened_file_is_the_file(tmp_path: Path, file: str, decoded: bool) -> None:
    path = tmp_path / "image"
    path.write_bytes(FILES[file])
    with Image.open(path) as image:
        if decoded:
            image.load()
        assert torch.equal(rgb_pixels(image), read_image(path))
        assert torch.equal(rgb_pixels(image), read_image(path))  # also a second time


@pytest.mark.parametrize("file", FILES)
def test_an_opened_stream_is_the_file(tmp_path: Path, file: str) -> None:
    path = tmp_path / "image"
    path.write_bytes(FILES[file])
    assert torch.equal(rgb_pixels(Image.open(io.BytesIO(FILES[file]))), read_image(path))


def test_what_was_changed_since_is_not_read_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    path.write_bytes(FILES["turned png"])
    with Image.open(path) as image:
        upright = ImageOps.exif_transpose(image)
        assert upright is not None
        assert torch.equal(rgb_pixels(upright), read_image(path))  # turned once, not twice
        image.putpixel((0, 0), (1, 2, 3))
        changed = rgb_pixels(image)
    assert changed[:, 0, -1].tolist() == [1, 2, 3]  # the first pixel lies at the upper right, turned
    (tmp_path / "deep.png").write_bytes(FILES["12 of 16 bits"])
    with Image.open(tmp_path / "deep.png") as image:
        brighter = image.point(lambda value: value * 16)
        assert (rgb_pixels(brighter)[0].numpy() == (DEEP >> 4 << 4) >> 8).all()


def test_a_smaller_draft_stays_small(tmp_path: Path) -> None:
    path = tmp_path / "image.jpg"
    path.write_bytes(saved(IMAGE.resize((480, 320)), "jpeg"))
    with Image.open(path) as image:
        image.draft("RGB", (120, 80))
        assert rgb_pixels(image).shape == (3, image.height, image.width) == (3, 80, 120)
