"""One training batch as the network saw it: augmented, mixed and resized, with what it was told of each image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from jaxtyping import Shaped, UInt8
from PIL import Image
from torch import Tensor

from visus.clouds import PointBatch, PointCloud, ViewBatch, VoxelBatch
from visus.data.augment.warp import place
from visus.data.augment.warp_targets import warp_target
from visus.draw.draw import draw
from visus.ops.points import unit_sphere
from visus.report.pictures import zoomed
from visus.scenes import GraphBatch
from visus.types import Batch, Episode, EpisodeBatch, ImageBatch, Schema, row

MOST_SHOWN = 8
OnError = Callable[[Exception], None]


def batch_html(batch: Batch, schema: Schema, on_error: Callable[[str, Exception], None]) -> str:
    """The first inputs of a batch with their targets drawn on them, the padding of the batch included.

    Args:
        batch: of training.
        schema: what the labels mean.
        on_error: told the name of an image and why its target could not be drawn.
    """
    shown = []
    for index in range(min(MOST_SHOWN, len(batch))):
        name = batch.paths[index] if index < len(batch.paths) else ""
        drawing = row(OF_BATCHES, batch.inputs, "drawing a batch")
        picture = drawing(batch, index, schema, partial(on_error, name))
        shown.append(zoomed(picture, name.rpartition("/")[2] or f"image {index + 1}"))
    return f'<div class="batch">{"".join(shown)}</div>' if shown else ""


def _drawn(batch: Batch, index: int, schema: Schema, on_error: OnError) -> Image.Image:
    pixels = _bytes(batch.inputs.pixels[index])
    height, width = (int(side) for side in batch.inputs.sizes[index])
    target = batch.targets[index]
    rows, columns = target.size
    canvas = (int(pixels.shape[-2]), int(pixels.shape[-1]))
    try:  # targets are in the frame of the image before it was resized
        target = warp_target(target, place(target.size, canvas, (height / rows, width / columns), (0.0, 0.0)))
    except Exception as error:
        on_error(error)
        return Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy())
    return draw(pixels, target, schema, text_scale=1.3, on_error=on_error)


def _task(batch: Batch, index: int, schema: Schema, on_error: OnError) -> Image.Image:
    """The sheet of an episode, its images as large as the network saw them."""
    inputs: EpisodeBatch = batch.inputs
    support, labels, queries = (one[index].cpu() for one in (inputs.support, inputs.support_labels, inputs.queries))
    episode = Episode(tuple(support), labels, tuple(queries))
    target = replace(batch.targets[index], size=episode.size)
    return draw(episode, target, schema, text_scale=1.3, on_error=on_error)


def _cloud(batch: Batch, index: int, schema: Schema, on_error: OnError) -> Image.Image:
    """The points that the network saw, with what it was told of them."""
    inputs: PointBatch = batch.inputs
    target, cloud = batch.targets[index], PointCloud(inputs.points[index].cpu())
    if inputs.chosen is not None:
        target = replace(target, labels=target.labels[inputs.chosen[index].cpu()])
    return draw(cloud, replace(target, size=cloud.frame), schema, text_scale=1.3, on_error=on_error)


def _cells(batch: Batch, index: int, schema: Schema, on_error: OnError) -> Image.Image:
    """The occupied cells."""
    cells = batch.inputs.voxels[index].cpu().nonzero().float()
    cloud = PointCloud(unit_sphere(cells))
    return draw(cloud, replace(batch.targets[index], size=cloud.frame), schema, text_scale=1.3, on_error=on_error)


def _views(batch: Batch, index: int, schema: Schema, on_error: OnError) -> Image.Image:
    """The views side by side, at most four in a row."""
    views = (batch.inputs.views[index].cpu().float() * 255).round().to(torch.uint8)
    columns = min(4, len(views))
    views = views[: len(views) // columns * columns]
    sheet = torch.cat([torch.cat(list(line), dim=1) for line in views.split(columns)], dim=0)
    pixels = sheet.expand(3, -1, -1).contiguous()
    target = replace(batch.targets[index], size=tuple(sheet.shape))
    return draw(pixels, target, schema, text_scale=1.3, on_error=on_error)


def _real(batch: Batch, index: int, schema: Schema, on_error: OnError) -> Image.Image:
    """The real image of a graph, as it is in the data."""
    target = batch.targets[index]
    return draw(target.pixels, target, schema, on_error=on_error)


OF_BATCHES: dict[type, Callable[[Batch, int, Schema, OnError], Image.Image]] = {
    ImageBatch: _drawn,
    EpisodeBatch: _task,
    PointBatch: _cloud,
    VoxelBatch: _cells,
    ViewBatch: _views,
    GraphBatch: _real,
}
"""How one input of each kind of batch is drawn."""


def _bytes(pixels: Shaped[Tensor, "3 h w"]) -> UInt8[Tensor, "3 h w"]:
    """Bytes, or numbers from 0 to 1, as bytes."""
    pixels = pixels.cpu()
    return pixels if pixels.dtype == torch.uint8 else (pixels.float().clamp(0, 1) * 255).round().to(torch.uint8)
