"""Every network that can be exported, in every format: largest differences, the same objects, seconds, and accuracy.

    python benchmarks/exports.py                        # all of it, writes results/exports.json
    python benchmarks/exports.py --only ssd_lite0       # one network, whose row is renewed
    python benchmarks/exports.py --missing              # goes on where it was stopped
    python benchmarks/exports.py --accuracy             # a trained detector alone; --run RUN for one that is there

Each network of the catalog is built with the backbone that is made for a CPU, with random heads, written, and compared
with its file on square, wide and high images, alone and in pairs, detectors with no, one and a hundred objects: the
comparison of ``visus export``. What that would refuse is written down as refused. Times are medians of turns: one image
of 640 x 480, or one shape. The accuracy is that of an SSD that learned from drawn scenes for three minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from interleaved import ROOT, commit, cpu, said

from visus import catalog
from visus.dataclass_json import to_json
from visus.errors import VisusError
from visus.export.accuracy import accuracy, calibration
from visus.export.formats import FORMATS, onnx_to_openvino, write_onnx, write_torch
from visus.export.networks import REFUSED, WRAPPERS
from visus.export.parity import Compared, compare
from visus.export.written import about_of, largest, program_of, seconds_of, wanted_of
from visus.predict.exported import Exported, beside, load_exported
from visus.predict.stored import find_weights
from visus.runs.feed import open_dataset

RESULT = ROOT / "benchmarks" / "results" / "exports.json"
RECIPE = ("ssd_vignettes", "--fit.max-minutes", "3")
PRECISIONS = ("float32", "bf16", "int8")
LARGER = ("resnet", "vgg", "mobilenet", "googlenet", "inception")
"""Backbones whose networks are left out: their layers are of the same kinds."""
SCENES = 200
"""So many validation images are looked at for the accuracy."""


def networks() -> list[str]:
    """The networks that can be exported, each with the backbone that is made for a CPU where it has one."""
    return [
        name
        for problem, entry in catalog.PROBLEMS.items()
        if problem not in REFUSED
        for architecture in entry.architectures
        for name in architecture.models
        if not any(backbone in name for backbone in LARGER)
    ]


def row_of(name: str) -> dict[str, Any]:
    """One network in every format."""
    torch.manual_seed(0)
    schema = open_dataset("vignettes").schema
    model: Any = catalog.build_model(name, schema, {}).eval()
    wrapper: Any = WRAPPERS[type(model)](model)
    abouts = {to: about_of(model, wrapper, schema, name, to, "float32") for to in FORMATS}
    formats: dict[str, Any] = {}
    files: dict[str, Exported] = {}
    with tempfile.TemporaryDirectory() as folder:
        paths = {to: Path(folder) / f"model{FORMATS[to].suffix}" for to in FORMATS}
        program, wanted = program_of(model, wrapper, abouts["onnx"]), wanted_of(abouts["onnx"])
        writers: dict[str, Callable[[], None]] = {
            "onnx": lambda: write_onnx(program, paths["onnx"], wanted),
            "openvino": lambda: onnx_to_openvino(paths["onnx"], paths["openvino"], wanted),
            "torch-export": lambda: write_torch(program, paths["torch-export"], wanted),
        }
        for to, write_file in writers.items():
            try:
                write_file()
                beside(paths[to]).write_text(to_json(abouts[to]))
                files[to] = load_exported(paths[to])
                formats[to] = compared_row(compare(model, files[to]))
            except (VisusError, RuntimeError) as error:
                formats[to] = {"refused": str(error).splitlines()[0]}
                files.pop(to, None)
        seconds = seconds_of({"plain": model, **files}, images=abouts["onnx"].input.kind == "images")
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return {"problem": catalog.problem_of(name).name, "parameters": parameters, "formats": formats, "seconds": seconds}


def compared_row(compared: list[Compared]) -> dict[str, Any]:
    """What the comparison of ``visus export`` found."""
    failed = [f"{one.case}: {', '.join(one.failed)}" for one in compared if one.failed]
    return {
        "cases": len(compared),
        "objects": sorted({one.found for one in compared if one.found is not None}),
        "most missed": {
            str(count): max(one.differences["missed"] for one in compared if one.found == count)
            for count in sorted({one.found for one in compared if one.found is not None})
        },
        "largest differences": largest(compared),
        "refused": "; ".join(failed),
    }


def accuracies(run: Path) -> dict[str, Any]:
    """The headlines of a trained detector with OpenVINO's files of every precision, and their seconds."""
    stored = find_weights(run)
    model: Any = stored.network().eval()
    wrapper: Any = WRAPPERS[type(model)](model)
    rows: dict[str, Any] = {}
    files: dict[str, Exported] = {}
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "model.onnx"
        about = about_of(model, wrapper, stored.schema, stored.model, "openvino", "float32")
        write_onnx(program_of(model, wrapper, about), source, wanted_of(about))
        inputs, calibrated = calibration(run, None)
        for precision in PRECISIONS:
            path = Path(folder) / f"{precision}.xml"
            about = replace(about, precision=precision, file=path.name)
            onnx_to_openvino(source, path, wanted_of(about, inputs if precision == "int8" else ()))
            beside(path).write_text(to_json(about))
            files[precision] = load_exported(path)
            found = accuracy(stored, run, model, files[precision], SCENES)
            if found.why_not:
                raise VisusError(found.why_not)
            rows[precision] = {
                "headlines": {row.metric: {"network": row.network, "file": row.file} for row in found.rows},
                "megabytes": round(path.with_suffix(".bin").stat().st_size / 2**20, 2),
            }
        seconds = seconds_of({"plain": model, **files}, images=True)
    return {"images": SCENES, "calibrated with": calibrated, "precisions": rows, "seconds": seconds}


def trained(folder: Path) -> Path:
    """A detector that learned for a short time."""
    run = folder / "run"
    command = [sys.executable, "-m", "visus", "train", *RECIPE, "--run", str(run)]
    subprocess.run(command, check=True)
    return run


def main() -> None:
    """Measures, and writes after each network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="networks whose name contains this, and no accuracy")
    parser.add_argument("--missing", action="store_true", help="networks without a row alone, and no accuracy")
    parser.add_argument("--accuracy", action="store_true", help="the trained detector alone")
    parser.add_argument("--run", type=Path, help="a detector that was trained before, in place of a new one")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    record = json.loads(RESULT.read_text()) if RESULT.is_file() else {}
    record = {**facts(options.threads), "networks": record.get("networks", {}), "detector": record.get("detector", {})}
    if not options.only and not options.missing:
        with tempfile.TemporaryDirectory() as folder:
            record["detector"] = {
                "command": f"visus train {' '.join(RECIPE)}",
                **accuracies(options.run or trained(Path(folder))),
            }
        write(record)
    for name in networks():
        there = name in record["networks"]
        if not options.accuracy and options.only in name and not (options.missing and there):
            record["networks"][name] = row_of(name)
            write(record)
            print(name, json.dumps(record["networks"][name]), flush=True)


def facts(threads: int) -> dict[str, Any]:
    """The command, the machine and the versions."""
    names = ("torch", "visus", "onnx", "onnxscript", "onnxruntime", "openvino")
    return {
        "command": said(),
        "commit": commit(),
        "machine": {"cpu": cpu(), "cores": os.cpu_count(), "threads": threads, "system": platform.platform()},
        "versions": {name: metadata.version(name) for name in names},
    }


def write(record: dict[str, Any]) -> None:
    """Keeps what was measured so far."""
    RESULT.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
