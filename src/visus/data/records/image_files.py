"""Images in files, by their places in a list: what the data sets that read them one by one have in common."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jaxtyping import UInt8
from torch import Tensor
from torch.utils.data import Dataset

from visus.data.files.images import image_size, read_image
from visus.data.records.flat import NameTable
from visus.types import Sample, Schema


class ImageFiles(Dataset[Sample]):
    """Images in the order given; memory stays flat over epochs and workers.

    A kind of target is a subclass with a method `_target`.

    Args:
        folder: what the file names are relative to.
        names: the file of each image.
        schema: what the labels mean.
    """

    def __init__(self, *, folder: Path, names: Iterable[str], schema: Schema) -> None:
        self.folder = Path(folder)
        self.schema = schema
        self._names = NameTable(names)

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, index: int) -> Sample:
        image = self._image(index)
        size = (int(image.shape[-2]), int(image.shape[-1]))
        return Sample(input=image, target=self._target(index, size), path=self.path(index))

    def size(self, index: int) -> tuple[int, int]:
        """The (h, w) of an image, from the head of its file."""
        return image_size(self.path(index))

    def path(self, index: int) -> str:
        """The file of an image."""
        return str(self.folder / self._names[self._place(index)])

    def target(self, index: int) -> Any:
        """What is known of an image, without decoding it."""
        return self._target(index, self.size(index))

    def _image(self, index: int) -> UInt8[Tensor, "3 h w"]:
        return read_image(self.path(index))

    def _target(self, index: int, size: tuple[int, int]) -> Any:
        """What is known of an image of ``size`` (h, w)."""
        raise NotImplementedError

    def _place(self, index: int) -> int:
        if not -len(self) <= index < len(self):
            raise IndexError(f"image {index} of {len(self)}")
        return index % len(self)
