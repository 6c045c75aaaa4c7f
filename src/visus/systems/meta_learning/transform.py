"""Episodes in one batch, all images of one size, and normalised."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Shaped, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from visus.data.errors import EpisodeError
from visus.nn.backbones.interface import IMAGENET_MEAN, IMAGENET_STD
from visus.ops.padding import check_image
from visus.types import Episode, EpisodeBatch

GREY, COLOUR = 1, 3


class EpisodeTransform(nn.Module):
    """Stretches every image to a square and normalises.

    Args:
        size: pixels of a side.
        channels: 1 for grey images, of which dark is 1 and white 0 (ink on paper), 3 for colours.
        mean: the mean of each colour in units of 0..1.
        std: the standard deviation of each colour in units of 0..1.

    Raises:
        ValueError: a size below 1, or another number of channels.
    """

    one_frame = True
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        *,
        size: int,
        channels: int,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
    ) -> None:
        super().__init__()
        if size < 1:
            raise ValueError(f"size must be at least 1 pixel, not {size}")
        if channels not in (GREY, COLOUR):
            raise ValueError(f"channels must be 1 (grey) or 3 (colours), not {channels}")
        self.size, self.channels = size, channels
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1), persistent=False)

    def forward(self, pixels: UInt8[Tensor, "b m 3 h w"]) -> Float[Tensor, "b m channels h w"]:
        """Normalised images."""
        shares = pixels.to(self.mean.dtype) / 255
        return 1 - shares[:, :, :1] if self.channels == GREY else (shares - self.mean) / self.std

    def batch(self, inputs: Sequence[Any]) -> EpisodeBatch:
        """Episodes in one batch.

        Args:
            inputs: episodes; anything else is refused.

        Raises:
            EpisodeError: inputs that are no episodes.
            ValueError: they are not alike, something in them is no image, or colours for a network that sees none.
        """
        if not inputs:
            raise ValueError("cannot make a batch of no episodes")
        if not all(isinstance(one, Episode) for one in inputs):
            raise EpisodeError(
                "a few-shot learner looks at episodes (visus.types.Episode), not at single images: `visus teach` makes "
                "a classifier of images"
            )
        kinds = {(one.n_way, len(one.support), len(one.queries)) for one in inputs}
        if len(kinds) != 1:
            raise ValueError(f"episodes of one batch must be alike in classes, images and queries, not {sorted(kinds)}")
        support = torch.stack([self._stacked(one.support) for one in inputs])
        queries = torch.stack([self._stacked(one.queries) for one in inputs])
        labels = torch.stack([one.support_labels for one in inputs])
        return EpisodeBatch(support, labels, queries, inputs[0].n_way, tuple(one.size for one in inputs))

    def frame(self, size: tuple[int, ...]) -> tuple[int, ...]:
        """Not asked, as all batches have one frame."""
        return self.size, self.size

    def _stacked(self, images: Sequence[Shaped[Tensor, " ..."]]) -> UInt8[Tensor, "m 3 h w"]:
        for image in images:
            check_image(image)
        found = torch.stack([self._resized(image) for image in images])
        if self.channels == GREY and not bool(
            (found[:, 0] == found[:, 1]).all() and (found[:, 1] == found[:, 2]).all()
        ):
            raise ValueError("an image has colours, but the network sees grey ones: give it the option channels 3")
        return found

    def _resized(self, image: UInt8[Tensor, "3 _ _"]) -> UInt8[Tensor, "3 _ _"]:
        if tuple(image.shape[-2:]) == (self.size, self.size):
            return image
        pixels = F.interpolate(image[None].float(), size=(self.size, self.size), mode="bilinear", antialias=True)
        return pixels[0].round().clamp(0, 255).to(torch.uint8)
