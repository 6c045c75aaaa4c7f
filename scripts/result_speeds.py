"""What the tables of speeds show of benchmarks/results."""

from __future__ import annotations

from result_files import Lines, record_of, sources, table


def ratios(*names: str, peer: str, unit: str = "ms") -> Lines:
    """Times of ours and of a peer's, and their ratio."""
    factor, digits = {"ms": (1e3, 1), "s": (1, 1)}[unit]
    rows = [
        (case, *(f"{factor * times[side]:.{digits}f}" for side in ("ours_s", "theirs_s")), f"{times['ratio']:.3f}")
        for name in names
        for case, times in record_of(name)["cases"].items()
    ]
    return table(["case", f"ours, {unit}", f"{peer}, {unit}", "ratio"], rows) + sources(*names)


def whole_networks() -> Lines:
    """The time of whole networks in every form as a share of the peer's, and the share of the machine's limit."""
    sides = {"torchvision, memory kept": "peer kept", "plain": "plain", "fp32": "fp32", "bf16": "bf16", "int8": "int8"}
    sides |= {"OpenVINO fp32": "openvino fp32", "OpenVINO bf16": "openvino bf16"}
    rows = []
    for network, row in record_of("run")["networks"].items():
        found = [row["sides"].get(side) for side in sides.values()]
        cells = ["-" if one is None else f"{one['ratio']:.2f} ({one['share of the limit']:.2f})" for one in found]
        base = row["sides"][row["base"]]["seconds"]
        beside = "torchvision" if row["base"] == "peer" else "itself, plain"
        rows.append((f"`{network}`", f"{beside}, {1e3 * base:,.0f} ms", *cells))
    return table(["network", "beside", *sides], rows) + sources("run")


def retrieval_cases() -> Lines:
    """Seconds of recall@K on embeddings that are hard to compare."""
    cases = {name: case for name, case in record_of("retrieval_cases")["cases"].items() if "1" in case["found"]}
    rows = [(name, f"{case['seconds']:.1f}", f"{case['processor_seconds']:.1f}") for name, case in cases.items()]
    return table(["embeddings", "seconds", "seconds of the processors"], rows) + sources("retrieval_cases")


def gallery_search() -> Lines:
    """Milliseconds that a search takes beside faiss, and the ratio of the times of the processors."""
    record = record_of("gallery_search")
    times, worked = record["seconds"], record["seconds of the processors"]
    rows = []
    for count in ("1 query", "64 queries"):
        pairs = [[of[f"{count}: {side}"] for side in ("gallery", "faiss IndexFlatIP")] for of in (times, worked)]
        (ours, theirs), (our_work, their_work) = pairs
        ratios = (f"{ours / theirs:.2f}", f"{our_work / their_work:.2f}")
        rows.append((count, f"{1e3 * ours:.1f}", f"{1e3 * theirs:.1f}", *ratios))
        for share in ("1 %", "99 %"):
            rows.append(
                (
                    f"{count}, a filter leaves {share}",
                    f"{1e3 * times[f'{count}: gallery, {share} by a filter']:.1f}",
                    "",
                    "",
                    "",
                )
            )
    header = ["case", "gallery, ms", "faiss `IndexFlatIP`, ms", "ratio", "ratio of the processors' time"]
    return table(header, rows) + sources("gallery_search")


def reranking() -> Lines:
    """Time and memory of re-ranking."""
    rows = [
        (
            f"{int(count):,}",
            f"{row['encoding_s']:.1f}",
            f"{row['queries_s']:.2f}",
            f"{row['memory_mib']:,}",
            f"{row['one n x n float32 matrix, mib']:,}",
        )
        for count, row in record_of("reranking")["entries"].items()
    ]
    header = ["entries", "encoding all, s", "200 queries, s", "memory, MiB", "one dense n x n matrix, MiB"]
    return table(header, rows) + sources("reranking")


def growth() -> Lines:
    """How time grows with what is looked at."""
    rows = []
    for what, found in record_of("growth")["lines"].items():
        sizes = [f"{one['size']:,.0f}" for one in found]
        milliseconds = [
            f"{1e3 * one['seconds']:,.0f}" if one["seconds"] >= 0.1 else f"{1e3 * one['seconds']:.1f}" for one in found
        ]
        last = found[-1]
        grown = f"{last['times larger']:g} times the size, {last['times longer']:.1f} times the time"
        rows.append((what, " · ".join(sizes), " · ".join(milliseconds), grown))
    return table(["what grows", "sizes", "ms", "from the first to the last"], rows) + sources("growth")
