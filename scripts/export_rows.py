"""Tables of benchmarks/results/exports.json: every exported network in every format, and a detector in fewer bits."""

from __future__ import annotations

from result_files import Lines, Record, percent, record_of, sources, table

_FORMATS = {"onnx": "ONNX", "torch-export": "torch.export", "openvino": "OpenVINO"}


def exports() -> Lines:
    """The largest differences of each network in each format."""
    rows = []
    for name, row in record_of("exports")["networks"].items():
        formats = row["formats"]
        counts = next((one["objects"] for one in formats.values() if one.get("objects")), [])
        shown = ", ".join(str(count) for count in counts) or "-"
        rows.append((f"`{name}`", shown, *(_differences(formats[to]) for to in _FORMATS)))
    return table(["network", "objects", *_FORMATS.values()], rows) + sources("exports")


def export_times() -> Lines:
    """The time of one input with the network and with each file."""
    rows = []
    for name, row in record_of("exports")["networks"].items():
        times = row["seconds"]
        rows.append((f"`{name}`", *(_milliseconds(times.get(side)) for side in ("plain", *_FORMATS))))
    return table(["network", "plain, ms", *(f"{one}, ms" for one in _FORMATS.values())], rows) + sources("exports")


def export_accuracy() -> Lines:
    """The headlines of a trained detector with OpenVINO's files of each precision."""
    record = record_of("exports")["detector"]
    rows = []
    for precision, row in record.get("precisions", {}).items():
        time, size = _milliseconds(record["seconds"][precision]), f"{row['megabytes']:.1f}"
        for metric, numbers in row["headlines"].items():
            both = percent(numbers["network"], 2), percent(numbers["file"], 2)
            rows.append((f"`{precision}`", metric, *both, time, size))
    return table(["precision", "metric", "network", "file", "one image, ms", "MB"], rows) + sources("exports")


def _differences(row: Record) -> str:
    """The largest differences that are not 0, or why there is no file."""
    if "largest differences" not in row:
        return f"refused: {row['refused']}"
    found = ", ".join(f"{name} {value:.1g}" for name, value in row["largest differences"].items() if value) or "none"
    return f"refused: {found}" if row["refused"] else found


def _milliseconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{1e3 * seconds:.0f}" if seconds >= 0.01 else f"{1e3 * seconds:.1f}"
