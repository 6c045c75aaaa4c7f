"""A gallery of painted pictures: filling it, following files, asking it, and what it refuses."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from galleries.painted import MeanColours, paint, painted
from visus import catalog
from visus.data.errors import ImageError
from visus.galleries import Gallery, Wishes
from visus.galleries.describer import NetworkDescriber
from visus.galleries.errors import EmptyGalleryError, GalleryError, GalleryNotFoundError, OtherModelError
from visus.new_folder import FolderTakenError
from visus.nn.fused.choose import FEW
from visus.nn.fused.optimize import packed_layers
from visus.types import Schema


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Forty things, three looks of each."""
    return painted(tmp_path / "images", 40, 3)


@pytest.fixture
def gallery(tmp_path: Path, images: Path) -> Gallery:
    """Of all the pictures, with the number of the thing as a field."""
    made = Gallery.create(tmp_path / "gallery", model=MeanColours(), root=tmp_path)
    made.add(str(images), metadata=lambda item: {"thing": int(Path(item.path).name[:3]), "look": item.name[4:5]})
    return made


def names(answer: object) -> list[str]:
    return [match.entry.name.removeprefix("images/") for match in answer.matches]  # type: ignore[attr-defined]


def test_alike_pictures_are_found_first(gallery: Gallery, images: Path) -> None:
    answer = gallery.search(str(images / "007_1.png"), k=3)
    assert names(answer)[0] == "007_1.png"
    assert set(names(answer)) == {"007_0.png", "007_1.png", "007_2.png"}
    assert answer.matches[0].score == pytest.approx(1)
    assert all(match.alike for match in answer.matches)
    assert answer.matches[0].entry.metadata == {"thing": 7, "look": "1"}
    assert answer.sheet().width > 400
    assert [match.entry.id for match in gallery.search(answer.matches[0].entry.id, k=3).matches] == [
        match.entry.id for match in answer.matches
    ]


def test_nothing_alike_is_said(gallery: Gallery, tmp_path: Path) -> None:
    """Of pictures of things that are not there, at most a few are taken for alike; of those that are, nearly all."""
    unknown = [gallery.search(str(paint(tmp_path / "new.png", 500 + number))).nothing_alike for number in range(40)]
    known = [gallery.search(str(paint(tmp_path / "new.png", thing, 9))).nothing_alike for thing in range(40)]
    assert sum(unknown) >= 34
    assert sum(known) <= 4


def test_adding_again_changes_nothing(gallery: Gallery, images: Path) -> None:
    described = gallery.describer.described  # type: ignore[attr-defined]
    report = gallery.add(str(images))
    assert (report.images, report.added, report.unchanged, report.known) == (120, 0, 120, 0)
    shutil.copy(images / "000_0.png", images / "copy.png")
    report = gallery.add([str(images / "copy.png"), Image.open(images / "001_0.png"), np.zeros((3, 3, 3), np.uint8)])
    assert (report.added, report.known, report.unchanged) == (1, 1, 1)
    assert gallery.describer.described == described + 1  # type: ignore[attr-defined]
    assert set(gallery.search(1, k=1).matches[0].entry.paths) == {"images/000_0.png", "images/copy.png"}


def test_what_is_said_of_known_images_holds_from_now_on(gallery: Gallery, images: Path) -> None:
    gallery.add(str(images / "000_0.png"), metadata={"camera": 2})
    assert gallery.search(1, k=1).matches[0].entry.metadata == {"thing": 0, "look": "0", "camera": 2}
    assert names(gallery.search(5, where=["camera=2"])) == ["000_0.png"]
    edited = gallery.store.state().edited
    gallery.add([str(images / "000_0.png"), Image.open(images / "000_0.png")], metadata={"camera": 2})
    assert gallery.store.state().edited == edited, "what is written already costs no transaction"
    gallery.add(str(images / "000_0.png"), metadata={"camera": 1})
    gallery.add(str(images / "000_0.png"), metadata={"camera": True})
    assert gallery.search(1, k=1).matches[0].entry.metadata["camera"] is True


