"""Classifiers of images: one pass, boxes in the right frame, published names, losses with and without boxes."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from visus.catalog import build_task
from visus.data.augment.mixing import Mix
from visus.nn.backbones import BACKBONES
from visus.nn.backbones.interface import Backbone
from visus.nn.published import PUBLISHED
from visus.nn.square import SquareTransform
from visus.systems.classification import PROBLEM, ClassificationCriterion, ImageClassifier
from visus.systems.classification.box_head import BoxHead
from visus.systems.classification.classifier import logits_and_maps
from visus.systems.classification.losses import box_loss
from visus.systems.classification.outputs import ClassificationOutputs
from visus.systems.classification.transforms import CentreCrop
from visus.training.recipe import AugmentRecipe, DataRecipe, Recipe, RecipeError
from visus.types import ClassPrediction, ClassTarget, ImageBatch, Schema

SCHEMA = Schema(("cat", "dog", "owl"), (1, 2, 3))


def small(*, boxes: bool = True, pretrained: bool = False, num_classes: int = 3) -> ImageClassifier:
    torch.manual_seed(0)
    return PROBLEM.models["classifier_lite0"](num_classes=num_classes, pretrained=pretrained, boxes=boxes, size=64)


def images() -> ImageBatch:
    return ImageBatch(torch.rand(2, 3, 64, 96), torch.tensor([[64, 96], [64, 64]]))


def target(label: int, box: tuple[float, ...] | None = None, size: tuple[int, int] = (64, 96)) -> ClassTarget:
    return ClassTarget(torch.tensor(label), size, label, None if box is None else torch.tensor(box).float())


@pytest.mark.parametrize("name", [name for name in BACKBONES if name != "resnet101"])
def test_one_pass_gives_what_the_network_gives(name: str) -> None:
    torch.manual_seed(0)
    network, pixels = BACKBONES[name](num_classes=7).eval(), torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        logits, maps = logits_and_maps(network, pixels)
        torch.testing.assert_close(logits, network(pixels))
    assert isinstance(network, Backbone) or isinstance(network.features, Backbone)
    assert BoxHead([one.shape[1] for one in maps[-2:]])(maps).shape == (1, 4)


def test_networks_without_maps_classify_and_take_no_box_head() -> None:
    network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
    transform = small().transform
    outputs = ImageClassifier(transform=transform, network=network)(images())
    assert outputs.logits.shape == (2, 2)
    assert outputs.boxes_xyxy is None
    with pytest.raises(ValueError, match="Sequential gives no maps"):
        ImageClassifier(transform=transform, network=network, box_head=BoxHead((8, 8)))


def test_the_box_is_what_the_believed_cell_says() -> None:
    head = BoxHead((4, 4), width=4).eval()
    head.edges.bias.data = torch.tensor([0.1, 0.2, 0.3, 0.4]).logit()
    head.edges.weight.data.zero_()
    box = head([torch.rand(1, 4, 4, 8), torch.rand(1, 4, 2, 4)])
    torch.testing.assert_close(box, torch.tensor([[0.4, 0.3, 0.8, 0.9]]), atol=1e-2, rtol=0)  # all cells: the middle
    head.belief.weight.data.zero_()
    x = torch.zeros(1, 4, 4, 8)
    x[..., 1, 6] = 1000  # the cell whose middle is at 6.5 / 8 and 1.5 / 4
    head.fine.weight.data = torch.eye(4)[:, :, None, None]
    head.coarse.weight.data.zero_()
    head.around[2].weight.data.zero_()
    head.belief.weight.data.fill_(1.0)
    box = head([x, torch.zeros(1, 4, 2, 4)])
    torch.testing.assert_close(box, torch.tensor([[0.7125, 0.175, 1.1125, 0.775]]), atol=1e-4, rtol=0)


def test_predictions_are_ordered_and_in_the_pixels_asked_for() -> None:
    model = small(num_classes=9)
    logits = torch.randn(2, 9)
    outputs = ClassificationOutputs(
        torch.tensor([[64, 96], [64, 64]]), logits, torch.tensor([[-8.0, 16, 48, 80], [16, 16, 32, 64]])
    )
    wide, square = model.postprocess(outputs, [(128, 192), (32, 32)])
    assert wide.labels.tolist() == logits[0].argsort(descending=True)[:5].tolist()
    torch.testing.assert_close(wide.scores, logits[0].softmax(0)[wide.labels])
    assert (wide.scores.diff() <= 0).all()
    assert wide.box_xyxy.tolist() == [0, 32, 96, 128]
    assert square.box_xyxy.tolist() == [8, 8, 16, 32]
    plain = model.postprocess(ClassificationOutputs(outputs.image_sizes, logits[:, :2]), [(4, 4), (4, 4)])[0]
    assert isinstance(plain, ClassPrediction)
    assert len(plain.labels) == 2
    assert plain.box_xyxy is None


@pytest.mark.parametrize("boxes", [False, True])
def test_every_parameter_learns_from_images_with_and_without_boxes(boxes: bool) -> None:
    for truth in ([target(0, (8, 8, 40, 60)), target(2)], [target(0), target(1)]):
        model = small(boxes=boxes).train()
        losses = ClassificationCriterion(label_smoothing=0.1)(model(images(), truth), truth)
        assert set(losses) == ({"class", "box"} if boxes else {"class"})
        assert all(loss.ndim == 0 and torch.isfinite(loss) for loss in losses.values())
        sum(losses.values()).backward()
        assert not [key for key, p in model.named_parameters() if p.requires_grad and p.grad is None]


def test_cross_entropy_of_labels_smoothed_labels_and_probabilities() -> None:
    logits = torch.tensor([[2.0, 0.0, -1.0], [0.5, 0.5, 0.5]])
    plain, smooth = ClassificationCriterion(), ClassificationCriterion(label_smoothing=0.3)
    logs = logits.log_softmax(1)
    labels = [target(0), target(2)]
    torch.testing.assert_close(plain.class_loss(logits, labels), -(logs[0, 0] + logs[1, 2]) / 2)
    wanted = torch.tensor([[0.8, 0.1, 0.1], [0.1, 0.1, 0.8]])
    torch.testing.assert_close(smooth.class_loss(logits, labels), -(wanted * logs).sum() / 2)
    soft = torch.tensor([0.25, 0.75, 0.0])
    mixed = [ClassTarget(torch.tensor(1), (4, 4), probabilities=soft), target(2)]
    torch.testing.assert_close(plain.class_loss(logits, mixed), -((soft * logs[0]).sum() + logs[1, 2]) / 2)
    with pytest.raises(ValueError, match="label_smoothing"):
        ClassificationCriterion(label_smoothing=1.0)


def test_box_loss_by_hand_and_in_any_frame() -> None:
    sizes = torch.tensor([[100, 200], [50, 50]])
    found = torch.tensor([[0.0, 0, 100, 50], [1.0, 2, 3, 4]])
    half = target(0, (0, 0, 100, 100), size=(100, 200))
    # Edges as shares: only the bottom differs, by a half. IoU 1/2, the hull is the larger box.
    expected = 0.5 - 0.025 + 1 - 0.5
    assert float(box_loss(found, sizes, [half, target(1)])) == pytest.approx(expected, abs=1e-6)
    doubled = target(0, (0, 0, 200, 200), size=(200, 400))
    assert float(box_loss(found, sizes, [doubled, target(1)])) == pytest.approx(expected, abs=1e-6)
    assert float(box_loss(found, sizes, [target(0), target(1)])) == 0
    weighted = ClassificationCriterion(box_weight=3.0)(
        ClassificationOutputs(sizes, torch.zeros(2, 2), found), [half, target(1)]
    )
    assert float(weighted["box"]) == pytest.approx(3 * expected, abs=1e-5)
    assert float(weighted["class"]) == pytest.approx(math.log(2))
    with pytest.raises(ValueError, match="box_weight is read for networks that find boxes"):
        ClassificationCriterion(box_weight=1.0)(ClassificationOutputs(sizes, torch.zeros(2, 2)), [half, target(1)])


def test_published_names_get_the_prefix() -> None:
    model = PROBLEM.models["mobilenet_v3_small"](num_classes=5)
    published = BACKBONES["mobilenet_v3_small"](num_classes=5).state_dict()
    assert set(model.state_dict()) == {PUBLISHED["mobilenet_v3_small"].prefix + key for key in published}


def test_frozen_norms_keep_the_epsilon_and_the_number_of_learning_layers() -> None:
    frozen = PROBLEM.models["mobilenet_v3_small"](num_classes=5, norm="frozen", trainable_layers=1)
    batch = PROBLEM.models["mobilenet_v3_small"](num_classes=5)
    batch.load_state_dict(frozen.state_dict(), strict=False)
    pixels = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(frozen.eval().network(pixels), batch.eval().network(pixels))
    assert not frozen.network.features.get_submodule("0.0").weight.requires_grad
    assert frozen.network.classifier[0].weight.requires_grad
    assert all(p.requires_grad for p in batch.parameters())


def test_the_packaged_weights_classify_or_start_a_new_classifier() -> None:
    whole, fresh = small(pretrained=True, boxes=False, num_classes=1000), small(pretrained=True)
    stored = whole.network.state_dict()
    assert float(stored["classifier.weight"].std()) > 0.02
    assert torch.equal(stored["head.conv.weight"], fresh.network.state_dict()["head.conv.weight"])
    assert fresh.network.classifier.weight.shape == (3, 1280)


def test_centre_crop_takes_the_middle() -> None:
    body = BACKBONES["mobilenet_v3_small"](num_classes=None).body
    crop = CentreCrop(size=28, body=body, resize=32)
    ramp = torch.arange(64, dtype=torch.uint8).expand(3, 32, 64)
    batch = crop.batch([ramp, ramp.transpose(1, 2)])
    assert batch.pixels.shape == (2, 3, 28, 28)
    assert batch.sizes.tolist() == [[28, 28]] * 2
    assert batch.pixels[0, 0, 0].tolist() == list(range(18, 46))
    assert CentreCrop(size=224, body=body).target_size(375, 500) == (256, 341)
    assert CentreCrop(size=224, body=body).target_size(500, 375) == (341, 256)
    with pytest.raises(ValueError, match="at least size"):
        CentreCrop(size=28, body=body, resize=27)


def test_whole_image_loses_nothing() -> None:
    transform = small().transform
    assert isinstance(transform, SquareTransform)
    image = torch.zeros(3, 40, 200, dtype=torch.uint8)
    image[:, :, -20:] = 255
    batch = transform.batch([image])
    assert batch.pixels.shape == (1, 3, 64, 64)
    assert float(batch.pixels[0, 0, 0, -1]) == pytest.approx(1.0)
    torch.testing.assert_close(transform(batch)[0, 0, 0, 0], torch.tensor(-127 / 128))


def test_builders_crop_without_boxes_and_stretch_with_them() -> None:
    for boxes, kind in ((False, CentreCrop), (True, SquareTransform)):
        model = PROBLEM.models["mobilenet_v3_small"](num_classes=2, boxes=boxes, size=64)
        assert type(model.transform) is kind
        outputs = model.eval()(model.transform.batch([torch.zeros(3, 50, 80, dtype=torch.uint8)]))
        assert (outputs.boxes_xyxy is None) is not boxes


def test_it_learns_what_and_where() -> None:
    torch.manual_seed(0)
    model = small(pretrained=True).train()
    criterion = ClassificationCriterion()
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=5e-4)
    drawn = [_square(number) for number in range(12)]
    batch, truth = model.transform.batch([image for image, _ in drawn]), [one for _, one in drawn]
    first: Tensor | None = None
    for _ in range(25):
        losses = criterion(model(batch, truth), truth)
        loss = sum(losses.values(), torch.zeros(()))
        first = loss.detach() if first is None else first
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert first is not None
    assert float(loss.detach()) < 0.25 * float(first)


def _square(number: int) -> tuple[Tensor, ClassTarget]:
    generator = torch.Generator().manual_seed(number)
    left, top = torch.randint(0, 30, (2,), generator=generator).tolist()
    image = torch.randint(60, 120, (3, 64, 64), generator=generator, dtype=torch.uint8)
    image[number % 3, top : top + 30, left : left + 30] = 250
    return image, target(number % 3, (left, top, left + 30.0, top + 30.0), (64, 64))


def test_the_problem_takes_the_recipe_s_mixing_and_losses() -> None:
    model = small()
    mixing = DataRecipe(augment=AugmentRecipe(mixup=0.2, cutmix=1.0))
    recipe = Recipe(name="x", model="classifier_lite0", data=mixing, loss_options={"label_smoothing": 0.2})
    task = build_task(model, recipe, SCHEMA)
    assert isinstance(task.vary, Mix)
    assert (task.vary.mixup_alpha, task.vary.cutmix_alpha, task.vary.num_classes) == (0.2, 1.0, 3)
    assert task.criterion.label_smoothing == 0.2
    assert task.metric.boxes
    plain = Recipe(name="x", model="classifier_lite0")
    assert build_task(model, plain, SCHEMA).vary is None
    with pytest.raises(RecipeError, match="label_smoothing"):
        build_task(model, replace(plain, loss_options={"smoothing": 0.1}), SCHEMA)
