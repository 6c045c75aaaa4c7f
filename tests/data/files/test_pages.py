"""The pages of a TIFF and the frames of an animation, each as a file of its own would be read."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from visus.data.errors import ImageError
from visus.data.files.images import decode_image
from visus.data.files.pages import page_count, read_pages

RANDOM = np.random.default_rng(0)
PAGES = [Image.fromarray(RANDOM.integers(0, 256, (20, 30, 3), dtype=np.uint8)) for _ in range(3)]


def several(kind: str, pages: list[Image.Image]) -> bytes:
    content = io.BytesIO()
    lossless = {"lossless": True} if kind == "webp" else {}
    pages[0].save(content, kind, save_all=True, append_images=pages[1:], **lossless)
    return content.getvalue()


@pytest.mark.parametrize("kind", ["tiff", "png", "webp"])
def test_pages_are_what_was_saved(kind: str) -> None:
    data = several(kind, PAGES)
    assert page_count(data, "a") == 3
    for page, image in zip(read_pages(data, "a"), PAGES, strict=True):
        assert torch.equal(page, torch.from_numpy(np.array(image)).permute(2, 0, 1))
    assert torch.equal(decode_image(data, "a", page=2), list(read_pages(data, "a"))[2])


def test_frames_of_a_gif() -> None:
    frames = [Image.new("RGB", (8, 6), (80 * i, 0, 0)) for i in range(3)]
    assert [int(page[0, 0, 0]) for page in read_pages(several("gif", frames), "a")] == [0, 80, 160]


def test_pages_of_16_bits_and_of_other_sizes() -> None:
    deep = RANDOM.integers(0, 65536, (9, 11), dtype=np.uint16)
    first, second = read_pages(several("tiff", [Image.fromarray(deep), PAGES[0]]), "a")
    assert np.array_equal(first[0], deep >> 8)
    assert second.shape == (3, 20, 30)


def test_one_page_is_counted_without_decoding() -> None:
    for kind in ("jpeg", "png", "bmp", "gif", "tiff"):
        content = io.BytesIO()
        PAGES[0].save(content, kind)
        assert page_count(content.getvalue(), "a") == 1


def test_a_cut_page_is_named(tmp_path: Path) -> None:
    data = several("tiff", PAGES)
    pages = read_pages(data[:-1500], "stack.tif")
    assert next(pages).shape == (3, 20, 30)
    with pytest.raises(ImageError, match=r"stack\.tif"):
        list(pages)
