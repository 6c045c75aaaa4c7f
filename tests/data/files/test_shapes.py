"""Shapes in files: every format, what is broken in the wild, and what is refused in one line."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh

from visus.clouds import Mesh
from visus.data.errors import ShapeError
from visus.data.files.shapes import MOST_BYTES, SAMPLED, cloud_of, decode_shape, read_shape, sampled
from visus.data.vignettes3d.fake import thing_mesh, write_off

CUBE = trimesh.creation.box((1, 2, 3))


def off(head: str, vertices: str, faces: str) -> bytes:
    return f"{head}\n{vertices}\n{faces}\n".encode()


TETRAHEDRON = "0 0 0\n1 0 0\n0 1 0\n0 0 1"
FACES = "3 0 1 2\n3 0 1 3\n3 0 2 3\n3 1 2 3"


def test_a_mesh_is_sampled_once_and_for_all(tmp_path: Path) -> None:
    path = write_off(tmp_path / "car.off", "car")
    cloud = read_shape(path)
    assert cloud.frame == (SAMPLED,)
    assert cloud.normals is not None
    assert float(cloud.points.norm(dim=1).max()) == pytest.approx(1)
    assert torch.equal(cloud.points, read_shape(path).points)
    assert not torch.equal(cloud.points, read_shape(path, seed=1).points)
    assert read_shape(path, count=100).frame == (100,)


@pytest.mark.parametrize("head", ["OFF\n4 4 0", "OFF4 4 0", "OFF 4 4 0", "# by hand\nOFF\n4 4 0 # counts"])
def test_broken_first_lines_of_off_files_are_read(head: str) -> None:
    """Some files of ModelNet40 have no line break behind the first word."""
    usual = decode_shape(off("OFF\n4 4 0", TETRAHEDRON, FACES), "a.off")
    assert torch.equal(decode_shape(off(head, TETRAHEDRON, FACES), "a.off").points, usual.points)


def test_faces_of_more_corners_are_cut_into_triangles_and_colours_are_left_alone() -> None:
    square = "0 0 0\n1 0 0\n1 1 0\n0 1 0"
    whole = decode_shape(off("OFF\n4 1 0", square, "4 0 1 2 3 255 0 0"), "a.off")
    halves = decode_shape(off("OFF\n4 2 0", square, "3 0 1 2\n3 0 2 3"), "a.off")
    assert torch.equal(whole.points, halves.points)


@pytest.mark.parametrize("suffix", ["obj", "ply", "stl", "glb"])
def test_other_formats_of_meshes_are_read_by_trimesh(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"box.{suffix}"
    CUBE.export(path)
    cloud = read_shape(path)
    extent = cloud.points.amax(0) - cloud.points.amin(0)
    sides = sorted((extent / extent.min()).tolist())
    assert sides == pytest.approx([1, 2, 3], rel=0.03)


def test_the_meshes_of_a_scene_are_joined(tmp_path: Path) -> None:
    scene = trimesh.Scene()
    scene.add_geometry(trimesh.creation.box((1, 1, 1)))
    scene.add_geometry(trimesh.creation.box((1, 1, 1)), transform=trimesh.transformations.translation_matrix((4, 0, 0)))
    scene.export(tmp_path / "two.glb")
    cloud = read_shape(tmp_path / "two.glb")
    extent = cloud.points.amax(0) - cloud.points.amin(0)
    assert float(extent.max() / extent.min()) == pytest.approx(5, rel=0.05)


def test_clouds_are_read_and_large_ones_thinned(tmp_path: Path) -> None:
    points = np.random.default_rng(0).normal(size=(50, 6))
    np.savetxt(tmp_path / "a.xyz", points)
    np.save(tmp_path / "a.npy", points[:, :3])
    both = read_shape(tmp_path / "a.xyz"), read_shape(tmp_path / "a.npy")
    torch.testing.assert_close(both[0].points, both[1].points)
    assert both[0].normals is not None
    assert both[1].normals is None
    trimesh.PointCloud(points[:, :3]).export(tmp_path / "a.ply")
    assert read_shape(tmp_path / "a.ply").frame == (50,)
    assert cloud_of(np.random.default_rng(0).normal(size=(SAMPLED + 9, 3))).frame == (SAMPLED,)


def test_millimetres_are_metres(tmp_path: Path) -> None:
    mesh = thing_mesh("chair")
    large = sampled(Mesh(1000 * mesh.vertices + 1e5, mesh.faces))
    torch.testing.assert_close(large.points, sampled(mesh).points, rtol=0, atol=1e-3)


REFUSED = {
    "empty": (b"", "a.off", "the file is empty"),
    "a text": (b"Dear reader,\nthis is no mesh.\n", "a.off", "no OFF file: it begins with 'Dear reader,'"),
    "an image": (b"\x89PNG\r\n\x1a\n\x00\x00", "a.off", "no OFF file"),
    "no vertices": (b"OFF\n0 0 0\n", "a.off", "0 vertices and no faces"),
    "no faces": (off("OFF\n4 0 0", TETRAHEDRON, ""), "a.off", "4 vertices and no faces"),
    "cut off": (off("OFF\n9 4 0", TETRAHEDRON, ""), "a.off", "9 vertices are announced, and 4 are there"),
    "cut in a face": (off("OFF\n4 2 0", TETRAHEDRON, "3 0 1 2\n3 0"), "a.off", "face 1 of 2 has 1 corners of 3"),
    "words": (off("OFF\n4 4 0", TETRAHEDRON.replace("1", "one"), FACES), "a.off", "damaged"),
    "not finite": (
        off("OFF\n4 4 0", TETRAHEDRON.replace("1 0 0", "nan 0 0"), FACES),
        "a.off",
        "1 of 4 vertices are not",
    ),
    "no such corner": (off("OFF\n4 1 0", TETRAHEDRON, "3 0 1 7"), "a.off", "corner that is none of 4"),
    "flat": (off("OFF\n4 1 0", TETRAHEDRON, "3 0 0 1"), "a.off", "no area"),
    "one point": (b"1 2 3\n", "a.xyz", "a single point"),
    "one place": (b"1 2 3\n1 2 3\n", "a.xyz", "in one place"),
    "nan in a cloud": (b"1 2 3\nnan 1 2\n", "a.xyz", "1 points that are not finite"),
    "two columns": (b"1 2\n3 4\n", "a.xyz", r"not of \[2, 2\]"),
    "no numbers": (b"x y z\n", "a.xyz", "no XYZ file"),
    "no npy": (b"nothing", "a.npy", "no NPY file"),
    "no ply": (b"nothing", "a.ply", "no PLY file"),
    "no glb": (b"nothing at all in here", "a.glb", "no GLB file"),
    "another format": (b"x", "a.step", "shapes are read from"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_what_is_no_shape_is_refused_in_one_line(fault: str) -> None:
    content, name, message = REFUSED[fault]
    with pytest.raises(ShapeError, match=message) as error:
        decode_shape(content, name)
    assert str(error.value).startswith(f"{name}: ")
    assert "\n" not in str(error.value)


def test_a_huge_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.off"
    path.write_bytes(b"OFF\n")
    os.truncate(path, 2 * MOST_BYTES)
    with pytest.raises(ShapeError, match=r"huge\.off: 2\.0 GB, and at most 1 GB are read"):
        read_shape(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ShapeError, match="no such file"):
        read_shape(tmp_path / "none.off")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "trimesh", None)
    with pytest.raises(ShapeError, match=r"needs the package trimesh: pip install 'visus\[shapes\]'"):
        decode_shape(b"solid", "a.stl")