def test_a_folder_is_followed(gallery: Gallery, images: Path) -> None:
    (images / "below").mkdir()
    (images / "003_0.png").rename(images / "below" / "moved.png")
    (images / "004_0.png").unlink()
    shutil.copy(images / "006_0.png", images / "005_0.png")  # another picture at its place
    paint(images / "new.png", 77)
    described = gallery.describer.described  # type: ignore[attr-defined]
    report = gallery.sync(images)
    assert (report.added, report.moved, report.gone) == (1, 1, 1)
    assert gallery.describer.described == described + 1  # type: ignore[attr-defined]
    moved = gallery.search(str(images / "below" / "moved.png"), k=1).matches[0].entry
    assert (moved.paths, moved.past_paths) == (("images/below/moved.png",), ("images/003_0.png",))
    assert moved.metadata == {"thing": 3, "look": "0"}
    assert gallery.stats()["gone"] == 2
    assert "004_0.png" not in names(gallery.search(1, k=1000))
    assert {"004_0.png", "005_0.png"} < set(names(gallery.search(1, k=1000, gone=True)))
    assert gallery.sync(images).images == 120
    paint(images / "004_0.png", 4)
    gallery.sync(images)
    assert gallery.stats()["gone"] == 1
    assert gallery.remove(gone=True) == 1
    assert gallery.stats()["entries"] == 120


def test_filters_are_inside_of_the_search(gallery: Gallery) -> None:
    answer = gallery.search(1, k=5, where=["thing>=38", "look!=0"])
    assert sorted(names(answer)) == ["038_1.png", "038_2.png", "039_1.png", "039_2.png"]
    assert len(gallery.search(1, where=["thing=1000"])) == 0
    assert names(gallery.search(1, k=1, where=["look=2"])) == ["000_2.png"]


def test_a_part_of_an_image_is_asked_for(gallery: Gallery, tmp_path: Path, images: Path) -> None:
    both = Image.new("RGB", (48, 24))
    both.paste(Image.open(images / "011_0.png"), (0, 0))
    both.paste(Image.open(images / "012_0.png"), (24, 0))
    both.save(tmp_path / "both.png")
    assert names(gallery.search(str(tmp_path / "both.png"), k=1, box=(24, 0, 48, 24))) == ["012_0.png"]
    with pytest.raises(GalleryError, match="no pixel of an image of 48x24"):
        gallery.search(str(tmp_path / "both.png"), box=(50, 0, 60, 5))
    with pytest.raises(GalleryError, match="needs one image"):
        gallery.search(str(images), box=(0, 0, 2, 2))


def test_parts_of_images_are_entries(gallery: Gallery, tmp_path: Path, images: Path) -> None:
    both = tmp_path / "both.png"
    shutil.copy(images / "011_0.png", both)
    Image.open(both).resize((48, 48), Image.Resampling.NEAREST).save(both)
    halves = [(0.0, 0.0, 24.0, 48.0), (24.0, 0.0, 48.0, 48.0)]
    assert gallery.add(str(both), boxes=lambda pixels: halves).added == 2
    found = gallery.search(str(both), k=1, box=(24, 0, 48, 48)).matches[0].entry
    assert (found.box_xyxy, found.paths) == ((24, 0, 48, 48), ("both.png",))


def test_several_images_and_negatives(gallery: Gallery) -> None:
    """Between two things lie both; what is not wanted comes later."""
    ids = {name: match.entry.id for match in gallery.search(1, k=120).matches for name in names(_of(match))}
    both = names(gallery.search(ids["005_0.png"], ids["006_0.png"], k=6))
    assert set(both) == {f"{thing}_{look}.png" for thing in ("005", "006") for look in range(3)}
    less = names(gallery.search(ids["005_0.png"], ids["006_0.png"], k=6, unlike=[ids["006_1.png"]]))
    assert less.index("005_1.png") < 3
    assert [name[:3] for name in less[:3]] == ["005"] * 3


def _of(match: object) -> object:
    return type("Answer", (), {"matches": [match]})()


