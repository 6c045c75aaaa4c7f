"""What the tables of galleries and faces show of benchmarks/results."""

from __future__ import annotations

from collections.abc import Callable

from result_files import Lines, percent, record_of, sources, table


def faces() -> Lines:
    """The published face networks on ORL."""
    record = record_of("faces_orl")
    rates, folds = record["TAR@FAR"], record["10 folds, as many impostor as genuine pairs"]
    [open_set] = [
        row for row in record["open set, 20 enrolled with 5 photographs each, 20 not"] if row["wanted"] == 0.01
    ]
    searches = f"{open_set['mated']} searches for 20 enrolled people (5 photographs each), {open_set['non_mated']}"
    pairs = f"{rates[0]['genuine']:,} genuine and {rates[0]['impostors']:,} impostor pairs"
    rows = [(f"TAR at FAR {row['wanted']:g}", percent(row["tar"], 2), pairs) for row in rates]
    rows += [
        ("recall@1", percent(record["recall@1"], 2), "400 photographs"),
        (
            "accuracy of 10 folds",
            f"{percent(folds['accuracy'], 2)} ± {percent(folds['standard error'], 2)}",
            f"{folds['pairs']:,} pairs",
        ),
        (
            "TPIR at FPIR 0.01",
            percent(open_set["tpir"], 2),
            f"{searches} for 20 others",
        ),
        ("photographs without a face found", str(record["no face found"]), "400"),
    ]
    return table(["measure", "value", "on"], rows) + sources("faces_orl")


def faces_gallery() -> Lines:
    """The open set through a gallery."""
    record = record_of("gallery_faces")
    own = record["at the gallery's own threshold"]
    [strangers] = [row for row in record["at a rate of the strangers"] if row["wanted"] == 0.01]
    cases = [("the gallery, `--fpir .01`", own, own["chosen"]["score"])]
    cases.append(("the strangers, FPIR .01", strangers, strangers["threshold"]))
    rows = [(by, f"{at:.3f}", percent(one["tpir"], 2), percent(one["fpir"], 2)) for by, one, at in cases]
    header = ["threshold by", "distance", f"TPIR of {own['mated']} searches", f"FPIR of {own['non_mated']} searches"]
    return table(header, rows) + sources("gallery_faces")


def galleries() -> Lines:
    """Retrieval by the frozen descriptor, plain and re-ranked."""
    record = record_of("gallery_protocols")
    rows = []
    for name in ("coil20", "emoji_sop"):
        plain, again = record[name]["through the gallery"], record[name]["re-ranked"]
        cells = [percent(one[m], 2) for one in (plain, again) for m in ("CMC-1", "mAP")]
        rows.append((f"{record[name]['data']}: {record[name]['images']:,} images", *cells))
    header = ["data", "recall@1 = CMC-1", "mAP", "re-ranked: CMC-1", "mAP"]
    return table(header, rows) + sources("gallery_protocols")


def adding() -> Lines:
    """What adding costs, of a million images, and by arithmetic of a billion."""
    rows = []
    for name, cost in record_of("gallery_protocols")["adding"].items():
        seconds = cost["seconds of the processors"] / cost["added"]
        hours, days = 1e6 * seconds / 3600, 1e9 * seconds / 86_400
        cells = (f"{1e3 * seconds:.0f} ms", f"{hours:.1f} hours", f"{days:,.0f} days", f"{24 * days / 1000:.1f} hours")
        rows.append((f"{name}: {cost['added']:,} images", *cells))
    header = ["data", "an image", "a million", "a billion", "a billion on 1,000 cores"]
    return table(header, rows) + sources("gallery_protocols")


def recommendation() -> Lines:
    """Recommendation with more or less diversity."""
    found = record_of("gallery_protocols")["recommendation on emoji_sop, leave-one-out"]
    measures = ("hit rate@10", "nDCG@10", "coverage", "diversity", "super-classes a place")
    rows = [(name.removeprefix("diversity "), *(f"{row[m]:.3f}" for m in measures)) for name, row in found.items()]
    return table(["`--diversity`", *measures], rows) + sources("gallery_protocols", commands=False)


GALLERY_TABLES: dict[str, Callable[[], Lines]] = {
    "faces": faces,
    "faces-gallery": faces_gallery,
    "galleries": galleries,
    "adding": adding,
    "recommendation": recommendation,
}
"""By the name of the mark on a page."""
