"""Draws docs/pictures/predictions.jpg: what trained runs make of scenes and shapes that they never saw.

    python scripts/pictures.py --graphs runs/motifs_vignettes --shapes runs/dgcnn_vignettes3d

Nothing is chosen by how good it is but the numbers of the test scenes and shapes, which are the defaults below.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image

import visus
from visus.data.vignettes import Vignettes
from visus.data.vignettes3d import Vignettes3D

OUT = Path(__file__).resolve().parents[1] / "docs" / "pictures" / "predictions.jpg"
HEIGHT, GAP = 420, 12


def main() -> None:
    """Draws a row of predictions."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--graphs", required=True, help="the run of a scene-graph model on vignettes")
    parser.add_argument("--shapes", required=True, help="the run of a network for shapes on vignettes3d")
    parser.add_argument("--scene", type=int, default=2, help="which scene of the test split")
    parser.add_argument("--shape", type=int, nargs="+", default=[1], help="which shapes of the test split")
    options = parser.parse_args()
    scenes, shapes = (
        Vignettes(split="test", length=options.scene + 1, size=320),
        Vignettes3D(split="test", length=max(options.shape) + 1),
    )
    drawn = [visus.load(options.graphs).predict(scenes[options.scene].input)[0].plot()]
    drawn += [visus.load(options.shapes).predict(shapes[place].input)[0].plot() for place in options.shape]
    row = [
        one.convert("RGB").resize((one.width * HEIGHT // one.height, HEIGHT), Image.Resampling.LANCZOS) for one in drawn
    ]
    sheet = Image.new("RGB", (sum(one.width + GAP for one in row) - GAP, HEIGHT), "white")
    left = 0
    for one in row:
        sheet.paste(one, (left, 0))
        left += one.width + GAP
    sheet.save(OUT, quality=88)
    print(OUT)


if __name__ == "__main__":
    main()