def test_recommendations_are_varied_and_new(gallery: Gallery) -> None:
    plain = gallery.recommend(1, wishes=Wishes(k=6, diversity=0, duplicate=1.1))
    assert names(plain)[:2] == [name for name in names(gallery.search(1, k=3)) if name != "000_0.png"]
    varied = gallery.recommend(1, 16, wishes=Wishes(k=6, diversity=0.5))
    assert {1, 16}.isdisjoint({match.entry.id for match in varied.matches})
    assert len({match.entry.metadata["thing"] for match in varied.matches}) > len(
        {match.entry.metadata["thing"] for match in plain.matches}
    )
    assert all(match.reason in ("resembles 000_0.png", "resembles 005_0.png") for match in varied.matches)
    seen = [match.entry.id for match in varied.matches]
    assert not set(seen) & {match.entry.id for match in gallery.recommend(1, 16, seen=seen).matches}


def test_of_a_history_the_last_counts_most(gallery: Gallery) -> None:
    """With ``decay`` 0 only the last item counts, with 1 the order does not matter."""
    last = gallery.recommend(1, 16, wishes=Wishes(k=6, diversity=0, decay=0))
    assert names(last) == names(gallery.recommend(16, seen=[1], wishes=Wishes(k=6, diversity=0)))
    alike = [gallery.recommend(*liked, wishes=Wishes(k=6, diversity=0)) for liked in ((1, 16), (16, 1))]
    assert names(alike[0]) == names(alike[1])
    halves = gallery.recommend(1, 16, wishes=Wishes(k=6, diversity=0, decay=0.5))
    vectors = torch.nn.functional.normalize(torch.from_numpy(next(gallery.store.vectors())[1].copy()).double(), dim=1)
    wanted = torch.nn.functional.normalize(vectors[0] + 2 * vectors[15], dim=0)
    scores = [float(vectors[match.entry.id - 1] @ wanted) for match in halves.matches]
    assert [match.score for match in halves.matches] == pytest.approx(scores)


def test_near_duplicates_and_groups(gallery: Gallery, images: Path) -> None:
    paint(images / "large.png", 9, size=(240, 240))
    gallery.sync(images)
    groups = gallery.duplicates(limit=0.9999999)
    assert [[entry.name for entry in group.entries] for group in groups] == [["images/large.png", "images/009_0.png"]]
    for found in (gallery.cluster(limit=0.97), gallery.cluster(count=40)):
        pure = [len({entry.metadata.get("thing", 9) for entry in group.entries}) == 1 for group in found]
        assert sum(pure) > 0.7 * len(pure)
        assert len(found) > 20


def test_two_are_compared(gallery: Gallery) -> None:
    same, other = gallery.verify(1, 2), gallery.verify(1, 40)
    assert same.score > other.score
    assert same.chance is not None
    assert other.chance is not None
    assert same.chance < 0.05 < other.chance


def test_many_at_once_are_each_as_one(gallery: Gallery) -> None:
    vectors = torch.cat([torch.from_numpy(rows.copy()) for _, rows in gallery.store.vectors()])
    ids, scores = gallery.nearest(vectors, 4)
    assert torch.equal(ids[:, 0], torch.arange(1, 121))
    for row in (0, 50, 119):
        one, score = gallery.nearest(vectors[row : row + 1], 4)
        assert torch.equal(one[0], ids[row])
        assert torch.allclose(score[0], scores[row])


def test_what_others_do_is_seen(gallery: Gallery, tmp_path: Path) -> None:
    gallery.search(1)
    other = Gallery.open(tmp_path / "gallery", model=MeanColours())
    other.add(str(paint(tmp_path / "new.png", 99)), metadata={"thing": 99})
    assert names(gallery.search(str(tmp_path / "new.png"), k=1)) == ["new.png"]
    assert names(gallery.search(1, where=["thing=99"])) == ["new.png"]
    other.remove([1])
    assert "000_0.png" not in names(gallery.search(2, k=200))
    assert len(gallery.search(2, k=200)) == 120


def test_what_is_derived_is_made_again(gallery: Gallery, tmp_path: Path) -> None:
    """Damaged, cut or missing files of the scan change no answer."""
    right = names(gallery.search(1))
    cache = tmp_path / "gallery" / "cache"
    for damage in ("written.json", "codes.*", "vectors.*"):
        for path in cache.glob(damage):
            path.unlink()
        with Gallery.open(tmp_path / "gallery", model=MeanColours()) as again:
            assert names(again.search(1)) == right
    (cache / "written.json").write_text("{")
    assert names(Gallery.open(tmp_path / "gallery", model=MeanColours()).search(1)) == right


