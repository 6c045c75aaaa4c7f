"""Exact search in a gallery of 1,000,000 clustered vectors of 128 dimensions, beside faiss in turns.

Run ``OMP_NUM_THREADS=2 OMP_WAIT_POLICY=passive python benchmarks/gallery_search.py``. The gallery is a real one, in
SQLite; the ten nearest are looked for. faiss: ``IndexFlatIP``, and HNSW with the least ``efSearch`` (by doubling) that
finds .95 of the ten nearest. ``results/gallery_search.json`` has the seconds, the memory and how busy the machine was.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import torch
from interleaved import commit, cpu

from visus.galleries import Gallery
from visus.galleries.entry import NewEntry
from visus.galleries.scan import nearest

RESULT = Path(__file__).resolve().parent / "results" / "gallery_search.json"
DIMENSIONS, NEIGHBOURS, MANY = 128, 10, 64
WANTED = 0.95


class Given:
    """Stands for a network: the vectors are there already."""

    name, fingerprint = "given", "0" * 64

    def describe(self, images: Sequence[torch.Tensor]) -> np.ndarray:
        """Nothing that is used."""
        return np.zeros((len(images), DIMENSIONS), dtype=np.float32)


def clustered(count: int, seed: int) -> torch.Tensor:
    """Unit vectors around centres, 100 entries to a centre, those of different seeds around the same ones."""
    centres = torch.nn.functional.normalize(torch.randn(10_000, DIMENSIONS, generator=torch.Generator().manual_seed(0)))
    generator = torch.Generator().manual_seed(seed)
    which = torch.randint(len(centres), (count,), generator=generator)
    noise = torch.randn(count, DIMENSIONS, generator=generator) / DIMENSIONS**0.5
    return torch.nn.functional.normalize(centres[which] + 0.8 * noise)


def filled(folder: Path, vectors: torch.Tensor) -> Gallery:
    """A gallery of the vectors; one in a hundred has camera 1."""
    gallery = Gallery.create(folder, model=Given())  # type: ignore[arg-type]
    rows = vectors.numpy()
    for start in range(0, len(rows), 10_000):
        part = range(start, min(start + 10_000, len(rows)))
        gallery.store.add(
            [
                NewEntry(one.to_bytes(32, "big"), None, (1, 1), rows[one], b"", {"camera": 1 if one % 100 == 0 else 2})
                for one in part
            ],
            [],
        )
    return gallery


def in_turns(cases: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The median of the seconds of each case, which are called A B C A B C ... so that a busy machine slows all."""
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for turn in range(rounds + 1):
        for name, case in cases.items():
            start = time.perf_counter()
            case()
            if turn:  # the first one warms up
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}


def hnsw_of(rows: np.ndarray, queries: np.ndarray, right: torch.Tensor) -> tuple[Any, dict[str, float]]:
    """faiss's HNSW with the least effort that finds enough, and what that took."""
    start = time.perf_counter()
    index = faiss.IndexHNSWFlat(rows.shape[1], 32, faiss.METRIC_INNER_PRODUCT)
    index.add(rows)
    seconds, recall = time.perf_counter() - start, 0.0
    index.hnsw.efSearch = 8
    while recall < WANTED:
        index.hnsw.efSearch *= 2
        found = torch.from_numpy(index.search(queries, NEIGHBOURS)[1])
        recall = float((right[:, :, None] == found[:, None]).any(2).double().mean())
    return index, {"build seconds": round(seconds, 1), "efSearch": index.hnsw.efSearch, "recall@10": round(recall, 4)}


