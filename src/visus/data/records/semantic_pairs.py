"""Images with one mask of classes each: what all data sets of semantic segmentation come down to."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from visus.data.entry import Void
from visus.data.errors import AnnotationError
from visus.data.files.images import ImageError
from visus.data.files.label_maps import LabelTable
from visus.data.records.flat import NameTable
from visus.data.records.image_files import ImageFiles
from visus.types import VOID, Sample, Schema, SemanticTarget

_LOOKED_AT = 100  # masks at most, spread over a split
_NAMED = 5


class SemanticPairs(ImageFiles):
    """Images and the class of each of their pixels; ``image_id`` is the place in the list, from 1.

    Args:
        root: the folder that all names are relative to.
        pairs: the image and the mask of each sample.
        schema: what the labels mean.
        table: which label the values of a mask have.
        void: "auto" refuses masks in which 255 can only be meant as a class, see `Void`.

    Raises:
        AnnotationError: the masks show the first class and pixels that do not count, and nothing else: what was painted
            with 255 is meant to be a class.
    """

    def __init__(
        self, *, root: Path, pairs: Iterable[tuple[str, str]], schema: Schema, table: LabelTable, void: Void = "auto"
    ) -> None:
        listed = list(pairs)
        super().__init__(folder=root, names=(image for image, _ in listed), schema=schema)
        self._table = table
        self._masks = NameTable(mask for _, mask in listed)
        if void == "auto":
            self._refuse_void_for_a_class()

    def _refuse_void_for_a_class(self) -> None:
        """Look at masks until one shows another class than the first; unreadable ones are left to who reads them."""
        present: set[int] = set()
        step = max(1, len(self) // _LOOKED_AT)
        for index in range(0, len(self), step):
            with suppress(ImageError, AnnotationError):
                present.update(self.target(index).labels.flatten().bincount().nonzero().flatten().tolist())
            if present - {0, VOID}:
                return
        if VOID not in present:
            return
        first, *others = self.schema.categories
        named = others[-1] if others else first
        lacking = f"no pixel is {' or '.join(map(repr, others[:_NAMED]))}" if others else "there is one class"
        second = f"`--data.void none` (`--void none` of `visus data`) makes it {named}; " if len(others) == 1 else ""
        raise AnnotationError(
            f"{self.folder}: in the masks, such as {self.mask_path(0)}, {lacking}, but some pixels are 255, which do "
            f"not count (void). Where 255 is a class, {second}a list classes.csv with the lines `name,id`, "
            f"`background,0` and `{named},255` says it, too; where such pixels do not count, `--data.void 255` does"
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
