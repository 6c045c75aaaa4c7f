"""What a data set says of itself: how it is opened, recognised and checked, and where it comes from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self, cast

from visus.errors import VisusError

if TYPE_CHECKING:
    from visus.data.check.report import CheckReport
    from visus.data.feed.loader import SampleDataset
    from visus.types import Keypoints

OF_THE_OWNER = "of the data's owner"
"""The licence of a layout that people fill themselves."""
OWN_FILES = "your own files"
"""The source of a layout that people fill themselves."""


Void = Literal["auto", "255", "none"]
"""What 255 (65535 in 16 bits) means in masks of classes where no class has this number: that a pixel does not count,
and an error where it can only be meant as a class; that it does not count, in any case; or the second of two classes.
"""


class OpenSplit(Protocol):
    """Opens one split of a data set. Each reader says what else it takes and raises."""

    def __call__(self, root: Path, split: str, *, for_training: bool = False) -> SampleDataset:
        """The split of the data set in ``root``.

        Args:
            root: the folder.
            split: "train", "val" or "test".
            for_training: leave out, or refuse, what training cannot use; the reader says what that is, if there is any.

        Raises:
            ValueError: ``split`` is no split.
            DatasetNotFoundError: the folder holds no such data set, or not the split.
            AnnotationError: annotations that cannot be used; names the file and the cause.
            ImageError: an image that has to be read and cannot be.
        """


class WithKeypoints(Protocol):
    """What a data set with keypoints offers that is read from files."""

    def with_keypoints(self, meaning: Keypoints) -> SampleDataset:
        """The same data, whose keypoints mean this."""


class Check(Protocol):
    """Looks through a data set; raises nothing, as what is wrong is in the report."""

    def __call__(self, root: Path, *, decode: bool = True) -> CheckReport:
        """What is wrong with the data set in ``root``.

        Args:
            root: the folder.
            decode: read every image completely; otherwise only the heads of the files.
        """


@dataclass(frozen=True, kw_only=True)
class DatasetEntry:
    """A data set, or a layout of files that many data sets have.

    Args:
        open: opens one split.
        write_fake: writes a miniature in the real layout, for tests and trials; None where the data is generated.
        recognise: whether a folder holds this layout; None where no folder says so: generated data, and another way to
            read a layout that has a name already.
        mark: what it is recognised by, for messages; empty where ``recognise`` is None.
        check: reports everything that is wrong with a folder; None where the data is generated.
        summary: one line for the list.
        licence: under which the data may be used; "unknown" where its authors do not say.
        size: how much there is, for training and for testing.
        source: where it comes from: an address or a publication.
        unseen_classes: whether the splits share no class, as retrieval is measured.
        beside: which annotations of a folder and a split are read where it has others too, and how to read those; empty
            where it has not.
        takes_void: whether ``open`` and ``check`` take an argument ``void``, see `Void` and `with_void`.
        refusal: why a folder that looks much like this layout is not taken for it; empty where it looks otherwise.

    A ``~`` in front of a path is the user's own folder, for every reader and every check. Where keypoints are read from
    files, ``flip_pairs.json`` beside these says which change places in a mirror (`visus.data.formats.flip_pairs`).
    """

    open: OpenSplit
    write_fake: Callable[[Path], object] | None
    recognise: Callable[[Path], bool] | None
    mark: str
    check: Check | None
    summary: str
    licence: str
    size: str
    source: str
    unseen_classes: bool = False
    beside: Callable[[Path, str], str] = lambda root, split: ""
    takes_void: bool = False
    refusal: Callable[[Path], str] = lambda root: ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "open", _opening(self.open, from_files=self.write_fake is not None))
        if self.check is not None:
            object.__setattr__(self, "check", _checking(self.check))

    def with_void(self, void: Void) -> Self:
        """The same data set, where 255 in masks means what ``void`` says.

        Raises:
            VisusError: it has no masks of classes that could hold 255.
        """
        if void == "auto":
            return self
        if not self.takes_void:
            raise VisusError(f"void {void!r} says what 255 means in masks of classes, which this data has not")
        use: Any = self
        return replace(self, open=partial(use.open, void=void), check=partial(use.check, void=void))


def _opening(use: OpenSplit, *, from_files: bool) -> OpenSplit:
    """The same, for folders with a ``~``, and with the pairs of keypoints that lie beside files.

    ``void`` goes to those who take it.
    """

    def open_split(root: Path, split: str, *, for_training: bool = False, void: Void = "auto") -> SampleDataset:
        chosen: OpenSplit = use if void == "auto" else partial(cast(Any, use), void=void)
        root = Path(root).expanduser()
        dataset = chosen(root, split, for_training=for_training)
        meaning = dataset.schema.keypoints
        if meaning is None or not from_files:
            return dataset
        from visus.data.formats.flip_pairs import read_flip_pairs

        pairs = read_flip_pairs(root, meaning.names)
        if pairs is None:
            return dataset
        keyed: WithKeypoints = cast(Any, dataset)
        return keyed.with_keypoints(replace(meaning, flip_pairs=pairs))

    return open_split


def _checking(use: Check) -> Check:
    """The same, for folders with a ``~``; ``void`` goes to those who take it."""

    def check(root: Path, *, decode: bool = True, void: Void = "auto") -> CheckReport:
        chosen: Check = use if void == "auto" else partial(cast(Any, use), void=void)
        return chosen(Path(root).expanduser(), decode=decode)

    return check
