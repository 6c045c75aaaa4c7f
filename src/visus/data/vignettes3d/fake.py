"""Files of parametric shapes, for the miniatures of data sets and for trials."""

from __future__ import annotations

from pathlib import Path
from random import Random

from visus.clouds import Mesh
from visus.data.vignettes3d.dataset import joined
from visus.data.vignettes3d.things import PARTS, THINGS


def thing_mesh(name: str, *, seed: int = 0) -> Mesh:
    """A thing of `THINGS` as one mesh."""
    return joined(THINGS[name](Random(seed)), 0, PARTS[name])[0]


def write_off(path: Path, name: str, *, seed: int = 0, broken: bool = False) -> Path:
    """Writes a thing as an OFF file, its folder made where needed.

    Args:
        path: the file.
        name: of the thing.
        seed: of its measures.
        broken: without the line break behind the first word, as some files of ModelNet40 are.
    """
    mesh = thing_mesh(name, seed=seed)
    lines = [f"OFF{'' if broken else chr(10)}{len(mesh.vertices)} {len(mesh.faces)} 0"]
    lines += [" ".join(f"{value:.5f}" for value in vertex) for vertex in mesh.vertices.tolist()]
    lines += [f"3 {a} {b} {c}" for a, b, c in mesh.faces.tolist()]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path
