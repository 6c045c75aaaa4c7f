"""The contract of a data set, checked on the miniature of every entry of the catalog, and on drawn data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import visus.data.readers
from visus.catalog import DATASETS
from visus.clouds import PointCloud
from visus.data.augment.augment import Augment
from visus.data.augment.mirror import mirror_of
from visus.data.augment.shapes import ShapeAugment
from visus.data.check.folder import check_folder
from visus.data.feed.collate import Collate
from visus.data.recognise import layout_of
from visus.nn.points.transform import PointTransform
from visus.scenes import SceneGraph, graph_batch
from visus.types import VOID, ClassTarget, ImageTarget, InstanceTarget, PartTarget, Sample, Schema, SemanticTarget


@pytest.fixture(scope="module", params=sorted(DATASETS))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def root(name: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(name)
    if (write := DATASETS[name].write_fake) is not None:
        write(folder)
    return folder


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_samples_are_what_the_schema_says(name: str, root: Path, split: str) -> None:
    dataset = DATASETS[name].open(root, split, for_training=split == "train")
    count = min(len(dataset), 4)
    assert count > 0
    samples = [dataset[index] for index in range(count)]
    for index, sample in enumerate(samples):
        assert frame_of(sample.input) == sample.target.size == tuple(dataset.size(index))
        assert sample.path == dataset.path(index)
        check(sample, dataset.schema)
    assert len({sample.target.image_id for sample in samples}) == count
    assert len({type(sample.target) for sample in samples}) == 1
    known = getattr(dataset, "labels", None)
    if known is not None:
        assert [int(sample.target.label) for sample in samples] == known[:count].tolist()


def frame_of(given: Any) -> tuple[int, ...]:
    """The shape of an image of bytes without its channels; the number of points of a cloud in the unit sphere."""
    if isinstance(given, PointCloud):
        assert given.points.dtype == torch.float32
        assert float(given.points.norm(dim=1).max()) == pytest.approx(1, abs=1e-4)
        return given.frame
    if isinstance(given, SceneGraph):
        assert len(given.labels) == len(given.attributes) == len(given.boxes)
        return given.size
    assert given.dtype == torch.uint8
    return tuple(given.shape[1:])


def check(sample: Sample, schema: Schema) -> None:
    target = sample.target
    if isinstance(target, PartTarget):
        assert len(target.labels) == len(sample.input)
        assert 0 <= int(target.labels.min()) <= int(target.labels.max()) < len(schema.part_names)
        return
    if isinstance(target, SemanticTarget):
        assert target.labels.shape == sample.input.shape[1:]
        painted = target.labels[target.labels != VOID]
        assert len(painted) == 0 or int(painted.max()) < schema.num_classes
    elif isinstance(target, ImageTarget):
        assert torch.equal(target.labels, sample.input.labels)
        assert int(sample.input.relationships[:, 1].max()) < len(schema.predicates)
        assert target.pixels.shape[1:] == target.size
        assert (target.masks is not None) == schema.has_masks
    elif isinstance(target, ClassTarget):
        assert 0 <= int(target.label) < schema.num_classes
    else:
        assert isinstance(target, InstanceTarget)
        assert ((target.labels >= 0) & (target.labels < schema.num_classes)).all()
        assert (target.masks is not None) == schema.has_masks


def test_samples_can_be_varied_and_collected(name: str, root: Path) -> None:
    dataset = DATASETS[name].open(root, "train", for_training=True)
    if isinstance(dataset[0].input, PointCloud):
        vary_shape = ShapeAugment(rotate=180, jitter=0.01)
        generator = torch.Generator().manual_seed(0)
        points = PointTransform(points=32).batch([vary_shape(dataset[i], generator).input for i in range(3)])
        assert points.points.shape == (3, 32, 3)
        return
    if isinstance(dataset[0].input, SceneGraph):  # graphs are not varied
        graphs = [dataset[i].input for i in range(3)]
        assert len(graph_batch(graphs).labels) == sum(map(len, graphs))
        return
    vary = Augment(size=(48, 64), scale=(0.8, 1.2), rotate=5, colour=0.2, mirror=mirror_of(dataset.schema))
    generator = torch.Generator().manual_seed(0)
    varied = [vary(dataset[index], generator) for index in range(min(len(dataset), 3))]
    batch = Collate()(varied)
    assert all(target.size == (48, 64) for target in batch.targets)
    assert batch.inputs.pixels.shape[-2:] == (64, 64)


def test_a_folder_without_the_data_is_named(name: str, tmp_path: Path) -> None:
    if DATASETS[name].write_fake is None:
        pytest.skip("drawn data has no folder")
    with pytest.raises((ValueError, OSError), match=r"nowhere"):
        DATASETS[name].open(tmp_path / "nowhere", "train", for_training=True)


RECOGNISED_AS = {"coco_keypoints": "coco", "voc_semantic": "voc", "class_folder": "image_folder"}
"""Other ways to read a layout that has a name already."""
IN_ONE_FILE = {"modelnet10_voxels", "modelnet_h5"}
"""Data sets many of whose samples lie in one file."""
WRITTEN = sorted(name for name, entry in DATASETS.items() if entry.write_fake)
LISTS = {
    "camvid": "train.txt",
    "pennfudan": "train.txt",
    "voc": "ImageSets/Main/train.txt",
    "csv": "labels.csv",
    "sop": "Ebay_train.txt",
    "cub200": "image_class_labels.txt",
    "in_shop": "Eval/list_eval_partition.txt",
    "cars196": "cars_annos.mat",
    "yolo": "data.yaml",
    "mask_folder": "classes.csv",
    "coco": "annotations/instances_train.json",
    "labelme": "train/001.json",
    "label_studio": "project.json",
    "cvat": "train/annotations.xml",
    "vrd": "annotations_train.json",
    "vg150": "VG-SGG-dicts-with-attri.json",
    "visual_genome": "objects.json",
}
"""The file of each layout that says what the images show."""


@pytest.fixture(params=WRITTEN)
def written(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path]:
    """The name of a data set and a miniature of it."""
    write = DATASETS[request.param].write_fake
    assert write is not None
    write(tmp_path / "data")
    return request.param, tmp_path / "data"


def test_entries_say_what_they_are(name: str) -> None:
    entry = DATASETS[name]
    for said in (entry.summary, entry.licence, entry.size, entry.source):
        assert said == said.strip() != ""
        assert "\n" not in said
    assert bool(entry.mark) == (entry.recognise is not None)
    assert (entry.write_fake is None) == (entry.check is None)
    assert entry.write_fake is not None or entry.recognise is None
    assert entry.recognise is not None or entry.write_fake is None or name in RECOGNISED_AS


def test_every_reader_is_a_data_set() -> None:
    readers = Path(visus.data.readers.__file__).parent
    assert {file.stem for file in readers.glob("*.py")} - {"__init__"} <= set(DATASETS)


def test_a_miniature_is_recognised_and_without_errors(written: tuple[str, Path]) -> None:
    name, root = written
    assert layout_of(root) == RECOGNISED_AS.get(name, name)
    check = DATASETS[name].check
    assert check is not None
    for decode in (True, False):
        report = check(root, decode=decode)
        assert report.errors == 0, report.problems
        assert report.images > 0


def test_a_folder_may_be_named_in_any_way(written: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    name, root = written
    link = root.parent / "link"
    link.symlink_to(root, target_is_directory=True)
    monkeypatch.chdir(root.parent)
    entry = DATASETS[name]
    lengths = {split: len(entry.open(root, split)) for split in ("train", "val", "test")}
    assert min(lengths.values()) > 0
    for place in (Path("data"), Path(f"{root}/"), Path("./data/"), link, Path("link"), root / ".." / "data"):
        assert layout_of(place) == RECOGNISED_AS.get(name, name)
        assert check_folder(place, dataset=name).errors == 0
        for split, length in lengths.items():
            dataset = entry.open(place, split)
            assert len(dataset) == length
            assert frame_of(dataset[length - 1].input) == tuple(dataset.size(length - 1))


def test_a_missing_image_is_reported(written: tuple[str, Path]) -> None:
    name, root = written
    entry = DATASETS[name]
    if name in IN_ONE_FILE:
        (Path(entry.open(root, "train").path(1))).write_bytes(b"no grid")
        assert check_folder(root, dataset=name).errors
        return
    before = [len(entry.open(root, split)) for split in ("train", "val", "test")]
    lost = Path(entry.open(root, "train")[1].path)
    lost.unlink()
    after = [len(entry.open(root, split)) for split in ("train", "val", "test")]
    report = check_folder(root, dataset=name)
    if sum(after) == sum(before):  # otherwise the files say what there is, and nothing misses this one
        assert report.errors
        assert lost.stem in {Path(problem.file).stem for problem in report.problems}
    lost.write_bytes(b"no image")
    assert lost.name in {Path(problem.file).name for problem in check_folder(root, dataset=name).problems}


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("content", ["half", "empty", "noise", "missing"])
def test_a_damaged_list_is_reported_and_never_raised(name: str, content: str, tmp_path: Path) -> None:
    write = DATASETS[name].write_fake
    assert write is not None
    write(tmp_path)
    file = tmp_path / LISTS[name]
    data = file.read_bytes()
    if content == "missing":
        file.unlink()
    else:
        file.write_bytes({"half": data[: len(data) // 2 - 1], "empty": b"", "noise": b"\xff\xfe\x00\xd8\x81"}[content])
    report = check_folder(tmp_path, dataset=name)
    harmless = (name, content) in {
        *((layout, "half") for layout in ("voc", "camvid", "pennfudan")),  # fewer names are no fault
        ("coco", "missing"),  # there are the files with keypoints
    }
    assert report.problems or harmless
