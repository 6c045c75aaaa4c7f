"""Files "CVAT for images 1.1": shapes to objects, skeletons, splits, what is left out and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from visus.data.check.report import CheckReport
from visus.data.errors import AnnotationError, DatasetNotFoundError
from visus.data.formats.cvat_fake import write_fake
from visus.data.readers.cvat import check_cvat, open_cvat, recognise_cvat
from visus.data.recognise import layout_of
from visus.data.records.indexed import IndexedDataset

BOX = '<box label="cat" source="manual" occluded="0" xtl="2.00" ytl="3.00" xbr="12.00" ybr="13.00" z_order="0"></box>'
GROUP = 'group_id="3"'
HEAD = """<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version><meta><job><labels>
<label><name>dog</name><color>#fa3253</color><type>any</type><attributes></attributes></label>
<label><name>cat</name><type>any</type><attributes></attributes></label>
<label><name>sky</name><type>tag</type><attributes></attributes></label>
<label><name>pose</name><type>skeleton</type><attributes></attributes></label>
<label><name>nose</name><type>points</type><attributes></attributes><parent>pose</parent></label>
</labels></job></meta>
"""


def export(folder: Path, *images: str, more: str = "") -> Path:
    """A task as CVAT exports it: images of 20 x 30 and their shapes."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    parts = []
    for number, shapes in enumerate(images):
        Image.new("RGB", (30, 20), (200, 30, 30)).save(folder / "images" / f"{number}.png")
        parts.append(f'<image id="{number}" name="{number}.png" width="30" height="20">{shapes}</image>')
    (folder / "annotations.xml").write_text(f"{HEAD}{''.join(parts)}{more}</annotations>", encoding="utf-8")
    return folder


def opened(root: Path, shapes: str) -> IndexedDataset:
    export(root / "train", shapes)
    return open_cvat(root, "train")


def checked(root: Path, shapes: str) -> CheckReport:
    """The report on one image in each split, the first with ``shapes``."""
    for split in ("train", "val", "test"):
        export(root / split, shapes if split == "train" else BOX)
    return check_cvat(root)


@pytest.mark.parametrize("boxes", [False, True])
def test_fake(tmp_path: Path, boxes: bool) -> None:
    write_fake(tmp_path, boxes=boxes)
    for split in ("train", "val", "test"):
        dataset = open_cvat(tmp_path, split, for_training=True)
        assert dataset.schema.categories == ("circle", "square", "triangle")
        assert dataset.schema.has_masks == (not boxes)
        assert [len(dataset.target(index)) for index in range(6)] == [1, 1, 1, 1, 1, 0]
        for index in range(5):
            sample = dataset[index]
            assert sample.target.labels.tolist() == [index % 3]
            dark = sample.input.float().mean(0) < 118
            left, top, right, bottom = sample.target.boxes_xyxy[0].round().int().tolist()
            if sample.target.masks is not None:
                inside = dark[top:bottom, left:right] & sample.target.masks[0][top:bottom, left:right]
                assert inside.sum() > 0.9 * sample.target.masks[0].sum()
    assert check_cvat(tmp_path).problems == ()
    assert layout_of(tmp_path) == "cvat"


def test_shapes_become_objects_in_the_order_of_the_labels(tmp_path: Path) -> None:
    dataset = opened(
        tmp_path,
        f'{BOX}<polygon label="dog" points="2.00,3.00;12.00,3.00;12.00,13.00;2.00,13.00"></polygon>'
        '<ellipse label="dog" cx="15.00" cy="10.00" rx="10.00" ry="5.00"></ellipse>'
        '<box label="cat" xtl="10" ytl="5" xbr="20" ybr="9" rotation="90.00"></box>'
        '<mask label="cat" occluded="1" rle="1, 2, 3" left="4" top="5" width="3" height="2"></mask>',
    )
    assert dataset.schema.categories == ("dog", "cat")
    target = dataset.target(0)
    assert target.labels.tolist() == [1, 0, 0, 1, 1]
    assert target.masks is not None
    box, polygon, ellipse, turned, mask = target.masks
    assert torch.equal(box, polygon)
    assert polygon.sum() == polygon[3:13, 2:12].sum() == 100
    assert abs(int(ellipse.sum()) - 3.1416 * 50) < 6
    assert target.boxes_xyxy[2].tolist() == pytest.approx([5, 5, 25, 15], abs=1e-4)
    assert turned.sum() == turned[2:12, 13:17].sum() == 40  # around its middle (15, 7)
    assert mask.nonzero().tolist() == [[5, 5], [5, 6]]


def test_boxes_alone_have_no_masks(tmp_path: Path) -> None:
    target = opened(tmp_path, BOX).target(0)
    assert target.masks is None
    assert target.boxes_xyxy.tolist() == [[2, 3, 12, 13]]
    assert target.areas.tolist() == [100]


