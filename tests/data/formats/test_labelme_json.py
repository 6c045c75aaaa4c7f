"""One file of labelme: shapes to objects, the image wherever it is, and what cannot be used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from data.labelme_files import SQUARE, checked, file, opened, png, shape
from visus.data.errors import AnnotationError
from visus.data.files.images import ImageError
from visus.data.readers.labelme import check_labelme, open_labelme
from visus.errors import VisusError


def test_boxes_of_rectangles_in_any_order_of_their_corners(tmp_path: Path) -> None:
    corners = [[[2, 3], [12, 13]], [[12, 13], [2, 3]], [[2, 13], [12, 3]], [[12.0, 3], [2, 13.0]], SQUARE]
    dataset = opened(tmp_path, [shape("cat", points, "rectangle") for points in corners])
    target = dataset.target(0)
    assert not dataset.schema.has_masks
    assert target.masks is None
    assert torch.equal(target.boxes_xyxy, torch.tensor([[2.0, 3, 12, 13]]).expand(5, 4))
    assert target.areas.tolist() == [100.0] * 5


def test_outlines_become_masks_as_those_of_coco(tmp_path: Path) -> None:
    patch = np.zeros((4, 5))
    patch[1:, :3] = 255
    dataset = opened(
        tmp_path,
        [
            shape("cat", SQUARE),
            shape("cat", SQUARE[:3], None),  # the first versions wrote no kind
            shape("cat", [[20, 10], [25, 10]], "circle"),
            shape("cat", SQUARE, "oriented_rectangle"),
            shape("cat", [[6, 7], [10, 10]], "mask", mask=png(patch)),
            shape("cat", [[28, -1], [32, 2]], "mask", mask=png(np.full((4, 5), 9))),
            shape("cat", [[1, 1], [4, 4]], "rectangle"),
        ],
    )
    target = dataset.target(0)
    assert target.masks is not None
    square, triangle, circle, turned, part, outside, box = target.masks
    assert square.sum() == turned.sum() == square[3:13, 2:12].sum() == 100
    assert 40 <= triangle.sum() <= 60
    assert abs(int(circle.sum()) - 3.14159 * 25) < 4
    assert target.boxes_xyxy[2].tolist() == pytest.approx([15, 5, 25, 15], abs=1e-4)
    assert float(target.areas[2]) == pytest.approx(3.14159 * 25, rel=0.03)
    assert part.sum() == part[8:11, 6:9].sum() == 9
    assert target.boxes_xyxy[4].tolist() == [6, 8, 9, 11]
    assert outside.sum() == outside[:3, 28:].sum() == 6  # what lies in the image
    assert box.sum() == box[1:4, 1:4].sum() == 9


def test_large_circles_are_round(tmp_path: Path) -> None:
    sides = {"imageHeight": 2000, "imageWidth": 2000}
    target = opened(tmp_path, [shape("cat", [[500, 400], [800, 800]], "circle")], **sides).target(0)
    assert target.boxes_xyxy[0].tolist() == pytest.approx([0, -100, 1000, 900], abs=1e-3)
    target = opened(tmp_path, [shape("cat", [[900, 900], [900, 1300]], "circle")], **sides).target(0)
    assert float(target.areas[0]) == pytest.approx(3.14159265 * 400**2, rel=5e-4)


def test_shapes_of_a_group_are_one_object(tmp_path: Path) -> None:
    patch = shape("cat", [[20, 0], [21, 1]], "mask", group_id=1, mask=png(np.ones((2, 2)) * 255))
    dataset = opened(
        tmp_path,
        [
            shape("cat", [[0, 0], [4, 0], [4, 4], [0, 4]], group_id=1),
            shape("dog", [[0, 0], [4, 0], [4, 4], [0, 4]], group_id=1),
            shape("cat", [[10, 10], [14, 14]], "rectangle", group_id=1),
            shape("cat", [[0, 0], [4, 4]], "rectangle", group_id=2),
            shape("cat", [[2, 2], [8, 6]], "rectangle", group_id=2),
            shape("dog", [[5, 5], [9, 5], [9, 9]]),
            shape("dog", [[5, 5], [9, 5], [9, 9]]),
        ],
    )
    target = dataset.target(0)
    assert target.labels.tolist() == [0, 1, 0, 1, 1]
    assert target.boxes_xyxy[0].tolist() == [0, 0, 14, 14]
    assert target.boxes_xyxy[2].tolist() == [0, 0, 8, 6]
    assert target.masks is not None
    assert target.masks[0].sum() == 32
    target = opened(tmp_path, [shape("cat", [[0, 0], [4, 0], [4, 4], [0, 4]], group_id=1), patch]).target(0)
    assert target.masks is not None
    assert target.masks.sum() == 20
    assert target.boxes_xyxy.tolist() == [[0, 0, 22, 4]]


@pytest.mark.parametrize("named", ["sub\\a.png", "C:\\Users\\me\\a.png", "/gone/a.png", "sub/a.png", "b.jpg", "", None])
def test_images_are_found(tmp_path: Path, named: str | None) -> None:
    dataset = opened(tmp_path, [shape("cat", SQUARE)], imagePath=named)
    assert dataset[0].input[0, 0, 0] == 200
    if named and "sub" in named:
        (tmp_path / "train" / "sub").mkdir()
        Image.new("RGB", (30, 20), (7, 7, 7)).save(tmp_path / "train" / "sub" / "a.png")
        assert open_labelme(tmp_path, "train")[0].input[0, 0, 0] == 7
    assert check_labelme(tmp_path).errors == 0


def test_the_image_inside_a_file_serves_where_there_is_no_other(tmp_path: Path) -> None:
    pixels = np.zeros((20, 30, 3))
    pixels[..., 1] = 99
    dataset = opened(tmp_path, [shape("cat", SQUARE)], image=False, imageData=png(pixels))
    assert dataset[0].input[:, 0, 0].tolist() == [0, 99, 0]
    assert dataset[0].path.endswith("a.json")
    dataset = opened(
        tmp_path,
        [shape("cat", SQUARE)],
        image=False,
        imageData=f"data:image/png;base64,{png(pixels[:, :25])}",
        imageHeight=None,
    )
    assert dataset.size(0) == (20, 25)
    assert {p.kind for p in check_labelme(tmp_path).problems} == {"missing image size", "missing split"}
    file(tmp_path / "train", "a", [shape("cat", SQUARE)], image=False, imageData=png(pixels[:, :25]))
    assert check_labelme(tmp_path).counts["wrong image size"] == 1
    file(tmp_path / "train", "a", [shape("cat", SQUARE)], image=False, imageData="nonsense")
    assert check_labelme(tmp_path).counts["corrupt image"] == 1
    with pytest.raises(ImageError, match=r"a.json"):
        open_labelme(tmp_path, "train")[0]


def test_images_that_are_turned_or_of_another_size(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    folder = tmp_path / "train"
    file(folder, "a", [shape("cat", SQUARE)], image=False, imagePath="a.jpg", imageHeight=30, imageWidth=20)
    Image.new("RGB", (30, 20)).save(folder / "a.jpg", exif=exif)
    assert tuple(open_labelme(tmp_path, "train")[0].input.shape) == (3, 30, 20)  # as labelme shows it
    file(folder, "a", [shape("cat", SQUARE)], image=False, imagePath="a.jpg")
    with pytest.raises(AnnotationError, match=r"a.jpg: the image has \(h, w\) = \(30, 20\), .* says \(20, 30\)"):
        open_labelme(tmp_path, "train")[0]
    report = check_labelme(tmp_path)
    assert report.counts == {"missing split": 2, "wrong image size": 1}
    assert "EXIF" in report.problems[-1].message


@pytest.mark.parametrize(
    ("thing", "message"),
    [
        (5, "is not an object"),
        (shape("", SQUARE), "has the label ''"),
        (shape(3, SQUARE), "has the label 3"),  # type: ignore[arg-type]
        (shape("cat", SQUARE, "cuboid"), "'cuboid'; known are polygon, rectangle"),
        (shape("cat", SQUARE, ["a"]), "known are"),  # type: ignore[arg-type]
        (shape("cat", SQUARE[:2]), "2 points; 3 or more are needed"),
        (shape("cat", SQUARE[:1], "rectangle"), "1 points; 2 or more are needed"),
        (shape("cat", SQUARE[:3], "circle"), "3 points; 2 are needed"),
        (shape("cat", [[1, 2, 3]] * 3), "not pairs of finite numbers"),
        (shape("cat", [[1, float("nan")]] * 3), "not pairs of finite numbers"),
        (shape("cat", None), "not pairs of finite numbers"),  # type: ignore[arg-type]
        (shape("cat", SQUARE, group_id=[1]), "has the group_id"),
        (shape("cat", SQUARE, flags=[1]), "flags that are no object"),
    ],
)
def test_shapes_that_cannot_be_used(tmp_path: Path, thing: Any, message: str) -> None:
    report = checked(tmp_path, [shape("cat", SQUARE), thing])
    assert report.counts == {"malformed shape": 1}
    assert report.errors == 1
    assert report.problems[0].file.endswith("train/a.json")
    assert "shape 2" in report.problems[0].message
    assert message in report.problems[0].message
    with pytest.raises(AnnotationError, match=r"train/a\.json: shape 2"):
        open_labelme(tmp_path, "val")


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 40) | st.floats() | st.text(max_size=4) | st.just("polygon"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["label", "points"]), inner),
    max_leaves=12,
)
POINTS = st.lists(st.lists(st.floats(-50, 50) | st.integers(-9, 99), min_size=2, max_size=2), max_size=5)


@settings(max_examples=150, deadline=None)
@given(
    shapes=st.lists(
        JUNK
        | st.fixed_dictionaries(
            {"label": st.sampled_from(["cat", "dog", "__ignore__"]) | JUNK, "points": POINTS | JUNK},
            optional={
                "shape_type": st.sampled_from(["polygon", "rectangle", "circle", "mask", "point", "line"]) | JUNK,
                "group_id": st.integers(0, 2) | JUNK,
                "flags": JUNK,
                "mask": JUNK,
            },
        ),
        max_size=6,
    ),
    rest=st.fixed_dictionaries(
        {"imagePath": st.just("a.png") | JUNK},
        optional=dict.fromkeys(("imageData", "imageHeight", "imageWidth", "flags"), JUNK),
    ),
)
def test_junk_is_told_and_never_raised(tmp_path_factory: pytest.TempPathFactory, shapes: Any, rest: Any) -> None:
    """What the check has no error about can be read; what it has one about is refused, as ours."""
    root = tmp_path_factory.mktemp("junk")
    file(root / "train", "a", shapes, **rest)
    report = check_labelme(root)
    try:
        sample = open_labelme(root, "train", for_training=True)[0]
    except VisusError:
        assert report.errors
    else:
        assert sample.target.boxes_xyxy.isfinite().all()
