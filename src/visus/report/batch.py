"""One training batch as the network saw it: augmented, mixed and resized, with what it was told of each image."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Shaped, UInt8
from PIL import Image
from torch import Tensor

from visus.data.augment.warp import place
from visus.data.augment.warp_targets import warp_target
from visus.draw.draw import draw
from visus.report.pictures import zoomed
from visus.types import Batch, ImageBatch, Schema

MOST_SHOWN = 8


def batch_html(batch: Batch, schema: Schema, on_error: Callable[[str, Exception], None]) -> str:
    """The first images of a batch with their targets drawn on them, the padding of the batch included.

    Args:
        batch: of training; inputs of another kind than images are not shown.
        schema: what the labels mean.
        on_error: told the name of an image and why its target could not be drawn.
    """
    if type(batch.inputs) is not ImageBatch:
        return ""
    shown = []
    for index in range(min(MOST_SHOWN, len(batch))):
        name = batch.paths[index] if index < len(batch.paths) else ""
        picture = _drawn(batch, index, schema, partial(on_error, name))
        shown.append(zoomed(picture, name.rpartition("/")[2] or f"image {index + 1}"))
    return f'<div class="batch">{"".join(shown)}</div>' if shown else ""


def _drawn(batch: Batch, index: int, schema: Schema, on_error: Callable[[Exception], None]) -> Image.Image:
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


def _bytes(pixels: Shaped[Tensor, "3 h w"]) -> UInt8[Tensor, "3 h w"]:
    """Bytes, or numbers from 0 to 1, as bytes."""
    pixels = pixels.cpu()
    return pixels if pixels.dtype == torch.uint8 else (pixels.float().clamp(0, 1) * 255).round().to(torch.uint8)