def test_shapes_of_a_label_and_a_group_are_one_object(tmp_path: Path) -> None:
    parts = [
        f'<polygon label="{label}" points="{x},0;{x + 4},0;{x + 4},4;{x},4" group_id="{group}"></polygon>'
        for label, x, group in (("cat", 0, 1), ("cat", 10, 1), ("dog", 0, 1), ("cat", 20, 0), ("cat", 25, 0))
    ]
    target = opened(tmp_path, "".join(parts)).target(0)
    assert target.labels.tolist() == [1, 0, 1, 1]
    assert target.boxes_xyxy[0].tolist() == [0, 0, 14, 4]
    assert target.masks is not None
    assert target.masks.sum((1, 2)).tolist() == [32, 16, 16, 16]


def skeleton(label: str, group: str = "", **points: str) -> str:
    inner = "".join(f'<points label="{name}" {rest}></points>' for name, rest in points.items())
    return f'<skeleton label="{label}" source="manual" z_order="0" {group}>{inner}</skeleton>'


def test_skeletons_give_keypoints_to_their_group_or_stand_alone(tmp_path: Path) -> None:
    grouped = BOX.replace("z_order", f"{GROUP} z_order")
    inner = {
        "nose": 'outside="0" occluded="0" points="5.00,4.00"',
        "tail": 'outside="0" occluded="1" points="6.00,9.00"',
        "ear": 'outside="1" occluded="0" points="1.00,1.00"',
    }
    alone = skeleton("pose", nose='outside="0" occluded="0" points="20,10"', tail='outside="0" points="24,16"')
    ours = skeleton("dog keypoints", nose='points="8,8"')
    dataset = opened(tmp_path, f"{grouped}{skeleton('pose', GROUP, **inner)}{alone}{ours}")
    assert dataset.schema.keypoints is not None
    assert dataset.schema.keypoints.names == ("nose", "tail")
    assert dataset.schema.categories == ("dog", "cat", "pose")
    target = dataset.target(0)
    assert target.keypoints_xyv is not None
    assert target.labels.tolist() == [1, 2, 0]
    assert target.keypoints_xyv.tolist() == [
        [[5, 4, 2], [6, 9, 1]],
        [[20, 10, 2], [24, 16, 2]],
        [[8, 8, 2], [0, 0, 0]],
    ]
    assert target.boxes_xyxy[1:].tolist() == [[19, 9, 25, 17], [7, 7, 9, 9]]


def test_the_subset_of_a_project_is_a_split(tmp_path: Path) -> None:
    export(tmp_path, *[BOX] * 4)
    text = (tmp_path / "annotations.xml").read_text()
    for number, subset in enumerate(("Train", "Train", "Validation", "Test")):
        text = text.replace(f'<image id="{number}"', f'<image id="{number}" subset="{subset}" task_id="{number}"')
        (tmp_path / "images" / subset).mkdir(exist_ok=True)  # as CVAT packs the images of a project
        (tmp_path / "images" / f"{number}.png").rename(tmp_path / "images" / subset / f"{number}.png")
    (tmp_path / "annotations.xml").write_text(text)
    splits = {split: open_cvat(tmp_path, split) for split in ("train", "val", "test")}
    assert {split: len(one) for split, one in splits.items()} == {"train": 2, "val": 1, "test": 1}
    assert splits["val"].path(0) == str(tmp_path / "images/Validation/2.png")
    assert splits["val"][0].input[0, 0, 0] == 200
    assert check_cvat(tmp_path).problems == ()


def test_a_task_without_subsets_is_divided_or_listed(tmp_path: Path) -> None:
    export(tmp_path, *[BOX] * 10)
    assert [len(open_cvat(tmp_path, split)) for split in ("train", "val", "test")] == [8, 1, 1]
    (tmp_path / "train.txt").write_text("images/3.png\n4\n")
    (tmp_path / "val.txt").write_text("5.png\n")
    assert [len(open_cvat(tmp_path, split)) for split in ("train", "val")] == [2, 1]
    with pytest.raises(DatasetNotFoundError, match=r"no image of the split 'test'.*it has train, val"):
        open_cvat(tmp_path, "test")


