"""Readers of shapes: splits, labels, the cells of grids, parts, and the cache of sampled meshes."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from visus.data.errors import AnnotationError, DatasetNotFoundError
from visus.data.readers import modelnet, modelnet10_voxels, modelnet_h5, shape_folder, shapenet_part
from visus.data.records import shapes
from visus.data.records.held_out import held_out
from visus.ops.voxels import voxelise

REAL = Path(__file__).resolve().parents[4] / "shared" / "data" / "modelnet10_voxels"


def test_validation_is_held_out_of_training_class_by_class(tmp_path: Path) -> None:
    modelnet.write_fake(tmp_path)
    found = {name: modelnet.open_modelnet(tmp_path, name) for name in ("train", "val", "test", "all")}
    assert {name: len(one) for name, one in found.items()} == {"train": 27, "val": 6, "test": 9, "all": 33}
    files = {name: {one.path(i) for i in range(len(one))} for name, one in found.items()}
    assert files["train"] | files["val"] == files["all"]
    assert not files["train"] & files["val"]
    assert not files["all"] & files["test"]
    assert found["val"].schema.categories == ("bench", "chair", "table")
    assert found["val"].labels.tolist() == [0, 0, 1, 1, 2, 2]


def test_one_of_a_class_is_learned_and_nothing_is_lost() -> None:
    for count in range(25):
        train, val = held_out(count, "train"), held_out(count, "val")
        assert sorted(train + val) == list(range(count)) == held_out(count, "all")
        assert bool(val) == (count > 1)


def test_sampled_meshes_are_kept_until_the_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISUS_CACHE", str(tmp_path / "cache"))
    shape_folder.write_fake(tmp_path / "data")
    dataset = shape_folder.open_shape_folder(tmp_path / "data", "train")
    first = dataset[0].input
    kept = list((tmp_path / "cache").rglob("*.npy"))
    assert len(kept) == 1
    again = dataset[0].input
    assert torch.equal(again.points, first.points)
    assert torch.equal(again.normals, first.normals)
    path = Path(dataset.path(0))
    path.write_text(path.read_text().replace("OFF\n", "OFF\n# changed\n"))
    assert torch.equal(dataset[0].input.points, first.points)
    assert len(list((tmp_path / "cache").rglob("*.npy"))) == 2


def test_a_cache_that_cannot_be_written_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").write_text("a file is in the way")
    monkeypatch.setenv("VISUS_CACHE", str(tmp_path / "cache"))
    shape_folder.write_fake(tmp_path / "data", views=3)
    assert len(shapes.cached_shape(tmp_path / "data" / "car" / "car_0.off")) > 0


def test_a_folder_of_one_class_is_refused(tmp_path: Path) -> None:
    shape_folder.write_fake(tmp_path)
    for name in ("ball", "chair"):
        for file in (tmp_path / name).iterdir():
            file.unlink()
    with pytest.raises(AnnotationError, match="car alone"):
        shape_folder.open_shape_folder(tmp_path, "train")
    with pytest.raises(DatasetNotFoundError, match="no folders of shapes"):
        shape_folder.open_shape_folder(tmp_path / "ball", "train")


def test_cells_of_a_grid_come_back(tmp_path: Path) -> None:
    modelnet10_voxels.write_fake(tmp_path)
    dataset = modelnet10_voxels.open_modelnet10_voxels(tmp_path, "test")
    with np.load(tmp_path / modelnet10_voxels.FILE) as content:
        grids = np.unpackbits(content["X_test"], axis=1)[:, :27000].reshape(-1, 30, 30, 30).astype(bool)
        labels = content["y_test"]
    order = np.argsort(labels, kind="stable")
    assert dataset.labels.tolist() == labels[order].tolist()
    for place, sample in zip(order, (dataset[i] for i in range(len(dataset))), strict=True):
        assert np.array_equal(voxelise(sample.input.points[None], size=30)[0].numpy(), grids[place])


def test_clouds_of_hdf5_stand_upright(tmp_path: Path) -> None:
    modelnet_h5.write_fake(tmp_path)
    dataset = modelnet_h5.open_modelnet_h5(tmp_path, "all")
    table = next(dataset[i].input for i in range(len(dataset)) if int(dataset.labels[i]) == 2)
    top = table.points[:, 2] > 0.5 * float(table.points[:, 2].max())
    assert float(top.double().mean()) > 0.3, "the top of a table is above"


def test_parts_are_numbered_through_over_the_categories(tmp_path: Path) -> None:
    shapenet_part.write_fake(tmp_path)
    dataset = shapenet_part.open_shapenet_part(tmp_path, "train")
    assert dataset.schema.part_names == (
        *("Chair back", "Chair seat", "Chair leg", "Chair arm"),
        *("Table top", "Table leg", "Table drawer"),
    )
    chair, table = dataset[0], dataset[1]
    assert (int(chair.target.label), int(table.target.label)) == (0, 1)
    assert {0, 1, 2} <= set(chair.target.labels.tolist()) <= {0, 1, 2, 3}
    assert set(table.target.labels.tolist()) <= {4, 5}
    heights = chair.input.points[:, 2]
    back, leg = (float(heights[chair.target.labels == part].mean()) for part in (0, 2))
    assert back > leg
    (tmp_path / "synsetoffset2category.txt").write_text("Spoon 0001\n")
    with pytest.raises(AnnotationError, match="'Spoon 0001' is no category"):
        shapenet_part.open_shapenet_part(tmp_path, "train")


@pytest.mark.data
@pytest.mark.skipif(not REAL.is_dir(), reason="the voxels of ModelNet10 are not beside the checkout")
def test_modelnet10_has_its_published_numbers() -> None:
    """3,991 and 908 grids, 7 and 1 of which are empty."""
    lengths = {name: len(modelnet10_voxels.open_modelnet10_voxels(REAL, name)) for name in ("all", "test")}
    assert lengths == {"all": 3984, "test": 907}


def test_damaged_grids_are_refused_with_the_name_of_their_file(tmp_path: Path) -> None:
    modelnet10_voxels.write_fake(tmp_path)
    file = tmp_path / modelnet10_voxels.FILE
    with np.load(file) as content:
        arrays = {f"{name}.npy": content[name] for name in content.files}
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            held = io.BytesIO()
            np.save(held, array)
            head = held.getvalue().replace(b"}", b"(", 1)  # what ends in the middle is no literal of Python
            archive.writestr(name, head)
    with pytest.raises(AnnotationError, match=r"modelnet10_30\.npz: no file of packed grids"):
        modelnet10_voxels.open_modelnet10_voxels(tmp_path, "train")


@pytest.mark.parametrize("kind", ["group", "type"])
def test_damaged_clouds_are_refused_with_the_name_of_their_file(tmp_path: Path, kind: str) -> None:
    h5py = pytest.importorskip("h5py")
    modelnet_h5.write_fake(tmp_path)
    with h5py.File(tmp_path / "ply_data_train0.h5", "a") as file:
        del file["data"]
        if kind == "group":
            file.create_group("data")
        else:
            file["data"] = np.dtype("f4")
    with pytest.raises(AnnotationError, match=r"ply_data_train0\.h5: no HDF5 with 'data' and 'label'"):
        modelnet_h5.open_modelnet_h5(tmp_path, "train")
