"""Size and pixels of turned images agree, for every format and every way to say it."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, features

from camera_turns import TURNS
from visus.data.files.images import image_size, read_image, rgb_pixels
from visus.data.files.label_maps import read_values
from visus.data.readers.pennfudan import read_instances

WIDTH, HEIGHT = 48, 32
FORMATS = {
    "jpeg": {"quality": 95},
    "png": {},
    "webp": {"lossless": True},
    "tiff": {},
    "tiff lzw": {"compression": "tiff_lzw"},
    "tiff deflate": {"compression": "tiff_adobe_deflate"},
    "avif": {"quality": 95},
}
INVALID = [0, 9, 10, 11, 255, 65535]
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="%d"/></x:xmpmeta>'


def upright() -> np.ndarray:
    """Four quarters of different colours: every turn shows, and a lossy format keeps them."""
    pixels = np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)
    pixels[: HEIGHT // 2, : WIDTH // 2] = (200, 40, 40)
    pixels[: HEIGHT // 2, WIDTH // 2 :] = (40, 200, 40)
    pixels[HEIGHT // 2 :, : WIDTH // 2] = (40, 40, 200)
    pixels[HEIGHT // 2 :, WIDTH // 2 :] = (220, 220, 220)
    return pixels


def exif(kind: int, count: int, value: bytes, *, order: str = "<") -> bytes:
    """EXIF whose only entry is the orientation, of any type and count; ``value`` of 4 bytes."""
    mark = b"II" if order == "<" else b"MM"
    head = mark + struct.pack(f"{order}HI", 42, 8)
    return b"Exif\x00\x00" + head + struct.pack(f"{order}HHHI", 1, 0x0112, kind, count) + value + bytes(4)


def short(value: int) -> bytes:
    return exif(3, 1, struct.pack("<HH", value, 0))


def encoded(kind: str, **metadata: bytes) -> bytes:
    if kind == "avif" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    file = io.BytesIO()
    Image.fromarray(upright()).save(file, kind.split()[0], **FORMATS[kind], **metadata)  # type: ignore[arg-type]
    return file.getvalue()


def check(path: Path, orientation: int, tolerance: int = 30) -> None:
    """Size, pixels and what Pillow's image gives are those of ``orientation``."""
    expected = TURNS[orientation](upright())
    image = read_image(path)
    assert image_size(path) == tuple(image.shape[-2:]) == expected.shape[:2]
    wrong = np.abs(image.permute(1, 2, 0).numpy().astype(int) - expected).max(axis=2) > tolerance
    assert wrong.mean() < 0.2  # lossy formats blur where the quarters meet
    with Image.open(path) as opened:
        assert rgb_pixels(opened).shape == image.shape


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("kind", FORMATS)
def test_exif(tmp_path: Path, kind: str, orientation: int) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(encoded(kind, exif=short(orientation)))
    check(path, orientation)


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "tiff", "tiff lzw", "avif"])
def test_xmp_alone(tmp_path: Path, kind: str, orientation: int) -> None:
    path = tmp_path / "a.bin"
    if kind.startswith("tiff"):
        data = with_xmp_tag(kind, XMP % orientation)
    elif kind == "png":
        data = png_with(b"iTXt", b"XML:com.adobe.xmp\x00\x00\x00\x00\x00" + XMP % orientation)
    else:
        data = encoded(kind, xmp=XMP % orientation)
    path.write_bytes(data)
    check(path, orientation)


@pytest.mark.parametrize("value", [0, 9, 16, 61, 65537, 10**12])
@pytest.mark.parametrize("kind", ["jpeg", "webp"])
def test_xmp_out_of_range_turns_nothing(tmp_path: Path, kind: str, value: int) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(encoded(kind, xmp=XMP % value))
    check(path, 1)


@pytest.mark.parametrize("value", INVALID)
@pytest.mark.parametrize("kind", FORMATS)
def test_out_of_range_turns_nothing(tmp_path: Path, kind: str, value: int) -> None:
    path = tmp_path / "a.bin"
    written = 6 if kind.startswith("tiff ") else value  # libtiff writes valid values alone
    data, entry = encoded(kind, exif=short(written)), struct.pack("<HHI", 0x0112, 3, 1)
    path.write_bytes(data.replace(entry + struct.pack("<H", written), entry + struct.pack("<H", value)))
    check(path, 1)


