"""What would take all memory, start programs or wait for ever is refused from the head of a file."""

from __future__ import annotations

import io
import os
import resource
import socket
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from visus.data.files.images import ImageError, image_size, is_damaged_jpeg, read_image, rgb_pixels
from visus.data.files.label_maps import read_values
from visus.data.files.opened import LIMIT_VARIABLE
from visus.data.readers.pennfudan import read_instances
from visus.errors import VisusError

READERS: dict[str, Callable[[Path], object]] = {
    "read_image": read_image,
    "image_size": image_size,
    "read_values": read_values,
    "read_instances": read_instances,
}
SIDE = 20_000


@pytest.fixture(autouse=True)
def _little_memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two more gigabytes at most, so that a limit that does not hold fails the test rather than the machine."""
    monkeypatch.delenv(LIMIT_VARIABLE, raising=False)
    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (2 << 30), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def saved(kind: str) -> bytes:
    file = io.BytesIO()
    Image.new("L" if kind != "webp" else "RGB", (16, 16), 7).save(file, kind)
    return file.getvalue()


def huge(kind: str) -> bytes:
    """A file of 16 x 16 pixels that says that it has 20,000 x 20,000."""
    data = bytearray(saved(kind))
    if kind == "jpeg":
        place = data.index(b"\xff\xc0")
        data[place + 5 : place + 9] = struct.pack(">HH", SIDE, SIDE)
    elif kind == "png":
        data[16:24] = struct.pack(">II", SIDE, SIDE)
        data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    elif kind == "gif":
        data[6:10] = struct.pack("<HH", SIDE, SIDE)
    elif kind == "bmp":
        data[18:26] = struct.pack("<ii", SIDE, SIDE)
    elif kind == "ppm":
        data = bytearray(data.replace(b"16 16", b"%d %d" % (SIDE, SIDE)))
    elif kind == "tiff":
        for tag in (256, 257):
            place = max(data.find(struct.pack("<HHI", tag, code, 1)) for code in (3, 4))
            data[place : place + 12] = struct.pack("<HHII", tag, 4, 1, SIDE)
    elif kind == "qoi":
        data[4:12] = struct.pack(">II", SIDE, SIDE)
    return bytes(data)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", ["jpeg", "png", "gif", "bmp", "ppm", "tiff"])
def test_too_many_pixels(tmp_path: Path, kind: str, reader: str) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(huge(kind))
    with pytest.raises(ImageError, match=r"a\.bin: .*pixels.*178,956,970.* allowed; .*VISUS_MAX_PIXELS") as raised:
        READERS[reader](path)
    assert "\n" not in str(raised.value)
    if kind == "jpeg":
        with pytest.raises(ImageError, match="VISUS_MAX_PIXELS"):
            is_damaged_jpeg(path)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", ["jpeg", "png", "gif"])
def test_the_limit_is_a_setting(tmp_path: Path, kind: str, reader: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(saved(kind))
    monkeypatch.setenv(LIMIT_VARIABLE, "256")
    READERS[reader](path)
    monkeypatch.setenv(LIMIT_VARIABLE, "255")
    with pytest.raises(ImageError, match=r"a\.bin: 16 x 16 pixels, 255 are allowed"):
        READERS[reader](path)
    for wrong in ("many", "0", "-3"):
        monkeypatch.setenv(LIMIT_VARIABLE, wrong)
        with pytest.raises(VisusError, match=f"VISUS_MAX_PIXELS is '{wrong}'"):
            READERS[reader](path)


def test_the_limit_can_be_raised_above_that_of_pillow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
    monkeypatch.setenv(LIMIT_VARIABLE, str(10**9))
    for kind in ("jpeg", "png"):
        (tmp_path / kind).write_bytes(huge(kind))
        assert image_size(tmp_path / kind) == (SIDE, SIDE)


def test_images_of_pillows_have_the_same_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LIMIT_VARIABLE, "255")
    with pytest.raises(ImageError, match="16 x 16 pixels"):
        rgb_pixels(Image.new("RGB", (16, 16)))


@pytest.mark.parametrize("reader", READERS)
def test_a_pipe_a_socket_and_a_device_are_not_opened(tmp_path: Path, reader: str) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(ImageError, match=r"pipe\.jpg: cannot be read \(a named pipe, not a file\)"):
        READERS[reader](tmp_path / "pipe.jpg")
    (tmp_path / "device.jpg").symlink_to("/dev/zero")
    with pytest.raises(ImageError, match=r"device\.jpg: cannot be read \(a device, not a file\)"):
        READERS[reader](tmp_path / "device.jpg")
    with pytest.raises(ImageError, match=r"cannot be read \(a folder, not a file\)"):
        READERS[reader](tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s.jpg"))
        with pytest.raises(ImageError, match=r"s\.jpg: cannot be read \(a socket, not a file\)"):
            READERS[reader](tmp_path / "s.jpg")


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    "content",
    [
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 16 16\n%%EndComments\nshowpage\n",
        b"%PDF-1.4\n",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"\xd7\xcd\xc6\x9a" + bytes(60),  # of Windows, which Pillow has drawn by the system
        b"GRIB" + bytes(60),
    ],
)
def test_formats_that_start_programs_are_not_tried(tmp_path: Path, content: bytes, reader: str) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=r"a\.jpg: not an image of a known format"):
        READERS[reader](path)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("n" * 5000 + ".jpg", "cannot be read .File name too long"),
        ("a\0b.jpg", r"a\\x00b\.jpg'?: no file can have this name"),
        ("\ud83d.jpg", "no file can have this name"),
        ("\udcff.jpg", "no such file"),
        ("x/" * 3000 + "a.jpg", "cannot be read .File name too long"),
    ],
)
def test_names_that_no_file_can_have(tmp_path: Path, name: str, cause: str, reader: str) -> None:
    with pytest.raises(ImageError, match=cause):
        READERS[reader](tmp_path / name)


@pytest.mark.parametrize("kind", ["gif", "tiff", "webp", "png", "avif"])
def test_the_first_of_several_frames_is_taken(tmp_path: Path, kind: str) -> None:
    first, second = Image.new("RGB", (16, 12), (200, 10, 10)), Image.new("RGB", (16, 12), (10, 10, 200))
    path = tmp_path / "a.bin"
    first.save(path, kind, save_all=True, append_images=[second, second])
    image = read_image(path)
    assert image_size(path) == (12, 16) == tuple(image.shape[-2:])
    assert (image.float().mean(dim=(1, 2)).round() - image.new_tensor([200, 10, 10])).abs().max() <= 6


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's own, about damage
@pytest.mark.parametrize("kind", ["png", "tiff", "gif", "webp", "avif", "jpeg2000", "qoi", "bmp", "ppm", "jpeg"])
def test_damage_is_one_error_that_names_the_file(tmp_path: Path, kind: str) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (24, 24, 3), dtype=np.uint8))
    file = io.BytesIO()
    noise.save(file, kind)
    whole, path = file.getvalue(), tmp_path / "a.bin"
    generator, refused = np.random.default_rng(1), 0
    for turn in range(120):
        data = bytearray(whole)
        if turn % 3 == 0:
            del data[int(generator.integers(1, len(data))) :]
        else:
            for place in generator.integers(0, len(data), 1 + turn % 9):
                data[place] = int(generator.integers(0, 256))
        path.write_bytes(data)
        size, shape = outcome(image_size, path), outcome(lambda file: tuple(read_image(file).shape[1:]), path)
        refused += isinstance(shape, str)
        assert isinstance(size, str) or isinstance(shape, str) or size == shape, turn
    assert refused


def outcome(read: Callable[[Path], tuple[int, ...]], path: Path) -> tuple[int, ...] | str:
    """What ``read`` gives, or the message of the only error that it may raise."""
    try:
        return read(path)
    except ImageError as error:
        message = str(error)
    assert message.startswith(f"{path}: ")
    return message


def test_a_mask_of_many_numbers_is_refused_before_its_masks_are_made(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.arange(65536, dtype=np.uint16).reshape(256, 256)).save(path)
    with pytest.raises(ImageError, match=r"a\.png: holds 65,535 different numbers: .*4,294,901,760 bytes"):
        read_instances(path)
    Image.fromarray((np.arange(65536) // 256).astype(np.uint16).reshape(256, 256)).save(path)
    masks = read_instances(path)
    assert masks.shape == (255, 256, 256)
    assert masks.sum(dim=(1, 2)).eq(256).all()
