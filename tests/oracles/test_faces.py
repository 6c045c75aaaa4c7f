"""Faces against dlib, which our networks and trees were ported from: boxes, points, cut-outs and embeddings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from visus.systems.faces import align_faces, face_detector, face_embedding, face_landmarks, is_installed
from visus.systems.faces.packaged import DETECTOR, EMBEDDING, LANDMARKS, model_file

dlib: Any = pytest.importorskip("dlib", reason="dlib, which we compare with, is not installed")
if not is_installed():
    pytest.skip("the extra faces is not installed", allow_module_level=True)

ORL = Path(__file__).parents[3] / "shared" / "data" / "orl_faces"


def noise(height: int, width: int, seed: int) -> Tensor:
    """A smooth image of many colours."""
    generator = torch.Generator().manual_seed(seed)
    grid = torch.rand(1, 3, height // 16, width // 16, generator=generator)
    image = F.interpolate(grid, size=(height, width), mode="bicubic")[0]
    return (image.clamp(0, 1) * 255).to(torch.uint8)


def array(image: Tensor) -> np.ndarray:
    return np.ascontiguousarray(image.permute(1, 2, 0).numpy())


def rectangle(box: Tensor) -> Any:
    left, top, right, bottom = (int(edge) for edge in box)
    return dlib.rectangle(left, top, right - 1, bottom - 1)


@pytest.fixture(scope="module")
def predictor() -> Any:
    return dlib.shape_predictor(str(model_file(LANDMARKS)))


def test_points_cutouts_and_embeddings(predictor: Any) -> None:
    """Of boxes of all sizes anywhere in images that hold no face; some reach out of the image."""
    landmarks, embedding = face_landmarks(), face_embedding()
    theirs = dlib.face_recognition_model_v1(str(model_file(EMBEDDING)))
    generator = torch.Generator().manual_seed(1)
    for seed, (height, width) in enumerate([(240, 320), (700, 500)]):
        image = noise(height, width, seed)
        sides = torch.tensor([40.0, 121, 200, 333]) * (height / 700) ** 0.5
        corners = torch.rand(len(sides), 2, generator=generator) * torch.tensor([width - 60.0, height - 60.0])
        boxes = torch.cat([corners, corners + sides[:, None]], dim=1).round()
        points = landmarks(image, boxes)
        shapes = [predictor(array(image), rectangle(box)) for box in boxes]
        wanted = torch.tensor([[[part.x, part.y] for part in shape.parts()] for shape in shapes])
        assert (points - wanted).abs().max() <= 0.5
        cut = align_faces(image, points)
        chips = torch.stack([torch.from_numpy(dlib.get_face_chip(array(image), shape, 150, 0.25)) for shape in shapes])
        assert (cut.int() - chips.permute(0, 3, 1, 2).int()).abs().max() <= 1
        described = [np.asarray(theirs.compute_face_descriptor(array(image), shape)) for shape in shapes]
        np.testing.assert_allclose(embedding(cut).numpy(), np.stack(described), atol=1e-4)


@pytest.mark.data
@pytest.mark.skipif(not ORL.is_dir(), reason="the photographs of faces are not there")
def test_boxes_of_photographs(predictor: Any) -> None:
    """A photograph, and four of several sizes in one image."""
    theirs, detector = dlib.cnn_face_detection_model_v1(str(model_file(DETECTOR))), face_detector()
    faces = [Image.open(ORL / f"s{person}" / "1.pgm").convert("RGB") for person in (1, 7, 20, 33)]
    sheet = Image.new("RGB", (430, 400))
    for face, (x, y), scale in zip(faces, ((0, 0), (200, 5), (30, 240), (210, 200)), (1.9, 1.7, 1.2, 1.6), strict=True):
        sheet.paste(face.resize((round(92 * scale), round(112 * scale)), Image.Resampling.BICUBIC), (x, y))
    for picture in (faces[0].resize((184, 224)), sheet):
        image = torch.from_numpy(np.array(picture)).permute(2, 0, 1)
        boxes, scores = detector(image)
        found = theirs(np.array(picture), 0)
        wanted = [[one.rect.left(), one.rect.top(), one.rect.right() + 1, one.rect.bottom() + 1] for one in found]
        assert len(found) >= 1
        assert (boxes - torch.tensor(wanted)).abs().max() <= 0.5
        np.testing.assert_allclose(scores.numpy(), [one.confidence for one in found], atol=1e-4)
    assert len(found) >= 3  # of the four in the last image
