from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from visus.data.errors import AnnotationError, DatasetNotFoundError
from visus.data.feed.loader import SampleDataset
from visus.data.files.images import ImageError
from visus.data.formats.yolo_files import parse_label, write_label
from visus.data.readers.yolo import labels_of, open_yolo, write_fake


def one_picture(root: Path, labels: str | None, yaml: str = "train: images/train\nnames: [cat, dog]\n") -> Path:
    for folder in ("images/train", "labels/train"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 20)).save(root / "images" / "train" / "a.png")
    if labels is not None:
        (root / "labels" / "train" / "a.txt").write_text(labels)
    (root / "data.yaml").write_text(yaml)
    return root


@pytest.mark.parametrize("outlines", [False, True])
def test_fake(tmp_path: Path, outlines: bool) -> None:
    write_fake(tmp_path, outlines=outlines)
    dataset = open_yolo(tmp_path, "train", for_training=True)
    assert isinstance(dataset, SampleDataset)
    assert dataset.schema.categories == ("ship", "plane")
    assert dataset.schema.has_masks == outlines
    assert [len(dataset.target(index)) for index in range(6)] == [1, 2, 3, 1, 2, 0]
    assert [dataset.target(index).image_id for index in range(6)] == [1, 2, 3, 4, 5, 6]
    for index in (0, 3):
        sample = dataset[index]
        assert tuple(sample.input.shape[-2:]) == dataset.size(index) == (80, 96)
        left, top, right, bottom = sample.target.boxes_xyxy[0].round().int().tolist()
        colour = sample.input[:, (top + bottom) // 2, (left + right) // 2].float()
        wanted = torch.tensor(((220.0, 60, 50), (60.0, 90, 230))[int(sample.target.labels[0])])
        assert (colour - wanted).abs().max() < 20
        outside = sample.input[:, (top + bottom) // 2, max(left - 4, 0)].float()
        assert (outside - wanted).abs().max() > 40 or left < 4
        if sample.target.masks is not None:
            area = (right - left) * (bottom - top) / 2
            assert abs(float(sample.target.masks[0].sum()) - area) < 0.12 * area
            assert float(sample.target.areas[0]) == pytest.approx(area)


def test_lines(tmp_path: Path) -> None:
    root = one_picture(tmp_path, "1 0.5 0.5 0.25 0.5\r\n\r\n 0.0 0.1 0.1 0.3 0.1 0.3 0.6 \n")
    target = open_yolo(root, "train").target(0)
    assert target.labels.tolist() == [1, 0]
    assert torch.allclose(target.boxes_xyxy, torch.tensor([[15.0, 5, 25, 15], [4, 2, 12, 12]]))
    assert torch.allclose(target.areas, torch.tensor([100.0, 40]))
    assert target.masks is not None
    assert target.masks[0].sum() == 100  # the box, where others have outlines


@pytest.mark.parametrize("labels", [None, "", "\n \n"])
def test_no_file_and_an_empty_file_mean_no_object(tmp_path: Path, labels: str | None) -> None:
    dataset = open_yolo(one_picture(tmp_path, labels), "train")
    assert len(dataset) == 1
    assert len(dataset.target(0)) == 0


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("2 0.5 0.5 0.1 0.1", "the class is 2; classes are 0 to 1"),
        ("-1 0.5 0.5 0.1 0.1", "the class is -1"),
        ("0.5 0.5 0.5 0.1 0.1", r"the class is 0\.5"),
        ("0 0.5 0.5 0.1", "4 numbers; a box needs 5"),
        ("0 0.5 0.5 0.1 0.1 0.9", "6 numbers"),
        ("0 0.5 0.5 0.1 0.1 0.9 0.2 0.3", "8 numbers"),
        ("cat 0.5 0.5 0.1 0.1", "'cat 0.5 0.5 0.1 0.1' is not a list of numbers"),
        ("0 nan 0.5 0.1 0.1", "not finite"),
        ("0 120 0.5 0.1 0.1", "120 is no fraction"),
        ("0 0.1 0.1 0.3 -0.2 0.3 0.6", r"-0\.2 is no fraction"),
    ],
)
def test_bad_lines_are_named(tmp_path: Path, line: str, message: str) -> None:
    root = one_picture(tmp_path, f"0 0.5 0.5 0.1 0.1\n\n{line}\n")
    with pytest.raises(AnnotationError, match=rf"a\.txt: line 3: .*{message}"):
        open_yolo(root, "train")


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("names: [", "not valid YAML"),
        ("", "needs names"),
        ("train: images/train\n", "names is None"),
        ("train: images/train\nnames: []\n", r"names is \{\}"),
        ("train: images/train\nnames: [a, b]\nnc: 3\n", "nc is 3, but there are 2 names"),
        ("train: images/train\nnames: {0: a, 2: b}\n", r"names are numbered \[0, 2\]"),
        ("train: 3\nnames: [a]\n", "train is 3"),
    ],
)
def test_bad_descriptions_are_named(tmp_path: Path, yaml: str, message: str) -> None:
    with pytest.raises(AnnotationError, match=rf"data\.yaml: {message}"):
        open_yolo(one_picture(tmp_path, "", yaml), "train")


