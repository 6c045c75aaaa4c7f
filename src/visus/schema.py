"""What the numbers of a data set mean: its categories, keypoints, attributes, predicates and parts."""

from __future__ import annotations

from dataclasses import dataclass

from visus.dataclass_json import from_json


@dataclass(frozen=True)
class Keypoints:
    """What the keypoints of a data set mean.

    Args:
        names: one name per keypoint.
        flip_pairs: pairs of indices that change places when an image is mirrored, () where none do; None where nobody
            knows, so that nothing with these keypoints may be mirrored.
        sigmas: the spread of each keypoint in COCO's object keypoint similarity.
        skeleton: pairs of indices that a drawing connects.
        labels: the labels of the categories that carry keypoints; empty means every category.
    """

    names: tuple[str, ...]
    flip_pairs: tuple[tuple[int, int], ...] | None
    sigmas: tuple[float, ...]
    skeleton: tuple[tuple[int, int], ...] = ()
    labels: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class Schema:
    """What the numbers of a data set mean. A field that a problem adds is written and read like the others.

    Args:
        categories: the name of each label; label ``i`` is ``categories[i]``.
        category_ids: the identifier of each label in the data set's own files (COCO's are sparse: 1 to 90 for 80
            names).
        has_masks: whether objects carry masks.
        keypoints: the meaning of the keypoints, or None where objects carry none.
        colours: the red, green and blue in 0..255 that the data set gives to each category; empty where it gives none.
        attributes: the name of each attribute that an object may have.
        predicates: the name of each relationship that two objects may be in.
        parts: pairs of a category and the names of its parts, for the segmentation of parts.
        backdrops: sets of categories without a number, such as sky and grass, that fill what is behind the objects.
    """

    categories: tuple[str, ...]
    category_ids: tuple[int, ...]
    has_masks: bool = False
    keypoints: Keypoints | None = None
    colours: tuple[tuple[int, int, int], ...] = ()
    attributes: tuple[str, ...] = ()
    predicates: tuple[str, ...] = ()
    parts: tuple[tuple[str, tuple[str, ...]], ...] = ()
    backdrops: tuple[tuple[str, ...], ...] = ()

    @property
    def num_classes(self) -> int:
        """The number of categories, without a background."""
        return len(self.categories)

    @property
    def num_keypoints(self) -> int:
        """The number of keypoints of an object, 0 where objects carry none."""
        return len(self.keypoints) if self.keypoints else 0

    @property
    def part_names(self) -> tuple[str, ...]:
        """The name of each part, over all categories: that of its category and its own."""
        return tuple(f"{category} {part}" for category, parts in self.parts for part in parts)

    @classmethod
    def from_json(cls, text: str) -> Schema:
        """The schema that `visus.dataclass_json.to_json` wrote.

        Raises:
            WrongKindError: for text that is none.
        """
        return from_json(cls, text, what="the schema")
