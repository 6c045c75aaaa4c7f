"""Damaged single files: each is read, or refused in one line that names it; nothing hangs and nothing else is raised.

Data sets have their own (`test_reader_fuzz.py`); here is what else visus reads: images, shapes, scene graphs, recipes
and numbers of runs, weights, and exported files with the JSON beside them. These are 30 files, each damaged 6 times by
`make test` and 300 times by `make fuzz` (VISUS_FUZZ): two thirds of the time by what knows the format
(`file_mutations`), else in bits and length.
"""

from __future__ import annotations

import importlib.util
import json
import os
import random
import shutil
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import visus
from data.file_mutations import damage_file
from visus import catalog
from visus.cli.dispatch import message_of
from visus.data.files.images import image_size, is_damaged_jpeg, read_image
from visus.data.files.shapes import read_shape
from visus.dataclass_json import to_json
from visus.errors import VisusError
from visus.phrases.vocabulary import Vocabulary
from visus.predict.exported import Given, Told, beside
from visus.predict.scene_json import read_scene_graphs
from visus.recipes.find import read_recipe
from visus.training.recipe import Recipe
from visus.training.run import RunFolder
from visus.types import Schema

COUNT = int(os.environ.get("VISUS_FUZZ", "6"))
FIRST = int(os.environ.get("VISUS_FUZZ_SEED", "0"))
SECONDS = 2.0
SCHEMA = Schema(("cat", "dog", "owl"), (1, 2, 3), attributes=("red",), predicates=("on", "beside"))
needs = {name: importlib.util.find_spec(name) is not None for name in ("trimesh", "onnx", "onnxruntime")}


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Args:
        write: writes whole ones into a folder; each of them is damaged in turn.
        read: reads the damaged one.
        together: whether it needs the others beside it.
    """

    write: Callable[[Path], Any]
    read: Callable[[Path], Any]
    together: bool = False


def images(folder: Path) -> None:
    generator = np.random.default_rng(0)
    colours = Image.fromarray(generator.integers(0, 255, (24, 31, 3), dtype=np.uint8))
    deep = Image.fromarray(generator.integers(0, 65535, (24, 31), dtype=np.uint16))
    turned = Image.Exif()
    turned[0x0112] = 6
    colours.save(folder / "a.jpg", exif=turned)
    colours.convert("CMYK").save(folder / "cmyk.jpg", progressive=True)
    colours.save(folder / "a.png", exif=turned)
    colours.quantize(16).save(folder / "palette.png", transparency=3)
    deep.save(folder / "deep.png")
    colours.save(folder / "a.tif", compression="tiff_lzw")
    deep.save(folder / "deep.tif")
    colours.save(folder / "packed.tif", compression="tiff_deflate")
    colours.quantize(16).save(folder / "a.gif", save_all=True, append_images=[colours.quantize(4)])
    colours.save(folder / "a.bmp")
    colours.save(folder / "a.webp")
    colours.convert("L").save(folder / "a.pgm")


def look_at(file: Path) -> None:
    size = image_size(file)
    is_damaged_jpeg(file)
    pixels = read_image(file)
    if tuple(pixels.shape[1:]) != tuple(size):
        raise TypeError(f"{tuple(pixels.shape[1:])} pixels, and {tuple(size)} were announced")


CORNERS = ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1))
FACES = ((0, 1, 2), (0, 1, 3), (0, 2, 3), (1, 2, 3))


def plain_shapes(folder: Path) -> None:
    rows = "".join(f"{x} {y} {z}\n" for x, y, z in CORNERS)
    (folder / "a.off").write_text(f"OFF\n4 4 6\n{rows}" + "".join(f"3 {a} {b} {c}\n" for a, b, c in FACES))
    (folder / "quads.off").write_text(f"OFF4 2 0\n{rows}4 0 1 2 3 255 0 0\n3 0 1 2\n")
    (folder / "a.xyz").write_text(rows)
    np.save(folder / "a.npy", np.array(CORNERS, dtype=np.float32))


def meshes(folder: Path) -> None:
    import trimesh

    whole = trimesh.Trimesh(CORNERS, FACES, process=False)
    for name in ("a.obj", "a.stl", "a.glb", "packed.ply"):
        whole.export(folder / name)
    (folder / "text.ply").write_bytes(whole.export(file_type="ply", encoding="ascii"))


def graphs(folder: Path) -> None:
    one = {"name": "cat", "attributes": ["red"], "box_xyxy": [1, 2, 30, 40], "score": 0.9}
    row = {"subject": 0, "predicate": "on", "object": 1, "score": 0.8}
    graph = {"width": 64, "height": 48, "objects": [one, "dog"], "relationships": [row, [1, "beside", 0]]}
    (folder / "graph.json").write_text(json.dumps(graph))
    (folder / "predictions.json").write_text(json.dumps([graph, {**graph, "image_id": 2, "file_name": "b.png"}]))


def run_files(folder: Path) -> None:
    recipe = Recipe(name="small", model="prototypical_conv4")
    run = RunFolder(folder)
    run.create(recipe)
    network = catalog.build_model(recipe.model, SCHEMA, recipe.model_options)
    run.save_weights(network.state_dict(), recipe, SCHEMA)
    run.write_metrics({"score threshold": 0.25, "AP": 0.5})
    run.write_history([{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}], [{"step": 1, "loss": 0.5}])


def read_run(file: Path) -> None:
    run = RunFolder(file.parent)
    run.recipe()
    read_recipe(run.recipe_file)
    run.metrics()
    run.history()
    run.curves()
    visus.load(run.path, device="cpu")


def exported(folder: Path) -> None:
    """A graph that takes the mean of an image's colours as its classes, and what lies beside it."""
    from onnx import TensorProto, helper, save

    path = folder / "model.onnx"
    nodes = [
        helper.make_node("Cast", ["images"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["numbers", "axes"], ["means"], keepdims=0),
        helper.make_node("Softmax", ["means"], ["shares"], axis=1),
        helper.make_node("TopK", ["shares", "count"], ["scores", "labels"]),
    ]
    graph = helper.make_graph(
        nodes,
        "means",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["batch", 3, "h", "w"])],
        [
            helper.make_tensor_value_info("labels", TensorProto.INT64, ["batch", 3]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 3]),
        ],
        [
            helper.make_tensor("axes", TensorProto.INT64, [2], [2, 3]),
            helper.make_tensor("count", TensorProto.INT64, [1], [3]),
        ],
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    about = Told(
        file=path.name,
        format="onnx",
        precision="float32",
        model="classifier_lite0",
        kind="classes",
        input=Given("images", "images", "uint8", ("batch", 3, "h", "w"), {}),
        thresholds={},
        outputs={"labels": "", "scores": ""},
        outside=(),
        schema=SCHEMA,
        threshold=0.5,
        licence="",
        versions={},
    )
    beside(path).write_text(to_json(about, indent=2))


