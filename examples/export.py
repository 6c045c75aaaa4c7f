"""A small detector as an ONNX file: made, written, compared, and run by ONNX Runtime alone, without visus.

python examples/export.py --folder exported
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import onnxruntime
import torch

import visus
from visus.catalog import build_model
from visus.data.vignettes import Vignettes
from visus.training.recipe import Recipe
from visus.training.run import RunFolder


def main(argv: list[str] | None = None) -> None:
    """Writes a run with first weights, exports it, and looks at a scene with the file alone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", default="exported")
    parser.add_argument("--model", default="ssd_lite0")
    parser.add_argument("--size", type=int, default=192)
    options = parser.parse_args(argv)

    # A run as visus train leaves it; here its weights are those that a network begins with.
    scenes = Vignettes(split="test", length=1)
    torch.manual_seed(0)
    recipe = Recipe(name="exported", model=options.model, model_options={"size": options.size})
    model = build_model(recipe.model, scenes.schema, recipe.model_options)
    run = RunFolder(Path(options.folder))
    run.create(recipe)
    run.save_weights(model.state_dict(), recipe, scenes.schema)

    done = visus.export(options.folder, to="onnx", times=False)
    print("largest differences", {name: f"{value:.1g}" for name, value in done.about.largest_differences.items()})

    # From here on nothing of visus: the file, and the JSON that tells of it.
    about = json.loads(Path(f"{done.path}.json").read_text())
    session = onnxruntime.InferenceSession(str(done.path))
    images = scenes[0].input[None].numpy()  # uint8 RGB, [batch, 3, height, width]
    found = session.run(None, {"images": images, "min_score": np.array(0.02, np.float32)})
    objects = dict(zip(about["outputs"], found, strict=True))
    for box, label, score in list(zip(objects["boxes"], objects["labels"], objects["scores"], strict=True))[:3]:
        print(f"{score:.2f} {about['schema']['categories'][label]} {box.round(1).tolist()}")
    print(f"{len(objects['boxes'])} objects in an image of {images.shape[2]} x {images.shape[3]} pixels")


if __name__ == "__main__":
    main()