@pytest.mark.parametrize(
    ("name", "content", "orientation"),
    [
        ("long", exif(4, 1, struct.pack("<I", 6)), 6),
        ("long beyond 16 bits", exif(4, 1, struct.pack("<I", 65537)), 1),
        ("text", exif(2, 2, b"6\x00\x00\x00"), 1),
        ("words", exif(2, 4, b"top\x00"), 1),
        ("two values", exif(3, 2, struct.pack("<HH", 6, 3)), 6),
        ("no value", exif(3, 0, bytes(4)), 1),
        ("beyond the end", exif(2, 99, struct.pack("<I", 10_000)), 1),
        ("an unknown type", exif(77, 1, struct.pack("<I", 6)), 1),
        ("big-endian", exif(3, 1, struct.pack(">HH", 8, 0), order=">"), 8),
        ("cut", short(6)[:12], 1),
        ("no EXIF", b"Exif\x00\x00 nothing", 1),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's own, about such metadata
@pytest.mark.parametrize("kind", ["jpeg", "png", "webp"])
def test_strange_values_never_raise(tmp_path: Path, kind: str, name: str, content: bytes, orientation: int) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(encoded(kind, exif=content))
    check(path, orientation)


@pytest.mark.parametrize("kind", [2, 3, 4, 5, 12])
def test_tiff_with_any_type_of_orientation(tmp_path: Path, kind: int) -> None:
    path = tmp_path / "a.tif"
    data = bytearray(encoded("tiff", exif=short(6)))
    place = data.index(struct.pack("<HHI", 0x0112, 3, 1))
    data[place : place + 4] = struct.pack("<HH", 0x0112, kind)
    path.write_bytes(data)
    assert image_size(path) == tuple(read_image(path).shape[-2:])


@pytest.mark.parametrize("where", ["after 70,000 bytes", "after three profiles"])
def test_exif_far_from_the_start_of_a_jpeg(tmp_path: Path, where: str) -> None:
    plain, turning = encoded("jpeg"), short(6)
    other = b"".join(segment(0xE2, b"FILLER" + bytes(50_000)) for _ in range(2 if where[6] == "7" else 3))
    path = tmp_path / "a.jpg"
    path.write_bytes(plain[:2] + other + segment(0xE1, turning) + plain[2:])
    check(path, 6)


@pytest.mark.parametrize("kind", [b"eXIf", b"iTXt"])
def test_metadata_behind_the_pixels_of_a_png(tmp_path: Path, kind: bytes) -> None:
    text = b"XML:com.adobe.xmp\x00\x00\x00\x00\x00" + XMP % 8
    path = tmp_path / "a.png"
    path.write_bytes(png_with(kind, short(8)[6:] if kind == b"eXIf" else text, before=b"IEND"))
    check(path, 8)


def test_exif_counts_before_xmp(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded("jpeg", exif=short(3), xmp=XMP % 6))
    check(path, 3)


def test_an_image_of_pillows_is_turned_once(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded("jpeg", exif=short(6)))
    with Image.open(path) as image:
        assert tuple(rgb_pixels(image).shape) == (3, WIDTH, HEIGHT)
        assert tuple(rgb_pixels(image).shape) == (3, WIDTH, HEIGHT)
    path.write_bytes(encoded("tiff", exif=short(6)))
    with Image.open(path) as image:
        image.load()  # turns it
        assert tuple(rgb_pixels(image).shape) == (3, WIDTH, HEIGHT)


def segment(mark: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, mark, len(content) + 2) + content


def png_with(kind: bytes, content: bytes, *, before: bytes = b"IDAT") -> bytes:
    """A PNG with one more chunk, before the first of the kind ``before``."""
    data = encoded("png")
    chunk = struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    place = data.index(before) - 4
    return data[:place] + chunk + data[place:]


def with_xmp_tag(kind: str, text: bytes) -> bytes:
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    tags = ImageFileDirectory_v2()
    tags.tagtype[700] = 1
    tags[700] = text
    file = io.BytesIO()
    Image.fromarray(upright()).save(file, "tiff", tiffinfo=tags, **FORMATS[kind])  # type: ignore[arg-type]
    return file.getvalue()


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("kind", ["png", "tiff", "tiff lzw", "webp"])
def test_masks_are_turned_as_images_are(tmp_path: Path, kind: str, orientation: int) -> None:
    numbers = np.arange(HEIGHT * WIDTH, dtype=np.uint8).reshape(HEIGHT, WIDTH) % 7
    path, file = tmp_path / "a.bin", io.BytesIO()
    image = Image.fromarray(numbers) if kind != "webp" else Image.fromarray(np.stack([numbers] * 3, axis=2))
    image.save(file, kind.split()[0], exif=short(orientation), **FORMATS[kind])  # type: ignore[arg-type]
    path.write_bytes(file.getvalue())
    expected = TURNS[orientation](np.stack([numbers] * 3, axis=2))[..., 0]
    values = read_values(path)
    assert np.array_equal(values if values.ndim == 2 else values[..., 0], expected)
    if kind != "webp":
        masks = read_instances(path)
        with Image.open(path) as opened:
            assert np.array_equal(rgb_pixels(opened)[0], expected)
        assert np.array_equal((masks * torch.arange(1, 7)[:, None, None]).sum(dim=0).numpy(), expected)
