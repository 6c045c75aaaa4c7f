"""Seconds of recall@1, 10, 100 and 1000 on embeddings that are hard to compare, of Stanford Online Products' size.

Run ``OMP_NUM_THREADS=2 OMP_WAIT_POLICY=passive python benchmarks/retrieval_cases.py``. Equal embeddings, copies, an
offset far from the origin, tiny and huge lengths, half precision, queries inside a larger gallery: each exactly, see
`visus.metrics.recall_at_k`; and MAP@R of 10,000 embeddings of 128 dimensions. ``results/retrieval_cases.json`` has the
seconds, those of the processors, and how busy the machine was.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import torch
from interleaved import commit, cpu
from retrieval import CLASSES, DIMENSIONS, IMAGES, KS, embeddings

from visus.metrics.retrieval import precision_at_r, recall_at_k

RESULT = Path(__file__).resolve().parent / "results" / "retrieval_cases.json"
DISTINCT = 5_209
Case = Callable[[], object]


def cases() -> dict[str, Case]:
    """What is measured, by name."""
    vectors, labels = embeddings("isotropic")
    generator = torch.Generator().manual_seed(1)
    lengths = 10 ** (40 * torch.rand(IMAGES, 1, generator=generator) - 20)
    copies = vectors[torch.arange(IMAGES) % DISTINCT]
    some = vectors.clone()
    some[torch.randperm(IMAGES, generator=generator)[:DISTINCT]] = vectors[0]
    offset = torch.full((1, DIMENSIONS), 1000.0)
    clouds = vectors + offset * (2 * (labels % 2)[:, None] - 1)
    half = IMAGES // 2
    ten_thousand = torch.nn.functional.normalize(torch.randn(10_000, 128, generator=generator), dim=1)
    of_five = torch.arange(10_000) % 2_000

    def recall(these: torch.Tensor, **rules: object) -> Case:
        return lambda: recall_at_k(these, labels, KS, **rules)  # type: ignore[arg-type]

    return {
        "as they come": recall(vectors),
        "as they come, euclidean": recall(vectors, similarity="euclidean"),
        "all equal": recall(vectors[:1].expand(IMAGES, -1).contiguous()),
        f"{DISTINCT} equal rows": recall(some),
        f"{DISTINCT} distinct rows": recall(copies),
        "far from the origin, euclidean": recall(vectors + offset, similarity="euclidean"),
        "two clouds far apart, euclidean": recall(clouds, similarity="euclidean"),
        "lengths of 1e-20": recall(vectors * 1e-20),
        "lengths of 1e20": recall(vectors * 1e20),
        "lengths of 1e-20 to 1e20": recall(vectors * lengths),
        "float16": recall(vectors.half()),
        "half of them queries inside the whole gallery": lambda: recall_at_k(
            vectors[:half], labels[:half], KS, gallery=(vectors, labels), ref_includes_query=True
        ),
        "MAP@R of 10,000 x 128": lambda: precision_at_r(ten_thousand, of_five),
    }


def main() -> None:
    """Measures each case once and writes the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="only cases whose name has this in it; writes nothing")
    only = parser.parse_args().only
    seconds: dict[str, dict[str, object]] = {}
    for name, case in cases().items():
        if only not in name:
            continue
        begin, worked = time.perf_counter(), time.process_time()
        found = case()
        seconds[name] = {
            "seconds": round(time.perf_counter() - begin, 2),
            "processor_seconds": round(time.process_time() - worked, 2),
            "load": round(os.getloadavg()[0], 1),
            "found": {str(k): round(value, 4) for k, value in found.items()} if isinstance(found, dict) else None,
        }
        print(name, seconds[name], flush=True)
    record = {
        "command": "OMP_NUM_THREADS=2 OMP_WAIT_POLICY=passive python benchmarks/retrieval_cases.py",
        "commit": commit(),
        "machine": {"cpu": cpu(), "cores": os.cpu_count(), "system": platform.platform()},
        "threads": torch.get_num_threads(),
        "settings": {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "OMP_WAIT_POLICY")},
        "versions": {name: version(name) for name in ("torch", "visus", "numpy")},
        "sizes": {"images": IMAGES, "classes": CLASSES, "dimensions": DIMENSIONS, "K": KS},
        "load is": "processes that wanted a core, on average over a minute: above the number of cores others ran, too",
        "cases": seconds,
    }
    if not only:
        RESULT.write_text(json.dumps(record, indent=2) + "\n")
        print(RESULT)


if __name__ == "__main__":
    main()
