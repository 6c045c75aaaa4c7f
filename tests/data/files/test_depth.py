"""Values of more than 8 bits come out as bright as their file says."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from visus.data.check.report import image_problems
from visus.data.files.images import ImageError, is_nearly_black, read_image, rgb_pixels

RAMP = np.linspace(0, 1, 64).reshape(8, 8)
BITS, LARGEST, SMALLEST_NUMBER, LARGEST_NUMBER, SAMPLE_FORMAT = 258, 281, 340, 341, 339


def expected(shares: np.ndarray = RAMP) -> np.ndarray:
    return shares * 255


def close(path: Path, shares: np.ndarray = RAMP) -> bool:
    """Whether all channels of an image are ``shares`` of white, to one step."""
    pixels = read_image(path).numpy().astype(float)
    wanted = shares[None] if shares.ndim == 2 else shares.transpose(2, 0, 1)
    return bool(np.abs(pixels - wanted * 255).max() <= 1.01)


def png(path: Path, values: np.ndarray, bits: bytes = b"") -> Path:
    """A PNG of 16 bits, grey [h w] or colours [h w 3 or 4], with an sBIT chunk of ``bits``."""
    height, width = values.shape[:2]
    kind = 0 if values.ndim == 2 else {3: 2, 4: 6}[values.shape[2]]
    rows = b"".join(b"\x00" + row.astype(">u2").tobytes() for row in values)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0))]
    chunks += [(b"sBIT", bits)] if bits else []
    chunks += [(b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    data = b"\x89PNG\r\n\x1a\n"
    for name, content in chunks:
        data += struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
    path.write_bytes(data)
    return path


def tiff(path: Path, values: np.ndarray, tags: dict[int, float], *, deflate: bool = False, order: str = "<") -> Path:
    """A TIFF [h w] or [h w 3] of 16 bits, of 32 or of floats, with one strip and more ``tags``."""
    (height, width), channels = values.shape[:2], values.shape[2:] or (1,)
    size = values.dtype.itemsize
    data = values.astype(values.dtype.newbyteorder(order)).tobytes()
    data = zlib.compress(data) if deflate else data
    kind = {"u": 1, "i": 2, "f": 3}[values.dtype.kind]
    entries = {256: width, 257: height, 258: 8 * size, 259: 8 if deflate else 1, 262: 2 if channels[0] > 1 else 1}
    entries |= {273: 8, 277: channels[0], 278: height, 279: len(data), 284: 1, SAMPLE_FORMAT: kind, **tags}
    directory, extra = struct.pack(f"{order}H", len(entries)), b""
    after = 8 + len(data) + 2 + 12 * len(entries) + 4
    for tag, value in sorted(entries.items()):
        count = channels[0] if tag in (258, SAMPLE_FORMAT, LARGEST, SMALLEST_NUMBER, LARGEST_NUMBER) else 1
        code, letter = (11, "f") if isinstance(value, float) else (3, "H")
        if count > 2:
            field = struct.pack(f"{order}HII", code, count, after + len(extra))
            extra += struct.pack(f"{order}{count}{letter}", *[value] * count)
        elif code == 11:
            field = struct.pack(f"{order}HIf", code, 1, value)
        else:
            field = struct.pack(f"{order}HII", 4, 1, value)
        directory += struct.pack(f"{order}H", tag) + field
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8 + len(data))
    path.write_bytes(head + data + directory + bytes(4) + extra)
    return path


@pytest.mark.parametrize("bits", [9, 10, 12, 14, 15])
def test_png_says_its_bits(tmp_path: Path, bits: int) -> None:
    path = png(tmp_path / "a.png", np.rint(RAMP * (2**bits - 1)), bytes([bits]))
    assert close(path)
    assert not is_nearly_black(path)


def test_png_whose_bits_were_spread_over_sixteen(tmp_path: Path) -> None:
    twelve = np.rint(RAMP * 4095).astype(int)
    assert close(png(tmp_path / "a.png", twelve << 4 | twelve >> 8, b"\x0c"))
    assert close(png(tmp_path / "b.png", np.rint(RAMP * 65535), b"\x10"))


@pytest.mark.parametrize("channels", [3, 4])
def test_colours_of_sixteen_bits(tmp_path: Path, channels: int) -> None:
    colours = np.stack([RAMP, RAMP[::-1], RAMP.T], axis=2)
    opaque = np.concatenate([colours, np.ones((8, 8, 1))], axis=2)[..., :channels]
    assert close(png(tmp_path / "a.png", np.rint(opaque * 65535)), colours)
    assert close(png(tmp_path / "b.png", np.rint(opaque * 4095), bytes([12] * channels)), colours)
    dark = png(tmp_path / "c.png", np.rint(opaque[..., :3] * 4095))
    assert is_nearly_black(dark)
    assert read_image(dark).max() == 15


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("deflate", [False, True])
@pytest.mark.parametrize(("tag", "largest"), [(LARGEST, 4095), (LARGEST, 1023), (LARGEST_NUMBER, 4095.0)])
@pytest.mark.parametrize("channels", [1, 3])
def test_tiff_says_its_largest_value(
    tmp_path: Path, tag: int, largest: float, channels: int, deflate: bool, order: str
) -> None:
    shares = RAMP if channels == 1 else np.stack([RAMP, RAMP[::-1], RAMP.T], axis=2)
    values = np.rint(shares * largest).astype(np.uint16)
    path = tiff(tmp_path / "a.tif", values, {tag: largest}, deflate=deflate, order=order)
    assert close(path, shares)
    assert not is_nearly_black(path)
    silent = tiff(tmp_path / "b.tif", values, {}, deflate=deflate, order=order)
    assert is_nearly_black(silent)
    full = tiff(tmp_path / "c.tif", np.rint(shares * 65535).astype(np.uint16), {}, deflate=deflate, order=order)
    assert close(full, shares)
    assert not is_nearly_black(full)


def test_tiff_of_twelve_packed_bits(tmp_path: Path) -> None:
    values = np.rint(RAMP * 4095).astype(int)
    packed = bytearray()
    for first, second in values.reshape(-1, 2).tolist():
        packed += bytes([first >> 4, (first & 15) << 4 | second >> 8, second & 255])
    file = io.BytesIO()
    Image.fromarray(values.astype(np.uint16)).save(file, "tiff")
    data = file.getvalue()
    entry = struct.pack("<HHI", BITS, 3, 1)
    data = data.replace(entry + struct.pack("<H", 16), entry + struct.pack("<H", 12))
    path = tmp_path / "a.tif"
    path.write_bytes(data.replace(values.astype("<u2").tobytes(), bytes(packed) + bytes(128 - len(packed))))
    assert close(path)


def test_floats_and_signed_values_need_a_range(tmp_path: Path) -> None:
    floats = (RAMP * 5 - 2).astype(np.float32)
    with pytest.raises(ImageError, match=r"a\.tif: floating-point pixels have no defined black and white"):
        read_image(tiff(tmp_path / "a.tif", floats, {}))
    assert close(tiff(tmp_path / "b.tif", floats, {SMALLEST_NUMBER: -2.0, LARGEST_NUMBER: 3.0}))
    signed = np.rint(RAMP * 2000 - 1000).astype(np.int32)
    with pytest.raises(ImageError, match=r"c\.tif: signed pixels have no defined black and white"):
        read_image(tiff(tmp_path / "c.tif", signed, {}))
    assert close(tiff(tmp_path / "d.tif", signed, {SMALLEST_NUMBER: -1000.0, LARGEST_NUMBER: 1000.0}))


@pytest.mark.parametrize("largest", [255, 65535])
def test_32_bits_that_hold_8_or_16(tmp_path: Path, largest: int) -> None:
    path = tmp_path / "a.tif"
    image = Image.fromarray(np.rint(RAMP * largest).astype(np.int32))
    image.save(path)
    assert close(path)
    assert np.abs(rgb_pixels(image)[0].numpy() - expected()).max() <= 1.01


@pytest.mark.parametrize("largest", [255, 1023, 4095, 65535])
def test_pgm_says_its_largest_value(tmp_path: Path, largest: int) -> None:
    values = np.rint(RAMP * largest)
    head = f"P5 8 8 {largest} ".encode()
    (tmp_path / "a.pgm").write_bytes(head + values.astype(">u2" if largest > 255 else "u1").tobytes())
    assert close(tmp_path / "a.pgm")


def test_white_is_zero(tmp_path: Path) -> None:
    values = np.rint((1 - RAMP) * 65535).astype(np.uint16)
    assert close(tiff(tmp_path / "a.tif", values, {262: 0}))


def test_images_of_pillows_are_read_as_their_files(tmp_path: Path) -> None:
    path = png(tmp_path / "a.png", np.rint(RAMP * 4095), b"\x0c")
    with Image.open(path) as image:
        assert np.array_equal(rgb_pixels(image), read_image(path))
    grey = Image.fromarray(np.rint(RAMP * 65535).astype(np.uint16))
    assert np.abs(rgb_pixels(grey)[0].numpy() - expected()).max() <= 1.01


def test_check_warns_of_small_values(tmp_path: Path) -> None:
    small, said = np.rint(RAMP * 4000), b"\x0c"
    png(tmp_path / "a.png", small)
    png(tmp_path / "b.png", small, said)
    png(tmp_path / "c.png", np.rint(RAMP * 65535))
    tiff(tmp_path / "d.tif", np.rint(RAMP * 1023).astype(np.uint16), {})
    found = {name: image_problems(tmp_path, {"file_name": name}, decode=True) for name in ("a.png", "d.tif")}
    for name, problems in found.items():
        assert [(problem.kind, problem.severity) for problem in problems] == [("nearly black", "warning")], name
        assert "16 bits" in problems[0].message
    for name in ("b.png", "c.png"):
        assert image_problems(tmp_path, {"file_name": name}, decode=True) == []
