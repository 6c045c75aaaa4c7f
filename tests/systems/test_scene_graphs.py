"""Relation models: counts by hand, contexts that do not leak, losses by hand, and what each mode takes as given."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from visus import catalog
from visus.catalog import build_model
from visus.data.vignettes import Vignettes
from visus.nn.transfer import matching
from visus.systems.scene_graphs import PROBLEM, heads
from visus.systems.scene_graphs.frequencies import EPSILON, FAR, Frequencies, FrequencyModel
from visus.systems.scene_graphs.heads import _inside
from visus.systems.scene_graphs.losses import SceneGraphCriterion
from visus.systems.scene_graphs.motifs import Context
from visus.systems.scene_graphs.outputs import Graph, GraphOutputs, Objects, Scene, graph_prediction
from visus.training.recipe import Recipe, RecipeError
from visus.types import InstanceTarget, Schema


def target_of(boxes: list[list[float]], labels: list[int], rows: list[tuple[int, int, int]]) -> InstanceTarget:
    return InstanceTarget(
        boxes_xyxy=torch.tensor(boxes),
        labels=torch.tensor(labels),
        areas=torch.ones(len(labels)),
        is_crowd=torch.zeros(len(labels), dtype=torch.bool),
        size=(40, 40),
        relationships=torch.tensor(rows, dtype=torch.int64).reshape(-1, 3),
    )


SCENES = Vignettes(split="train", length=2, size=96)
NEAR = [[0.0, 0, 10, 10], [5, 5, 15, 15], [30, 30, 40, 40]]
TARGET = target_of(NEAR, [0, 1, 1], [(0, 0, 1), (0, 1, 1), (1, 1, 0)])


def objects_of(boxes: list[list[float]], labels: list[int], images: list[int], classes: int = 2) -> Objects:
    numbers = torch.tensor(labels)
    given = torch.nn.functional.one_hot(numbers, classes).float()
    return Objects(torch.tensor(boxes), torch.tensor(images), numbers, torch.ones(len(labels)), given)


# --- counts ---


def test_relationships_are_counted_by_the_classes_of_subject_and_object() -> None:
    frequencies = Frequencies(2, 2).train()
    frequencies.observe([TARGET])
    assert frequencies.counts[0, 1].tolist() == [1, 1, 1]  # one pair apart, two predicates of the other
    assert frequencies.counts[1, 0].tolist() == [1, 0, 1]
    assert frequencies.counts[1, 1].tolist() == [2, 0, 0]
    expected = [math.log(1 / 3 + EPSILON)] * 3
    assert frequencies(torch.tensor([0]), torch.tensor([1]))[0].tolist() == pytest.approx(expected)
    assert frequencies.seen().nonzero().tolist() == [[0, 0, 1], [0, 1, 1], [1, 1, 0]]


def test_pairs_apart_are_not_counted_with_overlap_and_never_related() -> None:
    frequencies = Frequencies(2, 2, overlap=True).train()
    frequencies.observe([TARGET])
    assert frequencies.counts[0, 1].tolist() == [0, 1, 1]
    assert frequencies.counts[1, 1].tolist() == [0, 0, 0]
    objects = objects_of(NEAR, [0, 1, 1], [0, 0, 0])
    pairs = torch.tensor([[0, 1], [0, 2]])
    model = FrequencyModel(frequencies)
    _, logits = model(Scene(objects, objects.boxes_xyxy, torch.zeros(3, 0), pairs, torch.zeros(2, 0)))
    assert logits[0, 1:].tolist() == pytest.approx([math.log(0.5 + EPSILON)] * 2)
    assert logits[1, 1:].tolist() == [FAR, FAR]


def test_only_training_counts() -> None:
    frequencies = Frequencies(2, 2).eval()
    frequencies.observe([TARGET])
    assert not frequencies.counts.any()


# --- parts of the networks ---


def test_pairs_are_of_one_image_and_of_two_objects() -> None:
    objects = objects_of([[0.0, 0, 1, 1]] * 3, [0, 0, 0], [0, 0, 1])
    assert objects.pairs().tolist() == [[0, 1], [1, 0]]


def test_contexts_do_not_mix_images_and_do_not_depend_on_the_order_of_objects() -> None:
    torch.manual_seed(0)
    context = Context(4, 6)
    boxes = [[20.0, 0, 22, 2], [0, 0, 2, 2], [10, 0, 12, 2], [5, 0, 7, 2]]
    vectors = torch.rand(4, 4)
    together = context(vectors, objects_of(boxes, [0] * 4, [0, 0, 0, 1]))
    alone = context(vectors[:3], objects_of(boxes[:3], [0] * 3, [0, 0, 0]))
    torch.testing.assert_close(together[:3], alone)
    order = torch.tensor([2, 0, 1])
    moved = context(vectors[:3][order], objects_of([boxes[i] for i in order], [0] * 3, [0, 0, 0]))
    torch.testing.assert_close(moved, alone[order])
    changed = vectors.clone()
    changed[1] += 1  # the leftmost object changes the context of the rightmost
    assert not torch.allclose(context(changed, objects_of(boxes, [0] * 4, [0, 0, 0, 1]))[0], together[0])


def test_cells_of_a_union_know_how_much_a_box_covers() -> None:
    boxes, frames = torch.tensor([[0.0, 0, 0.25, 1]]), torch.tensor([[0.0, 0, 1, 1]])
    covered = _inside(boxes, frames, 2)[0] + 0.5
    assert covered.tolist() == [[0.5, 0.0], [0.5, 0.0]]


def test_many_pairs_are_pooled_some_after_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    options = {"size": 64, "hidden": 16, "pretrained": False}
    model = build_model("motifs_lite0", SCENES.schema, options).eval()
    batch = model.transform.batch([SCENES[0].input])
    outputs = model(batch, [SCENES[0].target])
    assert outputs.given is not None
    monkeypatch.setattr(heads, "_AT_ONCE", 3)
    again = model(batch, [SCENES[0].target])
    torch.testing.assert_close(again.given.predicate_logits, outputs.given.predicate_logits)


# --- losses ---


def test_a_pair_with_two_predicates_counts_for_both_and_others_are_unrelated() -> None:
    target = target_of(NEAR[:2], [0, 1], [(0, 0, 1), (0, 1, 1)])
    objects = objects_of(NEAR[:2], [0, 1], [0, 0])
    logits = torch.tensor([[0.0, 1.0, 2.0], [3.0, 0.0, 0.0]], requires_grad=True)
    graph = Graph(objects, objects.pairs(), logits, torch.zeros(2, 0), None)
    outputs = GraphOutputs(torch.tensor([[40, 40]]), [], torch.zeros(1, 3, 40, 40), graph)
    losses = SceneGraphCriterion(unrelated_weight=0.5)(outputs, [target])
    assert list(losses) == ["predicate"]
    shares = logits.detach().log_softmax(1)
    expected = -(shares[0, 1] + shares[0, 2] + 0.5 * shares[1, 0]) / 2.5
    torch.testing.assert_close(losses["predicate"].detach(), expected)


def test_objects_and_attributes_are_compared_where_they_are_known() -> None:
    target = replace(TARGET, attributes=torch.tensor([[True], [False], [False]]))
    objects = objects_of(NEAR, [0, 1, 1], [0, 0, 0])
    right = torch.tensor([[50.0], [-50.0], [-50.0]])
    sure = torch.tensor([[81.0, -81], [-81, 81], [-81, 81]])
    graph = Graph(objects, objects.pairs(), torch.zeros(6, 3), right, sure, learned=False)
    outputs = GraphOutputs(torch.tensor([[40, 40]]), [], torch.zeros(1, 3, 40, 40), graph)
    losses = SceneGraphCriterion()(outputs, [target])
    assert {name: round(float(value), 6) for name, value in losses.items()} == {"object": 0.0, "attribute": 0.0}
    unknown = SceneGraphCriterion()(outputs, [TARGET])
    assert float(unknown["attribute"]) == 0.0


def test_outputs_without_targets_cannot_be_judged() -> None:
    with pytest.raises(ValueError, match="without targets"):
        SceneGraphCriterion()(GraphOutputs(torch.tensor([[40, 40]]), [], torch.zeros(1, 3, 40, 40)), [TARGET])


# --- predictions ---


def test_triplets_score_the_product_of_the_three_and_boxes_are_scaled() -> None:
    objects = replace(objects_of(NEAR[:2] * 2, [0, 1, 1, 0], [0, 0, 1, 1]), scores=torch.tensor([0.5, 0.8, 1.0, 1.0]))
    logits = torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]] * 2).log()
    graph = Graph(objects, objects.pairs(), logits, torch.zeros(4, 1), None)
    found = graph_prediction(graph, objects.class_scores, 0, ((40, 40), (80, 40)), every_pair=True)
    assert found.relationships.tolist() == [[1, 1, 0], [0, 0, 1], [0, 1, 1], [1, 0, 0]]
    assert found.relationship_scores.tolist() == pytest.approx([0.28, 0.12, 0.08, 0.08])
    assert found.boxes_xyxy[1].tolist() == [5, 10, 15, 30]
    second = graph_prediction(graph, objects.class_scores, 1, ((40, 40), (40, 40)), every_pair=True)
    assert second.labels.tolist() == [1, 0]
    assert second.relationships[0].tolist() == [1, 1, 0]


@pytest.mark.parametrize("mode", ["predcls", "sgcls", "sgdet"])
def test_modes_take_as_given_what_they_say(mode: str) -> None:
    torch.manual_seed(0)
    options = {"size": 64, "hidden": 16, "pretrained": False, "mode": mode}
    model = build_model("motifs_lite0", SCENES.schema, options).eval()
    samples = [SCENES[0], SCENES[1]]
    batch, targets = model.transform.batch([one.input for one in samples]), [one.target for one in samples]
    given = model.postprocess(model(batch, targets), batch.frames)
    for found, target in zip(given, targets, strict=True):
        assert (mode == "sgdet") == (found.boxes_xyxy.shape != target.boxes_xyxy.shape)
        if mode != "sgdet":
            torch.testing.assert_close(found.boxes_xyxy, target.boxes_xyxy, rtol=1e-4, atol=1e-3)
        if mode == "predcls":
            assert torch.equal(found.labels, target.labels)
            assert (found.scores == 1).all()
    plain = model.postprocess(model(batch), batch.frames)  # nothing is given where there are no targets
    assert all(len(found) <= model.max_objects for found in plain)


def test_the_detector_stays_as_it_is() -> None:
    model = build_model("vtranse_lite0", SCENES.schema, {"size": 64, "hidden": 16, "pretrained": False}).train()
    assert not any(module.training for module in model.backbone.modules())
    learning = {name.split(".")[0] for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert learning == {"relations", "attributes"}


@pytest.mark.parametrize("name", ["fasterrcnn_lite0_fpn", "maskrcnn_lite0_fpn"])
def test_the_run_of_a_detector_fits(name: str) -> None:
    """All tensors of the detector start from one, that of Mask R-CNN included; the others are new."""
    schema = Schema(("a", "b"), (1, 2), predicates=("on",), attributes=("red",))
    options = {"size": 64, "pretrained": False}
    network = build_model("freq_lite0", schema, options)
    pairs = matching(network, build_model(name, schema, options))
    taken = {key.split(".")[0] for key in network.state_dict() if not key.endswith("num_batches_tracked")} - {
        key.split(".")[0] for key in network.state_dict() if key not in pairs and "num_batches" not in key
    }
    assert taken == {"backbone", "rpn", "roi_heads"}


def test_data_without_predicates_is_refused() -> None:
    schema = Schema(("a",), (1,))
    with pytest.raises(RecipeError, match="names no predicates"):
        catalog.PROBLEMS["scene_graphs"].metric(None, Recipe(name="r", model="freq_lite0"), schema)


def test_a_metric_may_name_the_mode() -> None:
    """`visus evaluate RUN --metric sgdet`: the network is given what the metric supposes."""
    schema = SCENES.schema
    model = build_model("freq_lite0", schema, {"pretrained": False})
    for mode in ("predcls", "sgdet", "sgcls"):
        metric = PROBLEM.metric_of(model, Recipe(name="x", model="freq_lite0", metric=mode), schema)
        assert model.mode == metric.mode == mode
