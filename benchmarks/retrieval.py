"""Recall@1, 10, 100 and 1000 of 60,502 embeddings (the test images of Stanford Online Products) of 512 dimensions.

Run ``python benchmarks/retrieval.py``. Theirs are faiss's exact search (IndexFlatIP, k = 1001, then the labels of the
neighbours) and, as the least time of anything that multiplies all pairs, the bare matrix product in blocks. The
embeddings are made: 11,316 classes of five or six around centres, isotropic or in 96 directions of falling variance.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import torch
from interleaved import ROOT, Cases, run

IMAGES, CLASSES, DIMENSIONS, KS = 60_502, 11_316, 512, (1, 10, 100, 1000)
SIZES = {"images": IMAGES, "classes": CLASSES, "dimensions": DIMENSIONS, "K": KS}
BLOCK = 2048


def embeddings(kind: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Unit vectors and their classes, in a random order."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(IMAGES) % CLASSES
    labels = labels[torch.randperm(IMAGES, generator=generator)]
    if kind == "isotropic":
        centres = torch.randn(CLASSES, DIMENSIONS, generator=generator)
        vectors = centres[labels] + 2.1 * torch.randn(IMAGES, DIMENSIONS, generator=generator)
    else:
        scale = torch.arange(1, 97).rsqrt()
        basis = torch.randn(96, DIMENSIONS, generator=generator)
        centres = torch.randn(CLASSES, 96, generator=generator) * scale
        spread = 0.8 * torch.randn(IMAGES, 96, generator=generator) * scale
        vectors = (centres[labels] + spread) @ basis / DIMENSIONS**0.5
        vectors += 0.02 * torch.randn(IMAGES, DIMENSIONS, generator=generator)
    return torch.nn.functional.normalize(vectors, dim=1), labels


def ours() -> Cases:
    from visus.metrics.retrieval import recall_at_k

    cases = {}
    for kind in ("isotropic", "low rank"):
        vectors, labels = embeddings(kind)
        for screen in ("float32", "int8"):
            for peer in ("faiss", "product"):
                cases[f"{kind}, {screen}, against {peer}"] = lambda v=vectors, y=labels, s=screen: recall_at_k(
                    v, y, KS, screen=s
                )
    return cases


def theirs() -> Cases:
    import faiss

    faiss.omp_set_num_threads(torch.get_num_threads())

    def search(vectors: torch.Tensor, labels: torch.Tensor) -> list[float]:
        index = faiss.IndexFlatIP(DIMENSIONS)
        index.add(vectors.numpy())
        hits = torch.zeros(len(KS))
        for start in range(0, IMAGES, 4096):
            _, found = index.search(vectors[start : start + 4096].numpy(), max(KS) + 1)
            neighbours = torch.from_numpy(found)
            rows = torch.arange(start, start + len(neighbours))
            right = (labels[neighbours] == labels[rows, None]) & (neighbours != rows[:, None])
            rank = (neighbours != rows[:, None]).cumsum(1)  # without the query itself, wherever it stands
            for i, k in enumerate(KS):
                hits[i] += (right & (rank <= k)).any(1).sum()
        return (hits / IMAGES).tolist()

    def product(vectors: torch.Tensor) -> None:
        buffer = torch.empty(BLOCK * BLOCK)
        for rows in vectors.split(BLOCK):
            for columns in vectors.split(BLOCK):
                torch.mm(rows, columns.T, out=buffer[: len(rows) * len(columns)].view(len(rows), len(columns)))

    cases = {}
    for kind in ("isotropic", "low rank"):
        vectors, labels = embeddings(kind)
        for screen in ("float32", "int8"):
            cases[f"{kind}, {screen}, against faiss"] = lambda v=vectors, y=labels: search(v, y)
            cases[f"{kind}, {screen}, against product"] = lambda v=vectors: product(v)
    return cases


def peak_memory(screen: str) -> float:
    """MiB beyond the embeddings that our recall takes, in a process of its own."""
    code = f"import retrieval; print(retrieval.measure_memory({screen!r}))"
    folder = Path(__file__).parent
    path = {"PYTHONPATH": f"{ROOT / 'src'}:{folder}", "OMP_NUM_THREADS": "2", "PATH": "/usr/bin:/bin"}
    answer = subprocess.run([sys.executable, "-c", code], env=path, capture_output=True, text=True, check=True)
    return float(answer.stdout)


def measure_memory(screen: str) -> float:
    """The growth of this process's peak while it measures recall."""
    from visus.metrics.retrieval import recall_at_k

    small = torch.randn(5000, DIMENSIONS)
    recall_at_k(small, torch.arange(5000) % 900, KS, screen=screen)  # what the libraries themselves take
    vectors, labels = embeddings("low rank")
    # The making of the embeddings took its own peak; ask for the memory in use instead.
    before = _resident()
    recall_at_k(vectors, labels, KS, screen=screen)
    return max(0.0, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before)


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


if __name__ == "__main__":
    if "--side" not in sys.argv:
        for screen in ("float32", "int8"):
            SIZES[f"MiB beyond the input, {screen}"] = round(peak_memory(screen))
            print(f"peak memory beyond the input, {screen}: {SIZES[f'MiB beyond the input, {screen}']} MiB", flush=True)
    run(__file__, ours, theirs, SIZES, peer=Path(sys.executable))
