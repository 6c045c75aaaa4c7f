"""The open set of ORL through a gallery: twenty people are enrolled, and they and twenty others are searched for.

Run ``python benchmarks/gallery_faces.py FOLDER``, where FOLDER holds ``s1/1.pgm`` ... ``s40/10.pgm``; it needs the
extra ``faces``. The photographs are enlarged three times and written to ``--work``, five of each of the first twenty
people are added to a gallery of faces with their names, and the other five and all of the other twenty people are
identified, each by itself. What was identified is kept in ``--work``, so that the command goes on where it was stopped.

The threshold is chosen twice: by the gallery on its own entries (``visus gallery identify --fpir .01``), as it has to
be where nobody knows strangers, and as the loosest that lets one in a hundred of the strangers of this test pass, which
is how the rate of a published open set is stated.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from faces_orl import ENLARGED, read
from interleaved import commit, cpu, said
from PIL import Image

from visus.galleries import Gallery
from visus.galleries.errors import NoPartError
from visus.metrics.verification import open_set

RESULT = Path(__file__).parent / "results" / "gallery_faces.json"
ENROLLED, EACH = 20, 5
FPIR = 0.01


def main() -> None:
    """Enrols, identifies, prints what came out and writes the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--work", type=Path, default=Path("/tmp/gallery_faces"), help="folder for photographs and gallery"
    )
    parser.add_argument("--no-write", action="store_true", help="leave the results as they are")
    options = parser.parse_args()
    clean = commit()
    photographs = enlarged(options.folder, options.work / "photographs")
    enrolled = [path for path in photographs if is_enrolled(path)]
    with opened(options.work / "people") as gallery:
        gallery.add(list(map(str, enrolled)), metadata=lambda item: {"person": Path(item.path).parent.name})
        found = list(identified(gallery, photographs, options.work / "identified.jsonl"))
        entries = gallery.stats()["entries"]
    record = {
        "command": said().replace(str(options.folder), "FOLDER"),
        "commit": clean,
        "machine": {"cpu": cpu(), "cores": os.cpu_count(), "threads": torch.get_num_threads()},
        "versions": {"torch": torch.__version__},
        "data": f"ORL, enlarged {ENLARGED} times: {ENROLLED} people enrolled with {EACH} photographs each",
        "entries": entries,
        "photographs without a face found": sum(one["score"] is None for one in found),
        "at the gallery's own threshold": own_threshold(found),
        "at a rate of the strangers": strangers_threshold(found),
    }
    print(json.dumps(record, indent=2))
    if not options.no_write:
        RESULT.write_text(json.dumps(record, indent=2) + "\n")


def enlarged(source: Path, target: Path) -> list[Path]:
    """The photographs as files, in folders by person."""
    paths = [target / f"s{person}" / f"{number}.png" for person in range(1, 41) for number in range(1, 11)]
    if not all(path.exists() for path in paths):
        for path, pixels in zip(paths, read(source)[0], strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(path)
    return paths


def is_enrolled(path: Path) -> bool:
    """Whether a photograph is one of the first five of the first twenty people."""
    return int(path.parent.name[1:]) <= ENROLLED and int(path.stem) <= EACH


def opened(folder: Path) -> Gallery:
    """The gallery of people."""
    return Gallery.open(folder) if folder.exists() else Gallery.create(folder, model="faces")


def identified(gallery: Gallery, photographs: list[Path], kept: Path) -> Iterator[dict[str, Any]]:
    """Who each photograph that is not enrolled shows, according to the gallery; what was found before is not again."""
    known = {}
    if kept.exists():
        known = {one["photograph"]: one for one in map(json.loads, kept.read_text().splitlines())}
    for path in photographs:
        if is_enrolled(path):
            continue
        name = f"{path.parent.name}/{path.name}"
        if name not in known:
            known[name] = {"photograph": name, **identity(gallery, path)}
            with kept.open("a") as file:
                file.write(json.dumps(known[name]) + "\n")
        yield known[name]


def identity(gallery: Gallery, path: Path) -> dict[str, Any]:
    """The name, the nearest name and its distance, and the threshold, of the surest face of a photograph."""
    try:
        found = gallery.identify(str(path), fpir=FPIR)
    except NoPartError:
        return {"name": None, "candidate": None, "score": None, "threshold": None}
    first = found.found[0]
    return {
        "name": first.value,
        "candidate": first.candidate,
        "score": first.match.score,
        "threshold": vars(found.threshold),
    }


def own_threshold(found: list[dict[str, Any]]) -> dict[str, Any]:
    """What the gallery's own threshold lets pass, of people it knows and of strangers."""
    person = [one["photograph"].split("/")[0] for one in found]
    mated = [int(name[1:]) <= ENROLLED for name in person]
    right = [one["name"] == name for one, name in zip(found, person, strict=True)]
    named = [one["name"] is not None for one in found]
    hits = [ok for ok, known in zip(right, mated, strict=True) if known]
    false = [ok for ok, known in zip(named, mated, strict=True) if not known]
    return {
        "chosen": next(one["threshold"] for one in found if one["threshold"]),
        "tpir": sum(hits) / len(hits),
        "fpir": sum(false) / len(false),
        "mated": len(hits),
        "non_mated": len(false),
    }


def strangers_threshold(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """TPIR at rates of the strangers; only the nearest person of a search counts, and the gallery tells who that is."""
    distances = torch.full((len(found), ENROLLED), torch.inf, dtype=torch.float64)
    for row, one in enumerate(found):
        if one["score"] is not None:
            distances[row, int(one["candidate"][1:]) - 1] = one["score"]
    searched = torch.tensor([int(one["photograph"].split("/")[0][1:]) for one in found])
    return [vars(one) for one in open_set(distances, torch.arange(1, ENROLLED + 1), searched, fpirs=(0.1, FPIR))]


if __name__ == "__main__":
    main()
