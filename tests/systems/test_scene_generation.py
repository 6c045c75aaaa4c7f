"""Generators, judges and losses: shapes of the paper, who learns from what, and what a seed and a box decide."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
import torch
from torch import Tensor, nn

from visus.catalog import build_model, build_task
from visus.data.feed.collate import Collate
from visus.data.vignettes.annotate import tight_boxes
from visus.data.vignettes.graphs import VignetteGraphs
from visus.nn.model import predict_batch
from visus.ops.graphs import GEOMETRIC, geometric_relation
from visus.recipes import RECIPES
from visus.recipes.scene_table import SCENE_ROWS
from visus.scenes import SceneGraph
from visus.systems.scene_generation.discriminators import ImageDiscriminator, ObjectDiscriminator
from visus.systems.scene_generation.generator import SceneGenerator
from visus.systems.scene_generation.heads import MaskHead
from visus.systems.scene_generation.losses import SceneGenerationCriterion
from visus.systems.scene_generation.models import scene_generator
from visus.systems.scene_generation.outputs import placed
from visus.systems.scene_generation.refinement import RefinementNetwork
from visus.training.update import Round
from visus.types import Batch

DATA = VignetteGraphs(split="train", length=4)
TINY = {"dim": 8, "noise": 2, "width": 2}


def model_of(**options: object) -> SceneGenerator:
    torch.manual_seed(0)
    model = build_model("scene_generator", DATA.schema, {**TINY, **options})
    assert isinstance(model, SceneGenerator)
    return model


@cache
def batch() -> Batch:
    return Collate(batcher=model_of().transform.batch)([DATA[0], DATA[1]])


def criterion_of(**options: object) -> SceneGenerationCriterion:
    torch.manual_seed(0)
    return SceneGenerationCriterion(num_classes=DATA.schema.num_classes, **{"width": 4, **options})  # type: ignore[arg-type]


# --- networks ---


@pytest.mark.parametrize(("size", "count", "first"), [(64, 5, 32), (128, 6, 32), (8, 2, 4)])
def test_the_refinement_network_doubles_its_sides_and_halves_its_widths(size: int, count: int, first: int) -> None:
    network = RefinementNetwork(layout=5, size=size, width=2)
    assert len(network.steps) == count
    assert [step[0].out_channels for step in network.steps][:1] == [first]
    assert network(torch.randn(2, 5, size, size)).shape == (2, 3, size, size)


def test_the_papers_widths() -> None:
    network = RefinementNetwork(layout=160, size=64, width=64)
    assert [step[0].out_channels for step in network.steps] == [1024, 512, 256, 128, 64]
    assert network.steps[1][0].in_channels == 160 + 1024


def test_the_judge_of_images_gives_a_logit_for_each_patch() -> None:
    """Three convolutions 4 x 4 of stride 2 without padding, then the layer that the released code leaves out."""
    judge = ImageDiscriminator(width=64)
    assert judge(torch.randn(2, 3, 64, 64)).shape == (2, 1, 6, 6)
    widths = [layer.out_channels for layer in judge.modules() if isinstance(layer, nn.Conv2d)]
    assert widths == [64, 128, 256, 1]
    judge(torch.randn(2, 3, 64, 64)).sum().backward()
    assert judge.classifier.weight.grad is not None


def test_the_judge_of_objects_gives_two_answers() -> None:
    real, category = ObjectDiscriminator(width=4, num_classes=7)(torch.randn(3, 3, 32, 32))
    assert (real.shape, category.shape) == ((3,), (3, 7))


def test_outlines_have_sixteen_cells_a_side() -> None:
    assert MaskHead(dim=4)(torch.randn(3, 4)).shape == (3, 16, 16)


@pytest.mark.parametrize("size", [0, 4, 65, 96])
def test_sizes_are_powers_of_two(size: int) -> None:
    with pytest.raises(ValueError, match=f"power of 2 from 8 on, such as 64 or 128, not {size}"):
        scene_generator(size=size)


# --- what decides an image ---


def image_of(model: SceneGenerator, graph: SceneGraph) -> Tensor:
    [found] = predict_batch(model.eval(), model.transform.batch([graph]))[1]
    return found.pixels


def test_the_same_seed_gives_the_same_image_and_another_one_another() -> None:
    model, graph = model_of(), DATA[0].input
    first, again, other = (image_of(model, replace(graph, seed=seed)) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_word_changes_the_image() -> None:
    model, graph = model_of(), DATA[0].input
    attributes = graph.attributes.clone()
    attributes[0] = ~attributes[0]
    assert not torch.equal(image_of(model, graph), image_of(model, replace(graph, attributes=attributes)))


def test_boxes_that_are_given_are_taken() -> None:
    model, sample = model_of(), DATA[0]
    boxes = sample.target.boxes_xyxy.clone()
    boxes[1] = torch.nan
    graph = replace(sample.input, boxes_xyxy=boxes)
    [found] = predict_batch(model.eval(), model.transform.batch([graph]))[1]
    others = torch.arange(len(boxes)) != 1
    torch.testing.assert_close(found.boxes_xyxy[others], boxes[others], atol=1.3, rtol=0)
    assert found.boxes_xyxy[1].isfinite().all()


def test_boxes_are_put_right() -> None:
    """Inside of the image, the right way round, and never without an area."""
    nowhere = torch.full((3, 4), torch.nan)
    boxes = torch.tensor([[0.9, 0.8, 0.2, 0.1], [-1.0, 0.5, 2.0, 0.5], [0.1, 0.2, 0.3, 0.4]])
    found = placed(boxes, nowhere)
    torch.testing.assert_close(found[0], torch.tensor([0.2, 0.1, 0.9, 0.8]))
    torch.testing.assert_close(found[1], torch.tensor([0.0, 0.5, 1.0, 0.52]))
    torch.testing.assert_close(found[2], boxes[2])


def test_without_graph_convolution_objects_know_nothing_of_each_other() -> None:
    graph = DATA[0].input
    moved = graph.relationships.clone()
    moved[:, 1] = (moved[:, 1] + 1) % len(DATA.schema.predicates)
    for convolution, same in ((False, True), (True, False)):
        model = model_of(graph_convolution=convolution)
        images = [image_of(model, one) for one in (graph, replace(graph, relationships=moved))]
        assert torch.equal(*images) == same


def test_outlines_are_annotated_ones_but_for_a_share_in_training() -> None:
    for share, training, differs in ((0.0, True, False), (1.0, True, True), (1.0, False, False)):
        model = model_of(own_masks=share).train(training)
        outputs = model(batch().inputs, batch().targets)
        assert outputs.truth is not None
        assert torch.equal(model._outlines(outputs, outputs.truth), outputs.truth.masks) != differs


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": torch.zeros(0, dtype=torch.int64)}, "without any object"),
        ({"labels": torch.zeros(300, dtype=torch.int64)}, "of 300 objects; at most 100"),
        ({"attributes": torch.zeros(2, 5, dtype=torch.bool)}, "attributes must be"),
        ({"relationships": torch.tensor([[0, 0, 99]])}, "names object 99"),
    ],
)
def test_graphs_that_do_not_fit_are_refused(change: dict[str, Tensor], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model_of().transform.batch([replace(DATA[0].input, **change)])  # type: ignore[arg-type]


def test_what_is_no_graph_is_refused() -> None:
    with pytest.raises(ValueError, match=r"not of a Tensor \[3, 4, 4\]"):
        model_of().transform.batch([torch.zeros(3, 4, 4)])


# --- losses ---


def test_the_weights_are_the_papers() -> None:
    outputs = model_of()(batch().inputs, batch().targets)
    assert outputs.truth is not None
    assert outputs.images is not None
    losses, truth = criterion_of()(outputs, batch().targets), outputs.truth
    torch.testing.assert_close(losses["reconstruction"], (outputs.images - truth.images).abs().mean())
    torch.testing.assert_close(losses["boxes"], 10 * (outputs.boxes - truth.boxes).square().mean())
    shares = outputs.mask_logits.sigmoid()
    entropy = -(truth.masks * shares.log() + (1 - truth.masks) * (1 - shares).log()).mean()
    torch.testing.assert_close(losses["masks"], 0.1 * entropy, rtol=1e-4, atol=1e-6)
    plain = criterion_of(adversarial=1.0, category=1.0)(outputs, batch().targets)
    for name, weight in (("image", 0.01), ("object", 0.01), ("category", 0.1)):
        torch.testing.assert_close(losses[name], weight * plain[name])
    for name in ("image_judge", "object_judge", "category_judge"):
        torch.testing.assert_close(losses[name], plain[name])


def test_generator_and_judges_learn_against_each_other_and_not_for_each_other() -> None:
    """What a judge says to the generator teaches the judge nothing, and the other way round."""
    for name, teaches_generator in {
        **dict.fromkeys(("image", "object", "category"), True),
        **dict.fromkeys(("image_judge", "object_judge", "category_judge"), False),
    }.items():
        model, criterion = model_of(), criterion_of()
        criterion(model(batch().inputs, batch().targets), batch().targets)[name].backward()
        generator, judges = (
            any(p.grad is not None and bool(p.grad.any()) for p in some.parameters()) for some in (model, criterion)
        )
        assert (generator, judges) == (teaches_generator, not teaches_generator), name


@pytest.mark.parametrize("judge", ["image", "object"])
def test_judges_can_be_left_out(judge: str) -> None:
    outputs = model_of()(batch().inputs, batch().targets)
    criterion = criterion_of(judges="objects" if judge == "image" else "images")
    losses = criterion(outputs, batch().targets)
    assert len(criterion.discriminators) == 1
    assert judge not in losses
    assert f"{judge}_judge" not in losses


def test_a_round_moves_the_generator_and_both_judges() -> None:
    recipe = RECIPES["scene_generation_vignettes"]()
    model, criterion = model_of(), criterion_of()
    task = build_task(model, recipe, DATA.schema, criterion=criterion)
    optimizers = task.configure_optimizers()
    assert len(optimizers) == 3
    before = [[p.clone() for p in some.parameters()] for some in (model, *criterion.discriminators)]
    step = Round(
        batch=batch(),
        evaluate=lambda: task.losses(batch()),
        backward=lambda loss: loss.backward(),
        watch=lambda losses: None,
        share=1.0,
        complete=True,
        clip_norm=None,
    )
    task._update.round(step)
    for old, some in zip(before, (model, *criterion.discriminators), strict=True):
        assert all(not torch.equal(one, other) for one, other in zip(old, some.parameters(), strict=True))
    assert {"reconstruction", "image", "object", "category", "image_judge", "object_judge"} <= step.losses.keys()


def test_a_generator_learns_two_images_by_heart() -> None:
    """The reconstruction falls to a third of its first value, and boxes come near."""
    torch.manual_seed(0)
    model, criterion = model_of(width=4), criterion_of(judges="none")
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    values = []
    for _ in range(60):
        losses = criterion(model.train()(batch().inputs, batch().targets), batch().targets)
        optimizer.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        optimizer.step()
        values.append({name: float(value.detach()) for name, value in losses.items()})
    assert values[-1]["reconstruction"] < 0.5 * values[0]["reconstruction"]
    assert values[-1]["boxes"] < 0.1 * values[0]["boxes"]


def test_the_rows_of_the_table_differ_in_one_thing_each() -> None:
    full, plain, unjudged, large = (SCENE_ROWS[name].recipe() for name in SCENE_ROWS)
    assert plain == replace(full, model_options={**full.model_options, "graph_convolution": False})
    assert unjudged == replace(full, loss_options={**full.loss_options, "judges": "none"})
    assert large.model_options == {**full.model_options, "size": 128}
    assert large.loss_options == full.loss_options


# --- data ---


def test_graphs_of_vignettes_say_what_their_images_show() -> None:
    schema = DATA.schema
    for index in range(len(DATA)):
        sample = DATA[index]
        graph, target = sample.input, sample.target
        assert torch.equal(graph.labels, target.labels)
        assert torch.equal(tight_boxes(target.masks), target.boxes_xyxy)
        assert target.masks.sum(dim=0).max() == 1
        assert set(schema.backdrops[0] + schema.backdrops[-1]) <= set(schema.categories)
        geometric = [row for row in graph.relationships.tolist() if schema.predicates[row[1]] in GEOMETRIC]
        assert len(geometric) == len(graph)
        for subject, number, object_ in geometric:
            boxes = target.boxes_xyxy
            assert GEOMETRIC[geometric_relation(boxes[subject], boxes[object_])] == schema.predicates[number]


def test_graphs_of_vignettes_are_always_the_same() -> None:
    again = VignetteGraphs(split="train", length=4)[2]
    assert torch.equal(again.input.relationships, DATA[2].input.relationships)
    assert torch.equal(again.target.pixels, DATA[2].target.pixels)
