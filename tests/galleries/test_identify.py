"""Who it is among those enrolled: against plain loops, with a stranger who is unknown, and what is refused."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from galleries.painted import MeanColours, paint, painted
from visus.galleries import Gallery
from visus.galleries.errors import GalleryError
from visus.galleries.identify import Enrolled, choose_threshold
from visus.galleries.scan import table_of
from visus.galleries.screens import Closeness


def literally(vectors: torch.Tensor, people: list[int], fpir: float, closeness: str) -> tuple[float, float, float]:
    """Threshold as a distance, FPIR and TPIR, by the definitions."""

    def distance(i: int, j: int) -> float:
        if closeness == "euclidean":
            return math.dist(vectors[i].tolist(), vectors[j].tolist())
        return 1 - float(torch.nn.functional.cosine_similarity(vectors[i], vectors[j], dim=0))

    enrolled = [i for i, person in enumerate(people) if person]
    strangers, found = [], []
    for i in enrolled:
        others = [distance(i, j) for j in enrolled if people[j] != people[i]]
        own = [distance(i, j) for j in enrolled if people[j] == people[i] and j != i]
        strangers.append(min(others))
        if own:
            found.append((min(own), min(others)))
    allowed = math.floor(fpir * len(strangers) + 1e-9)
    threshold = sorted(strangers)[allowed] if allowed < len(strangers) else math.inf
    passes = sum(one < threshold for one in strangers) / len(strangers)
    right = sum(own < others and own < threshold for own, others in found) / len(found)
    return threshold, passes, right


@pytest.mark.parametrize("closeness", ["cosine", "euclidean"])
@pytest.mark.parametrize("fpir", [0.0, 0.1, 0.5])
def test_the_threshold_is_that_of_plain_loops(closeness: Closeness, fpir: float) -> None:
    generator = torch.Generator().manual_seed(3)
    people = [1, 1, 1, 2, 2, 0, 3, 3, 3, 3, 4, 0, 5, 5]
    centres = torch.randn(6, 7, generator=generator)
    vectors = centres[people] + 0.7 * torch.randn(len(people), 7, generator=generator)
    enrolled = Enrolled(torch.tensor(people, dtype=torch.int32), ["a", "b", "c", "d", "e"], "person")
    found = choose_threshold(table_of(vectors, closeness), enrolled, fpir=fpir)
    threshold, passes, right = literally(vectors.double(), people, fpir, closeness)
    assert found.score == pytest.approx(threshold if closeness == "euclidean" else 1 - threshold)
    assert found.fpir == pytest.approx(passes)
    assert found.tpir == pytest.approx(right)
    assert (found.non_mated, found.mated) == (12, 11)


@pytest.fixture
def people(tmp_path: Path) -> Gallery:
    """Eight people, three pictures of each, and one picture of nobody who has a name."""
    gallery = Gallery.create(tmp_path / "people", model=MeanColours())
    folder = painted(tmp_path / "images", 8, 3)
    gallery.add(str(folder), metadata=lambda item: {"person": f"p{Path(item.path).name[:3]}"})
    gallery.add(str(paint(tmp_path / "nobody.png", 70)))
    return gallery


def test_people_are_named_and_strangers_unknown(people: Gallery, tmp_path: Path) -> None:
    known = [str(paint(tmp_path / f"new{thing}.png", thing, 9)) for thing in range(8)]
    strangers = [str(paint(tmp_path / f"new{thing}.png", thing)) for thing in range(20, 28)]
    found = people.identify(*known, *strangers)
    assert [one.value for one in found.found[:8]] == [f"p{thing:03d}" for thing in range(8)]
    assert {one.name for one in found.found[8:]} == {"unknown"}
    assert all(one.candidate.startswith("p0") for one in found.found)  # type: ignore[union-attr]
    assert found.threshold.tpir == 1
    told = found.to_dict()
    assert [one["known"] for one in told["found"]] == [True] * 8 + [False] * 8
    assert told["found"][0]["match"]["metadata"] == {"person": "p000"}
    assert found.sheet().width > 400


def test_a_stricter_threshold_names_fewer(people: Gallery, tmp_path: Path) -> None:
    image = str(paint(tmp_path / "new.png", 3, 9))
    assert people.identify(image, threshold=0.0).found[0].value == "p003"
    strict = people.identify(image, threshold=0.9999999)
    assert (strict.found[0].value, strict.found[0].candidate) == (None, "p003")
    assert strict.threshold.tpir == 0
    (only,) = people.identify(image, where=["person=p003"], threshold=0.5).found
    assert only.value == "p003"


def test_what_cannot_be_answered_is_refused(people: Gallery, tmp_path: Path) -> None:
    image = str(paint(tmp_path / "new.png", 3, 9))
    with pytest.raises(GalleryError, match="no entry has a field 'persons'; did you mean"):
        people.identify(image, by="persons")
    with pytest.raises(GalleryError, match="a threshold is chosen on those of two and more"):
        people.identify(image, where=["person=p003"])
    with pytest.raises(GalleryError, match="nobody with the field 'person' fulfils person=x"):
        people.identify(image, where=["person=x"])
    with pytest.raises(GalleryError, match="lies between 0 and 1; this one is 2"):
        people.identify(image, fpir=2)
    with pytest.raises(GalleryError, match="nothing is asked for"):
        people.identify()


def test_decisions_are_kept_followed_and_undone(people: Gallery) -> None:
    groups = people.cluster(limit=0.9)
    ids = [entry.id for entry in groups[0].entries]
    assert len(ids) == 3
    one, other = ids[0], ids[1]
    people.decide("never", one, other)
    apart = [{entry.id for entry in group.entries} for group in people.cluster(limit=0.9)]
    assert not any({one, other} <= group for group in apart)
    assert str(people.undo()) == f"id:{one} and id:{other} are never together"
    assert {entry.id for entry in people.cluster(limit=0.9)[0].entries} == set(ids)

    stranger = 25
    people.decide("always", one, stranger)
    joined = next(group for group in people.cluster(limit=0.9) if stranger in {entry.id for entry in group.entries})
    assert {entry.id for entry in joined.entries} == {*ids, stranger}
    with pytest.raises(GalleryError, match="what was decided before says otherwise"):
        people.decide("never", one, stranger)
    with pytest.raises(GalleryError, match="a decision is about two entries"):
        people.decide("never", one, one)
    with pytest.raises(GalleryError, match="there is no entry 999"):
        people.decide("never", one, 999)

    named = people.name_group(one, "Anna", limit=0.9)
    assert {entry.metadata["person"] for entry in named.entries} == {"Anna"}
    assert "person=Anna of 4 entries" in str(people.undo())
    told = {entry.id: entry.metadata for entry in people.store.entries([*ids, stranger])}
    assert told[stranger] == {}
    assert {told[one]["person"] for one in ids} == {"p000"}


def test_decisions_go_with_their_entries(people: Gallery) -> None:
    people.decide("never", 1, 2)
    people.decide("never", 4, 5)
    people.remove([2])
    assert [one for one in people.store.decisions() if '"entries": [1, 2]' in one] == []
    assert len(people.store.decisions()) == 1
    people.undo()
    with pytest.raises(GalleryError, match="no decision to take back"):
        people.undo()
