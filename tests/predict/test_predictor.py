import inspect
import json
import re
import subprocess
import sys
from dataclasses import replace
from functools import partial

import pytest
import torch
from PIL import Image

import visus
from brightness import NAME, SCHEMA, Brightness, offer, write_run
from visus import catalog
from visus.data.files.images import ImageError
from visus.data.formats.coco_names import COCO_PERSON_SCHEMA, COCO_SCHEMA
from visus.dataclass_json import to_json
from visus.errors import VisusError
from visus.nn.backbones import without_pretrained
from visus.nn.norm import FrozenBatchNorm2d
from visus.nn.published import PUBLISHED
from visus.nn.weights import save_weights
from visus.predict import predictor as module
from visus.predict import stored
from visus.predict.predictor import Predictor, load
from visus.types import (
    ClassPrediction,
    EmbeddingPrediction,
    InstancePrediction,
    NoRowError,
    Schema,
    SemanticPrediction,
    SemanticTarget,
)


@pytest.fixture(autouse=True)
def model_in_the_catalog(monkeypatch):
    offer(monkeypatch)


def bright_image(height=20, width=30):
    image = torch.zeros(3, height, width, dtype=torch.uint8)
    image[:, 5:10, 8:20] = 255
    return image


def test_a_run_folder_becomes_its_model(tmp_path):
    predictor = load(write_run(tmp_path / "run"), device="cpu")
    assert predictor.schema == SCHEMA
    assert predictor.model.num_classes == 2
    assert predictor.model.threshold == 0.6
    assert not predictor.model.training
    (result,) = predictor.predict(bright_image())
    found = result.prediction
    assert found.boxes_xyxy.tolist() == [[8, 5, 20, 10]] * 2
    assert found.scores.tolist() == pytest.approx([0.9, 0.4])
    assert found.size == (20, 30)


def test_a_weights_file_and_a_text_path(tmp_path):
    run = write_run(tmp_path / "run")
    assert load(str(run / "weights.safetensors")).schema == SCHEMA


def test_all_kinds_of_images(tmp_path):
    predictor = load(write_run(tmp_path / "run"))
    as_image = Image.fromarray(bright_image().permute(1, 2, 0).numpy())
    as_image.save(tmp_path / "p.png")
    found = predictor.predict([bright_image(), as_image, tmp_path / "p.png", str(tmp_path / "p.png")], batch_size=3)
    assert [result.prediction.boxes_xyxy[0].tolist() for result in found] == [[8, 5, 20, 10]] * 4
    assert predictor.model.batches == [3, 1]
    assert len(predictor.predict(as_image.convert("L"))) == 1


def test_images_of_different_sizes_in_one_batch(tmp_path):
    predictor = load(write_run(tmp_path / "run"))
    found = predictor.predict([bright_image(20, 30), bright_image(40, 25)], batch_size=2)
    assert [result.prediction.size for result in found] == [(20, 30), (40, 25)]
    assert found[1].prediction.boxes_xyxy[0].tolist() == [8, 5, 20, 10]


def test_the_least_score(tmp_path):
    predictor = load(write_run(tmp_path / "run"))
    assert len(predictor.predict(bright_image(), min_score=0.5)[0].prediction) == 1
    assert len(predictor.predict(torch.zeros(3, 8, 8, dtype=torch.uint8))[0].prediction) == 0


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        ((3, 8, 8), torch.int64),
        ((3, 8, 8), torch.complex64),
        ((8, 8, 2), torch.uint8),
        ((5, 8, 8), torch.uint8),
        ((1, 1, 3, 8, 8), torch.uint8),
        ((3, 0, 8), torch.uint8),
        ((0,), torch.uint8),
    ],
)
def test_tensors_that_are_no_images(tmp_path, shape, dtype):
    predictor = load(write_run(tmp_path / "run"))
    kind, size = str(dtype).removeprefix("torch."), re.escape(str(list(shape)))
    for look in (predictor.predict, partial(visus.predict, predictor)):
        with pytest.raises(ImageError, match=rf"must be .*uint8.*{kind} of {size}"):
            look([bright_image(), torch.zeros(shape, dtype=dtype)])
    assert predictor.model.batches == [1, 1]  # the good one before it, at batch size 1


