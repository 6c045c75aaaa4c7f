"""What the objects of a data set say about a small detector."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from rectangles import rectangles
from visus import catalog
from visus.recipes.objects import objects_of, suited
from visus.recipes.small import fasterrcnn_lite0
from visus.types import Sample, Schema


class Scenes:
    """Images of 400 x 600 pixels, each with so many squares of one side."""

    schema = Schema(categories=("a",), category_ids=(1,))

    def __init__(self, counts: list[int], side: int) -> None:
        self.counts, self.side = counts, side

    def __len__(self) -> int:
        return len(self.counts)

    def size(self, index: int) -> tuple[int, int]:
        return 400, 600

    def path(self, index: int) -> str:
        return f"{index}.png"

    def __getitem__(self, index: int) -> Sample:
        places = [(i % 20 * 20, i // 20 * 20) for i in range(self.counts[index])]
        boxes = [(x, y, x + self.side, y + self.side) for x, y in places]
        target = rectangles((400, 600), boxes, masks=False).target
        target = replace(target, labels=torch.zeros(len(boxes), dtype=torch.int64), keypoints_xyv=None)
        return Sample(torch.zeros(3, 400, 600, dtype=torch.uint8), target, self.path(index))


def test_many_small_objects_get_large_images_small_anchors_and_high_limits() -> None:
    recipe = suited(fasterrcnn_lite0(), Scenes([60, 258, 40], side=10))
    assert recipe.model_options["size"] == 512
    assert recipe.model_options["smallest"] == pytest.approx(10 / 400)
    assert recipe.model_options["detections"] == 400
    assert recipe.data.augment.size == (512, 512)
    assert recipe.data.batch_size == 3, "as many pixels as 8 images of 320 have"
    assert recipe.about.endswith("up to 400 objects an image, as one image has 258 objects")
    model = catalog.build_model(recipe.model, Scenes.schema, {**recipe.model_options, "pretrained": False})
    sides = [float((base[:, 2:] - base[:, :2]).prod(1).sqrt().mean()) for base in model.rpn.base_anchors]
    assert sides == sorted(sides)
    assert sides[0] == pytest.approx(12.8, abs=0.5)
    assert model.roi_heads.limits.count == 400
    assert model.rpn.limits.after == (2000, 1000)


def test_few_large_objects_keep_the_small_network() -> None:
    recipe = suited(fasterrcnn_lite0(), Scenes([1, 2, 0], side=200))
    assert recipe.model_options["size"] == 320
    assert recipe.data.batch_size == fasterrcnn_lite0().data.batch_size == 8
    assert recipe.model_options["detections"] == 100


def test_data_without_objects_changes_nothing() -> None:
    assert objects_of(Scenes([0, 0], side=10)) is None
    assert suited(fasterrcnn_lite0(), Scenes([0, 0], side=10)) == fasterrcnn_lite0()


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("smallest", 0.0, "the smaller first, not 0 and 1"),
        ("smallest", 1.5, "the smaller first, not 1.5 and 1"),
        ("largest", 3.0, "shares of the image's side up to 2"),
        ("detections", 0, "detections must be at least 1"),
    ],
)
def test_limits_that_cannot_be_are_refused(option: str, value: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        catalog.build_model("fasterrcnn_lite0_fpn", Scenes.schema, {"size": 64, "pretrained": False, option: value})


def test_without_options_the_anchors_double_up_to_the_side_of_the_image() -> None:
    model = catalog.build_model("fasterrcnn_lite0_fpn", Scenes.schema, {"size": 192, "pretrained": False})
    sides = [round(float((base[1, 2:] - base[1, :2]).mean())) for base in model.rpn.base_anchors]
    assert sides == [12, 24, 48, 96, 192]
