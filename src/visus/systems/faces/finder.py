"""Faces in images: where they are, their five points, and an embedding of each."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from jaxtyping import Bool, Float, Int64, Shaped
from torch import Tensor, nn
from torch.nn import functional as F

from visus.errors import VisusError
from visus.nn.transform import scale_boxes, size_pairs
from visus.ops.padding import check_image, pad_images
from visus.systems.faces.align import align_faces
from visus.systems.faces.detector import FaceDetector, face_detector
from visus.systems.faces.embedding import FaceEmbedding, face_embedding
from visus.systems.faces.landmarks import NAMES, FaceLandmarks, face_landmarks
from visus.systems.faces.packaged import DETECTOR, EMBEDDING, LANDMARKS, model_file
from visus.types import ImageBatch, InstancePrediction, InstanceTarget, Keypoints, Schema

FACE_SCHEMA = Schema(
    categories=("face",),
    category_ids=(1,),
    keypoints=Keypoints(
        names=NAMES,
        flip_pairs=((0, 2), (1, 3)),
        sigmas=(0.025, 0.025, 0.025, 0.025, 0.026),  # COCO's, of eyes and nose
        skeleton=((0, 1), (2, 3), (1, 4), (3, 4)),
    ),
)
"""What the labels and keypoints of `FaceFinder` mean."""


class NoFaceError(VisusError):
    """An image in which no face was found, where one is needed."""


class SeveralFacesError(VisusError):
    """An image with several faces, where one is needed."""


@dataclass(frozen=True)
class FoundFaces:
    """The faces of one image, best first.

    ``points`` holds x and y of the five points of `visus.systems.faces.landmarks.NAMES`; ``embeddings`` are compared by
    their Euclidean distance and are not of length 1.
    """

    boxes_xyxy: Float[Tensor, "n 4"]
    scores: Float[Tensor, " n"]
    points: Float[Tensor, "n 5 2"]
    embeddings: Float[Tensor, "n d"]

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, index: Bool[Tensor, " n"] | Int64[Tensor, " m"]) -> FoundFaces:
        return FoundFaces(*(getattr(self, field.name)[index] for field in fields(self)))


@dataclass(frozen=True)
class FaceOutputs:
    """Of each image: boxes in its pixels, scores where 0 is the boundary, and points."""

    image_sizes: Int64[Tensor, "b 2"]
    boxes: list[Float[Tensor, "n 4"]]
    scores: list[Float[Tensor, " n"]]
    points: list[Float[Tensor, "n 5 2"]]


class FaceTransform:
    """Batches of images as they are; each is looked at by itself."""

    one_frame = False

    def batch(self, images: Sequence[Shaped[Tensor, " ..."]]) -> ImageBatch:
        """[3 h w] images (uint8 in 0..255 or float in 0..1) in one tensor.

        Raises:
            ValueError: there is no image, or one is not [3, h, w].
        """
        return pad_images(images, 1)

    def frame(self, size: tuple[int, ...]) -> tuple[int, ...]:
        """Images keep their size."""
        return tuple(size)


class FaceFinder(nn.Module):
    """The faces of images and their points, as a model whose predictions are objects with keypoints.

    The score of a face is the logistic function of the detector's, so .5 is where the detector decides.

    Args:
        detector: finds boxes.
        landmarks: finds points in boxes.
        min_face: pixels of a side of the smallest faces to be found. The detector's window is brought to it by resizing
            the image: small faces cost time, in the square of it.
        threshold: faces whose score before the logistic function is no more are not reported.
    """

    channels_last = False
    adapts = False

    def __init__(
        self, *, detector: FaceDetector, landmarks: FaceLandmarks, min_face: int = 80, threshold: float = 0.0
    ) -> None:
        super().__init__()
        if min_face < 8:
            raise ValueError(f"min_face has to be at least 8 pixels, not {min_face}")
        self.transform = FaceTransform()
        self.detector, self.landmarks = detector, landmarks
        self.min_face, self.threshold = min_face, threshold

    @torch.no_grad()
    def forward(self, images: ImageBatch, targets: Sequence[InstanceTarget] | None = None) -> FaceOutputs:
        """Faces of each image; targets change nothing, as nothing here learns."""
        boxes, scores, points = [], [], []
        for pixels, (height, width) in zip(images.pixels, size_pairs(images.sizes), strict=True):
            image = pixels[:, :height, :width]
            found, score = self.detect(image)
            boxes.append(found)
            scores.append(score)
            points.append(self.landmarks(image, found))
        return FaceOutputs(images.sizes, boxes, scores, points)

    def detect(self, image: Shaped[Tensor, "3 h w"]) -> tuple[Float[Tensor, "n 4"], Float[Tensor, " n"]]:
        """Boxes in the pixels of an image, and their scores."""
        size = (image.shape[1], image.shape[2])
        resized = self._resized(image)
        boxes, scores = self.detector(resized, self.threshold)
        if resized is image:
            return boxes, scores
        return scale_boxes(boxes, (resized.shape[1], resized.shape[2]), size).round(), scores

    def _resized(self, image: Tensor) -> Tensor:
        """The image in which faces of ``min_face`` pixels are as large as the detector's window."""
        if self.min_face == self.detector.window:
            return image
        sides = [max(1, round(side * self.detector.window / self.min_face)) for side in image.shape[1:]]
        pixels = image.float() / 255 if image.dtype == torch.uint8 else image
        return F.interpolate(pixels[None], size=sides, mode="bilinear", antialias=True)[0].clamp(0, 1)

    @torch.no_grad()
    def postprocess(self, outputs: FaceOutputs, sizes: Sequence[tuple[int, int]]) -> list[InstancePrediction]:
        """Faces as objects with keypoints, in the pixels of images of ``sizes`` (h, w)."""
        return [
            _prediction(boxes, scores, points, old, size)
            for boxes, scores, points, old, size in zip(
                outputs.boxes, outputs.scores, outputs.points, size_pairs(outputs.image_sizes), sizes, strict=True
            )
        ]


