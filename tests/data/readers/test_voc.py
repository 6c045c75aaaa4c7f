from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from visus.data.check.folder import check_folder
from visus.data.errors import AnnotationError, DatasetNotFoundError
from visus.data.feed.loader import SampleDataset
from visus.data.formats.voc_fake import write_fake
from visus.data.formats.voc_names import VOC_NAMES
from visus.data.readers.voc import open_voc
from visus.data.readers.voc_semantic import open_voc_semantic
from visus.data.recognise import layout_of
from visus.types import VOID, InstanceTarget, SemanticTarget

REAL = Path(__file__).resolve().parents[3] / ".." / "shared" / "data" / "bccd"


@pytest.fixture(scope="module")
def fake_voc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("voc")
    write_fake(root)
    return root


def written(root: Path, objects: str, *, head: str = "") -> Path:
    """A data set of one image of 20 x 30 with an annotation file as given."""
    for folder in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (30, 20)).save(root / "JPEGImages" / "a.png")
    (root / "Annotations" / "a.xml").write_text(f"<annotation>{head}{objects}</annotation>")
    (root / "ImageSets" / "Main" / "train.txt").write_text("a\n")
    return root


def thing(name: str, box: tuple[object, ...], more: str = "") -> str:
    edges = "".join(f"<{k}>{v}</{k}>" for k, v in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True))
    return f"<object><name>{name}</name>{more}<bndbox>{edges}</bndbox></object>"


def test_fake_boxes_fit_the_drawn_pixels(fake_voc: Path) -> None:
    boxes, pixels = open_voc(fake_voc, "train"), open_voc_semantic(fake_voc, "train")
    assert isinstance(boxes, SampleDataset)
    assert boxes.schema.categories == VOC_NAMES
    assert pixels.schema.categories == ("background", *VOC_NAMES)
    assert len(boxes) == len(pixels) == 6
    checked = 0
    for index in range(6):
        target, labels = boxes[index].target, pixels[index].target
        assert isinstance(target, InstanceTarget)
        assert isinstance(labels, SemanticTarget)
        assert boxes.path(index) == pixels.path(index)
        assert target.image_id == labels.image_id == index + 1
        for box, label in zip(target.boxes_xyxy.int().tolist(), target.labels.tolist(), strict=True):
            inside = labels.labels[box[1] : box[3], box[0] : box[2]]
            assert set(inside.unique().tolist()) == {0, label + 1, VOID}
            assert all(bool((edge != 0).any()) for edge in (inside[0], inside[-1], inside[:, 0], inside[:, -1]))
            checked += 1
    assert checked >= 6
    assert len(boxes[5].target) == 0


def test_difficult_objects_are_crowds_and_left_out_of_training(fake_voc: Path) -> None:
    everything, training = open_voc(fake_voc, "train"), open_voc(fake_voc, "train", for_training=True)
    crowds = [int(everything.target(index).is_crowd.sum()) for index in range(6)]
    assert crowds == [1, 0, 0, 0, 0, 0]
    assert len(training.target(0)) == len(everything.target(0)) - 1
    assert training.target(3).image_id == everything.target(3).image_id == 4


def test_coordinates_count_from_one_and_include_both_ends(tmp_path: Path) -> None:
    objects = thing("dog", (1, 1, 30, 20)) + thing("cat", ("3.5", "2", "9.25", "7")) + thing("cat", (0, 0, 4, 4))
    dataset = open_voc(written(tmp_path, objects), "train")
    target = dataset.target(0)
    assert target.boxes_xyxy.tolist() == [[0, 0, 30, 20], [2.5, 1, 9.25, 7], [0, 0, 4, 4]]
    assert target.areas.tolist() == [600, 6.75 * 6, 16]
    assert [dataset.schema.categories[label] for label in target.labels] == ["dog", "cat", "cat"]