def test_bad_input_is_refused(gallery: Gallery, tmp_path: Path, images: Path) -> None:
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(ImageError, match=r"text\.png"):
        gallery.search(str(tmp_path / "text.png"))
    assert gallery.add(str(tmp_path / "text.png")).failures[0][0] == "text.png"
    with pytest.raises(GalleryError, match=r"no entry has a field 'thng'; did you mean thing\?"):
        gallery.search(1, where=["thng=3"])
    with pytest.raises(GalleryError, match="no condition"):
        gallery.search(1, where=["thing"])
    with pytest.raises(GalleryError, match="there is no entry 4711"):
        gallery.search(4711)
    with pytest.raises(GalleryError, match="nothing is asked for"):
        gallery.search()
    with pytest.raises(GalleryError, match="k must be at least 1"):
        gallery.search(1, k=0)
    with pytest.raises(GalleryError, match=r"needs \[q, 108\]"):
        gallery.nearest(torch.zeros(2, 5))
    with pytest.raises(GalleryError, match="NaN"):
        gallery.nearest(torch.full((1, 108), torch.nan))
    with pytest.raises(OtherModelError, match=r"other weights.*--rebuild"):
        Gallery.open(tmp_path / "gallery", model=MeanColours("another"))
    with pytest.raises(GalleryNotFoundError, match="visus gallery create"):
        Gallery.open(images)
    with pytest.raises(FolderTakenError):
        Gallery.create(images, model=MeanColours())
    with pytest.raises(EmptyGalleryError, match="visus gallery add"):
        Gallery.create(tmp_path / "empty", model=MeanColours()).search(str(images / "000_0.png"))


def test_files_outside_of_the_root_are_refused(tmp_path: Path) -> None:
    painted(tmp_path / "inside", 2)
    painted(tmp_path / "outside", 2)
    made = Gallery.create(tmp_path / "gallery", model=MeanColours(), root=tmp_path / "inside")
    (tmp_path / "inside" / "link.png").symlink_to(tmp_path / "outside" / "000_0.png")
    for path in ("outside", "inside/../outside", "inside/link.png"):
        with pytest.raises(GalleryError, match="not below"):
            made.add(str(tmp_path / path))
    with pytest.raises(GalleryError, match="not below"):
        made.sync(tmp_path / "outside")
    with pytest.raises(GalleryError, match="an address"):
        made.add("http://example.com/image.png")
    assert made.stats()["entries"] == 0


def test_a_network_that_diverged_is_refused(tmp_path: Path) -> None:
    made = Gallery.create(tmp_path / "gallery", model=MeanColours())
    made.describer.describe = lambda images: np.full((len(images), 108), np.nan, np.float32)  # type: ignore[method-assign]
    with pytest.raises(GalleryError, match="NaN or infinity"):
        made.add(np.zeros((4, 4, 3), np.uint8))
    made.describer.describe = lambda images: np.zeros((len(images), 5), np.float32)  # type: ignore[method-assign]
    with pytest.raises(GalleryError, match="5 dimensions, not 108"):
        made.add(np.zeros((4, 4, 3), np.uint8))
    assert made.stats()["entries"] == 0


def test_a_fused_network_gives_the_same_vectors_but_for_rounding() -> None:
    network = catalog.build_model("descriptor_lite0", Schema((), ()), {"pretrained": False, "size": 64})
    generator = torch.Generator().manual_seed(0)
    images = [torch.randint(0, 256, (3, 64, 64), dtype=torch.uint8, generator=generator) for _ in range(FEW)]
    plain, fused = (NetworkDescriber("x", network, "x", precision=form) for form in ("plain", "fp32"))
    assert plain.fingerprint == fused.fingerprint
    np.testing.assert_allclose(fused.describe(images), plain.describe(images), atol=1e-5)
    few = images[: FEW - 1]  # of which the network stays as it is
    np.testing.assert_array_equal(fused.describe(few), plain.describe(few))
    assert packed_layers(fused._fast.model)
    assert not packed_layers(network)
