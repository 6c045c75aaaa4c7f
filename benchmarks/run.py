"""Whole networks: the published torchvision beside ours in every precision, and the share of the machine's limit.

    python benchmarks/run.py                                  # all networks, writes results/run.json
    python benchmarks/run.py --only maskrcnn --rounds 3       # writes nothing

Every side of a network (the peer, ours as it is, fused in float32, bfloat16 and int8; OpenVINO for the convolutional
part, where it is installed) is a process of its own. They take turns, so a busy machine slows all alike; times are
medians over turns and ratios medians of the ratios within a turn. The peer gets our random weights. Ours run as under
the command line, which keeps memory (`visus.keep_memory`); "peer kept" is the peer with that. The limit of a network is
what its operations take at the most that a convolution reaches here, or its bytes at the speed of copying.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from interleaved import PEER_PYTHON, ROOT, commit, cpu
from torch import Tensor, nn

NETWORKS = {
    "fasterrcnn_resnet50_fpn": (800, 1066),
    "maskrcnn_resnet50_fpn": (800, 1066),
    "keypointrcnn_resnet50_fpn": (800, 1066),
    "ssd300_vgg16": (300, 300),
    "fcn_resnet50": (520, 520),
    "deeplabv3_resnet50": (520, 520),
}
"""Networks that torchvision has, and the height and width of the image."""

OURS_ALONE = {"maskrcnn_lite0_fpn": (480, 640), "fcn_lite0": (480, 640), "classifier_lite0": (480, 640)}
BODY = "resnet50 body"
SIDES = ("peer", "peer kept", "plain", "fp32", "bf16", "int8", "openvino fp32", "openvino bf16")
RESULT = ROOT / "benchmarks" / "results" / "run.json"
PEAKS = ("fp32", "bf16", "int8", "copy")


def image(size: tuple[int, int]) -> Tensor:
    return torch.rand(3, *size, generator=torch.Generator().manual_seed(0))


# --- what each side times ---


def peer_side(network: str, size: tuple[int, int], weights: str) -> Callable[[], object]:
    import torchvision

    torch.manual_seed(0)
    if "rcnn" in network or "ssd" in network:
        least = {"box_score_thresh": 0.0} if "rcnn" in network else {"score_thresh": 0.0, "detections_per_img": 100}
        model = getattr(torchvision.models.detection, network)(weights=None, weights_backbone=None, **least)
        inputs: Any = [image(size)]
    else:
        make = getattr(torchvision.models.segmentation, network)
        model = make(weights=None, weights_backbone=None, aux_loss=False)
        inputs = image(size)[None]
    model.load_state_dict(torch.load(weights), strict=False)
    model.eval()
    return lambda: model(inputs)


def our_network(network: str) -> nn.Module:
    """With random weights, and so that it always finds a hundred objects."""
    from visus import catalog

    torch.manual_seed(0)
    parts = {"aux": False} if network in ("fcn_resnet50", "deeplabv3_resnet50") else {}
    known = {"pretrained": False, **parts}
    try:
        model: Any = catalog.MODELS[network](**known).eval()
    except TypeError:
        model = catalog.MODELS[network](pretrained=False).eval()
    if "rcnn" in network:
        model.roi_heads.limits = replace(model.roi_heads.limits, score=0.0, count=100)
    if "ssd" in network:
        model.limits = replace(model.limits, score=0.0, count=100)
    return model


def our_side(network: str, size: tuple[int, int], side: str) -> Callable[[], object]:
    from visus.nn.fused.choose import choose
    from visus.nn.fused.int8 import calibrate
    from visus.nn.model import predict_batch

    model: Any = our_network(network)
    batch = model.transform.batch([image(size)])
    notes: list[str] = []
    fast = choose(
        model,
        batch,
        side,  # type: ignore[arg-type]
        calibrate=lambda fast, on_note: calibrate(fast, [batch], on_note=on_note),
        on_note=notes.append,
    )
    if notes:
        raise RuntimeError(notes[0])
    return lambda: predict_batch(fast, model.transform.batch([image(size)]))


class Body(nn.Module):
    """The convolutional part of most networks above, as a network of its own."""

    channels_last = True
    adapts = False

    def __init__(self) -> None:
        super().__init__()
        from visus.nn.backbones import resnet50

        torch.manual_seed(0)
        self.body = resnet50(num_classes=None)

    def forward(self, inputs: Any) -> list[Tensor]:
        """The outputs of the four stages."""
        return self.body.stages(inputs.pixels)

    def postprocess(self, outputs: list[Tensor], sizes: Any) -> list[Tensor]:
        """The last of them."""
        return [outputs[-1]]


def body_side(side: str) -> Callable[[], object]:
    from visus.nn.fused.choose import choose
    from visus.nn.fused.int8 import calibrate
    from visus.types import ImageBatch

    body = Body().eval()
    pixels = image((800, 1088))[None].contiguous(memory_format=torch.channels_last)
    if side.startswith("openvino"):
        import openvino

        class Stages(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.body = body.body

            def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
                return tuple(self.body.stages(pixels))

        core = openvino.Core()
        hint = {"fp32": "f32"}.get(side.split()[1], side.split()[1])
        core.set_property("CPU", {"INFERENCE_NUM_THREADS": torch.get_num_threads(), "INFERENCE_PRECISION_HINT": hint})
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
            file = Path(folder) / "body.onnx"
            torch.onnx.export(Stages().eval(), (pixels,), file, dynamo=True)
            compiled = core.compile_model(core.read_model(file), "CPU")
        array = pixels.contiguous().numpy()
        return lambda: compiled(array)
    batch, notes = ImageBatch(pixels, torch.tensor([[800, 1088]])), list[str]()
    fast = choose(
        body,
        batch,
        side,  # type: ignore[arg-type]
        calibrate=lambda fast, on_note: calibrate(fast, [batch], on_note=on_note),
        on_note=notes.append,
    )
    if notes:
        raise RuntimeError(notes[0])

    def look() -> object:
        with torch.no_grad():
            return fast(batch)

    return look


# --- the limit ---


def work_of(network: str, size: tuple[int, int]) -> dict[str, float]:
    """Operations (two for a product and its sum), and float32 numbers read or written by the layers, of one look."""
    from visus.nn.model import predict_batch
    from visus.types import ImageBatch

    model: Any = Body().eval() if network == BODY else our_network(network)
    work = {"operations": 0.0, "numbers": 0.0}

    def count(layer: Any, args: Any, found: Tensor) -> None:
        per_output = layer.weight.numel() / layer.weight.shape[0]
        times = args[0].numel() / layer.weight.shape[0] if isinstance(layer, nn.ConvTranspose2d) else found.numel()
        work["operations"] += 2 * per_output * times
        work["numbers"] += args[0].numel() + found.numel() + layer.weight.numel()

    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear | nn.ConvTranspose2d):
            layer.register_forward_hook(count)  # which also lets every layer run as a step of its own
    if network == BODY:
        model(ImageBatch(image((800, 1088))[None], torch.tensor([[800, 1088]])))
    else:
        predict_batch(model, model.transform.batch([image(size)]))
    return work


def peaks() -> dict[str, float]:
    """The most operations a second of a convolution that suits the machine, in each precision, and bytes copied."""
    from visus.nn.fused.activations import RELU
    from visus.nn.fused.int8 import Int8Convolution, Scale
    from visus.nn.fused.optimize import unavailable
    from visus.nn.fused.packed import Origin, PackedConvolution

    conv = nn.Conv2d(256, 256, 3, padding=1)
    x = torch.rand(1, 256, 100, 136).contiguous(memory_format=torch.channels_last)
    operations = 2 * conv.weight.numel() * 100 * 136
    layers: dict[str, tuple[nn.Module, Tensor]] = {"fp32": (PackedConvolution(Origin(conv, None), RELU), x)}
    if not unavailable("bf16"):
        half = PackedConvolution(Origin(conv, None), RELU, torch.bfloat16)
        layers["bf16"] = half, x.to(torch.bfloat16)
    rounded = Int8Convolution(
        Origin(conv, None), RELU, source=Scale(0.01, 0), result=Scale(0.05, 0), other=None, keeps_other=False
    )
    layers["int8"] = rounded, (x * 100).to(torch.uint8)
    with torch.no_grad():
        found = {name: operations / best_of(lambda one=one: one[0](one[1])) for name, one in layers.items()}
    source = torch.rand(1 << 25)
    target = torch.empty_like(source)
    return found | {"copy": 2 * source.numel() * 4 / best_of(lambda: target.copy_(source))}


def best_of(call: Callable[[], object], turns: int = 12) -> float:
    times = []
    for _ in range(turns):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


# --- processes ---


def serve(options: argparse.Namespace) -> None:
    """One side of one network: says that it is ready, then times a look for each line that comes."""
    torch.set_num_threads(options.threads)
    if options.side != "peer":
        from visus.memory import keep_memory  # needs nothing that the peer's environment lacks

        keep_memory()
    size = (NETWORKS | OURS_ALONE).get(options.network, (800, 1088))
    if options.side == "work":
        print(json.dumps(work_of(options.network, size) | {"peaks": peaks()}), flush=True)
        return
    try:
        if options.network == BODY:
            look = body_side(options.side)
        elif options.side.startswith("peer"):
            look = peer_side(options.network, size, options.weights)
        else:
            look = our_side(options.network, size, options.side)
        with torch.no_grad():
            look()
    except Exception as error:
        print(json.dumps({"absent": f"{type(error).__name__}: {str(error).splitlines()[0][:200]}"}), flush=True)
        return
    print(json.dumps({"torch": torch.__version__}), flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        with torch.no_grad():
            look()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"seconds": time.perf_counter() - start, "peak_mib": round(peak)}), flush=True)


class Side:
    """A process that times looks."""

    def __init__(self, network: str, side: str, weights: str, threads: int) -> None:
        python = PEER_PYTHON if side.startswith("peer") else Path(sys.executable)
        paths = [str(ROOT / "benchmarks"), *([] if side == "peer" else [str(ROOT / "src")])]
        settings = {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "passive", "PYTHONPATH": os.pathsep.join(paths)}
        words = ["--side", side, "--network", network, "--weights", weights, "--threads", str(threads)]
        self.process = subprocess.Popen(
            [str(python), str(Path(__file__).resolve()), *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **settings},
        )
        self.hello = self.read()

    def read(self) -> dict[str, Any]:
        """What the process says next."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        return json.loads(line) if line else {"absent": "the process ended early; its message stands above"}

    def look(self) -> dict[str, Any]:
        """Seconds and memory of one look."""
        assert self.process.stdin is not None
        self.process.stdin.write("look\n")
        self.process.stdin.flush()
        return self.read()

    def end(self) -> None:
        """Ends the process."""
        self.process.communicate()


