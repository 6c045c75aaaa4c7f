"""Time and memory of k-reciprocal re-ranking on clustered vectors, by the number of entries.

Run ``python benchmarks/reranking.py --entries 10000 20000``. Entries are clusters of about ten vectors of 128
dimensions. Encoding all entries and re-ranking ``--queries`` of them are timed apart; the memory is the peak
of a process of its own for each number, less what it held before. Dense matrices of n x n float32 would take the memory
in the last column three times over (distances, encodings, and encodings averaged).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import torch
from interleaved import commit, cpu, said

from visus.ops.reranking import Reranked


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, nargs="+", default=[10_000, 20_000])
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--limit-gib", type=float, default=4.0, help="fail where a number of entries takes more")
    parser.add_argument("--one", type=int, help="measure one number of entries (internal)")
    parser.add_argument("--no-write", action="store_true")
    options = parser.parse_args()
    if options.one:
        torch.set_num_threads(options.threads)
        print(json.dumps(measured(options.one, options.queries)))
        return
    clean = commit()
    shared = [sys.executable, __file__, "--queries", str(options.queries), "--threads", str(options.threads)]
    rows = {}
    for count in options.entries:
        done = subprocess.run([*shared, "--one", str(count)], capture_output=True, text=True, check=True)
        rows[str(count)] = json.loads(done.stdout)
        print(count, rows[str(count)], flush=True)
        if rows[str(count)]["memory_mib"] > options.limit_gib * 1024:
            sys.exit(f"{count} entries take {rows[str(count)]['memory_mib']} MiB, more than {options.limit_gib:g} GiB")
    record = {
        "command": said(),
        "commit": clean,
        "machine": {"cpu": cpu(), "cores": os.cpu_count(), "threads": options.threads, "load": os.getloadavg()[0]},
        "versions": {"torch": torch.__version__},
        "limit, gib": options.limit_gib,
        "settings": {"k1": 20, "k2": 6, "lambda": 0.3, "dimensions": 128, "queries": options.queries},
        "entries": rows,
    }
    if not options.no_write:
        target = Path(__file__).parent / "results" / "reranking.json"
        target.write_text(json.dumps(record, indent=2) + "\n")


def measured(count: int, queries: int) -> dict[str, float]:
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(count // 10, 128, generator=generator)
    which = torch.randint(len(centres), (count,), generator=generator)
    points = centres[which] + 0.5 * torch.randn(count, 128, generator=generator)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    reranked = Reranked(points)
    encoded = time.perf_counter()
    for rows in torch.arange(queries).split(100):
        reranked.distances(rows, torch.arange(count))
    done = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "encoding_s": round(encoded - start, 2),
        "queries_s": round(done - encoded, 2),
        "memory_mib": round((peak - before) / 1024),
        "numbers an encoding": round(len(reranked.encodings.values) / count, 1),
        "one n x n float32 matrix, mib": round(4 * count**2 / 2**20),
    }


if __name__ == "__main__":
    main()
