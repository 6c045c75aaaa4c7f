"""COIL-20 and emoji_sop through a gallery: retrieval as the metrics measure it, re-ranking, and recommendation.

Run ``python benchmarks/gallery_protocols.py``. The descriptor is the frozen one (`frozen_lite0`). Recall@1, CMC-1 and
mAP are computed once from what searches of the gallery return and once by the metrics of ``visus evaluate`` on the same
vectors; they have to be equal to the last digit. Recommendation: of each class of emoji_sop the last image is hidden,
the others are liked (leave-one-out); the super-classes are the axis along which lists are varied. The seconds of the
processors that adding takes are counted. Galleries, and each part that was measured, are kept in ``--work``, so that
the command goes on where it was stopped; an empty ``--work`` measures all anew.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import torch
from interleaved import ROOT, commit, cpu, said
from torch import Tensor

from visus.galleries import Gallery, Wishes
from visus.galleries.adding import Report
from visus.galleries.entry import Value
from visus.galleries.reid import Protocol
from visus.metrics.recommendation import coverage, hit_rate, intra_list_diversity, ndcg
from visus.metrics.reidentification import ReidentificationMetric
from visus.metrics.retrieval import RetrievalMetric
from visus.types import Batch, ClassTarget, EmbeddingPrediction, ImageBatch

DATA = ROOT.parent / "shared" / "data"
RESULT = Path(__file__).parent / "results" / "gallery_protocols.json"
K = 10
VARIETY = (0.0, 0.3, 0.6)

Images = Iterator[tuple[Path, Mapping[str, Value]]]


def coil20(folder: Path, every: int) -> Images:
    """One view in so many of the 20 objects."""
    for path in sorted(folder.glob("obj*.png")):
        thing, view = path.stem.removeprefix("obj").split("__")
        if int(view) % every == 0:
            yield path, {"person": int(thing)}


def emoji(folder: Path, classes: int) -> Images:
    """The images of the first test classes of emoji_sop, with their super-classes."""
    lines = [line.split() for line in (folder / "Ebay_test.txt").read_text().splitlines()[1:]]
    kept = set(sorted({int(label) for _, label, _, _ in lines})[:classes])
    for _, label, above, name in lines:
        if int(label) in kept:
            yield folder / name, {"person": int(label), "above": int(above)}


def filled(folder: Path, images: Images) -> tuple[Gallery, dict[str, float]]:
    """The gallery of some images, filled as far as it is not yet, and what adding took, in all runs together."""
    if not folder.exists():
        Gallery.create(folder).close()
    gallery, kept = Gallery.open(folder, precision="auto"), folder.with_name(f"{folder.name}.json")
    before = json.loads(kept.read_text()) if kept.exists() else {"added": 0, "seconds of the processors": 0.0}
    told = {str(path.resolve()): about for path, about in images}
    gallery.describer.describe([])  # loaded before the clock starts
    start = time.process_time()

    def keep(report: Report) -> None:
        seconds = before["seconds of the processors"] + time.process_time() - start
        now = {"added": before["added"] + report.added, "seconds of the processors": round(seconds, 2)}
        kept.write_text(json.dumps(now))

    gallery.add(list(told), metadata=lambda item: told[os.path.realpath(item.path)], watch=keep)
    cost = json.loads(kept.read_text())
    each = cost["seconds of the processors"] / cost["added"]
    return gallery, {**cost, "milliseconds an image": round(1e3 * each, 1)}


def entries_of(gallery: Gallery, field: str) -> tuple[Tensor, Tensor, list[int]]:
    """Vectors, the values of a field, and identifiers."""
    ids, vectors = zip(*gallery.store.vectors(), strict=True)
    about = {one.id: one.metadata[field] for one in gallery.store.descriptions()}
    names = [int(one) for part in ids for one in part]
    points = torch.cat([torch.from_numpy(part.copy()) for part in vectors])
    return points, torch.tensor([int(about[one]) for one in names]), names


def searched(gallery: Gallery, points: Tensor, labels: Tensor, ids: list[int]) -> dict[str, float]:
    """Recall@1, CMC-1 and mAP of what searching for each entry returns."""
    row_of = torch.full((max(ids) + 1,), -1)
    row_of[torch.tensor(ids)] = torch.arange(len(ids))
    ranks = torch.arange(1, len(points) + 1)
    each = []
    for rows in torch.arange(len(points)).split(64):
        found = row_of[gallery.nearest(points[rows], k=len(points))[0]]  # [q, n]
        others = found[found != rows[:, None]].view(len(rows), -1)
        right = torch.cat([labels[others] == labels[rows, None], torch.zeros(len(rows), 1, dtype=torch.bool)], 1)
        precision = (right.cumsum(1).double() / ranks * right).sum(1) / right.sum(1).clamp_min(1)
        each.append(torch.stack([right[:, 0].double(), precision, right.sum(1).double()], 1))
    each = torch.cat(each)
    first, average = each[each[:, 2] > 0, :2].mean(0).tolist()  # queries with nothing to find are skipped
    return {"recall@1": first, "CMC-1": first, "mAP": average}


def evaluated(points: Tensor, labels: Tensor) -> dict[str, float]:
    """The same by the metrics that ``visus evaluate`` uses."""
    retrieval, again = RetrievalMetric(ks=(1,)), ReidentificationMetric(camera_rule=False)
    targets = [ClassTarget(label=label, size=(1, 1), image_id=place) for place, label in enumerate(labels)]
    inputs = ImageBatch(torch.zeros(len(points), 3, 1, 1), torch.ones(len(points), 2, dtype=torch.int64))
    for metric in (retrieval, again):
        predictions = [EmbeddingPrediction(one, (1, 1)) for one in points]
        metric.update(predictions, Batch(inputs, targets, [""] * len(points)))
    numbers = {name.split(" (")[0]: value for name, value in again.compute().items()}
    return {"recall@1": retrieval.compute()["R@1"], "CMC-1": numbers["CMC-1"], "mAP": numbers["mAP"]}


def reranked(gallery: Gallery) -> dict[str, float]:
    """The same by k-reciprocal neighbours."""
    start = time.perf_counter()
    found = gallery.measure(Protocol(camera_rule=False, rerank=True))
    seconds = time.perf_counter() - start
    numbers = {name: found[name] for name in ("CMC-1", "mAP")}
    return {"recall@1": numbers["CMC-1"], **numbers, "seconds": round(seconds, 1)}


def retrieval_of(gallery: Gallery, work: Path) -> dict[str, dict[str, float]]:
    """By searching, by the metrics, and re-ranked."""
    points, labels, ids = entries_of(gallery, "person")
    sides: dict[str, Callable[[], dict[str, float]]] = {
        "through the gallery": lambda: searched(gallery, points, labels, ids),
        "by the metrics": lambda: evaluated(points, labels),
        "re-ranked": lambda: reranked(gallery),
    }
    return {side: kept(work / f"{gallery.folder.name}, {side}.json", measure) for side, measure in sides.items()}


def kept(path: Path, measure: Callable[[], dict[str, float]]) -> dict[str, float]:
    """What was measured before, or is measured now and kept."""
    if not path.exists():
        path.write_text(json.dumps(measure()))
        print(path.stem, flush=True)
    found: dict[str, float] = json.loads(path.read_text())
    return found


def recommendations_of(gallery: Gallery, diversity: float) -> dict[str, float]:
    """Leave-one-out over the classes, lists of `K`."""
    points, labels, ids = entries_of(gallery, "person")
    above = dict(zip(ids, entries_of(gallery, "above")[1].tolist(), strict=True))
    rows = {one: row for row, one in enumerate(ids)}
    lists, hidden = [], []
    for label in labels.unique():
        history = [ids[row] for row in (labels == label).nonzero()[:, 0].tolist()]
        if len(history) < 2:
            continue
        found = gallery.recommend(*history[:-1], wishes=Wishes(k=K, diversity=diversity))
        lists.append([match.entry.id for match in found.matches])
        hidden.append(history[-1])
    kinds = [len({above[one] for one in some}) / len(some) for some in lists if some]
    return {
        f"hit rate@{K}": hit_rate(lists, hidden, k=K),
        f"nDCG@{K}": ndcg(lists, hidden, k=K),
        "coverage": coverage(lists, len(ids), k=K),
        "diversity": intra_list_diversity([[rows[one] for one in some] for some in lists], points, k=K),
        "super-classes a place": sum(kinds) / len(kinds),
        "lists": len(lists),
    }


def told(title: str, rows: Mapping[str, Mapping[str, float]]) -> None:
    """A table of measures, a row for each case."""
    columns = list(dict.fromkeys(name for row in rows.values() for name in row if name not in ("seconds", "lists")))
    print(f"\n{title:24s}" + "".join(f"{name:>23s}" for name in columns))
    for name, row in rows.items():
        print(f"{name:24s}" + "".join(f"{row[column]:23.4f}" for column in columns), flush=True)


def main() -> None:
    """Measures, prints tables and writes the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of coil20/ and emoji_sop/")
    parser.add_argument("--work", type=Path, default=Path("/tmp/gallery_protocols"), help="folder for the galleries")
    parser.add_argument("--coil-every", type=int, default=1, help="one view in so many of COIL-20")
    parser.add_argument("--emoji-classes", type=int, default=868, help="of the 868 test classes of emoji_sop")
    parser.add_argument("--no-write", action="store_true", help="leave the results as they are")
    options = parser.parse_args()
    clean = commit()
    options.work.mkdir(parents=True, exist_ok=True)
    sets = {
        "coil20": coil20(options.data / "coil20", options.coil_every),
        "emoji_sop": emoji(options.data / "emoji_sop", options.emoji_classes),
    }
    titles = {
        "coil20": "COIL-20" if options.coil_every == 1 else f"COIL-20, every view number {options.coil_every}",
        "emoji_sop": f"emoji_sop, the first {options.emoji_classes} test classes",
    }
    if options.emoji_classes == 868:
        titles["emoji_sop"] = "emoji_sop, all test classes"
    galleries, costs = {}, {}
    for name, images in sets.items():
        folder = options.work / f"{name}_{options.coil_every}_{options.emoji_classes}"
        galleries[name], costs[name] = filled(folder, images)
        print(name, costs[name], flush=True)
    record: dict[str, object] = {
        "command": said().replace(str(options.data), "DATA"),
        "commit": clean,
        "machine": {"cpu": cpu(), "cores": os.cpu_count(), "threads": torch.get_num_threads()},
        "descriptor": "frozen_lite0",
        "adding": costs,
    }
    for name, gallery in galleries.items():
        rows = retrieval_of(gallery, options.work)
        told(f"{name}, {gallery.store.state().entries} images", rows)
        record[name] = {"data": titles[name], "images": gallery.store.state().entries, **rows}
        if rows["through the gallery"] != rows["by the metrics"]:
            sys.exit(f"{name}: the gallery and the metrics differ")
    emojis = galleries["emoji_sop"]
    varied = {
        f"diversity {value}": kept(
            options.work / f"{emojis.folder.name}, diversity {value}.json", partial(recommendations_of, emojis, value)
        )
        for value in VARIETY
    }
    told("recommendation", varied)
    record["recommendation on emoji_sop, leave-one-out"] = varied
    if not options.no_write:
        RESULT.write_text(json.dumps(record, indent=2) + "\n")
        print(RESULT)


if __name__ == "__main__":
    main()
