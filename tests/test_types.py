"""The records that everything exchanges: indexing keeps every field together, relationships follow their objects."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from visus.dataclass_json import WrongKindError, to_json
from visus.types import (
    Batch,
    ClassTarget,
    ImageBatch,
    InstancePrediction,
    InstanceTarget,
    Keypoints,
    NoRowError,
    Schema,
    SemanticTarget,
    row,
)

RELATIONSHIPS = [[0, 5, 1], [1, 6, 0], [2, 5, 3], [3, 7, 0], [3, 7, 3]]
"""Subject, predicate and object among four objects; the last one is with itself."""


def scene(relationships: list[list[int]] | None = None) -> InstanceTarget:
    """Four objects; every field of object ``i`` holds the number ``i``."""
    numbers = torch.arange(4)
    masks = torch.zeros(4, 6, 8, dtype=torch.bool)
    masks[numbers, numbers] = True
    return InstanceTarget(
        boxes_xyxy=numbers[:, None].float() + torch.tensor([0.0, 0.0, 2.0, 2.0]),
        labels=numbers,
        areas=numbers.float(),
        is_crowd=numbers == 3,
        size=(6, 8),
        image_id=17,
        masks=masks,
        keypoints_xyv=numbers[:, None, None].float().expand(4, 2, 3).clone(),
        attributes=torch.eye(4, dtype=torch.bool),
        relationships=torch.tensor(RELATIONSHIPS if relationships is None else relationships).view(-1, 3).long(),
    )


def numbers_of(target: InstanceTarget) -> list[int]:
    """Which of the four objects these are, after a look at every field."""
    found = target.labels.tolist()
    assert target.boxes_xyxy[:, 0].tolist() == found
    assert target.areas.tolist() == found
    assert target.is_crowd.tolist() == [number == 3 for number in found]
    assert target.masks is not None
    assert target.masks.flatten(1).float().argmax(dim=1).tolist() == [8 * number for number in found]
    assert target.keypoints_xyv is not None
    assert target.keypoints_xyv[:, 0, 0].tolist() == found
    assert target.attributes is not None
    assert target.attributes.nonzero()[:, 1].tolist() == found
    return found


def phrases(target: InstanceTarget) -> list[tuple[int, int, int]]:
    """The relationships by the numbers that the objects have in `scene`."""
    assert target.relationships is not None
    names = target.labels.tolist()
    return [(names[subject], predicate, names[other]) for subject, predicate, other in target.relationships.tolist()]


class TestIndexingATarget:
    def test_by_a_mask_drops_what_is_gone_and_renumbers_the_others(self) -> None:
        picked = scene()[torch.tensor([True, False, False, True])]
        assert numbers_of(picked) == [0, 3]
        assert picked.relationships is not None
        assert picked.relationships.tolist() == [[1, 7, 0], [1, 7, 1]]
        assert (picked.size, picked.image_id) == ((6, 8), 17)

    def test_by_numbers_in_another_order(self) -> None:
        picked = scene()[torch.tensor([3, 1, 0])]
        assert numbers_of(picked) == [3, 1, 0]
        assert picked.relationships is not None
        assert picked.relationships.tolist() == [[2, 5, 1], [1, 6, 2], [0, 7, 2], [0, 7, 0]]

    def test_from_the_end(self) -> None:
        picked = scene()[torch.tensor([-1, 0])]
        assert numbers_of(picked) == [3, 0]
        assert phrases(picked) == [(3, 7, 0), (3, 7, 3)]

    def test_of_an_object_twice_has_its_relationships_once_at_its_first_place(self) -> None:
        picked = scene()[torch.tensor([1, 0, 1])]
        assert numbers_of(picked) == [1, 0, 1]
        assert picked.relationships is not None
        assert picked.relationships.tolist() == [[1, 5, 0], [0, 6, 1]]

    @pytest.mark.parametrize("index", [torch.zeros(4, dtype=torch.bool), torch.zeros(0, dtype=torch.int64)])
    def test_of_nothing(self, index: Tensor) -> None:
        picked = scene()[index]
        assert len(picked) == 0
        assert picked.attributes is not None
        assert picked.attributes.shape == (0, 4)
        assert picked.relationships is not None
        assert picked.relationships.shape == (0, 3)
        assert picked.relationships.dtype == torch.int64

    @pytest.mark.parametrize("index", [torch.ones(4, dtype=torch.bool), torch.arange(4)])
    def test_of_all_changes_nothing(self, index: Tensor) -> None:
        whole, picked = scene(), scene()[index]
        for field in fields(InstanceTarget):
            one, other = getattr(whole, field.name), getattr(picked, field.name)
            assert torch.equal(one, other) if isinstance(one, Tensor) else one == other, field.name

    def test_of_one_that_has_none(self) -> None:
        picked = scene([])[torch.tensor([2, 0])]
        assert picked.relationships is not None
        assert picked.relationships.shape == (0, 3)
        bare = replace(scene(), attributes=None, relationships=None)[torch.tensor([2, 0])]
        assert bare.relationships is None
        assert bare.attributes is None
        assert bare.labels.tolist() == [2, 0]

    def test_leaves_the_target_alone(self) -> None:
        whole = scene()
        _ = whole[torch.tensor([2, 3])]
        assert whole.relationships is not None
        assert whole.relationships.tolist() == RELATIONSHIPS

    @settings(max_examples=100, deadline=None)
    @given(
        order=st.permutations(range(4)),
        count=st.integers(0, 4),
        rows=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9), st.integers(0, 3)), max_size=12),
    )
    def test_says_the_same_of_those_that_are_left(
        self, order: list[int], count: int, rows: list[tuple[int, int, int]]
    ) -> None:
        chosen = order[:count]
        picked = scene([list(r) for r in rows])[torch.tensor(chosen, dtype=torch.int64)]
        assert numbers_of(picked) == chosen
        assert phrases(picked) == [r for r in rows if r[0] in chosen and r[2] in chosen]

    def test_again_is_indexing_once(self) -> None:
        twice = scene()[torch.tensor([3, 2, 0])][torch.tensor([2, 0])]
        assert numbers_of(twice) == [0, 3]
        assert phrases(twice) == [(3, 7, 0), (3, 7, 3)]


def test_indexing_a_prediction_leaves_nothing_behind() -> None:
    boxes = torch.arange(12.0).view(3, 4)
    found = InstancePrediction(
        boxes,
        torch.tensor([5, 6, 7]),
        torch.tensor([0.9, 0.5, 0.1]),
        (20, 20),
        masks=torch.rand(3, 20, 20),
        keypoints_xyv=torch.rand(3, 2, 3),
        keypoint_scores=torch.rand(3, 2),
    )
    kept = found[found.scores >= 0.5]
    assert kept.labels.tolist() == [5, 6]
    for field in fields(InstancePrediction):
        if field.name != "size":
            assert torch.equal(getattr(kept, field.name), getattr(found, field.name)[:2]), field.name
    assert kept.size == (20, 20)


def test_moving_a_target_moves_every_tensor() -> None:
    moved = scene().to("meta")
    tensors = [value for field in fields(moved) if isinstance(value := getattr(moved, field.name), Tensor)]
    assert len(tensors) == 8
    assert all(tensor.device.type == "meta" for tensor in tensors)
    assert moved.image_id == 17


def test_a_batch_moves_with_its_targets() -> None:
    inputs = ImageBatch(torch.zeros(1, 3, 6, 8), torch.tensor([[6, 8]]), ((12, 16),))
    moved = Batch(inputs, [scene()], ["a.png"]).to("meta")
    assert len(moved) == 1
    assert moved.paths == ["a.png"]
    assert moved.inputs.pixels.device.type == moved.targets[0].relationships.device.type == "meta"
    assert moved.inputs.frames == [(12, 16)]


def test_frames_are_the_sizes_where_nothing_was_resized() -> None:
    assert ImageBatch(torch.zeros(2, 3, 6, 8), torch.tensor([[6, 8], [5, 3]])).frames == [(6, 8), (5, 3)]


TABLE = {InstanceTarget: "objects", SemanticTarget: "pixels"}


class TestRow:
    def test_is_that_of_the_exact_type(self) -> None:
        class Special(SemanticTarget):
            pass

        target = SemanticTarget(torch.zeros(1, 1, dtype=torch.uint8), (1, 1))
        assert row(TABLE, target, "counting") == "pixels"
        with pytest.raises(NoRowError, match="counting knows no Special"):
            row(TABLE, Special(target.labels, (1, 1)), "counting")

    def test_of_an_unknown_kind_is_an_error_that_lists_the_known_ones(self) -> None:
        with pytest.raises(NoRowError) as caught:
            row(TABLE, ClassTarget(torch.tensor(0), (1, 1)), "counting")
        assert str(caught.value) == "counting knows no ClassTarget; it knows InstanceTarget, SemanticTarget"
        assert isinstance(caught.value, KeyError)


class TestSchema:
    def test_all_of_it_survives_json(self) -> None:
        keypoints = Keypoints(("nose", "left", "right"), ((1, 2),), (0.1, 0.2, 0.2), ((0, 1), (0, 2)), labels=(1,))
        schema = Schema(
            categories=("cat", "person"),
            category_ids=(7, 90),
            has_masks=True,
            keypoints=keypoints,
            colours=((1, 2, 3), (4, 5, 6)),
            attributes=("red", "sleeping"),
            predicates=("on", "under"),
            parts=(("cat", ("tail", "ear")),),
        )
        assert Schema.from_json(to_json(schema)) == schema
        assert (schema.num_classes, schema.num_keypoints) == (2, 3)

    def test_one_that_an_earlier_version_wrote_has_the_new_fields_empty(self) -> None:
        read = Schema.from_json('{"categories": ["cat"], "category_ids": [1], "has_masks": false, "keypoints": null}')
        assert read == Schema(("cat",), (1,))
        assert read.attributes == read.predicates == ()
        assert read.parts == ()

    @pytest.mark.parametrize("text", ["[]", "{", '{"categories": ["a"]}', '{"categories": "a", "category_ids": [1]}'])
    def test_what_is_none_is_refused(self, text: str) -> None:
        with pytest.raises(WrongKindError):
            Schema.from_json(text)

    def test_an_unknown_field_is_named(self) -> None:
        with pytest.raises(WrongKindError, match="the schema has no 'parts_of'"):
            Schema.from_json('{"categories": ["a"], "category_ids": [1], "parts_of": {}}')
