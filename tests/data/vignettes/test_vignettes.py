"""The truth about drawn scenes: the same everywhere, complete, and agreeing with itself."""

from __future__ import annotations

import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from random import Random
from zlib import crc32

import pytest
import torch

from visus.data.vignettes import CATEGORIES, NOVEL_CATEGORIES, SPLITS, Vignettes
from visus.data.vignettes.backgrounds import STUFF
from visus.data.vignettes.dataset import Scene
from visus.data.vignettes.language import ATTRIBUTES, POSES, PREDICATES
from visus.data.vignettes.looks import Look, individual
from visus.data.vignettes.palette import COLOUR_NAMES
from visus.data.vignettes.skeleton import project, strike
from visus.types import Sample

COUNT = 60


@pytest.fixture(scope="module")
def described() -> list[Scene]:
    dataset = Vignettes(split="train", length=COUNT)
    return [dataset.scene(index) for index in range(COUNT)]


@pytest.fixture(scope="module")
def scenes(described: list[Scene]) -> list[Sample]:
    return [scene.sample for scene in described]


def _digest(index: int) -> int:
    scene = Vignettes(split="train", length=COUNT).scene(index)
    target = scene.sample.target
    tensors = (scene.sample.input, target.boxes_xyxy, target.keypoints_xyv, target.attributes, target.relationships)
    return crc32(b"".join(tensor.numpy().tobytes() for tensor in tensors) + scene.caption.encode())


def test_a_scene_is_the_same_in_another_process() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        elsewhere = list(pool.map(_digest, (7, 3, 11)))
    assert [_digest(3), _digest(7), _digest(11)] == [elsewhere[1], elsewhere[0], elsewhere[2]]


def test_no_two_samples_of_any_split_or_seed_share_a_stream() -> None:
    keys = [
        Vignettes(split=split, length=500, seed=seed).stream(index)
        for split in SPLITS
        for seed in (0, 1, 11)
        for index in range(500)
    ]
    assert len(set(keys)) == len(keys)
    images = {
        Vignettes(split=split, length=1, seed=seed)[0].input.numpy().tobytes() for split in SPLITS for seed in (0, 1)
    }
    assert len(images) == 6


def test_splits_share_no_individual() -> None:
    looks = [{(item.colours, item.traits) for item in _looks(split)} for split in SPLITS]
    assert not looks[0] & looks[1]
    assert not looks[0] & looks[2]
    assert not looks[1] & looks[2]


def _looks(split: str) -> list[Look]:
    return [individual("person", f"0 {split}", number) for number in range(300)]


def test_boxes_are_tight_around_masks_and_areas_count_pixels(scenes: list[Sample]) -> None:
    for sample in scenes:
        target = sample.target
        assert target.masks is not None
        for box, mask, area in zip(target.boxes_xyxy, target.masks, target.areas, strict=True):
            rows, columns = mask.nonzero(as_tuple=True)
            tight = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            assert box.tolist() == [float(edge) for edge in tight]
            assert area == mask.sum()


def test_masks_are_disjoint_and_of_a_size_that_can_be_seen(scenes: list[Sample]) -> None:
    for sample in scenes:
        assert sample.target.masks is not None
        assert sample.target.masks.sum(0).max() == 1
        assert sample.target.areas.min() >= 0.004 * 192 * 192
        assert 1 <= len(sample.target) <= 7


def test_labels_and_image_fit_the_schema(scenes: list[Sample]) -> None:
    schema = Vignettes(split="train", length=1).schema
    assert schema.num_keypoints == 17
    seen = torch.cat([sample.target.labels for sample in scenes])
    assert set(seen.tolist()) == set(range(schema.num_classes))
    for index, sample in enumerate(scenes):
        assert sample.input.shape == (3, 192, 192)
        assert sample.input.dtype == torch.uint8
        assert sample.target.size == (192, 192)
        assert sample.target.image_id == index


