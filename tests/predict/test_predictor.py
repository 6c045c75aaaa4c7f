import pytest
import torch
from PIL import Image
from serve_brightness import NAME, SCHEMA, Brightness, builder, write_run

from visus import catalog
from visus.data.formats.coco_names import COCO_PERSON_SCHEMA, COCO_SCHEMA
from visus.errors import VisusError
from visus.nn.published import PUBLISHED
from visus.predict import predictor as module
from visus.predict.predictor import load
from visus.types import ClassPrediction


@pytest.fixture(autouse=True)
def model_in_the_catalog(monkeypatch):
    monkeypatch.setitem(catalog.MODELS, NAME, builder)


def picture(height=20, width=30):
    image = torch.zeros(3, height, width, dtype=torch.uint8)
    image[:, 5:10, 8:20] = 255
    return image


def test_a_run_folder_becomes_its_model(tmp_path):
    predictor = load(write_run(tmp_path / "run"), device="cpu")
    assert predictor.schema == SCHEMA
    assert predictor.model.num_classes == 2
    assert predictor.model.threshold == 0.6
    assert not predictor.model.training
    (found,) = predictor.predict(picture())
    assert found.boxes_xyxy.tolist() == [[8, 5, 20, 10]] * 2
    assert found.scores.tolist() == pytest.approx([0.9, 0.4])
    assert found.size == (20, 30)


def test_a_weights_file_and_a_text_path(tmp_path):
    run = write_run(tmp_path / "run")
    assert load(str(run / "weights.safetensors")).schema == SCHEMA


def test_all_kinds_of_pictures(tmp_path):
    predictor = load(write_run(tmp_path / "run"))
    as_image = Image.fromarray(picture().permute(1, 2, 0).numpy())
    as_image.save(tmp_path / "p.png")
    found = predictor.predict([picture(), as_image, tmp_path / "p.png", str(tmp_path / "p.png")], batch_size=3)
    assert [p.boxes_xyxy[0].tolist() for p in found] == [[8, 5, 20, 10]] * 4
    assert predictor.model.batches == [3, 1]
    assert len(predictor.predict(as_image.convert("L"))) == 1


def test_pictures_of_different_sizes_in_one_batch(tmp_path):
    predictor = load(write_run(tmp_path / "run"))
    found = predictor.predict([picture(20, 30), picture(40, 25)], batch_size=2)
    assert [p.size for p in found] == [(20, 30), (40, 25)]
    assert found[1].boxes_xyxy[0].tolist() == [8, 5, 20, 10]


def test_the_least_score(tmp_path):
    predictor = load(write_run(tmp_path / "run"))
    assert len(predictor.predict(picture(), min_score=0.5)[0]) == 1
    assert len(predictor.predict(torch.zeros(3, 8, 8, dtype=torch.uint8))[0]) == 0


@pytest.mark.parametrize("wrong", [torch.zeros(3, 8, 8), torch.zeros(8, 8, 3, dtype=torch.uint8), torch.zeros(8, 8)])
def test_tensors_that_are_no_pictures(tmp_path, wrong):
    predictor = load(write_run(tmp_path / "run"))
    with pytest.raises(ValueError, match=r"uint8 of shape \[3, h, w\]"):
        predictor.predict(wrong)


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
    options = module._without_downloads(name, {"pretrained": True})
    torch.manual_seed(0)
    source = catalog.build_model(name, schema, options)
    torch.save(source.state_dict(), tmp_path / "published.pth")
    asked = []

    def fetch(url, sha256_prefix, *, note, size_mb):
        asked.append((url, sha256_prefix))
        assert name in note
        return tmp_path / "published.pth"

    monkeypatch.setattr(module, "fetch", fetch)
    predictor = load(name, device="cpu")
    assert asked == [(PUBLISHED[name].url, PUBLISHED[name].sha256_prefix)]
    assert predictor.schema == schema
    loaded = predictor.model.state_dict()
    assert all(torch.equal(value, loaded[key]) for key, value in source.state_dict().items())


def test_a_run_of_a_pretrained_model_loads_without_a_download(monkeypatch):
    options = module._without_downloads("fasterrcnn_resnet50_fpn", {"pretrained": True, "min_size": 200})
    assert options == {"pretrained": False, "norm": "frozen", "min_size": 200}
    options = module._without_downloads("fasterrcnn_resnet50_fpn", {"norm": "batch"})
    assert options == {"pretrained": False, "norm": "batch"}


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
    monkeypatch.setitem(catalog.MODELS, "resnet50", builder)
    assert module.architecture_of("resnet50_v2") == "resnet50"
    assert module.architecture_of("keypointrcnn_resnet50_fpn_legacy") == "keypointrcnn_resnet50_fpn"
    assert module.architecture_of("resnet50_v3") is None


def test_a_published_network_inside_of_ours_gets_its_place_in_front_of_its_names(tmp_path, monkeypatch):
    monkeypatch.setitem(catalog.MODELS, "fcn_resnet50", builder)
    monkeypatch.setattr(Brightness, "published_prefix", "head.", raising=False)
    torch.save({"level": torch.tensor(0.75)}, tmp_path / "published.pth")
    monkeypatch.setattr(module, "fetch", lambda *_, **__: tmp_path / "published.pth")
    predictor = load("fcn_resnet50", device="cpu")
    assert predictor.model.head["level"] == 0.75
    assert predictor.model.num_classes == predictor.schema.num_classes == 21


def test_the_least_score_is_of_objects_only(tmp_path, monkeypatch):
    def postprocess(self, outputs, sizes):
        return [ClassPrediction(torch.tensor([1, 0]), torch.tensor([0.7, 0.3]), size) for size in sizes]

    monkeypatch.setattr(Brightness, "postprocess", postprocess)
    (found,) = load(write_run(tmp_path / "run")).predict(picture(), min_score=0.9)
    assert found.scores.tolist() == pytest.approx([0.7, 0.3])


def test_published_classifiers_see_what_they_were_measured_on(tmp_path, monkeypatch):
    network = catalog.MODELS["mobilenet_v3_large"](num_classes=1000)
    prefix = network.published_prefix
    published = {key.removeprefix(prefix): value for key, value in network.state_dict().items()}
    torch.save(published, tmp_path / "published.pth")
    monkeypatch.setattr(module, "fetch", lambda *_, **__: tmp_path / "published.pth")
    first, second = (load(name, device="cpu") for name in ("mobilenet_v3_large", "mobilenet_v3_large_v2"))
    assert (first.model.transform.shorter, second.model.transform.shorter) == (256, 232)
    (found,) = second.predict(picture())
    assert found.labels.max() < len(second.schema.categories) == 1000
