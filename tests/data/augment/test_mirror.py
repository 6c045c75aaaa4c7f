"""What a mirrored sample means: twice is the identity, and a mirrored drawing says the same of itself."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from visus.data.augment import AUGMENTATIONS, Augment, SSDAugment
from visus.data.augment.mirror import Mirror, mirror_of
from visus.data.augment.warp import place
from visus.data.augment.warp_targets import warp_sample, warp_target
from visus.data.feed.loader import generator_for
from visus.data.sides import flip_pairs_of
from visus.data.vignettes import people
from visus.data.vignettes.canvas import Canvas, Pen
from visus.data.vignettes.looks import individual
from visus.data.vignettes.skeleton import KEYPOINT_NAMES, Posture, Swing, strike
from visus.types import VOID, ClassTarget, InstanceTarget, Keypoints, Sample, Schema, SemanticTarget

SIZE = (32, 48)
POINTS = ("nose", "leftEye", "rightEye", "l_ear", "r_ear")
SCHEMA = Schema(
    categories=("hat", "left shoe", "right shoe", "upright piano"),
    category_ids=(1, 2, 3, 4),
    keypoints=Keypoints(POINTS, ((1, 2), (3, 4)), (0.05,) * 5),
    attributes=("red", "facing left", "facing right"),
    predicates=("on", "to the left of", "to the right of"),
)
MIRROR = mirror_of(SCHEMA)
MIRRORED = replace(place(SIZE, SIZE, 1.0, (0.0, 0.0)), mirrored=True)


def objects(seed: int, count: int) -> InstanceTarget:
    draw = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=draw) * torch.tensor([30.0, 16.0])
    sides = 2 + torch.rand(count, 2, generator=draw) * 14
    boxes = torch.cat((corner, corner + sides), dim=1).round()
    inside = torch.rand(count, 5, 2, generator=draw)
    seen = torch.randint(0, 3, (count, 5, 1), generator=draw)
    points = torch.cat((boxes[:, None, :2] + inside * (boxes[:, None, 2:] - boxes[:, None, :2]), seen), dim=2)
    labels = torch.randint(0, 4, (count,), generator=draw)
    masks = torch.rand(count, *SIZE, generator=draw) < 0.3
    related = torch.randint(0, max(count, 1), (3 * bool(count), 3), generator=draw)
    related[:, 1] = torch.arange(3)[: len(related)]
    return InstanceTarget(
        boxes_xyxy=boxes,
        labels=labels,
        areas=torch.ones(count),
        is_crowd=torch.zeros(count, dtype=torch.bool),
        size=SIZE,
        masks=masks,
        keypoints_xyv=points * (seen > 0),
        attributes=torch.rand(count, 3, generator=draw) < 0.5,
        relationships=related,
    )


def pixels(seed: int) -> SemanticTarget:
    labels = torch.randint(0, 5, SIZE, generator=torch.Generator().manual_seed(seed)).to(torch.uint8)
    return SemanticTarget(labels.where(labels < 4, torch.tensor(VOID, dtype=torch.uint8)), SIZE)


def whole(seed: int) -> ClassTarget:
    shares = torch.rand(4, generator=torch.Generator().manual_seed(seed))
    return ClassTarget(torch.tensor(seed % 4), SIZE, box_xyxy=torch.tensor([3.0, 4, 20, 30]), probabilities=shares)


def same(one: Any, other: Any) -> None:
    for name, value in vars(one).items():
        if isinstance(value, torch.Tensor):
            torch.testing.assert_close(value, getattr(other, name), atol=1e-4, rtol=0)
        else:
            assert value == getattr(other, name)


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 5))
def test_twice_is_the_identity(seed: int, count: int) -> None:
    image = torch.randint(0, 256, (3, *SIZE), generator=torch.Generator().manual_seed(seed)).to(torch.uint8)
    for target in (objects(seed, count), pixels(seed), whole(seed)):
        once = warp_sample(Sample(image, target), MIRRORED, mirror=MIRROR)
        twice = warp_sample(once, MIRRORED, mirror=MIRROR)
        assert torch.equal(twice.input, image)
        same(twice.target, target)


def test_labels_become_those_of_the_other_side() -> None:
    target = replace(objects(0, 4), labels=torch.arange(4), relationships=torch.tensor([[0, 1, 2], [3, 0, 1]]))
    target = replace(target, attributes=torch.tensor([[True, True, False]] * 4))
    mirrored = warp_target(target, MIRRORED, mirror=MIRROR)
    assert mirrored.labels.tolist() == [0, 2, 1, 3]
    assert mirrored.relationships.tolist() == [[0, 2, 2], [3, 0, 1]]
    assert mirrored.attributes.tolist() == [[True, False, True]] * 4
    assert warp_target(whole(1), MIRRORED, mirror=MIRROR).label == 2
    shares = warp_target(whole(1), MIRRORED, mirror=MIRROR).probabilities
    assert torch.equal(shares, whole(1).probabilities[[0, 2, 1, 3]])
    labels = warp_target(pixels(0), MIRRORED, mirror=MIRROR).labels
    swapped = pixels(0).labels.clone()
    swapped[pixels(0).labels == 1], swapped[pixels(0).labels == 2] = 2, 1
    assert torch.equal(labels, swapped.flip(1))
    unmirrored = warp_target(target, replace(MIRRORED, mirrored=False), mirror=MIRROR)
    same(unmirrored, target)


def test_a_mirror_knows_what_the_schema_says() -> None:
    assert MIRROR.flip_pairs == ((1, 2), (3, 4))
    assert (MIRROR.categories, MIRROR.attributes, MIRROR.predicates) == ((0, 2, 1, 3), (0, 2, 1), (0, 2, 1))
    assert MIRROR.allowed
    plain = mirror_of(Schema(("copyright", "bright", "upright", "leftover"), (0, 1, 2, 3)))
    assert plain == Mirror()
    assert plain.allowed


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"categories": ("hat", "left shoe")}, "the category 'left shoe' has no counterpart 'right shoe'"),
        ({"categories": ("turn left", "turn right", "no left turn")}, "the category 'no left turn' has no counterpart"),
        ({"attributes": ("facing left",)}, "the attribute 'facing left' has no counterpart 'facing right'"),
        ({"predicates": ("on", "left of")}, "the predicate 'left of' has no counterpart 'right of'"),
        (
            {"categories": ("left a", "left b", "left c")},
            "the category 'left a' has no counterpart 'right a', nor have 2 more",
        ),
        (
            {"keypoints": Keypoints(("a", "b"), None, (0.1, 0.1))},
            "nothing says which of the 2 keypoints change places in a mirror",
        ),
        (
            {"keypoints": Keypoints(("left_eye", "nose"), None, (0.1, 0.1))},
            "the keypoint 'left_eye' has no counterpart 'right_eye'",
        ),
    ],
)
def test_why_nothing_is_mirrored(change: dict[str, Any], reason: str) -> None:
    schema = replace(SCHEMA, **{"category_ids": (1, 2), **change})
    mirror = mirror_of(schema)
    assert len(mirror.refusals) == 1
    assert mirror.refusals[0].startswith(reason)
    assert not mirror.allowed
    image = torch.randint(0, 256, (3, *SIZE), dtype=torch.uint8)
    boxes = replace(objects(3, 2), boxes_xyxy=torch.tensor([[2.0, 3, 20, 30], [10, 1, 44, 12]]))
    sample = Sample(image, boxes)
    calm = {"warp": {}, "ssd": {"distort": 0.0, "zoom_out": 0.0, "min_ious": [None]}}
    for kind, options in calm.items():
        varied = AUGMENTATIONS[kind](flip=1.0, mirror=mirror, **options)(sample, generator_for(1))
        assert torch.equal(varied.input, image)
        same(varied.target, boxes)


def test_batches_by_class_are_not_mirrored_where_classes_have_sides() -> None:
    mirror = mirror_of(SCHEMA, by_class=True)
    assert mirror.refusals == ("batches are made up by class, and 'left shoe' becomes 'right shoe' in a mirror",)
    assert mirror_of(Schema(("one", "another"), (0, 1)), by_class=True).allowed


# --- the truth of a drawing ---


def mirrored_posture(posture: Posture) -> Posture:
    """The posture of the mirror image: what the left arm did the right one does, and turns go the other way."""

    def swapped(limbs: tuple[Swing, Swing, Swing, Swing]) -> tuple[Swing, Swing, Swing, Swing]:
        return (*limbs[2:], *limbs[:2])

    turned = {"yaw": -posture.yaw, "roll": -posture.roll, "look": -posture.look}
    return replace(posture, **turned, arms=swapped(posture.arms), legs=swapped(posture.legs))


def drawn(posture: Posture, x: float, monkeypatch: pytest.MonkeyPatch, pose: str) -> tuple[Any, InstanceTarget]:
    """A person drawn in this posture, and what the drawing says of its own left and right."""
    monkeypatch.setattr(people, "strike", lambda pose, rng: posture)
    canvas = Canvas((96, 128))
    ground = canvas.ink(15, (10, 10, 10))
    canvas.brush.rectangle((0, 0, *canvas.picture.size), fill=ground)
    pen = Pen(canvas, 0, (x, 70.0), 60.0)
    people.draw_person(pen, individual("person", "test", 3), pose, Random(0))
    owners = torch.frombuffer(bytearray(canvas.part_map().tobytes()), dtype=torch.uint8).view(96, 128)
    body = owners > 0
    points = torch.zeros(1, 17, 3)
    for place_, mark in pen.landmarks.items():
        points[0, place_] = torch.tensor([mark.x, mark.y, 2.0])
    rows, columns = body.any(1).nonzero().flatten(), body.any(0).nonzero().flatten()
    box = torch.tensor([[columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]]).float()
    target = InstanceTarget(
        box, torch.zeros(1, dtype=torch.int64), torch.ones(1), torch.zeros(1, dtype=torch.bool), (96, 128),
        masks=body[None], keypoints_xyv=points,
    )  # fmt: skip
    return body, target


@pytest.mark.parametrize("pose", ["standing", "waving", "walking", "sitting", "lying"])
@pytest.mark.parametrize("kind", ["warp", "ssd"])
def test_a_mirrored_drawing_says_of_itself_what_its_mirrored_annotation_says(
    pose: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = Keypoints(KEYPOINT_NAMES, flip_pairs_of(KEYPOINT_NAMES), (0.05,) * 17)
    mirror = mirror_of(Schema(("person",), (1,), keypoints=named))
    augment = {
        "warp": Augment(flip=1.0, mirror=mirror),
        "ssd": SSDAugment(flip=1.0, mirror=mirror, distort=0.0, zoom_out=0.0, min_ious=[None]),
    }[kind]
    for seed in range(4):
        posture = strike(pose, Random(seed))
        body, target = drawn(posture, 50.0, monkeypatch, pose)
        image = (body * 255).to(torch.uint8).expand(3, -1, -1).clone()
        annotated = augment(Sample(image, target), generator_for(0)).target
        other_body, truth = drawn(mirrored_posture(posture), 128 - 50.0, monkeypatch, pose)
        both = annotated.masks[0] & other_body
        assert both.sum() > 0.8 * (annotated.masks[0] | other_body).sum()  # hair is to one side
        points, true = annotated.keypoints_xyv[0], truth.keypoints_xyv[0]
        assert (true[:, 2] > 0).all()
        torch.testing.assert_close(points[:, :2], true[:, :2], atol=0.02, rtol=0)
        apart = (true[9, 0] - true[10, 0]).abs()  # the wrists: the wrong hands would be noticed
        if apart > 1:
            assert (points[9, :2] - true[10, :2]).norm() > 1