def test_semantic_map_agrees_with_the_masks(described: list[Scene]) -> None:
    classes = Vignettes(split="train", length=1).schema.num_classes
    for scene in described:
        semantic, masks = scene.semantic, scene.sample.target.masks
        assert masks is not None
        for label, mask in zip(scene.sample.target.labels, masks, strict=True):
            assert (semantic[mask] == label).all()
        rest = semantic[~masks.any(0)]
        assert rest.min() >= classes
        assert rest.max() < classes + len(STUFF)


def test_keypoints_belong_to_people_and_visible_ones_lie_on_their_masks(scenes: list[Sample]) -> None:
    states = torch.zeros(3)
    for sample in scenes:
        target = sample.target
        assert target.keypoints_xyv is not None
        assert target.masks is not None
        people = target.labels == 0
        assert not target.keypoints_xyv[~people].any()
        for points, mask in zip(target.keypoints_xyv[people], target.masks[people], strict=True):
            near = torch.nn.functional.max_pool2d(mask[None].float(), 3, 1, 1)[0].bool()
            for x, y, v in points.tolist():
                states[int(v)] += 1
                if v > 0:
                    assert 0 <= x < 192
                    assert 0 <= y < 192
                if v == 2:
                    assert near[int(y), int(x)]
    assert states[2] > 2 * states[1] > 0
    assert states[0] > 0


def test_left_and_right_change_sides_with_the_view() -> None:
    """A person who faces the viewer has the left shoulder on the right of the page; seen from behind, on the left."""
    posture = strike("standing", Random(0))
    facing, turned = project(replace(posture, yaw=0.0)), project(replace(posture, yaw=180.0))
    assert facing.shoulders[0][0] > facing.shoulders[1][0]
    assert turned.shoulders[0][0] < turned.shoulders[1][0]


def test_a_face_that_is_seen_has_its_left_eye_on_the_right_of_the_image() -> None:
    """Whichever way a figure looks: with both eyes in view and upright, its left is the viewer's right."""
    dataset = Vignettes(split="val", length=200)
    agree, total = 0, 0
    for index in range(200):
        target = dataset[index].target
        for keypoints in target.keypoints_xyv[target.labels == 0]:
            eyes, shoulders, hips = keypoints[1:3], keypoints[5:7, :2].mean(0), keypoints[11:13, :2].mean(0)
            upright = (hips - shoulders)[1] > (hips - shoulders)[0].abs()
            if upright and (eyes[:, 2] == 2).all():
                agree += int(eyes[0, 0] > eyes[1, 0])
                total += 1
    assert total > 40
    assert agree == total


def words_of(scene: Scene) -> list[list[str]]:
    """The attributes of each object by name."""
    return [[ATTRIBUTES[int(number)] for number in row.nonzero()] for row in scene.sample.target.attributes]


def test_words_come_from_the_vocabularies_and_speak_of_objects_in_the_scene(described: list[Scene]) -> None:
    schema = Vignettes(split="train", length=1).schema
    assert (schema.attributes, schema.predicates) == (ATTRIBUTES, PREDICATES)
    assert len(set(ATTRIBUTES)) == len(ATTRIBUTES)
    phrases = set()
    for scene in described:
        target = scene.sample.target
        count = len(target)
        assert target.attributes.shape == (count, len(ATTRIBUTES))
        subjects, predicates, others = target.relationships.unbind(1)
        assert ((subjects >= 0) & (subjects < count) & (others >= 0) & (others < count)).all()
        assert (subjects != others).all()
        assert ((predicates >= 0) & (predicates < len(PREDICATES))).all()
        assert len(scene.names) == len(scene.identities) == count
        assert scene.caption.endswith(".")
        phrases |= set(scene.phrases)
    assert any("sitting on" in phrase for phrase in phrases)
    assert any("sleeping" in phrase and "on top of" in phrase for phrase in phrases)


def test_relationships_are_the_phrases_in_numbers(described: list[Scene]) -> None:
    for scene in described:
        rows = scene.sample.target.relationships.tolist()
        for (subject, predicate, other), phrase in zip(rows, scene.phrases, strict=True):
            assert f"{scene.names[subject]} {PREDICATES[predicate]} {scene.names[other]}" in phrase
            pose = phrase.partition(" ")[0]
            assert pose not in ATTRIBUTES or pose in words_of(scene)[subject]