def compare(network: str, options: argparse.Namespace) -> dict[str, Any]:
    """All sides of a network in turns."""
    own = network == BODY or network in OURS_ALONE
    others = network == BODY and find_spec("openvino") is not None
    wanted = [s for s in SIDES if not (s.startswith("peer") and own) and (others or "openvino" not in s)]
    with tempfile.NamedTemporaryFile(suffix=".pt") as file:
        if not own:
            torch.save(our_network(network).state_dict(), file.name)
        work = Side(network, "work", file.name, options.threads)
        work.end()
        sides = {name: Side(network, name, file.name, options.threads) for name in wanted}
    absent = {name: side.hello["absent"] for name, side in sides.items() if "absent" in side.hello}
    alive = {name: side for name, side in sides.items() if name not in absent}
    turns = [{name: side.look() for name, side in alive.items()} for _ in range(options.rounds + 1)][1:]
    for side in sides.values():
        side.end()
    base = "peer" if "peer" in alive else "plain"
    rows = {}
    for name in alive:
        seconds = statistics.median(turn[name]["seconds"] for turn in turns)
        ratio = statistics.median(turn[name]["seconds"] / turn[base]["seconds"] for turn in turns)
        limit = limit_of(work.hello, name.split()[-1] if name.split()[-1] in PEAKS else "fp32")
        rows[name] = {
            "seconds": round(seconds, 5),
            "ratio": round(ratio, 4),
            "share of the limit": round(limit / seconds, 3),
            "peak_mib": turns[-1][name]["peak_mib"],
        }
        text = f"{rows[name]['ratio']:6.3f} of {base}  {rows[name]['share of the limit']:5.2f} of the limit"
        print(f"{network:28s} {name:13s} {seconds * 1e3:10.1f} ms  {text}  {rows[name]['peak_mib']:6d} MiB", flush=True)
    for name, reason in absent.items():
        print(f"{network:28s} {name:13s} {reason}", flush=True)
    return {"sides": rows, "base": base, "absent": absent, "work": work.hello}


