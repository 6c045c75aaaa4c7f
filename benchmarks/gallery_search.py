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
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import torch
from interleaved import commit, cpu, said

from visus.galleries import Gallery
from visus.galleries.entry import NewEntry
from visus.galleries.scan import nearest
from visus.galleries.screens import suitable_screen

RESULT = Path(__file__).resolve().parent / "results" / "gallery_search.json"
DIMENSIONS, NEIGHBOURS, MANY = 128, 10, 64
WANTED = 0.95


class Given:
    """Stands for a network: the vectors are there already."""

    name, fingerprint, parts = "given", "0" * 64, None

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


def in_turns(cases: dict[str, Callable[[], object]], rounds: int) -> tuple[dict[str, float], dict[str, float]]:
    """The medians of each case's seconds and of those of the processors, called A B C A B C ...

    So a busy machine slows all alike; the seconds of the processors, of all threads, it slows least.
    """
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in cases}
    for turn in range(rounds + 1):
        for name, case in cases.items():
            start, worked = time.perf_counter(), time.process_time()
            case()
            if turn:  # the first one warms up
                seconds[name].append((time.perf_counter() - start, time.process_time() - worked))
    medians = {
        name: [statistics.median(column) for column in zip(*times, strict=True)] for name, times in seconds.items()
    }
    return {name: one for name, (one, _) in medians.items()}, {name: two for name, (_, two) in medians.items()}


def ratios_of(seconds: dict[str, float]) -> dict[str, float]:
    """What the gallery takes of the time of others."""
    pairs = (
        ("gallery / faiss IndexFlatIP", "gallery", "faiss IndexFlatIP"),
        ("gallery / scan", "gallery", "scan"),
        ("1 % by a filter / all", "gallery, 1 % by a filter", "gallery"),
        ("99 % by a filter / all", "gallery, 99 % by a filter", "gallery"),
        ("gallery / faiss HNSW", "gallery", "faiss HNSW"),
        ("gallery / turbovec", "gallery", "turbovec"),
    )
    return {
        f"{name}: {what}": round(seconds[f"{name}: {one}"] / seconds[f"{name}: {other}"], 3)
        for name in ("1 query", f"{MANY} queries")
        for what, one, other in pairs
        if f"{name}: {other}" in seconds
    }


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


def turbovec_of(rows: np.ndarray, queries: np.ndarray, right: torch.Tensor) -> tuple[Any, dict[str, float]]:
    """turbovec's index of four bits a number, where that is installed, and how much it finds."""
    if find_spec("turbovec") is None:
        return None, {}
    from turbovec import TurboQuantIndex

    start = time.perf_counter()
    index = TurboQuantIndex(dim=rows.shape[1], bit_width=4)
    index.add(rows)
    seconds = time.perf_counter() - start
    found = torch.from_numpy(np.asarray(index.search(queries, k=NEIGHBOURS)[1]).astype(np.int64))
    recall = float((right[:, :, None] == found[:, None]).any(2).double().mean())
    return index, {"build seconds": round(seconds, 1), "bits": 4, "recall@10": round(recall, 4)}


def cases_of(
    gallery: Gallery, flat: Any, hnsw: Any, turbovec: Any, queries: torch.Tensor
) -> dict[str, Callable[[], object]]:
    """What is timed, by name."""
    one, many = queries[:1], queries[:MANY]
    table = gallery._contents.table()
    cases: dict[str, Callable[[], object]] = {}
    for name, asked in (("1 query", one), (f"{MANY} queries", many)):
        cases |= {
            f"{name}: gallery": lambda asked=asked: gallery.nearest(asked, NEIGHBOURS),
            f"{name}: scan": lambda asked=asked: nearest(table, asked, NEIGHBOURS),
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
        if turbovec is not None:
            cases[f"{name}: turbovec"] = lambda asked=asked: turbovec.search(asked.numpy(), k=NEIGHBOURS)
    return cases


def main() -> None:
    """Measures and writes the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000, help="vectors")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--no-hnsw", action="store_true", help="leave out the index that takes minutes to make")
    parser.add_argument("--no-write", action="store_true", help="leave the results as they are")
    options = parser.parse_args()
    clean = commit()
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
        turbovec, quantised = turbovec_of(vectors.numpy(), queries.numpy(), ids - 1)
        seconds, worked = in_turns(cases_of(gallery, flat, hnsw, turbovec, queries), options.rounds)
        table = gallery._contents.table()
        size = {path.name.split(".")[0]: path.stat().st_size for path in Path(folder).rglob("*") if path.is_file()}
        gallery.close()
    for name, value in seconds.items():
        print(f"{name:44s} {value * 1e3:9.2f} ms {worked[name] * 1e3:9.2f} ms of the processors", flush=True)
    ratios = {"by seconds": ratios_of(seconds), "by seconds of the processors": ratios_of(worked)}
    print(json.dumps(ratios, indent=2), facts, quantised, f"the same neighbours as faiss: {agreed:.6f}", flush=True)
    record = {
        "command": said(),
        "commit": clean,
        "machine": {"cpu": cpu(), "cores": os.cpu_count(), "system": platform.platform()},
        "the processor's vectors": torch.backends.cpu.get_cpu_capability(),
        "screens": {name: suitable_screen(table, count) for name, count in (("1 query", 1), ("64 queries", MANY))},
        "threads": torch.get_num_threads(),
        "load": [round(value, 1) for value in os.getloadavg()],
        "load is": "processes that wanted a core, over 1, 5 and 15 minutes: above the cores, others ran, too",
        "versions": {name: version(name) for name in ("torch", "visus", "numpy", "faiss-cpu")}
        | ({"turbovec": version("turbovec")} if quantised else {}),
        "sizes": {"vectors": options.count, "dimensions": DIMENSIONS, "neighbours": NEIGHBOURS},
        "seconds to store": round(stored, 1),
        "seconds to make the files that are scanned": round(scanned, 1),
        "bytes on disk": size,
        "peak memory of the process in bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "share of neighbours that faiss IndexFlatIP finds in the same places": round(agreed, 6),
        "faiss HNSW": facts,
        "turbovec": quantised,
        "seconds are": "the median over turns",
        "seconds": {name: round(value, 5) for name, value in seconds.items()},
        "seconds of the processors": {name: round(value, 5) for name, value in worked.items()},
        "ratios": ratios,
    }
    if not options.no_write:
        RESULT.write_text(json.dumps(record, indent=2) + "\n")
        print(RESULT)


if __name__ == "__main__":
    main()