def test_the_public_predict_takes_a_run_or_a_predictor(tmp_path):
    run = write_run(tmp_path / "run")
    predictor = visus.load(run, device="cpu")
    for model in (run, str(run), run / "weights.safetensors", predictor):
        (found,) = visus.predict(model, bright_image(), min_score=0.5)
        assert found.prediction.scores.tolist() == pytest.approx([0.9])
    found = visus.predict(predictor, [bright_image(), bright_image(40, 25), bright_image()], batch_size=3)
    assert [result.prediction.size for result in found] == [(20, 30), (40, 25), (20, 30)]
    assert predictor.model.batches[-2:] == [2, 1]  # those of one size go together, and the order is kept
    assert visus.predict(predictor, []) == []
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        visus.predict(predictor, bright_image(), batch_size=0)
    with pytest.raises(VisusError, match="neither a run folder nor published weights"):
        visus.predict("nothing", bright_image())


def test_the_public_predict_has_the_name_of_a_package_and_its_own_arguments():
    assert "visus.predict.predictor" in sys.modules
    parameters = list(inspect.signature(visus.predict.__call__).parameters.values())
    assert parameters == list(inspect.signature(module.predict).parameters.values())
    asked = "import visus; first = visus.predict; import visus.predict.sources; print(callable(first), "
    code = asked + "callable(visus.predict))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True"]


def test_a_model_that_adapts_has_gradients_while_it_predicts(tmp_path, monkeypatch):
    monkeypatch.setattr(Brightness, "adapts", True)  # its forward looks whether gradients are on
    (found,) = load(write_run(tmp_path / "run")).predict(bright_image())
    assert len(found.prediction) == 2


