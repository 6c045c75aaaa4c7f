"""Re-identification in a gallery: the protocol's numbers, objects by a detector, and re-ranked answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from galleries.painted import MeanColours, paint
from visus.galleries import Gallery
from visus.galleries.errors import GalleryError
from visus.galleries.reid import Protocol
from visus.metrics.reidentification import Sighting, reidentification
from visus.metrics.retrieval import recall_at_k
from visus.ops.reranking import k_reciprocal_distances


@pytest.fixture
def seen(tmp_path: Path) -> Gallery:
    """Twelve people by three cameras, two pictures by each."""
    gallery = Gallery.create(tmp_path / "seen", model=MeanColours())
    for thing in range(12):
        for look in range(6):
            paint(tmp_path / "images" / f"{thing:03d}_{look}.png", thing, 1 + look)
    gallery.add(
        str(tmp_path / "images"),
        metadata=lambda item: {
            "person": int(item.name[:3]),
            "camera": int(item.name[4]) % 3,
            "first": item.name[4] < "3",
        },
    )
    return gallery


def sighting(gallery: Gallery, asks: bool = False) -> Sighting:
    """The same entries, read from the store."""
    ids, vectors = next(gallery.store.vectors())
    told = [entry.metadata for entry in gallery.store.entries(ids.tolist())]
    return Sighting(
        torch.from_numpy(vectors.copy()),
        torch.tensor([int(one["person"]) for one in told]),
        torch.tensor([int(one["camera"]) for one in told]),
        torch.tensor([bool(one["first"]) for one in told]) if asks else None,
    )


@pytest.mark.parametrize("camera_rule", [True, False])
@pytest.mark.parametrize("rerank", [True, False])
def test_the_protocol_is_that_of_the_metric(seen: Gallery, camera_rule: bool, rerank: bool) -> None:
    found = seen.measure(Protocol(camera_rule=camera_rule, rerank=rerank))
    assert found == reidentification(sighting(seen), camera_rule=camera_rule, rerank=rerank)
    assert found["queries"] == 72


def test_queries_are_those_that_fulfil_a_condition(seen: Gallery) -> None:
    found = seen.measure(Protocol(queries=["first=true"], without_match="zero", ks=(1, 3)))
    assert found == reidentification(sighting(seen, asks=True), without_match="zero", ks=(1, 3))
    assert str(Protocol(camera_rule=False, without_match="zero", rerank=True)) == "all cameras, unmatched 0, re-ranked"
    with pytest.raises(GalleryError, match="72 of 72 images are queries"):
        seen.measure(Protocol(queries=["person>=0"]))
    with pytest.raises(GalleryError, match="no entry has a field 'who'"):
        seen.measure(Protocol(by="who"))


def test_searching_one_after_the_other_gives_the_metrics_numbers(seen: Gallery) -> None:
    """Recall@1 by the search, by the metric of retrieval and as CMC-1 are equal to the last digit; so is the mAP."""
    images = sighting(seen)
    count = len(images.labels)
    ids, _ = seen.nearest(images.vectors, k=count)
    hits, precisions = 0, 0.0
    averages = []
    for row in range(count):
        ranked = [int(one) - 1 for one in ids[row] if int(one) - 1 != row]
        right = (images.labels[ranked] == images.labels[row]).double()
        hits += int(right[0])
        precision = (right.cumsum(0) / torch.arange(1, count, dtype=torch.float64) * right).sum() / right.sum()
        averages.append(precision)
    precisions = float(torch.stack(averages).mean())
    measured = seen.measure(Protocol(camera_rule=False))
    assert hits / count == measured["CMC-1"] == recall_at_k(images.vectors, images.labels, (1,))[1]
    assert precisions == measured["mAP"]


def test_a_search_is_reranked_as_the_paper_says(seen: Gallery) -> None:
    images = sighting(seen)
    points = torch.nn.functional.normalize(images.vectors.double(), dim=1)
    for row in (0, 17):
        expected = k_reciprocal_distances(points[row : row + 1], points)[0].argsort(stable=True)[:6]
        answer = seen.search(row + 1, k=6, rerank=True)
        assert [match.entry.id - 1 for match in answer.matches] == expected.tolist()
        assert answer.matches[0].reranked == pytest.approx(0, abs=1e-6)
        assert answer.to_dict()["matches"][0]["reranked"] == pytest.approx(0, abs=1e-6)
    within = seen.search(1, k=3, rerank=True, where=["camera=2"]).matches
    assert {match.entry.metadata["camera"] for match in within} == {2}


def test_objects_are_seen_again_by_other_cameras(seen: Gallery, tmp_path: Path) -> None:
    """Two people beside each other in one image, whose boxes a detector gives."""
    left, right = (np.asarray(Image.open(paint(tmp_path / "one.png", thing, 9))) for thing in (4, 7))
    Image.fromarray(np.concatenate([left, right], axis=1)).save(tmp_path / "street.png")
    found = seen.reid(
        str(tmp_path / "street.png"),
        boxes=lambda pixels: [(0, 0, 24, 24), (24, 0, 48, 24)],
        k=4,
        where=["camera!=1"],
    )
    assert [one.box_xyxy for one in found] == [(0, 0, 24, 24), (24, 0, 48, 24)]
    for one, thing in zip(found, (4, 7), strict=True):
        about = [match.entry.metadata for match in one.answer.matches]
        assert [told["person"] for told in about] == [thing] * 4
        assert {told["camera"] for told in about} == {0, 2}
        assert one.to_dict()["image"] == "street.png"
    with pytest.raises(GalleryError, match="id:3: an image is asked for"):
        seen.reid(3, boxes=lambda pixels: [])


def test_a_gallery_of_distances_is_not_measured_by_cosines(tmp_path: Path) -> None:
    gallery = Gallery.create(tmp_path / "far", model=MeanColours(), closeness="euclidean")
    gallery.add(str(paint(tmp_path / "a.png", 1)), metadata={"person": 1, "camera": 1})
    with pytest.raises(GalleryError, match="compares distances"):
        gallery.measure(Protocol())