@pytest.mark.parametrize(
    "head", ["", "<size><width>0</width><height>0</height></size>", "<size/>", "<filename>other</filename>"]
)
def test_what_is_missing_is_taken_from_the_picture(tmp_path: Path, head: str) -> None:
    dataset = open_voc(written(tmp_path, thing("dog", (2, 2, 5, 5), "<difficult/>"), head=head), "train")
    assert dataset.size(0) == dataset[0].target.size == (20, 30)
    assert not dataset.target(0).is_crowd.any()


def test_the_name_in_the_annotation_counts_where_no_picture_has_that_of_the_file(tmp_path: Path) -> None:
    root = written(tmp_path, thing("dog", (2, 2, 5, 5)), head="<filename>b</filename>")
    (root / "JPEGImages" / "a.png").rename(root / "JPEGImages" / "b.PNG")
    assert open_voc(root, "train").path(0).endswith("b.PNG")


def test_own_names_are_collected_from_all_splits(tmp_path: Path) -> None:
    root = written(
        tmp_path,
        thing("zebra", (2, 2, 5, 5)) + "<object><name>dog</name><part><name>head</name></part>"
        "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox></object>",
    )
    (root / "Annotations" / "b.xml").write_text(f"<annotation>{thing('ant', (1, 1, 4, 4))}</annotation>")
    (root / "Annotations" / "broken.xml").write_text("<annotation>")
    assert open_voc(root, "train").schema.categories == ("ant", "dog", "zebra")
    (root / "classes.txt").write_text("zebra\ndog\n")
    dataset = open_voc(root, "train")
    assert dataset.schema.categories == ("zebra", "dog")
    assert dataset.target(0).labels.tolist() == [0, 1]
    (root / "classes.txt").write_text("zebra\n")
    with pytest.raises(AnnotationError, match=r"a\.xml: the class 'dog' is not in .*classes\.txt"):
        open_voc(root, "train")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"a\.xml: the file is empty"),
        ("<annotation><object>", r"a\.xml: no XML"),
        ("<annotation><object><bndbox/></object></annotation>", "object 1 has no name"),
        ("<annotation><object><name>dog</name></object></annotation>", "object 1 has no bndbox"),
        (f"<annotation>{thing('dog', (1, 1, 2, 2))}{thing('dog', (1, 'x', 2, 2))}</annotation>", "object 2 .*ymin 'x'"),
        (f"<annotation>{thing('dog', (1, 1, 'inf', 2))}</annotation>", "object 1 .*xmax 'inf'"),
    ],
)
def test_bad_annotations_are_named(tmp_path: Path, text: str, message: str) -> None:
    root = written(tmp_path, "")
    (root / "Annotations" / "a.xml").write_text(text)
    with pytest.raises(AnnotationError, match=message):
        open_voc(root, "train")


def test_a_size_that_is_wrong_is_refused_when_read(tmp_path: Path) -> None:
    head = "<size><width>20</width><height>30</height></size>"
    with pytest.raises(AnnotationError, match=r"a\.png.*\(20, 30\).*\(30, 20\)"):
        open_voc(written(tmp_path, thing("dog", (2, 2, 5, 5)), head=head), "train")[0]


def test_devkits_and_missing_lists(tmp_path: Path, fake_voc: Path) -> None:
    with pytest.raises(DatasetNotFoundError, match="JPEGImages"):
        open_voc(tmp_path, "train")
    (tmp_path / "VOCdevkit").mkdir()
    (tmp_path / "VOCdevkit" / "VOC2012").symlink_to(fake_voc)
    assert len(open_voc(tmp_path, "trainval")) == 12
    assert len(open_voc(tmp_path / "VOCdevkit", "val")) == 6
    with pytest.raises(ValueError, match="'dev' is unknown"):
        open_voc(tmp_path, "dev")
    (tmp_path / "VOCdevkit" / "VOC2007").symlink_to(fake_voc)
    with pytest.raises(DatasetNotFoundError, match=r"several years.*VOC2007.*VOC2012"):
        open_voc(tmp_path, "train")
    root = written(tmp_path / "one", thing("dog", (2, 2, 5, 5)))
    with pytest.raises(DatasetNotFoundError, match=r"val\.txt: no such file.*has train"):
        open_voc(root, "val")
    with pytest.raises(DatasetNotFoundError, match="SegmentationClass"):
        open_voc_semantic(root, "train")


