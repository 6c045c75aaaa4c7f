"""Images with one mask of classes each: what all data sets of semantic segmentation come down to."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from visus.data.errors import AnnotationError
from visus.data.files.images import ImageError
from visus.data.files.label_maps import LabelTable
from visus.data.records.flat import NameTable
from visus.data.records.image_files import ImageFiles
from visus.types import VOID, Sample, Schema, SemanticTarget

_LOOKED_AT = 100  # masks at most, spread over a split


class SemanticPairs(ImageFiles):
    """Images and the class of each of their pixels; ``image_id`` is the place in the list, from 1.

    Args:
        root: the folder that all names are relative to.
        pairs: the image and the mask of each sample.
        schema: what the labels mean.
        table: which label the values of a mask have.

    Raises:
        AnnotationError: one class of two is in no mask, but pixels that do not count are: what was painted with 255 is
            meant to be the second class.
    """

    def __init__(self, *, root: Path, pairs: Iterable[tuple[str, str]], schema: Schema, table: LabelTable) -> None:
        listed = list(pairs)
        super().__init__(folder=root, names=(image for image, _ in listed), schema=schema)
        self._table = table
        self._masks = NameTable(mask for _, mask in listed)
        if self.schema.num_classes <= 2:
            self._refuse_void_for_a_class()

    def _refuse_void_for_a_class(self) -> None:
        """Look at masks until one shows the last class; unreadable ones are left to whoever reads them."""
        present: set[int] = set()
        step = max(1, len(self) // _LOOKED_AT)
        for index in range(0, len(self), step):
            with suppress(ImageError, AnnotationError):
                present.update(self.target(index).labels.flatten().bincount().nonzero().flatten().tolist())
            if self.schema.num_classes - 1 in present - {0}:
                return
        if VOID in present and present <= {0, VOID}:
            named = self.schema.categories[-1]
            missing = f"no pixel is {named!r}" if self.schema.num_classes == 2 else "there is one class"
            raise AnnotationError(
                f"{self.folder}: in the masks, such as {self.mask_path(0)}, {missing}, but some pixels are 255, which "
                "do not count (void). Where 255 is the class, say so in a list classes.csv with the lines `name,id`, "
                f"`background,0` and `{named},255`"
            )

    def __getitem__(self, index: int) -> Sample:
        path = self.path(index)
        image = self._image(index)
        target = self.target(index)
        if tuple(image.shape[-2:]) != target.size:
            raise AnnotationError(
                f"{self.mask_path(index)}: the mask has (h, w) = {target.size}, "
                f"but its image {path} has {tuple(image.shape[-2:])}"
            )
        return Sample(input=image, target=target, path=path)

    def mask_path(self, index: int) -> str:
        """The file of an image's classes."""
        return str(self.folder / self._masks[self._place(index)])

    def target(self, index: int) -> SemanticTarget:
        """The class of each pixel of an image, without decoding it.

        Raises:
            ImageError: the mask cannot be read.
            AnnotationError: the mask holds a value that is no class.
        """
        labels = self._table.read(Path(self.mask_path(index)))
        height, width = labels.shape
        return SemanticTarget(labels=labels, size=(height, width), image_id=self._place(index) + 1)
