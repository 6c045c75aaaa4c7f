"""Images with one mask of classes each: what all data sets of semantic segmentation come down to."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from torch.utils.data import Dataset

from visus.data.errors import AnnotationError
from visus.data.files.images import image_size, read_image
from visus.data.files.label_maps import LabelTable
from visus.data.records.flat import ByteTable
from visus.types import Sample, Schema, SemanticTarget


class SemanticPairs(Dataset[Sample]):
    """Images and the class of each of their pixels; ``image_id`` is the place in the list, from 1.

    Args:
        root: the folder that all names are relative to.
        pairs: the image and the mask of each sample.
        schema: what the labels mean.
        table: which label the values of a mask have.
    """

    def __init__(self, *, root: Path, pairs: Iterable[tuple[str, str]], schema: Schema, table: LabelTable) -> None:
        self.root = Path(root)
        self.schema = schema
        self._table = table
        listed = list(pairs)
        self._images = ByteTable(image.encode() for image, _ in listed)
        self._masks = ByteTable(mask.encode() for _, mask in listed)

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> Sample:
        path = self.path(index)
        image = read_image(path)
        target = self.target(index)
        if tuple(image.shape[-2:]) != target.size:
            raise AnnotationError(
                f"{self.mask_path(index)}: the mask has (h, w) = {target.size}, "
                f"but its image {path} has {tuple(image.shape[-2:])}"
            )
        return Sample(input=image, target=target, path=path)

    def size(self, index: int) -> tuple[int, int]:
        """The (h, w) of an image, from the head of its file."""
        return image_size(self.path(index))

    def path(self, index: int) -> str:
        """The file of an image."""
        return str(self.root / self._images[self._place(index)].decode())

    def mask_path(self, index: int) -> str:
        """The file of an image's classes."""
        return str(self.root / self._masks[self._place(index)].decode())

    def target(self, index: int) -> SemanticTarget:
        """The class of each pixel of an image, without decoding it.

        Raises:
            ImageError: the mask cannot be read.
            AnnotationError: the mask holds a value that is no class.
        """
        labels = self._table.read(Path(self.mask_path(index)))
        height, width = labels.shape
        return SemanticTarget(labels=labels, size=(height, width), image_id=self._place(index) + 1)

    def _place(self, index: int) -> int:
        if not -len(self) <= index < len(self):
            raise IndexError(f"image {index} of {len(self)}")
        return index % len(self)
