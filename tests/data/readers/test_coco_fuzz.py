"""Whatever an annotation file holds, the check reports and the reader refuses by name: neither fails in another way."""

from __future__ import annotations

import contextlib
import json
import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from visus.data.errors import AnnotationError
from visus.data.formats.coco_index import build_index
from visus.data.readers.coco import CocoDataset, check_coco
from visus.errors import VisusError

odd = st.sampled_from(["", "a", "000000.jpg", 10**400])
values = st.none() | st.booleans() | st.integers(-3, 200) | st.floats() | odd
junk = st.recursive(
    values,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.sampled_from(["size", "counts", "id"]), inner),
    max_leaves=8,
)
FIELDS = {
    "images": ["id", "file_name", "height", "width"],
    "categories": ["id", "name", "keypoints", "skeleton"],
    "annotations": ["id", "image_id", "category_id", "bbox", "area", "iscrowd", "segmentation", "keypoints"],
}


@pytest.fixture(scope="module")
def content(fake_coco: Path) -> str:
    return (fake_coco / "annotations" / "person_keypoints_train.json").read_text()


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_junk(fake_coco: Path, content: str, tmp_path: Path, data: st.DataObject) -> None:
    broken: dict[str, Any] = json.loads(content)
    for _ in range(data.draw(st.integers(1, 3))):
        part = data.draw(st.sampled_from(sorted(FIELDS)))
        place = data.draw(st.integers(0, len(broken[part]) - 1))
        value = data.draw(junk)
        if data.draw(st.integers(0, 9)) == 0 or not isinstance(broken[part][place], dict):
            broken[part][place] = value
        else:
            broken[part][place][data.draw(st.sampled_from(FIELDS[part]))] = value
    file = tmp_path / "broken.json"
    file.write_text(json.dumps(broken))
    report = check_coco(file, fake_coco / "train", decode=False)
    if report.errors:
        with contextlib.suppress(VisusError):
            _read(file, fake_coco / "train")
    else:  # what the check lets pass can be read
        _read(file, fake_coco / "train")


def _read(file: Path, images: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = CocoDataset(images=images, annotations=file, for_training=True)
        for index in range(len(data)):
            data.target(index)


def test_the_index_alone_names_the_file() -> None:
    content = {"images": [], "categories": [], "annotations": [{"id": 1, "image_id": 2}]}
    with pytest.raises(AnnotationError, match=r"x\.json: annotation 1 belongs to image 2"):
        build_index(content, Path("x.json"), size_of=lambda name: (1, 1), for_training=False)
