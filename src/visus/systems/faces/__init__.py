"""Faces: found, aligned, embedded and compared, with the public-domain weights of the extra ``faces``."""

from visus.systems.faces.align import align_faces
from visus.systems.faces.compare import UNKNOWN, Identification, Verification, identify, verify
from visus.systems.faces.detector import FaceDetector, face_detector
from visus.systems.faces.dlib_file import DlibFileError
from visus.systems.faces.embedding import FaceEmbedding, face_embedding
from visus.systems.faces.finder import (
    FACE_SCHEMA,
    FaceFinder,
    Faces,
    FoundFaces,
    NoFaceError,
    SeveralFacesError,
    face_finder,
    load_faces,
)
from visus.systems.faces.landmarks import FaceLandmarks, face_landmarks
from visus.systems.faces.packaged import is_installed

__all__ = [
    "FACE_SCHEMA",
    "UNKNOWN",
    "DlibFileError",
    "FaceDetector",
    "FaceEmbedding",
    "FaceFinder",
    "FaceLandmarks",
    "Faces",
    "FoundFaces",
    "Identification",
    "NoFaceError",
    "SeveralFacesError",
    "Verification",
    "align_faces",
    "face_detector",
    "face_embedding",
    "face_finder",
    "face_landmarks",
    "identify",
    "is_installed",
    "load_faces",
    "verify",
]
