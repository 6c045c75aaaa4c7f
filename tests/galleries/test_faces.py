"""Galleries whose describer finds the parts of images itself: on green squares, and with the models of faces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from galleries.painted import GreenSquares, squares
from visus.galleries import Gallery
from visus.galleries.describer import describer
from visus.galleries.errors import GalleryError, NoPartError, SeveralPartsError
from visus.systems.faces import is_installed

ORL = Path(__file__).parents[3] / "shared" / "data" / "orl_faces"


@pytest.fixture
def gallery(tmp_path: Path) -> Gallery:
    """A small, a middling and a large square, and an image without any."""
    made = Gallery.create(tmp_path / "gallery", model=GreenSquares(), closeness="euclidean")
    report = made.add(str(squares(tmp_path / "two.png", 8, 30)), metadata={"person": "a"})
    assert (report.images, report.added, report.empty) == (1, 2, 0)
    report = made.add(
        [str(squares(tmp_path / "one.png", 16)), str(squares(tmp_path / "none.png"))], metadata={"person": "b"}
    )
    assert (report.images, report.added, report.empty) == (2, 1, 1)
    return made


def test_each_part_is_an_entry_with_its_box(gallery: Gallery) -> None:
    entries = gallery.store.entries([1, 2, 3])
    assert [one.box_xyxy for one in entries] == [(2, 4, 10, 12), (47, 4, 77, 34), (2, 4, 18, 20)]
    assert [gallery.search(one.id, k=1).matches[0].entry.id for one in entries] == [1, 2, 3]


def test_one_part_is_asked_for(gallery: Gallery, tmp_path: Path) -> None:
    one = str(squares(tmp_path / "new.png", 28))
    assert gallery.search(one, k=1).matches[0].entry.id == 2
    with pytest.raises(NoPartError, match=r"empty\.png: no square found"):
        gallery.search(str(squares(tmp_path / "empty.png")))
    several = str(squares(tmp_path / "several.png", 8, 15))
    with pytest.raises(SeveralPartsError, match=r"several\.png: 2 squares, where one is asked for; say which by a box"):
        gallery.search(several)
    assert gallery.search(several, k=1, box=(45, 0, 90, 40)).matches[0].entry.id == 3
    with pytest.raises(NoPartError, match="no square found in this box"):
        gallery.search(several, box=(25, 0, 40, 40))
    with pytest.raises(GalleryError, match=r"leave out boxes \(--detector\)"):
        gallery.add(one, boxes=lambda pixels: [])


def test_all_parts_of_an_image_are_identified(gallery: Gallery, tmp_path: Path) -> None:
    found = gallery.identify(str(squares(tmp_path / "several.png", 9, 17, 36)), threshold=3.0).found
    assert [(one.value, one.candidate) for one in found] == [("a", "a"), ("b", "b"), (None, "a")]
    assert found[1].asked.box_xyxy == (47, 4, 64, 21)


@pytest.mark.data
@pytest.mark.skipif(not is_installed() or not ORL.is_dir(), reason="needs the extra faces and the ORL faces")
def test_faces_of_two_people(tmp_path: Path) -> None:
    """Two photographs of each of two people are enrolled; others of them are named, and a third person is unknown."""

    def photograph(person: int, number: int) -> Image.Image:
        image = Image.open(ORL / f"s{person}" / f"{number}.pgm").convert("RGB")
        return image.resize((3 * image.width, 3 * image.height), Image.Resampling.BICUBIC)

    gallery = Gallery.create(tmp_path / "people", model="faces")
    assert gallery.closeness == "euclidean"
    for person in (1, 2):
        for number in (1, 2):
            assert gallery.add(photograph(person, number), metadata={"person": f"s{person}"}).added == 1
    found = gallery.identify(photograph(1, 5), photograph(2, 5), photograph(3, 1), threshold=0.6).found
    assert [one.name for one in found] == ["s1", "s2", "unknown"]
    beside = np.concatenate([np.asarray(photograph(1, 3)), np.asarray(photograph(2, 3))], axis=1)
    with pytest.raises(SeveralPartsError, match="an image: 2 faces, where one is asked for"):
        gallery.search(beside)
    assert [one.value for one in gallery.identify(beside, threshold=0.6).found] in (["s1", "s2"], ["s2", "s1"])
    with pytest.raises(NoPartError, match="an image: no face found"):
        gallery.search(np.full((200, 200, 3), 90, dtype=np.uint8))
    chips = describer("faces").describe([torch.zeros(3, 20, 20, dtype=torch.uint8)])
    assert chips.shape == (1, 128)
