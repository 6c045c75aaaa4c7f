"""Faces with the 68 landmarks of 300-W, for the tests of what changes in a mirror."""

from __future__ import annotations

import numpy as np
import torch

from visus.types import InstanceTarget, Keypoints, Sample, Schema

LANDMARKS = (
    *((place, 16 - place) for place in range(8)),  # the jaw
    *((place, 43 - place) for place in range(17, 22)),  # the brows
    *((31, 35), (32, 34)),  # the nostrils
    *((36, 45), (37, 44), (38, 43), (39, 42), (40, 47), (41, 46)),  # the eyes
    *((48, 54), (49, 53), (50, 52), (55, 59), (56, 58), (60, 64), (61, 63), (65, 67)),  # the lips
)
"""Which of the 68 landmarks of faces change places (https://ibug.doc.ic.ac.uk/resources/300-W/, figure 1)."""


def ring(centre: tuple[float, float], across: float, down: float, degrees: list[int]) -> np.ndarray:
    turns = np.radians(degrees)
    return np.stack((centre[0] + across * np.cos(turns), centre[1] + down * np.sin(turns)), axis=1)


def face() -> np.ndarray:
    """The 68 landmarks in their usual order, on a drawn face about x = 0."""
    jaw = np.stack((-np.cos(np.linspace(0, np.pi, 17)), 1.25 * np.sin(np.linspace(0, np.pi, 17))), axis=1)
    brow = np.array([[-0.83, -0.17], [-0.7, -0.3], [-0.5, -0.34], [-0.32, -0.3], [-0.16, -0.22]])
    bridge = np.array([[0, 0.0], [0, 0.17], [0, 0.34], [0, 0.5]])
    nostrils = np.array([[-0.2, 0.6], [-0.1, 0.65], [0, 0.68], [0.1, 0.65], [0.2, 0.6]])
    eye = np.array([[-0.6, 0.0], [-0.5, -0.07], [-0.36, -0.07], [-0.25, 0.02], [-0.36, 0.06], [-0.5, 0.06]])
    other_eye = (eye * (-1, 1))[[3, 2, 1, 0, 5, 4]]
    outer = ring((0, 0.92), 0.36, 0.15, [180, 216, 250, 270, 290, 324, 0, 40, 66, 90, 114, 140])
    inner = ring((0, 0.92), 0.29, 0.06, [180, 235, 270, 305, 0, 55, 90, 125])
    return np.concatenate((jaw, brow, (brow * (-1, 1))[::-1], bridge, nostrils, eye, other_eye, outer, inner))


class Faces:
    """Faces that turn, lean and differ, some with hidden landmarks, in boxes around what is seen."""

    def __init__(self, count: int, seed: int, *, width: int = 200) -> None:
        names = tuple(f"keypoint {number}" for number in range(1, 69))
        self.schema = Schema(("face",), (1,), keypoints=Keypoints(names, None, (0.05,) * 68))
        self.random, self.width = np.random.default_rng(seed), width
        self.targets = [self.made() for _ in range(count)]

    def made(self) -> InstanceTarget:
        x, y = face().T
        depth = 0.45 * (1 - x**2) + 0.35 * np.exp(-(x**2 + (y - 0.5) ** 2) / 0.06)
        yaw, roll = self.random.normal(0, 0.3), self.random.normal(0, 0.12)
        x = x * np.cos(yaw) + depth * np.sin(yaw)
        turned = np.stack((x * np.cos(roll) - y * np.sin(roll), x * np.sin(roll) + y * np.cos(roll)), axis=1)
        points = 100 + self.random.uniform(20, 60) * (turned + self.random.normal(0, 0.015, turned.shape))
        seen = np.where(self.random.random(68) < 0.1, 0.0, 2.0)
        low, high = points[seen > 0].min(0), points[seen > 0].max(0)
        flat = torch.from_numpy(np.concatenate((points, seen[:, None]), axis=1)).float()[None]
        box = torch.tensor([[*low, *high]]).float()
        return InstanceTarget(
            box, torch.zeros(1, dtype=torch.int64), torch.ones(1), torch.zeros(1, dtype=torch.bool), (200, 200),
            keypoints_xyv=flat,
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> Sample:
        return Sample(torch.zeros(3, 200, 200, dtype=torch.uint8), self.targets[index])

    def size(self, index: int) -> tuple[int, int]:
        return 200, 200

    def path(self, index: int) -> str:
        return ""