def cases_of(gallery: Gallery, flat: Any, hnsw: Any, queries: torch.Tensor) -> dict[str, Callable[[], object]]:
    """What is timed, by name."""
    one, many = queries[:1], queries[:MANY]
    table = gallery._contents.table()
    codes = torch.randint(-127, 128, (MANY, DIMENSIONS), dtype=torch.int8)
    cases: dict[str, Callable[[], object]] = {}
    for name, asked, rounded in (("1 query", one, codes[:1]), (f"{MANY} queries", many, codes)):
        cases |= {
            f"{name}: gallery": lambda asked=asked: gallery.nearest(asked, NEIGHBOURS),
            f"{name}: scan": lambda asked=asked: nearest(table, asked, NEIGHBOURS),
            f"{name}: products of bytes alone": lambda rounded=rounded: torch._int_mm(rounded, table.codes.T),
            f"{name}: gallery, 1 % by a filter": lambda asked=asked: gallery.nearest(
                asked, NEIGHBOURS, where=["camera=1"]
            ),
            f"{name}: gallery, 99 % by a filter": lambda asked=asked: gallery.nearest(
                asked, NEIGHBOURS, where=["camera=2"]
            ),
            f"{name}: faiss IndexFlatIP": lambda asked=asked: flat.search(asked.numpy(), NEIGHBOURS),
        }
        if hnsw is not None:
            cases[f"{name}: faiss HNSW"] = lambda asked=asked: hnsw.search(asked.numpy(), NEIGHBOURS)
    return cases


def main() -> None:
    """Measures and writes the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000, help="vectors; another number writes nothing")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--no-hnsw", action="store_true", help="leave out the index that takes minutes; writes nothing")
    options = parser.parse_args()
    faiss.omp_set_num_threads(torch.get_num_threads())
    vectors, queries = clustered(options.count, 1), clustered(256, 2)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        gallery = filled(Path(folder) / "gallery", vectors)
        stored = time.perf_counter() - start
        gallery.nearest(queries[:1], NEIGHBOURS)
        scanned = time.perf_counter() - start - stored
        ids, _ = gallery.nearest(queries, NEIGHBOURS)
        flat = faiss.IndexFlatIP(DIMENSIONS)
        flat.add(vectors.numpy())
        theirs = torch.from_numpy(flat.search(queries.numpy(), NEIGHBOURS)[1])
        agreed = float((ids - 1 == theirs).double().mean())
        hnsw, facts = None, {}
        if not options.no_hnsw:
            hnsw, facts = hnsw_of(vectors.numpy(), queries.numpy(), ids - 1)
        seconds = in_turns(cases_of(gallery, flat, hnsw, queries), options.rounds)
        size = {path.name.split(".")[0]: path.stat().st_size for path in Path(folder).rglob("*") if path.is_file()}
        gallery.close()
    for name, value in seconds.items():
        print(f"{name:44s} {value * 1e3:9.2f} ms", flush=True)
    ratios = {
        f"{name}: {what}": round(seconds[f"{name}: {one}"] / seconds[f"{name}: {other}"], 3)
        for name in ("1 query", f"{MANY} queries")
        for what, one, other in (
            ("gallery / faiss IndexFlatIP", "gallery", "faiss IndexFlatIP"),
            ("gallery / scan", "gallery", "scan"),
            ("1 % by a filter / all", "gallery, 1 % by a filter", "gallery"),
            *([("gallery / faiss HNSW", "gallery", "faiss HNSW")] if hnsw is not None else []),
        )
    }
    print(json.dumps(ratios, indent=2), facts, f"the same neighbours as faiss: {agreed:.6f}", flush=True)
    record = {
        "command": "OMP_NUM_THREADS=2 OMP_WAIT_POLICY=passive python benchmarks/gallery_search.py",
        "commit": commit(),
        "machine": {"cpu": cpu(), "cores": os.cpu_count(), "system": platform.platform()},
        "instructions for products of bytes": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "load": [round(value, 1) for value in os.getloadavg()],
        "load is": "processes that wanted a core, over 1, 5 and 15 minutes: above the cores, others ran, too",
        "versions": {name: version(name) for name in ("torch", "visus", "numpy", "faiss-cpu")},
        "sizes": {"vectors": options.count, "dimensions": DIMENSIONS, "neighbours": NEIGHBOURS},
        "seconds to store": round(stored, 1),
        "seconds to make the files that are scanned": round(scanned, 1),
        "bytes on disk": size,
        "peak memory of the process in bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "share of neighbours that faiss IndexFlatIP finds in the same places": round(agreed, 6),
        "faiss HNSW": facts,
        "seconds are": "the median over turns",
        "seconds": {name: round(value, 5) for name, value in seconds.items()},
        "ratios": ratios,
    }
    if options.count == 1_000_000 and not options.no_hnsw:
        RESULT.write_text(json.dumps(record, indent=2) + "\n")
        print(RESULT)


if __name__ == "__main__":
    main()
