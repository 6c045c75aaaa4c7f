"""ImageNet's names stand where the published weights have their labels."""

from __future__ import annotations

from visus.data.formats.imagenet_names import IMAGENET_SCHEMA


def test_every_label_has_its_own_name() -> None:
    names = IMAGENET_SCHEMA.categories
    assert len(names) == len(set(names)) == len(IMAGENET_SCHEMA.category_ids) == 1000
    assert not [name for name in names if name != name.strip() or "\n" in name or not name]


def test_known_labels() -> None:
    names = IMAGENET_SCHEMA.categories
    known = {0: "tench", 1: "goldfish", 207: "golden retriever", 281: "tabby", 404: "airliner", 817: "sports car"}
    assert {label: names[label] for label in known} == known
    assert names[999] == "toilet tissue"
