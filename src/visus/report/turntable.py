"""A shape on the page: views from around it, and a canvas that turns with the mouse, a finger or the arrow keys."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from html import escape
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from visus.clouds import PointCloud
from visus.draw.palette import Colour, schema_colour
from visus.draw.shapes import turntable
from visus.ops.points import estimated_normals
from visus.report.pictures import zoomed
from visus.scenes import SceneGraph
from visus.types import (
    ClassPrediction,
    ClassTarget,
    Episode,
    PartPrediction,
    PartTarget,
    Schema,
    row,
)

MOST_POINTS = 2048
_PLAIN: Colour = (104, 138, 184)


def beside(image: Any, shown: Any, name: str, schema: Schema) -> str:
    """HTML to stand below the drawings of an input; nothing for an image."""
    return row(BESIDE, image, "the report")(image, shown, name, schema)


def turning(cloud: PointCloud, shown: Any, name: str, schema: Schema) -> str:
    """Views from around a shape, and a canvas of its points with what ``shown`` says of them as colours."""
    views = Image.fromarray(turntable(cloud).permute(1, 2, 0).contiguous().numpy())
    content = cloud_content(cloud, shown, schema)
    label = escape(f"{name}: drag to turn", quote=True)
    canvas = (
        f'<canvas width="360" height="360" tabindex="0" role="img" aria-label="{label}" title="{label}" '
        f'data-cloud="{escape(json.dumps(content), quote=True)}"></canvas>'
    )
    return f'<div class="turn">{canvas}{zoomed(views, f"{name}: from around")}</div>'


def cloud_content(cloud: PointCloud, shown: Any, schema: Schema) -> dict[str, Any]:
    """What the canvas turns, as JSON can hold it: the points in base64, the colours, and the colour of each point."""
    kept = cloud if len(cloud) <= MOST_POINTS else _thinned(cloud)
    owners, colours = row(COLOURED, shown, "colouring points")(shown, schema)
    owners = owners[: len(kept)] if len(owners) else torch.zeros(len(kept), dtype=torch.uint8)
    normals = estimated_normals(kept.points) if kept.normals is None else kept.normals
    numbers = torch.cat([_bytes(kept.points), _bytes(normals)], dim=1).flatten()
    return {"points": _text(numbers), "colours": colours, "owners": _text(owners.to(torch.uint8))}


def _thinned(cloud: PointCloud) -> PointCloud:
    """The first points, which are as good as any others."""
    return PointCloud(cloud.points[:MOST_POINTS], None if cloud.normals is None else cloud.normals[:MOST_POINTS])


def _bytes(values: Tensor) -> Tensor:
    """Numbers from -1 to 1 as whole ones from -127 to 127."""
    return (values.cpu().float().clamp(-1, 1) * 127).round().to(torch.int8)


def _text(values: Tensor) -> str:
    return base64.b64encode(values.contiguous().numpy().tobytes()).decode()


def _plain(shown: Any, schema: Schema) -> tuple[Tensor, list[Colour]]:
    return torch.zeros(0, dtype=torch.uint8), [_PLAIN]


def _by_part(shown: PartPrediction | PartTarget, schema: Schema) -> tuple[Tensor, list[Colour]]:
    names = Schema(categories=schema.part_names, category_ids=tuple(range(len(schema.part_names))))
    return shown.labels.cpu(), [schema_colour(names, part) for part in range(names.num_classes)]


BESIDE: dict[type, Callable[[Any, Any, str, Schema], str]] = {
    Tensor: lambda image, shown, name, schema: "",
    PointCloud: turning,
    Episode: lambda episode, shown, name, schema: "",
    SceneGraph: lambda graph, shown, name, schema: "",
}
"""What the report has of each kind of input beside its drawings."""

COLOURED: dict[type, Callable[[Any, Schema], tuple[Tensor, list[Colour]]]] = {
    ClassPrediction: _plain,
    ClassTarget: _plain,
    PartPrediction: _by_part,
    PartTarget: _by_part,
}
"""The number of the colour of each point, and the colours, by what is known of a shape."""
