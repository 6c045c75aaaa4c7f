"""Who is in which photograph: finds the faces of a folder, groups them by person, and says who is met where.

pip install "visus[faces]"
python examples/faces.py photographs --threshold 0.5
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from visus.data.files.images import read_image
from visus.ops.groups import chinese_whispers
from visus.systems.faces import load_faces


def main(argv: list[str] | None = None) -> None:
    """Finds, embeds, groups."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--threshold", type=float, default=0.5, help="faces nearer than this may be one person's")
    parser.add_argument("--min-face", type=int, default=80, help="pixels of the smallest faces")
    options = parser.parse_args(argv)

    faces = load_faces(min_face=options.min_face)
    names: list[str] = []
    embeddings = [torch.zeros(0, 128)]
    for path in sorted(options.folder.iterdir()):
        found = faces.find(read_image(path))
        names += [path.name] * len(found)
        embeddings.append(found.embeddings)
    people = chinese_whispers(torch.cat(embeddings), threshold=options.threshold)
    print(f"{len(names)} faces of {len(people.unique())} people")
    for person in people.unique().tolist():
        print(
            f"person {person + 1}:", ", ".join(name for name, one in zip(names, people, strict=True) if one == person)
        )


if __name__ == "__main__":
    main()