def test_an_object_has_one_colour_and_living_things_a_pose(described: list[Scene]) -> None:
    for scene in described:
        categories = [CATEGORIES[label] for label in scene.sample.target.labels.tolist()]
        for category, words in zip(categories, words_of(scene), strict=True):
            assert len([word for word in words if word in COLOUR_NAMES]) == 1
            assert len([word for word in words if word in POSES]) == (category in ("person", "dog", "cat", "bird"))


def test_what_sits_on_something_is_seen_above_it(scenes: list[Sample]) -> None:
    seen = 0
    for sample in scenes:
        boxes = sample.target.boxes_xyxy
        for subject, predicate, other in sample.target.relationships.tolist():
            if PREDICATES[predicate] in ("sitting on", "on top of", "lying on"):
                seen += 1
                assert boxes[subject, 1] < boxes[other, 3]
                assert boxes[subject, 0] < boxes[other, 2]
                assert boxes[subject, 2] > boxes[other, 0]
    assert seen > 5


def test_a_sample_is_that_of_its_scene() -> None:
    dataset = Vignettes(split="train", length=3)
    sample, scene = dataset[2], dataset.scene(2)
    assert torch.equal(sample.input, scene.sample.input)
    assert torch.equal(sample.target.relationships, scene.sample.target.relationships)
    assert sample.path == scene.sample.path == dataset.path(2)


def test_individuals_are_met_again_and_keep_their_colour() -> None:
    dataset = Vignettes(split="train", length=60, individuals=3)
    colours: dict[int, set[str]] = {}
    for index in range(60):
        scene = dataset.scene(index)
        for identity, words in zip(scene.identities.tolist(), words_of(scene), strict=True):
            colours.setdefault(identity, set()).update(word for word in words if word in COLOUR_NAMES)
    assert len(colours) <= 3 * dataset.schema.num_classes
    assert all(len(names) == 1 for names in colours.values())


@pytest.mark.parametrize("size", [96, (128, 256), (320, 224)])
def test_any_size(size: int | tuple[int, int]) -> None:
    dataset = Vignettes(split="val", length=4, size=size)
    expected = (size, size) if isinstance(size, int) else size
    for index in range(4):
        scene = dataset.scene(index)
        sample = scene.sample
        assert sample.input.shape == (3, *expected)
        assert sample.target.masks is not None
        assert sample.target.masks.shape[1:] == expected
        assert scene.semantic.shape == expected
        assert dataset.size(index) == expected


def test_novel_categories_are_drawn_only_when_asked_for() -> None:
    assert not set(CATEGORIES) & set(NOVEL_CATEGORIES)
    dataset = Vignettes(split="train", length=40, categories=NOVEL_CATEGORIES)
    samples = [dataset[index] for index in range(40)]
    assert {int(label) for sample in samples for label in sample.target.labels} == set(range(len(NOVEL_CATEGORIES)))
    assert dataset.schema.keypoints is None
    assert all(sample.target.keypoints_xyv is None for sample in samples)
    assert len(Vignettes(split="train", length=1, categories=("cat",))[0].target)


def test_errors_say_what_to_do() -> None:
    with pytest.raises(ValueError, match="train, val, test"):
        Vignettes(split="holdout", length=1)  # type: ignore[arg-type]
    with pytest.raises(IndexError, match="2 scenes"):
        Vignettes(split="val", length=2)[2]
    with pytest.raises(ValueError, match="64 pixels"):
        Vignettes(split="val", length=2, size=32)
    with pytest.raises(ValueError, match="'unicorn'"):
        Vignettes(split="val", length=2, categories=("cat", "unicorn"))


def test_drawing_keeps_up_with_a_model() -> None:
    dataset = Vignettes(split="val", length=200)
    for index in range(40):
        assert len(dataset[index].target)
    start = time.process_time()
    for index in range(40, 140):
        dataset[index]
    assert (time.process_time() - start) / 100 < 0.02  # seconds; about 0.004 on an idle core