def run_exported(file: Path) -> None:
    path = file.with_name("model.onnx")
    [result] = visus.load(path).predict(torch.full((3, 16, 16), 9, dtype=torch.uint8))
    json.dumps(result.to_dict())


def read_graphs(file: Path) -> None:
    read_scene_graphs(file, Vocabulary(SCHEMA), (64, 64))


KINDS = {
    "images": Kind(images, look_at),
    "shapes": Kind(plain_shapes, read_shape),
    "meshes": Kind(meshes, read_shape),
    "scene graphs": Kind(graphs, read_graphs),
    "run": Kind(run_files, read_run, together=True),
    "exported": Kind(exported, run_exported, together=True),
}
NEEDED = {"meshes": ("trimesh",), "exported": ("onnx", "onnxruntime")}


def wrong_with(read: Callable[[Path], Any], file: Path) -> str:
    """What is wrong with how a damaged file is read; empty where nothing is."""
    begin = time.process_time()
    try:
        read(file)
    except VisusError as error:
        text = message_of(error)
        if file.name.removesuffix(".json") not in text:
            return f"a message that does not name the file: {text}"
        if "\n" in text and "these weights do not fit" not in text:
            return f"a message of several lines: {text}"
    except Exception as error:
        return f"raises {type(error).__name__}: {error}"
    seconds = time.process_time() - begin
    return f"{seconds:.1f} s" if seconds > SECONDS else ""


@pytest.mark.parametrize("name", KINDS)
def test_damaged_files_are_read_or_refused(name: str, tmp_path: Path) -> None:
    if lacking := [one for one in NEEDED.get(name, ()) if not needs[one]]:
        pytest.skip(f"needs {', '.join(lacking)}")
    kind = KINDS[name]
    (tmp_path / "whole").mkdir()
    kind.write(tmp_path / "whole")
    files = sorted(path.name for path in (tmp_path / "whole").iterdir() if path.is_file())
    failures = []
    for file in files:
        assert not wrong_with(kind.read, tmp_path / "whole" / file)
        for seed in range(FIRST, FIRST + COUNT):
            generator = random.Random(f"{file} {seed}")
            (tmp_path / "damaged").mkdir()
            for beside_it in files if kind.together else [file]:
                os.link(tmp_path / "whole" / beside_it, tmp_path / "damaged" / beside_it)
            what = [damage_file(tmp_path / "damaged" / file, generator) for _ in range(generator.choice((1, 1, 2, 3)))]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                if wrong := wrong_with(kind.read, tmp_path / "damaged" / file):
                    failures.append(f"{file}, seed {seed}: {'; '.join(what)}\n    {wrong}")
            shutil.rmtree(tmp_path / "damaged")
    print(f"{name}: {len(files)} files, each damaged {COUNT} times, {len(failures)} failures")
    assert not failures, "\n".join(failures)
