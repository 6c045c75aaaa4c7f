"""A gallery of drawn individuals, described by a network that learned nothing about them, and searched.

python examples/gallery.py --out found.png
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from visus.data.vignettes.identities import VignetteIdentities
from visus.galleries import Gallery
from visus.predict.items import Item

CATEGORIES = ("person", "dog", "cat", "car")
VIEWS = 6


def main(argv: list[str] | None = None) -> None:
    """Draws, fills a gallery, and asks it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--individuals", type=int, default=10, help="of each category")
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--out", default="found.png")
    options = parser.parse_args(argv)

    images = VignetteIdentities(
        split="test", individuals=options.individuals, views=VIEWS, size=options.size, categories=CATEGORIES
    )
    who = {f"image_{index:06d}": int(images[index].target.label) for index in range(len(images))}

    def about(item: Item) -> dict[str, int]:
        return {"individual": who[item.name]}

    with tempfile.TemporaryDirectory() as folder, Gallery.create(Path(folder) / "gallery") as gallery:
        items = (Item(name, "", lambda index=index: images[index].input) for index, name in enumerate(who))
        print(gallery.add(items, metadata=about))
        right = 0
        for entry in range(1, len(images) + 1, VIEWS):
            nearest = gallery.search(entry, k=2).matches  # the entry itself, and the nearest other one
            asked, found = (match.entry.metadata["individual"] for match in nearest)
            right += asked == found
        print(f"the nearest other image shows the same individual for {right} of {len(images) // VIEWS}")
        answer = gallery.search(1, k=9, where=["individual<20"])
        answer.sheet().save(options.out)
        print(f"the nine nearest to the first image: {options.out}; nothing alike: {answer.nothing_alike}")


if __name__ == "__main__":
    main()
