"""What a server counts of itself, in the text format of Prometheus (https://prometheus.io/docs, exposition formats)."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Final

BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper ends of the classes of seconds."""


class Counts:
    """Requests by path and status, and their seconds. The paths are those of the routes, so that they are few."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, int]] = Counter()
        self._seconds: dict[str, list[float]] = {}
        self._lock = threading.Lock()

    def add(self, path: str, status: int, seconds: float) -> None:
        """Counts a request that was answered."""
        with self._lock:
            self._requests[path, status] += 1
            row = self._seconds.setdefault(path, [0.0] * (len(BUCKETS) + 2))
            row[bisect_left(BUCKETS, seconds)] += 1
            row[-1] += seconds

    def text(self, gauges: Mapping[str, tuple[str, float]]) -> str:
        """All of it.

        Args:
            gauges: what holds now, by name: what it means, and its value. One that ends with ``_total`` only grows.
        """
        lines = ["# HELP visus_requests_total Requests that were answered.", "# TYPE visus_requests_total counter"]
        with self._lock:
            for (path, status), count in sorted(self._requests.items()):
                lines.append(f'visus_requests_total{{path="{path}",status="{status}"}} {count}')
            lines += ["# HELP visus_request_seconds Seconds from a request to its answer."]
            lines += ["# TYPE visus_request_seconds histogram"]
            for path, row in sorted(self._seconds.items()):
                lines += _histogram(path, row)
        for name, (meaning, value) in gauges.items():
            kind = "counter" if name.endswith("_total") else "gauge"
            lines += [f"# HELP {name} {meaning}", f"# TYPE {name} {kind}", f"{name} {value:g}"]
        return "\n".join(lines) + "\n"


def _histogram(path: str, row: list[float]) -> list[str]:
    lines, below = [], 0.0
    for end, count in zip((*BUCKETS, "+Inf"), row[:-1], strict=True):
        below += count
        lines.append(f'visus_request_seconds_bucket{{path="{path}",le="{end}"}} {below:g}')
    lines.append(f'visus_request_seconds_sum{{path="{path}"}} {row[-1]:.6f}')
    return [*lines, f'visus_request_seconds_count{{path="{path}"}} {below:g}']


def resident_bytes() -> int:
    """The memory of this process that is in RAM; 0 where the system does not tell."""
    status = Path("/proc/self/statm")
    return int(status.read_text().split()[1]) * 4096 if status.exists() else 0
