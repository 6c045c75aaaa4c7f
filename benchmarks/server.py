"""`visus serve` beside the bare predictor: latency, images a second, the first request, and a soak of mixed requests.

Run ``OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive python benchmarks/server.py --minutes 10``. The run is an SSD of
random weights at 320 pixels, or the one of ``--run``; one JPEG is sent again and again. A request over one connection
and a call of the predictor follow each other in turns, so that a busy machine slows both alike; the predictor is given
the same bytes, and its answer becomes the same JSON. The soak has 8 clients that send good images, bombs, texts, cut
bodies and unknown models. ``--litserve FOLDER`` times LitServe with the same run in the same turns (``pip install
--target FOLDER litserve``, see `litserve_peer`). ``results/server.json`` has the numbers. It fails where an answer of
5xx is not the queue's 503, a request has no answer, memory grew by more than 5 %, or the overhead is above 1.15.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import io
import json
import os
import platform
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from interleaved import commit, cpu
from PIL import Image

import visus
from visus import catalog
from visus.data.vignettes import Vignettes
from visus.recipes import RECIPES
from visus.training.run import RunFolder

RESULT = Path(__file__).resolve().parent / "results" / "server.json"
CLIENTS, SECONDS = 8, 10.0
MOST_OVERHEAD, MOST_GROWTH = 1.15, 0.05
HEADERS = {"content-type": "image/jpeg"}


def random_run(folder: Path) -> Path:
    """An SSD of random weights: what is timed does not depend on what it learned."""
    recipe = RECIPES["ssd_vignettes"]()
    recipe = replace(recipe, model_options={**recipe.model_options, "size": 320})
    schema = catalog.DATASETS["vignettes"].open(Path(""), "val", for_training=False).schema
    run = RunFolder(folder / "ssd")
    run.create(recipe)
    run.save_weights(catalog.build_model(recipe.model, schema, recipe.model_options).state_dict(), recipe, schema)
    return run.path


@contextmanager
def served(run: Path) -> Iterator[tuple[int, float]]:
    """A server in another process: its port, and the seconds until it answered."""
    start = time.perf_counter()
    words = [sys.executable, "-m", "visus", "serve", str(run), "--port", "0", "--device", "cpu"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline().strip().rstrip("/").rsplit(":", 1)[1])
        yield port, time.perf_counter() - start
    finally:
        process.terminate()
        process.wait(60)


@contextmanager
def served_by_litserve(folder: Path, run: Path) -> Iterator[int]:
    """LitServe in another process: its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    code = f"from litserve_peer import serve; serve({str(run)!r}, {port})"
    paths = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH", ""), str(folder))))
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parent,
        env=os.environ | {"PYTHONPATH": paths},
        stdout=subprocess.DEVNULL,
    )
    try:
        end = time.monotonic() + 120
        while True:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
                connection.request("GET", "/health")
                if connection.getresponse().status == 200:
                    break
            except OSError:
                pass
            if time.monotonic() > end or process.poll() is not None:
                sys.exit("LitServe does not start")
            time.sleep(0.2)
        yield port
    finally:
        process.terminate()
        process.wait(60)


def post(connection: http.client.HTTPConnection, content: bytes, path: str = "/api/predict") -> int:
    connection.request(
        "POST", path, content, HEADERS if path.startswith("/api") else {"content-type": "application/json"}
    )
    answer = connection.getresponse()
    answer.read()
    return answer.status