@pytest.mark.parametrize(
    ("shapes", "kind", "severity", "message"),
    [
        ('<tag label="sky"></tag>', "shape left out", "warning", "image 0.png: shape 2 (tag 'sky') is no object"),
        ('<polyline label="cat" points="1,1;2,2"></polyline>', "shape left out", "warning", "is no object"),
        ('<cuboid label="cat"></cuboid>', "shape left out", "warning", "is no object"),
        ('<points label="cat" points="1,1"></points>', "shape left out", "warning", "is no object"),
        (skeleton("pose"), "shape left out", "warning", "has no keypoint inside"),
        (BOX.replace("></", '><attribute name="age">2</attribute></'), "attribute left out", "warning", "'age'"),
        (BOX, "duplicate object", "warning", "occurs 2 times"),
        ('<box label="cat" xtl="1" ytl="1" xbr="a" ybr="9"></box>', "malformed shape", "error", "has the xbr 'a'"),
        ('<box label="cat" xtl="1" ytl="1" xbr="nan" ybr="9"></box>', "malformed shape", "error", "finite number"),
        ('<box label="" xtl="1" ytl="1" xbr="2" ybr="9"></box>', "malformed shape", "error", "has no label"),
        ('<polygon label="cat" points="1,1;2,2"></polygon>', "malformed shape", "error", "3 or more"),
        ('<polygon label="cat" points="1,1;2"></polygon>', "malformed shape", "error", "pairs x,y"),
        (
            '<mask label="cat" rle="1,2" left="0" top="0" width="-1" height="1"></mask>',
            "malformed shape",
            "error",
            "width",
        ),
        (
            '<mask label="cat" rle="1,x" left="0" top="0" width="3" height="1"></mask>',
            "unusable mask",
            "error",
            "shape 2",
        ),
        ('<mask label="cat" rle="1,1" left="0" top="0" width="3" height="1"></mask>', "unusable mask", "error", "fill"),
        (
            '<mask label="cat" rle="3" left="0" top="0" width="3" height="1"></mask>',
            "degenerate box",
            "error",
            "no area",
        ),
        ('<box label="cat" xtl="1" ytl="1" xbr="90" ybr="9"></box>', "box outside the image", "error", "image 0.png: "),
        (skeleton("pose", nose='points="1,1;2,2"'), "malformed shape", "error", "several places"),
    ],
)
def test_what_the_check_tells(tmp_path: Path, shapes: str, kind: str, severity: str, message: str) -> None:
    report = checked(tmp_path, BOX + shapes)
    told = [problem for problem in report.problems if problem.kind == kind]
    assert [problem.severity for problem in told] == [severity]
    assert message in told[0].message
    assert told[0].file == str(tmp_path / "train" / "annotations.xml")
    if kind in ("malformed shape", "unusable mask"):
        with pytest.raises(AnnotationError, match=r"train/annotations\.xml: image 0\.png: shape 2"):
            open_cvat(tmp_path, "train")
    elif severity == "warning":
        assert report.errors == 0
        assert len(open_cvat(tmp_path, "train").target(0)) >= 1


def test_tracks_of_a_video_are_refused(tmp_path: Path) -> None:
    export(tmp_path, BOX, more='<track id="0" label="cat"><box frame="0"></box></track>')
    with pytest.raises(AnnotationError, match=r'annotations\.xml: has tracks of a video.* "CVAT for images 1\.1"'):
        open_cvat(tmp_path, "train")
    assert check_cvat(tmp_path).counts["tracks"] == 1


def test_images_and_sizes(tmp_path: Path) -> None:
    report = checked(tmp_path, BOX)
    assert (report.images, report.objects, report.problems) == (3, 3, ())
    path = tmp_path / "train" / "annotations.xml"
    whole = path.read_text()
    for change, kind in (
        (('height="20"', 'height="21"'), "wrong image size"),
        (('height="20"', 'height="x"'), "malformed image size"),
        (('height="20"', 'height="1000000"'), "wrong image size"),
        (('width="30" height="20"', ""), "missing image size"),
        (('name="0.png"', 'name=""'), "malformed image"),
        (('name="0.png"', 'name="9.png"'), "missing image"),
        (('name="0.png"', r'name="C:\\me\\0.png"'), ""),
    ):
        path.write_text(whole.replace(*change))
        counts = check_cvat(tmp_path).counts
        assert kind in counts if kind else not counts
    (tmp_path / "train" / "images" / "new.png").write_bytes((tmp_path / "train" / "images" / "0.png").read_bytes())
    assert check_cvat(tmp_path).counts == {"image without annotations": 1}


def test_what_is_no_file_of_cvat(tmp_path: Path) -> None:
    with pytest.raises(DatasetNotFoundError, match="no such folder"):
        open_cvat(tmp_path / "none", "train")
    (tmp_path / "other.xml").write_text("<annotation><object/></annotation>")
    assert not recognise_cvat(tmp_path)
    with pytest.raises(DatasetNotFoundError, match=r'no file "CVAT for images 1\.1"'):
        open_cvat(tmp_path, "train")
    export(tmp_path / "task", BOX, BOX, BOX)
    assert recognise_cvat(tmp_path)
    assert check_cvat(tmp_path).counts == {"other XML": 1}
    (tmp_path / "task" / "annotations.xml").write_text("<annotations")
    assert not recognise_cvat(tmp_path)
    assert check_cvat(tmp_path).counts == {"unreadable annotations": 1, "other XML": 1, "no data set": 1}