def limit_of(work: dict[str, Any], precision: str) -> float:
    """Seconds that the layers take at least."""
    width = {"fp32": 4, "bf16": 2, "int8": 1}[precision]
    peak = work["peaks"].get(precision) or work["peaks"]["fp32"]
    return max(work["operations"] / peak, work["numbers"] * width / work["peaks"]["copy"])


def markdown(record: dict[str, Any]) -> str:
    """The tables of the docs."""
    sides = [s for s in SIDES if any(s in row["sides"] for row in record["networks"].values())]
    lines = [f"`{record['command']}`, {record['machine']['cpu']}, {record['machine']['threads']} threads.", ""]
    lines += [f"| network | beside | {' | '.join(sides)} |", "|---|---|" + "---|" * len(sides)]
    for network, row in record["networks"].items():
        cells = []
        for side in sides:
            found = row["sides"].get(side)
            cells.append("-" if found is None else f"{found['ratio']:.2f} ({found['share of the limit']:.2f})")
        base = row["sides"][row["base"]]["seconds"]
        lines.append(f"| {network} | {row['base']}, {1e3 * base:.0f} ms | {' | '.join(cells)} |")
    said = "The time as a share of that of `beside`; in brackets the share of the machine's limit."
    return "\n".join([*lines, "", said])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", help="be one of the timed processes (internal)")
    parser.add_argument("--network", default="")
    parser.add_argument("--weights", default="")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7, help="turns of every side")
    parser.add_argument("--only", default="", help="networks whose names contain this; writes nothing")
    parser.add_argument("--no-write", action="store_true")
    options = parser.parse_args()
    if options.side:
        serve(options)
        return
    torch.set_num_threads(options.threads)
    names = [name for name in (BODY, *NETWORKS, *OURS_ALONE) if options.only in name]
    record = {
        "command": f"python benchmarks/run.py --threads {options.threads} --rounds {options.rounds}",
        "commit": commit(),
        "machine": {"cpu": cpu(), "cores": os.cpu_count(), "threads": options.threads, "system": platform.platform()},
        "seconds are": "medians over turns; ratio = median over turns of the ratio to the base within a turn",
        "networks": {name: compare(name, options) for name in names},
    }
    if not options.only and not options.no_write:
        RESULT.write_text(json.dumps(record, indent=2) + "\n")
    print(f"\n{markdown(record)}")


if __name__ == "__main__":
    main()