def in_turns(ways: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Latencies of the ways to an answer, one after the other, and of each the ratio to the bare predictor's."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + 2):
        for name, ask in ways.items():
            start = time.perf_counter()
            ask()
            if turn > 1:  # the first ones warm up
                seconds[name].append(time.perf_counter() - start)
    found: dict[str, float] = {}
    for name, some in seconds.items():
        found |= {f"{name}_p50_s": statistics.median(some), f"{name}_p99_s": statistics.quantiles(some, n=100)[98]}
        if name != "bare":
            pairs = zip(some, seconds["bare"], strict=True)
            found[f"{name}_overhead"] = statistics.median(one / bare for one, bare in pairs)
    return found


def at_once(port: int, content: bytes, seconds: float, path: str = "/api/predict") -> float:
    """Images a second of 8 clients."""
    done, end = Counter[int](), time.monotonic() + seconds

    def ask() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        while time.monotonic() < end:
            done[post(connection, content, path)] += 1

    _run(ask)
    return done[200] / seconds


def alone(predictor: Any, content: bytes, seconds: float) -> float:
    """Images a second of the predictor in a loop."""
    count, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        json.dumps(predictor.predict(content)[0].to_dict())
        count += 1
    return count / seconds


def soak(port: int, content: bytes, minutes: float) -> dict[str, Any]:
    """Statuses, latencies of good requests, and the memory over time."""
    bomb = io.BytesIO()
    Image.new("1", (9000, 9000)).save(bomb, "PNG")
    kinds = [("good", content, "/api/predict")] * 5 + [
        ("bomb", bomb.getvalue(), "/api/predict"),
        ("text", b"not an image", "/api/predict"),
        ("half", content[: len(content) // 2], "/api/predict"),
        ("unknown model", content, "/api/predict?model=nothing"),
        ("cut", content, "/api/predict"),
    ]
    statuses, latencies, memory = Counter[str](), list[float](), list[float]()
    end = time.monotonic() + 60 * minutes

    def ask() -> None:
        chance = random.Random(threading.get_ident())
        while time.monotonic() < end:
            kind, body, path = chance.choice(kinds)
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
            if kind == "cut":
                connection.putrequest("POST", path)
                connection.putheader("content-length", str(len(body)))
                connection.endheaders(body[: len(body) // 2])
                connection.close()
                continue
            start = time.monotonic()
            try:
                status = str(post(connection, body, path))
            except (OSError, http.client.HTTPException) as error:
                status = f"no answer ({type(error).__name__})"
            statuses[f"{kind} {status}"] += 1
            if (kind, status) == ("good", "200"):
                latencies.append(time.monotonic() - start)
            connection.close()

    def watch() -> None:
        while time.monotonic() < end:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
            connection.request("GET", "/metrics")
            lines = connection.getresponse().read().decode().splitlines()
            memory.append(next(float(one.split()[1]) for one in lines if one.startswith("process_resident")))
            time.sleep(1)

    watcher = threading.Thread(target=watch)
    watcher.start()
    _run(ask)
    watcher.join()
    defects = [name for name in statuses if (name[-3:-2] == "5" and not name.endswith(" 503")) or "no answer" in name]
    quarter = max(1, len(memory) // 4)
    first, last = statistics.median(memory[quarter : 2 * quarter]), statistics.median(memory[-quarter:])
    return {
        "minutes": minutes,
        "clients": CLIENTS,
        "answers": dict(sorted(statuses.items())),
        "5xx but 503, or no answer": defects,
        "good_p50_s": statistics.median(latencies),
        "good_p99_s": statistics.quantiles(latencies, n=100)[98],
        "memory_second_quarter_mb": first / 1e6,
        "memory_last_quarter_mb": last / 1e6,
        "memory_growth": last / first - 1,
    }


def _run(work: Any) -> None:
    threads = [threading.Thread(target=work) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def timed(run: Path, port: int, jpeg: bytes, options: argparse.Namespace) -> tuple[dict[str, float], dict[str, float]]:
    """Latencies and images a second of the server, of the bare predictor, and of LitServe where it is there."""
    predictor = visus.load(run, device="cpu")
    connection = http.client.HTTPConnection("127.0.0.1", port)
    ways: dict[str, Callable[[], object]] = {
        "server": lambda: post(connection, jpeg),
        "bare": lambda: json.dumps(predictor.predict(jpeg)[0].to_dict()),
    }
    with ExitStack() as stack:
        peer, packed = 0, json.dumps({"image": base64.b64encode(jpeg).decode()}).encode()
        if options.litserve is not None:
            peer = stack.enter_context(served_by_litserve(options.litserve.resolve(), run.resolve()))
            other = http.client.HTTPConnection("127.0.0.1", peer)
            if (status := post(other, packed, "/predict")) != 200:
                sys.exit(f"LitServe answers {status}")
            ways["litserve"] = lambda: post(other, packed, "/predict")
        cases = in_turns(ways, options.rounds)
        print(json.dumps(cases, indent=1), flush=True)
        rates = {
            "server_images_per_s": at_once(port, jpeg, options.seconds),
            "bare_images_per_s": alone(predictor, jpeg, options.seconds),
        }
        if peer:
            rates["litserve_images_per_s"] = at_once(peer, packed, options.seconds, "/predict")
        print(json.dumps(rates), flush=True)
    return cases, rates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="a run folder; random weights without it")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=10.0, help="of the soak")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of eight clients at once, and of the loop")
    parser.add_argument("--litserve", type=Path, help="a folder with LitServe, to compare with")
    parser.add_argument("--no-write", action="store_true")
    options = parser.parse_args()
    content = io.BytesIO()
    scene = Vignettes(split="test", length=1, size=480)[0].input
    Image.fromarray(scene.permute(1, 2, 0).contiguous().numpy()).save(content, "JPEG", quality=92)
    jpeg = content.getvalue()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        run = options.run or random_run(Path(folder))
        port, ready = stack.enter_context(served(run))
        start = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", port)
        assert post(connection, jpeg) == 200
        first = time.perf_counter() - start
        cases, rates = timed(run, port, jpeg, options)
        soaked = soak(port, jpeg, options.minutes)
        print(json.dumps(soaked, indent=1), flush=True)
    peer = " --litserve FOLDER" if options.litserve else ""
    record = {
        "command": f"python benchmarks/server.py --rounds {options.rounds} --minutes {options.minutes:g}{peer}",
        "commit": commit(),
        "machine": {
            "cpu": cpu(),
            "cores": os.cpu_count(),
            "threads": os.environ.get("OMP_NUM_THREADS", "all"),
            "system": platform.platform(),
            "load": os.getloadavg(),
        },
        "versions": {name: version(name) for name in ("torch", "fastapi", "uvicorn", "visus")}
        | {"python": platform.python_version()},
        "seconds are": "of one connection, in turns with the bare predictor; overhead = median of server / bare",
        "start_s": ready,
        "first_request_s": first,
        "latency": cases,
        "throughput": rates,
        "soak": soaked,
    }
    if not options.no_write and options.run is None:
        RESULT.write_text(json.dumps(record, indent=2) + "\n")
    if faults := faults_of(cases, soaked):
        sys.exit("; ".join(faults))


def faults_of(cases: Mapping[str, float], soaked: Mapping[str, Any]) -> list[str]:
    """What the server promises and did not keep."""
    faults = []
    if bad := soaked["5xx but 503, or no answer"]:
        faults.append(f"answers of 5xx that are no 503, or none: {bad}")
    if soaked["memory_growth"] > MOST_GROWTH:
        faults.append(f"memory grew by {soaked['memory_growth']:.1%}")
    if cases["server_overhead"] > MOST_OVERHEAD:
        faults.append(f"{cases['server_overhead']:.2f} of the time of the bare predictor")
    return faults


if __name__ == "__main__":
    main()