def test_splits_may_be_folders_lists_and_several(tmp_path: Path) -> None:
    root = one_picture(tmp_path, "0 0.5 0.5 0.1 0.1\n")
    (root / "train" / "images" / "more").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(root / "train" / "images" / "more" / "b.JPG")
    (root / "train" / "labels" / "more").mkdir(parents=True)
    (root / "list.txt").write_text("./images/train/a.png\n")
    names = "names: {0: cat, 1: dog}\n"
    for text, count in (
        ("path: /not/here\ntrain: images/train\n", 1),
        ("train: ../train/images\n", 1),
        ("train: list.txt\n", 1),
        ("train: [images/train, list.txt, train/images]\n", 2),
    ):
        (root / "data.yaml").write_text(text + names)
        assert len(open_yolo(root, "train")) == count, text
        assert len(open_yolo(root / "data.yaml", "train")) == count
    (root / "data.yaml").write_text("valid: images/train\ntrain: images/absent\n" + names)
    assert len(open_yolo(root, "val")) == 1
    with pytest.raises(DatasetNotFoundError, match=r"data\.yaml: names images/absent, which is not there; looked for"):
        open_yolo(root, "train")
    with pytest.raises(DatasetNotFoundError, match="has no split 'test'; it has train, val"):
        open_yolo(root, "test")
    with pytest.raises(ValueError, match="unknown"):
        open_yolo(root, "dev")
    (root / "data.yaml").unlink()
    with pytest.raises(DatasetNotFoundError, match=r"no data\.yaml"):
        open_yolo(root, "train")


def test_a_corrupt_picture_is_named(tmp_path: Path) -> None:
    root = one_picture(tmp_path, "")
    (root / "images" / "train" / "a.png").write_bytes(b"")
    with pytest.raises(ImageError, match=r"a\.png: the file is empty"):
        open_yolo(root, "train")


def test_labels_lie_beside_the_last_folder_called_images() -> None:
    assert labels_of(Path("/images/set/images/train/a.jpg")) == Path("/images/set/labels/train/a.txt")
    assert labels_of(Path("a/train/b.c.png")) == Path("a/train/b.c.txt")


def test_several_polygons_become_one_of_the_same_pixels() -> None:
    from visus.data.formats.coco_segments import draw_segments

    parts = [[1.0, 1, 9, 1, 9, 9, 1, 9], [20.0, 5, 30, 5, 25, 15], [2.0, 12, 8, 12, 8, 18, 2, 18]]
    line = write_label({"segmentation": parts, "bbox": [1, 1, 29, 17]}, 0, (20, 40))
    record = parse_label(line, 1, (20, 40))
    joined, apart = draw_segments([record["segmentation"], parts], (20, 40))
    assert torch.equal(joined, apart)
    assert record["bbox"] == pytest.approx([1, 1, 29, 17])
    assert record["area"] == pytest.approx(64 + 50 + 36)