class TestAveraged:
    def test_is_for_problems_that_have_an_average(self, tmp_path):
        with pytest.raises(VisusError, match="--scales, --flip and --window need a segmentation model"):
            load(write_run(tmp_path / "run")).averaged(flip=True)

    def test_is_a_predictor_with_the_model_that_the_problem_makes(self):
        asked = {}

        def averaged(model, **options):
            asked.update(options, model=model)
            return Brightness(num_classes=2, threshold=0.1)

        model = Brightness(num_classes=2, threshold=0.5)
        predictor = Predictor(model, SCHEMA, device="cpu", averaged=averaged)
        several = predictor.averaged(scales=(0.5, 1.0), window=(64, 96))
        looks = {"scales": (0.5, 1.0), "flip": False, "window": (64, 96), "counterparts": ()}
        assert asked == {"model": model, **looks}
        assert several.schema == SCHEMA
        assert several.model.threshold == 0.1
        assert not several.model.training
        assert predictor.model is model

    def test_classes_with_a_side_have_a_counterpart_in_the_mirror(self):
        asked = {}

        def averaged(model, **options):
            asked.update(options)
            return model

        def of(*categories):
            schema = Schema(categories, tuple(range(len(categories))))
            return Predictor(Brightness(num_classes=3, threshold=0.5), schema, device="cpu", averaged=averaged)

        of("road", "left lane", "right lane").averaged(flip=True)
        assert asked["counterparts"] == (0, 2, 1)
        of("road", "left lane").averaged(scales=(0.5,))
        with pytest.raises(VisusError, match="--flip would mirror images, but the category 'left lane' has no counter"):
            of("road", "left lane").averaged(flip=True)

    def test_of_a_segmentation_model_is_the_mean_of_its_looks(self, tmp_path, monkeypatch):
        torch.manual_seed(0)
        schema = Schema(("sky", "sea"), (0, 1))
        model = catalog.build_model("fcn_lite0", schema, {"size": 64}).eval()
        metadata = {"model": "fcn_lite0", "options": json.dumps({"size": 64}), "schema": to_json(schema)}
        save_weights(tmp_path / "weights.safetensors", model.state_dict(), metadata)
        image = torch.randint(0, 256, (3, 40, 56), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
        predictor = load(tmp_path / "weights.safetensors", device="cpu")
        (both,) = predictor.averaged(flip=True).predict(image)
        (mirrored,) = predictor.averaged(flip=True).predict(image.flip(2))
        (single,) = predictor.predict(image)
        assert both.prediction.size == (40, 56)
        assert torch.allclose(both.prediction.scores, mirrored.prediction.scores.flip(1), atol=1e-5)
        assert not torch.allclose(both.prediction.scores, single.prediction.scores, atol=1e-5)


def test_what_cannot_be_loaded_says_why(tmp_path):
    (tmp_path / "empty").mkdir()
    for what, message in (
        (tmp_path / "empty", r"no weights\.safetensors"),
        (tmp_path / "missing.safetensors", "no such run folder or weights file"),
        (write_run(tmp_path / "a", without=("schema",)), "no schema in the file's metadata"),
        (write_run(tmp_path / "b", model="brightnes"), "no model 'brightnes'; did you mean brightness"),
        ("maskrcnn_resnet50_fnp", "did you mean maskrcnn_resnet50_fpn"),
        (NAME, "has no published weights; train it"),
    ):
        with pytest.raises(VisusError, match=message):
            load(what)


def test_weights_that_do_not_fit_name_the_file(tmp_path):
    run = write_run(tmp_path / "run", level=[1.0, 2.0])
    with pytest.raises(Exception, match=r"weights\.safetensors"):
        load(run)


def test_an_unknown_device_is_one_sentence(tmp_path):
    with pytest.raises(VisusError, match="'cudda' cannot be used"):
        load(write_run(tmp_path / "run"), device="cudda")


@pytest.mark.parametrize(
    ("name", "schema"),
    [("fasterrcnn_mobilenet_v3_large_320_fpn", COCO_SCHEMA), ("keypointrcnn_resnet50_fpn", COCO_PERSON_SCHEMA)],
)
def test_published_weights_load_into_our_network(tmp_path, monkeypatch, name, schema):
    """The file is made here with our own parameters in torchvision's form; only the download is left out."""
    torch.manual_seed(0)
    with without_pretrained():
        source = catalog.build_model(name, schema, {"pretrained": True})
    torch.save(source.state_dict(), tmp_path / "published.pth")
    asked = []

    def fetch(url, sha256_prefix, *, note, size_mb):
        asked.append((url, sha256_prefix))
        assert name in note
        return tmp_path / "published.pth"

    monkeypatch.setattr(stored, "fetch", fetch)
    predictor = load(name, device="cpu")
    assert asked == [(PUBLISHED[name].url, PUBLISHED[name].sha256_prefix)]
    assert predictor.schema == schema
    loaded = predictor.model.state_dict()
    assert all(torch.equal(value, loaded[key]) for key, value in source.state_dict().items())


@pytest.mark.parametrize("name", ["fasterrcnn_resnet50_fpn", "ssd300_vgg16", "descriptor_resnet50", "fcn8s_vgg16"])
def test_a_run_of_a_pretrained_model_loads_without_a_download(tmp_path, name):
    """The network is that of a pretrained one, its frozen norms included; nothing is read or fetched."""
    with without_pretrained():
        source = catalog.build_model(name, SCHEMA, {"pretrained": True})
    metadata = {"model": name, "options": '{"pretrained": true}', "schema": to_json(SCHEMA), "frozen_eps": "0.25"}
    save_weights(tmp_path / "weights.safetensors", source.state_dict(), metadata)
    loaded = load(tmp_path, device="cpu").model
    assert [type(module) for module in loaded.modules()] == [type(module) for module in source.modules()]
    frozen = [module for module in loaded.modules() if isinstance(module, FrozenBatchNorm2d)]
    assert bool(frozen) == ("resnet" in name)
    assert all(module.eps == 0.25 for module in frozen)


def test_coco_names_lie_at_their_numbers():
    assert COCO_SCHEMA.num_classes == 90
    assert [COCO_SCHEMA.categories[i - 1] for i in (1, 13, 44, 65, 90)] == [
        "person",
        "stop sign",
        "bottle",
        "bed",
        "toothbrush",
    ]
    assert len(set(COCO_SCHEMA.categories)) == 90
    assert sum(name.startswith("N/A") for name in COCO_SCHEMA.categories) == 10
    keypoints = COCO_PERSON_SCHEMA.keypoints
    assert len(keypoints) == len(keypoints.sigmas) == 17
    assert all("left" in keypoints.names[a] and "right" in keypoints.names[b] for a, b in keypoints.flip_pairs)
    assert all(keypoints.sigmas[a] == keypoints.sigmas[b] for a, b in keypoints.flip_pairs)
    assert sum(keypoints.sigmas) == pytest.approx(1.138)


def test_a_later_training_belongs_to_the_same_network(monkeypatch):
    offer(monkeypatch, "resnet50")
    assert stored.architecture_of("resnet50_v2") == "resnet50"
    assert stored.architecture_of("keypointrcnn_resnet50_fpn_legacy") == "keypointrcnn_resnet50_fpn"
    assert stored.architecture_of("resnet50_v3") is None


def test_a_published_network_inside_of_ours_gets_its_place_in_front_of_its_names(tmp_path, monkeypatch):
    offer(monkeypatch, "fcn_resnet50")
    monkeypatch.setitem(PUBLISHED, "fcn_resnet50", replace(PUBLISHED["fcn_resnet50"], prefix="head."))
    torch.save({"level": torch.tensor(0.75)}, tmp_path / "published.pth")
    monkeypatch.setattr(stored, "fetch", lambda *_, **__: tmp_path / "published.pth")
    predictor = load("fcn_resnet50", device="cpu")
    assert predictor.model.head["level"] == 0.75
    assert predictor.model.num_classes == predictor.schema.num_classes == 21


SIZE = (4, 6)
KINDS = {
    "objects": InstancePrediction(torch.zeros(2, 4), torch.tensor([1, 0]), torch.tensor([0.7, 0.3]), SIZE),
    "pixels": SemanticPrediction(torch.zeros(SIZE, dtype=torch.uint8), torch.full(SIZE, 0.3), SIZE),
    "a class": ClassPrediction(torch.tensor([1, 0]), torch.tensor([0.7, 0.3]), SIZE),
    "an embedding": EmbeddingPrediction(torch.ones(3), SIZE),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_least_score_is_of_objects_only(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(Brightness, "postprocess", lambda self, outputs, sizes: [KINDS[kind]])
    predictor = load(write_run(tmp_path / "run"))
    found, whole = (predictor.predict(bright_image(), min_score=least)[0].prediction for least in (0.5, None))
    assert type(found) is type(whole) is type(KINDS[kind])
    if kind == "objects":
        assert found.scores.tolist() == pytest.approx([0.7])
        assert whole.scores.tolist() == pytest.approx([0.7, 0.3])
    else:
        tensors = [name for name, value in vars(whole).items() if isinstance(value, torch.Tensor)]
        assert all(torch.equal(getattr(found, name), getattr(whole, name)) for name in tensors)


def test_a_least_score_of_an_unknown_kind_is_refused(tmp_path, monkeypatch):
    target = SemanticTarget(torch.zeros(SIZE, dtype=torch.uint8), SIZE)
    monkeypatch.setattr(Brightness, "postprocess", lambda self, outputs, sizes: [target])
    predictor = load(write_run(tmp_path / "run"))
    with pytest.raises(NoRowError, match="a least score knows no SemanticTarget; it knows InstancePrediction"):
        predictor.predict(bright_image(), min_score=0.5)


def test_published_classifiers_see_what_they_were_measured_on(tmp_path, monkeypatch):
    network = catalog.MODELS["mobilenet_v3_large"](num_classes=1000)
    prefix = PUBLISHED["mobilenet_v3_large"].prefix
    published = {key.removeprefix(prefix): value for key, value in network.state_dict().items()}
    torch.save(published, tmp_path / "published.pth")
    monkeypatch.setattr(stored, "fetch", lambda *_, **__: tmp_path / "published.pth")
    first, second = (load(name, device="cpu") for name in ("mobilenet_v3_large", "mobilenet_v3_large_v2"))
    assert (first.model.transform.shorter, second.model.transform.shorter) == (256, 232)
    (result,) = second.predict(bright_image())
    assert result.prediction.labels.max() < len(second.schema.categories) == 1000
