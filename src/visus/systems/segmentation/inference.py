"""Better maps for more work: the mean of several looks at an image.

`AveragedSegmenter` wraps a network and offers the same verbs. It looks at mirrored and resized images (multi-scale and
flip, as DeepLab's evaluation, arXiv 1706.05587, section 4), and at large images through a window that slides with
overlap. Looks are averaged as probabilities; where windows overlap, logits are.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor, nn
from torch.nn import functional as F

from visus.nn.transform import ImageTransform
from visus.systems.segmentation.outputs import SegmentationOutputs
from visus.systems.segmentation.segmenter import Segmenter
from visus.systems.segmentation.upsampling import enlarge
from visus.types import ImageBatch, SemanticPrediction, SemanticTarget

TINY = 1e-12
"""Added to probabilities before their logarithm."""


class AveragedSegmenter(nn.Module):
    """A network that looks several times, with the verbs of a network that looks once.

    Args:
        model: the network.
        scales: the sizes that it looks at, as factors on the images of its transform.
        flip: whether it looks at each of them mirrored, too.
        window: rows and columns of a sliding window in pixels of the resized image; None looks at the whole.
        overlap: the least share of a window that its neighbour sees, too.
        counterparts: the class that each one is in a mirror, where some have a side; empty where none has.

    Raises:
        ValueError: no scale, a scale that is not above 0, a window without pixels, or an overlap outside of [0, 1).
    """

    channels_last = True
    adapts = False

    def __init__(
        self,
        model: Segmenter,
        *,
        scales: Sequence[float] = (1.0,),
        flip: bool = False,
        window: tuple[int, int] | None = None,
        overlap: float = 0.25,
        counterparts: Sequence[int] = (),
    ) -> None:
        super().__init__()
        if not scales or min(scales) <= 0:
            raise ValueError(f"scales must be factors above 0, at least one, not {tuple(scales)}")
        if window is not None and min(window) < 1:
            raise ValueError(f"window must be rows and columns of at least 1, not {window}")
        if not 0 <= overlap < 1:
            raise ValueError(f"overlap must be a share from 0 to below 1, not {overlap}")
        self.model, self.scales, self.flip = model, tuple(scales), flip
        self.window, self.overlap, self.counterparts = window, overlap, list(counterparts)

    @property
    def transform(self) -> ImageTransform:
        """The network's own."""
        return self.model.transform

    def forward(self, images: ImageBatch, targets: Sequence[SemanticTarget] | None = None) -> SegmentationOutputs:
        """The logarithm of the mean probabilities, in the pixels of the frame."""
        frame = (images.pixels.shape[-2], images.pixels.shape[-1])
        total: Tensor | None = None
        for scale in self.scales:
            scaled = resize_batch(images, scale)
            for mirrored in (False, True) if self.flip else (False,):
                logits = self._look(mirror(scaled) if mirrored else scaled)
                if mirrored:
                    logits = mirror_maps(logits, scaled.sizes)
                    logits = logits[:, self.counterparts] if self.counterparts else logits
                probabilities = enlarge(logits, frame).softmax(1)
                total = probabilities if total is None else total + probabilities
        assert total is not None
        mean = total / (len(self.scales) * (1 + self.flip))
        return SegmentationOutputs((mean + TINY).log(), None, images.sizes, frame)

    def postprocess(self, outputs: SegmentationOutputs, sizes: Sequence[tuple[int, int]]) -> list[SemanticPrediction]:
        """As the network's own."""
        return self.model.postprocess(outputs, sizes)

    def _look(self, images: ImageBatch) -> Float[Tensor, "b c h w"]:
        """The logits of every pixel of a batch."""
        if self.window is None:
            outputs: SegmentationOutputs = self.model(images)
            return enlarge(outputs.logits, outputs.frame)
        return slide(self.model, images, self.window, self.overlap)


def slide(model: Segmenter, images: ImageBatch, window: tuple[int, int], overlap: float) -> Float[Tensor, "b c h w"]:
    """The mean logits of every pixel over the windows that see it; windows are looked at one after the other.

    Windows at the right and the lower border move inwards, so that all have the same size; one that is larger than the
    batch is cut to it. A window sees an image only where it lies; beyond, it sees padding. An image that it does not
    see at all counts as one pixel, since what comes of it lies in the padding.
    """
    height, width = images.pixels.shape[-2:]
    h, w = min(window[0], height), min(window[1], width)
    total: Tensor | None = None
    for top in window_starts(height, h, overlap):
        for left in window_starts(width, w, overlap):
            corner = images.sizes.new_tensor([top, left])
            inside = (images.sizes - corner).clamp(min=1).minimum(images.sizes.new_tensor([h, w]))
            part = ImageBatch(images.pixels[:, :, top : top + h, left : left + w], inside)
            outputs: SegmentationOutputs = model(part)
            logits = enlarge(outputs.logits, (h, w))
            if total is None:
                total = logits.new_zeros(len(images), logits.shape[1] + 1, height, width)
            total[:, :-1, top : top + h, left : left + w] += logits
            total[:, -1, top : top + h, left : left + w] += 1
    assert total is not None
    return total[:, :-1] / total[:, -1:]


def window_starts(length: int, window: int, overlap: float) -> list[int]:
    """Where windows begin that cover ``length`` pixels, evenly spread, neighbours sharing at least ``overlap``.

    >>> window_starts(100, 40, 0.25)
    [0, 30, 60]
    """
    step = max(1, int(window * (1 - overlap)))
    count = -(-(length - window) // step) + 1
    return [round(i * (length - window) / max(1, count - 1)) for i in range(count)]


def resize_batch(images: ImageBatch, scale: float) -> ImageBatch:
    """Every image ``scale`` times as large, padding along with it."""
    if scale == 1:
        return images
    pixels = images.pixels / 255 if images.pixels.dtype == torch.uint8 else images.pixels
    frame = torch.tensor(pixels.shape[-2:])
    size = [max(1, round(side * scale)) for side in frame.tolist()]
    pixels = F.interpolate(pixels, size=size, mode="bilinear", align_corners=False, antialias=scale < 1)
    factors = images.sizes.new_tensor(size) / frame.to(images.sizes.device)
    sizes = (images.sizes * factors).round().long().clamp(min=1)
    return ImageBatch(pixels, sizes)


def mirror(images: ImageBatch) -> ImageBatch:
    """Every image left to right, still in the upper left corner of its slot."""
    return ImageBatch(mirror_maps(images.pixels, images.sizes), images.sizes)


def mirror_maps(maps: Shaped[Tensor, "b c h w"], sizes: Int64[Tensor, "b 2"]) -> Shaped[Tensor, "b c h w"]:
    """Mirrors the part of each map that is image; what lies beyond is mirrored by itself."""
    columns = torch.arange(maps.shape[-1], device=maps.device)
    widths = sizes[:, 1:]  # [b, 1]
    source = torch.where(columns < widths, widths - 1 - columns, maps.shape[-1] - 1 - columns + widths)
    return maps.gather(3, source[:, None, None, :].expand_as(maps))
