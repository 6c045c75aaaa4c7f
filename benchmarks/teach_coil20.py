"""What `visus teach` makes of five views of each of 20 objects: its accuracy on other views.

Run ``python benchmarks/teach_coil20.py FOLDER`` with the folder of COIL-20 (``obj1__0.png`` and so on). Taught are
views 0, 14, 28, 43 and 57 of 72, asked for are every sixth of the others; the features have never seen the data set.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from pathlib import Path
from typing import Any

from interleaved import ROOT, commit, cpu

import visus
from visus.systems.classification.taught import NONE

TAUGHT, STEP, OBJECTS, VIEWS = (0, 14, 28, 43, 57), 6, 20, 72


def main() -> None:
    """Teaches, asks, prints, and writes ``benchmarks/results/teach_coil20.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", type=int, default=96)
    options = parser.parse_args()
    classes = {f"object {n}": [options.folder / f"obj{n}__{v}.png" for v in TAUGHT] for n in range(1, OBJECTS + 1)}
    asked = [(n, v) for n in range(1, OBJECTS + 1) for v in range(3, VIEWS, STEP) if v not in TAUGHT]
    with tempfile.TemporaryDirectory() as folder:
        began = time.process_time()
        lesson = visus.teach(classes, run=Path(folder) / "run", size=options.size)
        seconds = time.process_time() - began
        predictor = visus.load(lesson.run, device="cpu")
        results = predictor.predict([options.folder / f"obj{n}__{v}.png" for n, v in asked])
    first, named = 0, 0
    for (n, _), result in zip(asked, results, strict=True):
        prediction: Any = result.prediction
        names = [result.names[label] for label in prediction.labels.tolist()]
        named += names[0] == NONE
        first += next(name for name in names if name != NONE) == f"object {n}"
    record = {
        "command": f"python benchmarks/teach_coil20.py FOLDER --size {options.size}",
        "commit": commit(),
        "machine": {"cpu": cpu(), "cores": os.cpu_count(), "system": platform.platform()},
        "images taught": len(TAUGHT) * OBJECTS,
        "images asked": len(asked),
        "top-1 without none of these": first / len(asked),
        "called none of these": named / len(asked),
        "leave-one-out top-1 of those taught": lesson.leave_one_out,
        "seconds of the processor to teach": round(seconds, 2),
    }
    print(json.dumps(record, indent=2))
    (ROOT / "benchmarks" / "results" / "teach_coil20.json").write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
