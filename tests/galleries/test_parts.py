"""Parts of galleries by themselves: filters, fields, groups, recommendation, calibration, the index, the describer."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from galleries.painted import MeanColours, paint, painted
from visus.catalog import build_model
from visus.galleries import Gallery, Wishes
from visus.galleries.calibration import calibrate
from visus.galleries.describer import NetworkDescriber, describer, fingerprint_of
from visus.galleries.detected import boxes_by
from visus.galleries.entry import pixel_hash
from visus.galleries.errors import GalleryError
from visus.galleries.filters import Columns, Condition, condition
from visus.galleries.groups import linked, mutual_neighbours, near_duplicates
from visus.galleries.metadata import from_words
from visus.galleries.recommend import recommended
from visus.galleries.scan import nearest, table_of
from visus.galleries.store import Description
from visus.nn.square import SquareTransform
from visus.predict.items import Item, Reading, items_of
from visus.predict.predictor import Predictor
from visus.types import ImageBatch, InstancePrediction, Schema


@pytest.mark.parametrize(
    ("text", "value", "holds"),
    [
        ("camera=2", 2, True),
        ("camera=2", "2", True),
        ("camera = 2.0", 2, True),
        ("camera=2", "two", False),
        ("year>=2020", 2019, False),
        ("year>2019", 2020, True),
        ("name<b", "a", True),
        ("name!=a", "a", False),
        ("flag=true", True, True),
        ("flag=1", True, False),
        ("note=a=b", "a=b", True),
    ],
)
def test_conditions_compare_numbers_as_numbers(text: str, value: object, holds: bool) -> None:
    assert condition(text).fulfilled_by(value) is holds  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "camera", "=2", "camera=", "camera>>2"])
def test_what_is_no_condition_is_refused(text: str) -> None:
    if text == "camera>>2":  # a text that begins with >
        assert condition(text) == Condition("camera", ">", ">2")
        return
    with pytest.raises(GalleryError, match="no condition"):
        condition(text)


def test_columns_are_a_loop_over_the_entries() -> None:
    """Against asking each entry for itself."""
    generator = torch.Generator().manual_seed(0)
    said = [
        Description(2 * number + 1, {"a": one, "b": str(two)} if number % 3 else {"a": one}, number % 5 == 0)
        for number, (one, two) in enumerate(torch.randint(0, 4, (60, 2), generator=generator).tolist())
    ]
    columns = Columns(said, torch.tensor([one.id for one in said]))
    for texts in ([], ["a=1"], ["a>=2", "b!=3"], ["b=7"]):
        conditions = [condition(text) for text in texts]
        for gone in (False, True):
            wanted = [
                (gone or not one.gone)
                and all(c.field in one.metadata and c.fulfilled_by(one.metadata[c.field]) for c in conditions)
                for one in said
            ]
            assert columns.allowed(conditions, gone=gone).tolist() == wanted
    assert columns.fields == {"a": 4, "b": 4}


def test_fields_from_words() -> None:
    assert from_words(["camera=2", "name= red cup ", "flag=true"]) == {"camera": 2, "name": "red cup", "flag": True}
    with pytest.raises(GalleryError, match="write camera=2"):
        from_words(["camera"])


def test_links_join_whatever_is_connected() -> None:
    """Against a search through the graph."""
    generator = torch.Generator().manual_seed(1)
    one, two = torch.randint(0, 200, (2, 130), generator=generator)
    neighbours: dict[int, set[int]] = {}
    for a, b in zip(one.tolist(), two.tolist(), strict=True):
        neighbours.setdefault(a, set()).add(b)
        neighbours.setdefault(b, set()).add(a)
    least = list(range(200))
    for start in range(200):
        waiting, seen = [start], {start}
        while waiting:
            for other in neighbours.get(waiting.pop(), set()) - seen:
                seen.add(other)
                waiting.append(other)
        least[start] = min(seen)
    assert linked(200, one, two).tolist() == least


def test_groups_are_those_of_all_pairs() -> None:
    generator = torch.Generator().manual_seed(2)
    centres = torch.randn(20, 8, generator=generator)
    vectors = centres.repeat(4, 1) + 0.02 * torch.randn(80, 8, generator=generator)
    for found in (near_duplicates(table_of(vectors), 0.99), mutual_neighbours(table_of(vectors), 0.99)):
        assert sorted(tuple(rows.tolist()) for rows in found) == [(n, n + 20, n + 40, n + 60) for n in range(20)]
    assert near_duplicates(table_of(torch.empty(0, 8)), 0.9) == []


def test_recommending_is_choosing_one_after_the_other() -> None:
    """Maximal marginal relevance by hand.

    Of 1, which comes first, 3 is the most different. Then 0 has .5 * .995 - .5 * .990, and 2 has .5 * .676 - .5 * .706.
    """
    vectors = torch.tensor([[1.0, 0.0], [0.99, 0.14], [0.6, 0.8], [0.6, -0.8], [-1.0, 0.0]])
    wanted = torch.tensor([1.0, 0.1])
    rows, scores, alike = recommended(
        table_of(vectors), torch.arange(5), wanted, wanted[None], wanted[None], Wishes(4, 0.5, 1.1)
    )
    assert rows.tolist() == [1, 3, 0, 2]
    assert scores[0] == pytest.approx(torch.nn.functional.cosine_similarity(wanted, vectors[1], dim=0).item(), abs=1e-6)
    assert alike.tolist() == [0] * 4
    nearest_first, _, _ = recommended(
        table_of(vectors), torch.arange(5), wanted, wanted[None], wanted[None], Wishes(3, 0, 1.1)
    )
    assert nearest_first.tolist() == [1, 0, 2]
    without, _, _ = recommended(
        table_of(vectors), torch.arange(5), wanted, wanted[None], vectors[:1], Wishes(3, 0, 0.97)
    )
    assert without.tolist() == [2, 3, 4]


@pytest.mark.parametrize("closeness", ["cosine", "euclidean"])
def test_chance_is_what_it_says_for_noise(closeness: str) -> None:
    """Of queries with nothing alike, about a share of 5 % is taken for alike."""
    generator = torch.Generator().manual_seed(3)
    table = table_of(torch.randn(2000, 64, generator=generator), closeness)  # type: ignore[arg-type]
    calibration = calibrate(table)
    assert calibration is not None
    queries = torch.randn(200, 64, generator=generator)
    _, scores = nearest(table, queries, 1)
    chances = torch.stack([calibration.by_chance(one, score)[0] for one, score in zip(queries, scores, strict=True)])
    assert float((chances <= 0.05).float().mean()) < 0.15
    alike = [nearest(table, one[None], 1)[1][0] for one in table.vectors[:50]]
    copies = torch.stack([calibration.by_chance(*pair)[0] for pair in zip(table.vectors, alike, strict=False)])
    assert float((copies <= 0.05).float().mean()) > 0.9
    assert calibrate(table_of(torch.randn(5, 4))) is None


def test_the_index_is_made_anew_and_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("faiss", reason="needs faiss")
    images = painted(tmp_path / "images", 60, 2)
    gallery = Gallery.create(tmp_path / "gallery", model=MeanColours())
    gallery.add(str(images))
    vectors = next(gallery.store.vectors())[1].copy()
    exact, scores = gallery.nearest(torch.from_numpy(vectors), 3)
    found, near = gallery.nearest(torch.from_numpy(vectors), 3, approximate=True)
    assert float((exact == found).float().mean()) > 0.97
    assert torch.allclose(scores[exact == found], near[exact == found])
    assert "recall@10" in capsys.readouterr().err
    gallery.nearest(torch.from_numpy(vectors), 3, approximate=True)
    Gallery.open(tmp_path / "gallery", model=MeanColours()).search(1, approximate=True)
    assert capsys.readouterr().err == ""
    gallery.add(str(paint(tmp_path / "new.png", 99)))
    assert gallery.search(str(tmp_path / "new.png"), k=1, approximate=True).matches[0].entry.name.endswith("new.png")
    assert "index of 121 entries" in capsys.readouterr().err
    gallery.remove([121])
    assert not gallery.search(1, k=121, approximate=True).matches[-1].entry.name.endswith("new.png")
    assert "index of 120 entries" in capsys.readouterr().err


def test_the_fingerprint_is_that_of_every_weight() -> None:
    network = build_model("descriptor_lite0", Schema((), ()), {"pretrained": False, "size": 32})
    before = fingerprint_of(network, "one")
    assert fingerprint_of(network, "one") == before
    assert fingerprint_of(network, "another") != before
    with torch.no_grad():
        list(network.parameters())[-1].view(-1)[-1] += 1e-6
    assert fingerprint_of(network, "one") != before


def test_the_usual_describer_needs_no_training() -> None:
    usual = describer()
    image = torch.randint(0, 255, (3, 40, 50), dtype=torch.uint8)
    vectors = torch.from_numpy(usual.describe([image, image.flip(2)]))
    assert vectors.shape == (2, 2288)
    assert torch.allclose(vectors.norm(dim=1), torch.ones(2), atol=1e-5)
    assert usual.describe([]).shape[0] == 0


def test_a_detector_is_no_descriptor() -> None:
    network = build_model("classifier_lite0", Schema(("a", "b"), (1, 2)), {"pretrained": False})
    with pytest.raises(GalleryError, match="gives no embedding"):
        NetworkDescriber("a classifier", network, "").describe([torch.zeros(3, 32, 32, dtype=torch.uint8)])


class Halves(torch.nn.Module):
    """A detector that finds both halves of an image and something without a pixel."""

    transform = SquareTransform(size=32)
    channels_last = adapts = False

    def forward(self, images: ImageBatch, targets: object = None) -> ImageBatch:
        return images

    def postprocess(self, outputs: ImageBatch, sizes: list[tuple[int, int]]) -> list[InstancePrediction]:
        ((height, width),) = sizes
        half = width / 2
        boxes = torch.tensor([[0, 0, half, height], [half, 0, width, height], [1, 1, 1.2, 5], [0, 0, 9, 9]])
        scores = torch.tensor([0.9, 0.8, 0.7, 0.1])
        return [InstancePrediction(boxes, torch.zeros(4, dtype=torch.int64), scores, (height, width))]


def test_what_a_detector_finds_becomes_entries(tmp_path: Path) -> None:
    detector = Predictor(Halves(), Schema(("half",), (1,)), device="cpu")
    gallery = Gallery.create(tmp_path / "gallery", model=MeanColours())
    report = gallery.add(str(paint(tmp_path / "a.png", 1, size=(48, 24))), boxes=boxes_by(detector, 0.5))
    assert report.added == 2
    assert [entry.box_xyxy for entry in gallery.store.entries([1, 2])] == [(0, 0, 24, 24), (24, 0, 48, 24)]
    assert gallery.search(str(tmp_path / "a.png"), k=1, box=(24, 0, 48, 24)).matches[0].entry.id == 2


def test_pixels_and_size_are_the_identity(tmp_path: Path) -> None:
    image = torch.arange(24, dtype=torch.uint8).view(3, 2, 4)
    assert pixel_hash(image) != pixel_hash(image.reshape(3, 4, 2))
    assert pixel_hash(image) == pixel_hash(image.clone())
    path = paint(tmp_path / "a.png", 1)
    (item,) = items_of(str(path), Reading())
    assert isinstance(item, Item)
    assert len(pixel_hash(item.read())) == 32