def _prediction(
    boxes: Tensor, scores: Tensor, points: Tensor, old: tuple[int, int], size: tuple[int, int]
) -> InstancePrediction:
    """The faces of one image; a point lies in the middle of its pixel."""
    scale = boxes.new_tensor([size[1] / old[1], size[0] / old[0]])
    places = torch.cat([(points + 0.5) * scale, torch.full_like(points[..., :1], 2)], dim=2)
    edges = scale_boxes(boxes, old, size)
    low, high = edges.new_zeros(2), edges.new_tensor([size[1], size[0]])
    corners = edges.view(-1, 2, 2).maximum(low).minimum(high).view(-1, 4)
    return InstancePrediction(
        boxes_xyxy=corners,
        labels=torch.zeros(len(boxes), dtype=torch.int64, device=boxes.device),
        scores=scores.sigmoid(),
        size=size,
        keypoints_xyv=places,
        keypoint_scores=scores.sigmoid()[:, None].expand(-1, len(NAMES)),
    )


class Faces:
    """Finds faces, aligns them and embeds them.

    Args:
        finder: of boxes and points.
        embedding: of aligned faces.
        fingerprint: of the weights, by which a gallery knows that its embeddings belong to them.
    """

    def __init__(self, *, finder: FaceFinder, embedding: FaceEmbedding, fingerprint: str = "") -> None:
        self.finder, self.embedding, self.fingerprint = finder, embedding, fingerprint

    @torch.no_grad()
    def find(self, image: Shaped[Tensor, "3 h w"]) -> FoundFaces:
        """All faces of an image, best first.

        Args:
            image: uint8 in 0..255 or float in 0..1.

        Raises:
            ValueError: it is not [3, h, w].
        """
        check_image(image)
        boxes, scores = self.finder.detect(image)
        points = self.finder.landmarks(image, boxes)
        return FoundFaces(boxes, scores.sigmoid(), points, self.embed(image, points))

    @torch.no_grad()
    def embed(self, image: Shaped[Tensor, "3 h w"], points: Float[Tensor, "n 5 2"]) -> Float[Tensor, "n d"]:
        """The embeddings of the faces with these points."""
        return self.embedding(align_faces(image, points))  # type: ignore[no-any-return]

    def only(self, image: Shaped[Tensor, "3 h w"], *, name: str = "the image") -> FoundFaces:
        """The one face of an image.

        Args:
            image: as for `find`.
            name: of the image, for messages.

        Raises:
            NoFaceError: there is none.
            SeveralFacesError: there are several.
        """
        found = self.find(image)
        if not len(found):
            raise NoFaceError(
                f"{name}: no face found; one has to be at least {self.finder.min_face} pixels wide: give a larger "
                "image, or look for smaller faces with min_face"
            )
        if len(found) > 1:
            raise SeveralFacesError(
                f"{name}: {len(found)} faces, where one is asked for; cut out the one that is meant"
            )
        return found


def face_finder(*, min_face: int = 80, threshold: float = 0.0) -> FaceFinder:
    """The finder with the weights of the extra ``faces``.

    Args:
        min_face: see `FaceFinder`.
        threshold: see `FaceFinder`.

    Raises:
        VisusError: the extra is not installed.
        DlibFileError: a file is damaged.
    """
    finder = FaceFinder(detector=face_detector(), landmarks=face_landmarks(), min_face=min_face, threshold=threshold)
    return finder.eval()


def load_faces(*, min_face: int = 80, threshold: float = 0.0) -> Faces:
    """Detector, points and embedding with the weights of the extra ``faces``.

    Args:
        min_face: see `FaceFinder`.
        threshold: see `FaceFinder`.

    Raises:
        VisusError: the extra is not installed.
        DlibFileError: a file is damaged.
    """
    digest = hashlib.sha256()
    for name in (DETECTOR, LANDMARKS, EMBEDDING):
        digest.update(model_file(name).read_bytes())
    finder = face_finder(min_face=min_face, threshold=threshold)
    return Faces(finder=finder, embedding=face_embedding(), fingerprint=digest.hexdigest())