def test_without_lists_the_pictures_are_divided(tmp_path: Path) -> None:
    root = written(tmp_path, "")
    (root / "ImageSets" / "Main" / "train.txt").unlink()
    (root / "ImageSets" / "Main").rmdir()
    for number in range(19):
        (root / "Annotations" / f"{number:02d}.xml").write_text("<annotation/>")
        Image.new("RGB", (9, 9)).save(root / "JPEGImages" / f"{number:02d}.png")
    parts = {split: open_voc(root, split) for split in ("train", "val", "test", "trainval")}
    assert {split: len(part) for split, part in parts.items()} == {"train": 16, "val": 2, "test": 2, "trainval": 18}
    paths = [part.path(i) for split, part in parts.items() if split != "trainval" for i in range(len(part))]
    assert len(set(paths)) == 20


@pytest.mark.parametrize("code", ["utf-8", "utf-16", "GBK", "gb18030", "Shift_JIS", "Big5", "euc-kr"])
def test_xml_in_the_encoding_that_it_declares(tmp_path: Path, code: str) -> None:
    root = written(tmp_path, thing("犬" if code != "euc-kr" else "개", (2, 2, 5, 5)))
    for file in (root / "Annotations").iterdir():
        file.write_bytes(f'<?xml version="1.0" encoding="{code}"?>\n{file.read_text("utf-8")}'.encode(code))
    assert layout_of(root) == "voc"
    assert "犬" in open_voc(root, "train").schema.categories or code == "euc-kr"
    assert check_folder(root).errors == 0


def test_xml_in_latin_1(tmp_path: Path) -> None:
    root = written(tmp_path, thing("Käfer", (2, 2, 5, 5)))
    (file,) = (root / "Annotations").iterdir()
    text = file.read_text("utf-8")
    for code in ("iso-8859-1", "latin1", "windows-1252"):
        file.write_bytes(f'<?xml version="1.0" encoding="{code}"?>{text}'.encode(code))
        assert open_voc(root, "train").schema.categories == ("Käfer",)
    for wrong in (f'<?xml version="1.0" encoding="klingon"?>{text}'.encode("latin-1"), text.encode("latin-1")):
        file.write_bytes(wrong)
        with pytest.raises(AnnotationError, match=rf"{file.name}: no XML \("):
            open_voc(root, "train")
        assert check_folder(root, dataset="voc").errors


def test_masks_in_colour_mean_the_same(fake_voc: Path, tmp_path: Path) -> None:
    write_fake(tmp_path)
    mask = Path(open_voc_semantic(tmp_path, "val").mask_path(1))
    with Image.open(mask) as image:
        numbers, colour = np.asarray(image), image.convert("RGBA")
    colour.save(mask)
    labels = open_voc_semantic(tmp_path, "val").target(1).labels
    assert torch.equal(labels, torch.from_numpy(numbers.copy()))
    assert torch.equal(labels, open_voc_semantic(fake_voc, "val").target(1).labels)


@pytest.mark.data
def test_real_blood_cells() -> None:
    if not REAL.exists():
        pytest.skip("../shared/data is absent")
    counts = torch.zeros(3, dtype=torch.int64)
    for split, length in (("train", 205), ("val", 87), ("test", 72)):
        dataset = open_voc(REAL, split)
        assert dataset.schema.categories == ("Platelets", "RBC", "WBC")
        assert len(dataset) == length
        for index in range(length):
            counts += torch.bincount(dataset.target(index).labels, minlength=3)
    assert abs(counts - torch.tensor([361, 4155, 372])).max() <= 3
    assert dataset[0].target.size == (480, 640)
