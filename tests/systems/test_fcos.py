"""FCOS's parts against hand-made cases, closed forms and a slow reference."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from systems.one_image import assert_learned_by_heart
from visus.ops.boxes import generalized_box_iou
from visus.systems.detection.fcos import (
    FCOS,
    FCOSCriterion,
    FCOSLimits,
    FCOSOutputs,
    Locations,
    assign_objects,
    centerness,
    detect,
    fcos_lite0_fpn,
    fcos_resnet50_fpn,
    giou_loss,
    side_distances,
    sigmoid_focal_loss,
)
from visus.types import ImageBatch, InstanceTarget


def target(boxes: list[list[float]], labels: list[int], size: tuple[int, int] = (64, 64)) -> InstanceTarget:
    return InstanceTarget(
        boxes_xyxy=torch.tensor(boxes, dtype=torch.float32).view(-1, 4),
        labels=torch.tensor(labels, dtype=torch.int64),
        areas=torch.ones(len(labels)),
        is_crowd=torch.zeros(len(labels), dtype=torch.bool),
        size=size,
    )


@pytest.fixture(scope="module")
def lite() -> FCOS:
    torch.manual_seed(0)
    return fcos_lite0_fpn(num_classes=3, pretrained=False, size=64)


def grid(side: int, strides: tuple[int, ...] = (8, 16, 32)) -> Locations:
    """The locations of a square image, written down in another way than the model's."""
    points, columns = [], []
    for level, stride in enumerate(strides):
        cells = [(float(x), float(y)) for y in range(0, side, stride) for x in range(0, side, stride)]
        points += cells
        least = 0.0 if level == 0 else stride * 4.0
        most = math.inf if level == len(strides) - 1 else stride * 8.0
        columns += [(float(stride), least, most)] * len(cells)
    numbers = torch.tensor(columns)
    counts = tuple((side // stride) ** 2 for stride in strides)
    return Locations(torch.tensor(points), numbers[:, 0], numbers[:, 1:], counts)


def said(places: Locations, batch: int = 1, classes: int = 3, size: tuple[int, int] = (64, 64)) -> FCOSOutputs:
    """Outputs that say nothing yet: no class, boxes of four strides, all of them centred."""
    count = len(places.strides)
    return FCOSOutputs(
        image_sizes=torch.tensor([size] * batch),
        class_logits=torch.full((batch, count, classes + 1), -50.0),
        distances_ltrb=torch.full((batch, count, 4), 2.0),
        centerness_logits=torch.full((batch, count), 50.0),
        locations=places,
    )


def test_published_number_of_parameters_and_keys() -> None:
    with torch.device("meta"):
        frozen, batch_norm = fcos_resnet50_fpn(norm="frozen"), fcos_resnet50_fpn()
    assert sum(p.numel() for p in frozen.parameters()) == 32_269_600
    assert len(frozen.state_dict()) == 319
    assert len(batch_norm.state_dict()) == 319 + 53
    keys = set(frozen.state_dict())
    towers = {f"head.{branch}_head.conv.{i}" for branch in ("classification", "regression") for i in range(0, 11, 3)}
    convs = {
        *towers,
        "head.classification_head.cls_logits",
        "backbone.fpn.extra_blocks.p6",
        "backbone.fpn.inner_blocks.0.0",
    }
    assert {f"{conv}.{part}" for conv in convs for part in ("weight", "bias")} <= keys
    assert frozen.state_dict()["head.classification_head.cls_logits.weight"].shape == (91, 256, 3, 3)


@pytest.mark.parametrize("side", [64, 96, 192])
def test_lite_has_a_location_for_every_answer(side: int) -> None:
    model = fcos_lite0_fpn(num_classes=4, pretrained=False, size=side).eval()
    with torch.no_grad():
        found = model(model.transform.batch([torch.rand(3, side, side)]))
    expected = grid(side)
    for answers, shape in ((found.class_logits, (5,)), (found.distances_ltrb, (4,)), (found.centerness_logits, ())):
        assert answers.shape == (1, len(expected.strides), *shape)
    assert found.locations.counts == expected.counts
    for field in ("points_xy", "strides", "ranges"):
        assert torch.equal(getattr(found.locations, field), getattr(expected, field)), field


def test_published_levels_and_ranges() -> None:
    with torch.device("meta"):
        model = fcos_resnet50_fpn()
    features = [torch.zeros(1, 1, side, 2 * side) for side in (13, 7, 4, 2, 1)]
    places = model.locations(features, torch.zeros(1, 3, 104, 208))
    assert places.counts == (338, 98, 32, 8, 2)
    starts = [0, 338, 436, 468, 476]
    assert places.strides[starts].tolist() == [8, 16, 32, 64, 128]
    assert places.ranges[starts].tolist() == [[0, 64], [64, 128], [128, 256], [256, 512], [512, math.inf]]
    # As published, cells are whole pixels large, so that 104 / 7 counts as 14.
    assert places.points_xy[338:341].tolist() == [[0, 0], [14, 0], [28, 0]]


def test_lite_begins_with_hardly_any_class(lite: FCOS) -> None:
    with torch.no_grad():
        found = lite.eval()(lite.transform.batch([torch.rand(3, 64, 64)]))
    assert found.class_logits.sigmoid().mean().item() == pytest.approx(0.01, abs=0.003)
    assert (found.distances_ltrb >= 0).all()


def slow_assignment(boxes: Tensor, places: Locations, radius: float) -> list[int]:
    """The rule as it is written, one location and one object at a time."""
    found = []
    for (x, y), stride, (least, most) in zip(
        places.points_xy.tolist(), places.strides.tolist(), places.ranges.tolist(), strict=True
    ):
        best, best_area = -1, math.inf
        for number, (x1, y1, x2, y2) in enumerate(boxes.tolist()):
            sides = (x - x1, y - y1, x2 - x, y2 - y)
            off_centre = max(abs(x - (x1 + x2) / 2), abs(y - (y1 + y2) / 2))
            area = (x2 - x1) * (y2 - y1)
            if min(sides) > 0 and least < max(sides) < most and off_centre < radius * stride and area < best_area:
                best, best_area = number, area
        found.append(best)
    return found


@pytest.mark.parametrize("radius", [0.5, 1.5, 100])
def test_assignment_is_that_of_the_slow_reference(radius: float) -> None:
    generator = torch.Generator().manual_seed(3)
    boxes = []
    for count in (6, 0, 25, 1):
        sides = 6 * 30 ** torch.rand(count, 2, generator=generator)
        corner = torch.rand(count, 2, generator=generator) * (192 - sides)
        boxes.append(torch.cat((corner, corner + sides), dim=1))
    places = grid(192)
    matched = assign_objects(boxes, places, radius)
    assert matched.tolist() == [slow_assignment(one, places, radius) for one in boxes]


def test_only_the_middle_of_an_object_learns_and_of_two_the_smaller_one() -> None:
    places = grid(64, strides=(8,))
    one = torch.tensor([[4.0, 4, 60, 60]])
    middle = assign_objects([one], places, radius=1.5)[0].view(8, 8)
    assert (middle >= 0).nonzero().tolist() == [[row, column] for row in (3, 4, 5) for column in (3, 4, 5)]
    two = torch.cat([one, torch.tensor([[28.0, 28, 45, 36]])])
    for boxes, expected in ((two, [-1, -1, -1, 0, 1, 1, -1, -1]), (two.flip(0), [-1, -1, -1, 1, 0, 0, -1, -1])):
        assert assign_objects([boxes], places, radius=1.5)[0].view(8, 8)[4].tolist() == expected


def test_levels_share_objects_by_the_distance_of_the_farthest_side() -> None:
    places = grid(512, strides=(8, 16, 32))
    for side, stride in ((100, 8), (180, 16), (400, 32)):
        box = torch.tensor([[256.0 - side / 2, 256 - side / 2, 256 + side / 2, 256 + side / 2]])
        at_middle = (places.points_xy == 256).all(dim=1)
        matched = assign_objects([box], places, radius=1.5)[0]
        assert places.strides[at_middle & (matched == 0)].tolist() == [stride]


def test_a_location_on_the_border_of_an_object_is_background() -> None:
    places = grid(64, strides=(8,))
    assert (assign_objects([torch.tensor([[8.0, 8, 16, 16]])], places, radius=9)[0] == -1).all()
    assert (assign_objects([torch.tensor([[8.0, 8, 16.5, 16.5]])], places, radius=9)[0] == 0).sum() == 1


def test_centerness_is_that_of_the_paper() -> None:
    distances = torch.tensor([[5.0, 3, 5, 3], [1, 1, 3, 1], [1, 2, 4, 8], [1e-8, 1, 1, 1]])
    assert centerness(distances).tolist() == pytest.approx([1, math.sqrt(1 / 3), 0.25, 1e-4], rel=1e-4)


def test_giou_loss_is_that_of_the_decoded_boxes() -> None:
    generator = torch.Generator().manual_seed(1)
    points, found, wanted = (torch.rand(50, n, generator=generator) * 20 for n in (2, 4, 4))
    boxes = [torch.cat((points - one[:, :2], points + one[:, 2:]), dim=1) for one in (found, wanted)]
    torch.testing.assert_close(giou_loss(found, wanted), 1 - generalized_box_iou(*boxes).diagonal())
    torch.testing.assert_close(side_distances(points, boxes[0]), found, rtol=1e-4, atol=1e-5)
    assert giou_loss(wanted, wanted).abs().max() < 1e-6


def test_giou_loss_by_hand_and_for_a_box_without_area() -> None:
    found = torch.tensor([[1.0, 1, 1, 1], [2, 1, 2, 1], [0, 0, 0, 0]], requires_grad=True)
    wanted = torch.tensor([[2.0, 2, 2, 2], [1, 2, 1, 2], [1, 1, 1, 1]])
    loss = giou_loss(found, wanted)
    # A quarter is shared; two crossed boxes of 8 share 4 in a hull of 16; nothing is shared.
    assert loss.tolist() == pytest.approx([1 - 1 / 4, 1 - 4 / 12 + 4 / 16, 1.0])
    loss.sum().backward()
    assert torch.isfinite(found.grad).all()
    assert (found.grad[0] < 0).all(), "a box that is too small is pulled outwards"


def test_focal_loss_is_that_of_the_paper() -> None:
    logits, wanted = torch.tensor([0.0, 2.0, 0.0, -3.0]), torch.tensor([1.0, 1.0, 0.0, 0.0])
    right = torch.tensor([0.5, 1 / (1 + math.exp(-2)), 0.5, 1 / (1 + math.exp(-3))])
    alpha = torch.tensor([0.25, 0.25, 0.75, 0.75])
    torch.testing.assert_close(sigmoid_focal_loss(logits, wanted), -alpha * (1 - right) ** 2 * right.log())
    plain = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    torch.testing.assert_close(sigmoid_focal_loss(logits, wanted, alpha=0.5, gamma=0), plain / 2)
    extreme = sigmoid_focal_loss(torch.tensor([-200.0, 200.0]), torch.tensor([1.0, 0.0]))
    assert extreme.tolist() == pytest.approx([50, 150])


def test_losses_by_hand() -> None:
    places = grid(64)
    truth = target([[20, 20, 44, 44]], [1])
    [matched] = assign_objects([truth.boxes_xyxy], places, 1.5)
    positive = (matched == 0).nonzero()[:, 0]
    assert places.points_xy[positive].tolist() == [[x, y] for y in (24, 32, 40) for x in (24, 32, 40)]
    outputs = said(places)
    losses = FCOSCriterion()(replace(outputs, class_logits=torch.zeros_like(outputs.class_logits)), [truth])
    wrong = len(places.strides) * 4 - 9
    focal = math.log(2) * 0.25 * (0.25 * 9 + 0.75 * wrong) / 9
    assert float(losses["class"]) == pytest.approx(focal, rel=1e-5)
    # Every box has 32 by 32 pixels around its location, the truth 24 by 24 around (32, 32).
    offsets = [(x, y) for x in (-8, 0, 8) for y in (-8, 0, 8)]
    corners = torch.tensor([[32.0 + x - 16, 32 + y - 16, 32 + x + 16, 32 + y + 16] for x, y in offsets])
    giou = 1 - generalized_box_iou(corners, truth.boxes_xyxy)
    torch.testing.assert_close(losses["box"], giou.mean())
    # Off the middle by 8 of 12 pixels: 4 / 20 on one axis. Logit 50 says that all nine are in the middle.
    lost = [50 * (1 - math.sqrt((0.2 if x else 1) * (0.2 if y else 1))) for x, y in offsets]
    assert float(losses["centerness"]) == pytest.approx(sum(lost) / 9, rel=1e-5)


def test_perfect_outputs_cost_next_to_nothing_whatever_the_frame_of_the_target() -> None:
    places = grid(64, strides=(16,))
    truth = target([[21, 20, 44, 40]], [2])
    positive = (assign_objects([truth.boxes_xyxy], places, 1.5)[0] == 0).nonzero()[:, 0]
    sides = side_distances(places.points_xy[positive], truth.boxes_xyxy)
    outputs = said(places)
    outputs.class_logits[0, positive, 3] = 50
    outputs.distances_ltrb[0, positive] = sides / places.strides[positive, None]
    share = centerness(sides).clamp(max=1 - 1e-6)
    outputs.centerness_logits[0, positive] = share.logit()
    least = F.binary_cross_entropy(share, share)  # the entropy of the centreness itself cannot go away
    for one in (truth, target([[42, 10, 88, 20]], [2], size=(32, 128))):
        losses = {name: float(loss) for name, loss in FCOSCriterion()(outputs, [one]).items()}
        assert losses == pytest.approx({"class": 0, "box": 0, "centerness": float(least)}, abs=1e-4)


def test_images_share_the_number_of_positives() -> None:
    places = grid(64)
    truths = [target([[20, 20, 44, 44]], [0]), target([[3, 3, 17, 17], [30, 40, 62, 60]], [1, 2])]
    counts = [int((assign_objects([one.boxes_xyxy], places, 1.5) >= 0).sum()) for one in truths]
    assert 0 < counts[0] != counts[1] > 0
    both, alone = FCOSCriterion()(said(places, batch=2), truths), [FCOSCriterion()(said(places), [t]) for t in truths]
    for name, loss in both.items():
        total = alone[0][name] * counts[0] + alone[1][name] * counts[1]
        torch.testing.assert_close(loss, total / sum(counts))


def test_images_without_objects_give_only_background() -> None:
    places = grid(64)
    outputs = replace(said(places), class_logits=torch.zeros(1, len(places.strides), 4, requires_grad=True))
    losses = FCOSCriterion()(outputs, [target([], [])])
    assert float(losses["box"]) == float(losses["centerness"]) == 0
    assert float(losses["class"].detach()) == pytest.approx(
        len(places.strides) * 4 * 0.75 * 0.25 * math.log(2), rel=1e-5
    )


@pytest.mark.parametrize("count", [0, 2])
def test_every_parameter_has_a_gradient_with_objects_and_without(count: int) -> None:
    model = fcos_lite0_fpn(num_classes=3, pretrained=False, size=64).train()
    truth = target([[5, 5, 40, 40], [20, 30, 90, 60]][:count], [0, 2][:count], (64, 96))
    padded = ImageBatch(torch.rand(2, 3, 64, 96), torch.tensor([[64, 96], [64, 64]]))
    losses = FCOSCriterion()(model(padded), [truth, target([], [])])
    sum(losses.values()).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters())


def test_crowds_do_not_train(lite: FCOS) -> None:
    with torch.no_grad():
        found = lite.eval()(ImageBatch(torch.rand(1, 3, 64, 64), torch.tensor([[64, 64]])))
    both = target([[5, 5, 40, 40], [20, 30, 60, 60]], [0, 1])
    with_crowd = replace(both, is_crowd=torch.tensor([False, True]))
    alone, crowded = (FCOSCriterion()(found, [one]) for one in (target([[5, 5, 40, 40]], [0]), with_crowd))
    assert all(torch.equal(alone[name], crowded[name]) for name in alone)
    assert not torch.equal(FCOSCriterion()(found, [both])["class"], crowded["class"])


def test_detect_keeps_classes_and_images_apart_and_the_best_first() -> None:
    outputs = said(grid(64, strides=(8,)), batch=2)
    for image, place, column, logit in ((0, 27, 1, 2.0), (0, 28, 1, 3.0), (0, 27, 3, 1.0), (1, 27, 1, 0.5)):
        outputs.class_logits[image, place, column] = logit
    outputs.distances_ltrb[:, 27] = torch.tensor([1.0, 2, 3, 4])
    outputs.distances_ltrb[:, 28] = torch.tensor([2.0, 2, 2, 4])  # the same box from the next location
    found = detect(outputs, FCOSLimits())
    assert found.image_index.tolist() == [0, 0, 1]
    assert found.labels.tolist() == [0, 2, 0]
    assert found.boxes_xyxy.tolist() == [[16, 8, 48, 56]] * 3  # location 27 is at (24, 24)
    expected = torch.tensor([3.0, 1.0, 0.5]).sigmoid().sqrt()
    torch.testing.assert_close(found.scores, expected)


def test_centerness_lowers_the_score() -> None:
    outputs = said(grid(64, strides=(8,)))
    outputs.class_logits[0, 27, 1] = 50
    outputs.centerness_logits[0, 27] = -2.0
    assert detect(outputs, FCOSLimits()).scores.tolist() == pytest.approx([math.sqrt(1 / (1 + math.exp(2)))])
    outputs.centerness_logits[0, 27] = -4.0  # the root of 0.018 is 0.134
    assert len(detect(outputs, FCOSLimits()).scores) == 0
    assert len(detect(outputs, FCOSLimits(score=0.1)).scores) == 1


def test_the_unused_class_is_never_found_and_boxes_end_with_their_image() -> None:
    outputs = said(grid(64, strides=(8,)), size=(40, 48))
    outputs.class_logits[0, :, 0] = 50
    outputs.class_logits[0, 63, 3] = outputs.class_logits[0, 0, 3] = 4
    found = detect(replace(outputs, distances_ltrb=torch.full((1, 64, 4), 9.0)), FCOSLimits(iou=1.0))
    assert found.labels.tolist() == [2, 2]
    assert found.boxes_xyxy.tolist() == [[0, 0, 48, 40]] * 2


def test_candidates_are_counted_for_each_level_and_boxes_for_each_image() -> None:
    places = grid(64)
    outputs = said(places, batch=2)
    outputs.class_logits[:, :, 2] = torch.linspace(1, 4, len(places.strides))
    found = detect(outputs, FCOSLimits(candidates=3, iou=1.0))
    assert found.image_index.bincount().tolist() == [9, 9]  # three of each of the three levels
    assert found.scores[0].item() == pytest.approx(math.sqrt(1 / (1 + math.exp(-4))))  # of the last location
    assert found.boxes_xyxy[0].tolist() == [0, 0, 64, 64]  # two strides of 32 around (32, 32)
    few = detect(outputs, FCOSLimits(candidates=3, iou=1.0, count=4))
    assert few.image_index.tolist() == [0] * 4 + [1] * 4
    assert torch.equal(few.scores[:4], found.scores[:4])


def test_predictions_lie_in_the_frame_that_is_asked_for(lite: FCOS) -> None:
    batch = ImageBatch(torch.rand(2, 3, 64, 96), torch.tensor([[64, 96], [64, 64]]))
    with torch.no_grad():
        outputs = lite.eval()(batch)
    outputs = replace(outputs, class_logits=outputs.class_logits + 4)
    sizes = [(128, 192), (32, 32)]
    unscaled = lite.postprocess(outputs, [(64, 96), (64, 64)])
    for found, same, (height, width) in zip(lite.postprocess(outputs, sizes), unscaled, sizes, strict=True):
        assert found.size == (height, width)
        assert len(found) > 0
        assert ((found.labels >= 0) & (found.labels < 3)).all()
        assert (found.scores.diff() <= 0).all()
        assert (found.boxes_xyxy >= 0).all()
        assert (found.boxes_xyxy <= torch.tensor([width, height, width, height])).all()
        torch.testing.assert_close(found.boxes_xyxy, same.boxes_xyxy * (height / 64))


@pytest.mark.parametrize("size", [(1, 1), (8000, 200), (3, 700)])
def test_images_of_extreme_shape_come_back_in_their_own_pixels(lite: FCOS, size: tuple[int, int]) -> None:
    image = torch.randint(0, 256, (3, *size), dtype=torch.uint8)
    with torch.no_grad():
        outputs = lite.eval()(lite.transform.batch([image]))
    [found] = lite.postprocess(replace(outputs, class_logits=outputs.class_logits + 9), [size])
    assert found.size == size
    assert len(found) > 0
    assert (found.boxes_xyxy <= torch.tensor([size[1], size[0]] * 2) + 1e-3).all()


def test_one_step_lowers_the_loss() -> None:
    torch.manual_seed(0)
    model = fcos_lite0_fpn(num_classes=2, pretrained=False, size=64).train()
    batch, truth = model.transform.batch([torch.rand(3, 64, 64)]), [target([[10, 12, 40, 50]], [1])]
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    totals = []
    for _ in range(2):
        losses = FCOSCriterion()(model(batch, truth), truth)
        totals.append(float(sum(losses.values()).detach()))
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
    assert totals[1] < totals[0]


def test_lite_learns_one_image_by_heart() -> None:
    torch.manual_seed(0)
    both = target([[10, 10, 40, 40], [30, 50, 80, 90]], [0, 1], (96, 96))
    assert_learned_by_heart(fcos_lite0_fpn(num_classes=2, size=96), FCOSCriterion(), both, rounds=30)
