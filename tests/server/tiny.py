"""Tiny runs of each kind of system, with random weights, and a client of a server that has loaded them."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fastapi.testclient import TestClient
from PIL import Image

from visus import catalog
from visus.galleries import Gallery
from visus.recipes import RECIPES
from visus.server.app import create_app
from visus.server.loaded import Models
from visus.server.settings import Settings
from visus.server.state import State
from visus.training.run import RunFolder

RECIPE_OF = {
    "boxes": "ssd_vignettes",
    "outlines": "maskrcnn_vignettes",
    "graphs": "motifs_vignettes",
    "pixels": "fcn_vignettes",
    "things": "classifier_vignettes",
    "shapes": "pointnet_vignettes3d",
    "parts": "pointnet_parts_vignettes3d",
    "descriptor": "reid_vignettes",
}
GENERATOR = "scenes"
"""Makes images and looks at none."""
"""A small recipe of each kind of system."""

SIZE = 64


def make_run(folder: Path, name: str, seed: int = 0) -> Path:
    """A run of random weights, as a training leaves it; its scores are low, so nothing is hidden."""
    recipe = RECIPES[(RECIPE_OF | {GENERATOR: "scene_generation_vignettes"})[name]]()
    options = {**recipe.model_options, **({"size": SIZE} if "size" in recipe.model_options else {})}
    recipe = replace(recipe, name=name, model_options=options, data=replace(recipe.data, val_length=6))
    entry = catalog.DATASETS[recipe.data.dataset]
    schema = entry.open(Path(""), recipe.data.val, for_training=False).schema
    torch.manual_seed(seed)
    model = catalog.build_model(recipe.model, schema, recipe.model_options)
    run = RunFolder(folder / name)
    run.create(recipe)
    run.save_weights(model.state_dict(), recipe, schema)
    run.write_metrics({"score threshold": 0.02})
    return run.path


def image_bytes(seed: int = 0, size: tuple[int, int] = (60, 80), kind: str = "PNG") -> bytes:
    """An image of coloured blocks as a file."""
    blocks = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    content = io.BytesIO()
    Image.fromarray(blocks).resize((size[1], size[0]), Image.Resampling.NEAREST).save(content, kind)
    return content.getvalue()


@contextmanager
def serving(
    runs: Sequence[Path], gallery: Gallery | None = None, *, raises: bool = False, **options: Any
) -> Iterator[tuple[TestClient, State]]:
    """A client of a server with these runs, and what its routes share."""
    settings = Settings(**options)
    models = Models([str(run) for run in runs], device="cpu", max_pixels=settings.max_pixels)
    state = State(settings, models, gallery)
    with TestClient(create_app(state), base_url="http://localhost", raise_server_exceptions=raises) as client:
        yield client, state
    state.jobs.stop(5)


def files(*contents: bytes, field: str = "image") -> list[tuple[str, tuple[str, bytes, str]]]:
    return [(field, (f"{number}.png", content, "image/png")) for number, content in enumerate(contents)]


def line(answer: Any, status: int) -> str:
    """The one line of an error, which is no traceback."""
    assert answer.status_code == status, answer.text
    text: str = answer.json()["error"]
    assert answer.json() == {"error": text}
    assert "\n" not in text
    assert "Traceback" not in text
    return text
