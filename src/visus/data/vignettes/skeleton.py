"""The joints of a person: angles of a pose, joints in space, and their projection to the page.

The body has its own axes: x to the person's left, y up, z forward; lengths are shares of the standing height. A yaw
turns it before the viewer (0 faces the viewer, a quarter turn faces the right side of the page), a roll lays it down.
The viewer looks slightly down, so what is nearer stands lower on the page.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TypeAlias

from visus.data.vignettes.canvas import Point
from visus.types import Keypoints

KEYPOINT_NAMES = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
    "right_ankle",
)  # fmt: skip
# The standard deviations of COCO's object keypoint similarity (https://cocodataset.org/#keypoints-eval).
SIGMAS = (
    0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072, 0.062, 0.062, 0.107, 0.107, 0.087, 0.087, 0.089,
    0.089,
)  # fmt: skip
SKELETON = (
    (15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8), (7, 9), (8, 10),
    (1, 2), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6),
)  # fmt: skip
FLIP_PAIRS = ((1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16))
PERSON_KEYPOINTS = Keypoints(KEYPOINT_NAMES, FLIP_PAIRS, SIGMAS, SKELETON)

HEAD_RADIUS = 0.105
SHOULDER, HIP = 0.125, 0.07  # half the distances from side to side
HIP_HEIGHT, SHOULDER_HEIGHT, HEAD_HEIGHT = 0.45, 0.735, 0.885
UPPER_ARM, FOREARM, THIGH, SHIN = 0.155, 0.15, 0.21, 0.21
LOOK_DOWN = 0.22  # how much lower on the page a point stands for each unit that it is nearer

Spot: TypeAlias = tuple[float, float, float]  # x, y on the page and the nearness to the viewer
Swing: TypeAlias = tuple[float, float]  # degrees forward and degrees sideways, away from the body


@dataclass(frozen=True)
class Posture:
    """The angles of a pose, in degrees. Each limb is (left upper, left lower, right upper, right lower)."""

    yaw: float
    arms: tuple[Swing, Swing, Swing, Swing]
    legs: tuple[Swing, Swing, Swing, Swing]
    lean: float = 0.0
    roll: float = 0.0
    look: float = 0.0  # the head's turn beyond the body's


@dataclass(frozen=True)
class Joints:
    """The joints on the page, pairs as (left, right), and the head's axes: to its left, up, ahead."""

    head: Spot
    neck: Spot
    shoulders: tuple[Spot, Spot]
    elbows: tuple[Spot, Spot]
    wrists: tuple[Spot, Spot]
    hips: tuple[Spot, Spot]
    knees: tuple[Spot, Spot]
    ankles: tuple[Spot, Spot]
    head_axes: tuple[Spot, Spot, Spot]


def strike(pose: str, rng: Random) -> Posture:
    """A posture of the kind ``pose``: "standing", "waving", "walking", "sitting", "lying", "sleeping" or "riding"."""
    posture = _POSTURES.get(pose)
    if posture is None:
        raise ValueError(f"people have no pose {pose!r}; they have {', '.join(_POSTURES)}")
    return posture(rng)


def _standing(rng: Random, *, waving: bool = False) -> Posture:
    jitter = rng.uniform
    yaw = jitter(-40, 40) + (180 if rng.random() < 0.15 else 0)
    left, right = (((jitter(-5, 8), jitter(2, 10)), (jitter(-8, 2), jitter(0, 8))) for _ in range(2))
    return Posture(yaw, _idle_arms(rng, waving=waving), (*left, *right), look=jitter(-25, 25))


def _waving(rng: Random) -> Posture:
    return _standing(rng, waving=True)


def _walking(rng: Random) -> Posture:
    """A stride, seen from the side or askew; each arm swings against the leg of its side."""
    jitter = rng.uniform
    swing, bend = jitter(18, 34) * rng.choice((-1, 1)), jitter(10, 60)
    yaw = rng.choice((-1, 1)) * jitter(45, 95)
    legs = ((swing, 2.0), (swing - jitter(4, 22), 0.0), (-swing, 2.0), (-swing - jitter(12, 30), 0.0))
    arms = ((-swing * 1.1, 8.0), (-swing + bend, 3.0), (swing * 1.1, 8.0), (swing + bend, 3.0))
    return Posture(yaw, arms, legs, lean=jitter(0, 8), look=jitter(-25, 25))


def _sitting(rng: Random) -> Posture:
    jitter = rng.uniform
    left, right = (((jitter(72, 88), jitter(4, 16)), (jitter(-12, 12), jitter(-4, 6))) for _ in range(2))
    arms = _idle_arms(rng, seated=True)
    return Posture(jitter(-45, 45), arms, (*left, *right), lean=jitter(-4, 6), look=jitter(-20, 20))


def _lying(rng: Random) -> Posture:
    """Stretched out on one side, the face to the viewer."""
    jitter = rng.uniform
    roll, bend = rng.choice((-90.0, 90.0)) + jitter(-4, 4), jitter(0, 12)
    left, right = (((jitter(0, 40), jitter(5, 25)), (jitter(30, 70), 5.0)) for _ in range(2))
    legs = ((bend, 5.0), (0.0, 3.0), (0.0, 5.0), (-bend, 3.0))
    return Posture(jitter(-15, 15), (*left, *right), legs, roll=roll)


def _riding(rng: Random) -> Posture:
    """On a bicycle: the hands forward on its bar, one knee up."""
    arms = ((55.0, 8.0), (70.0, 4.0), (55.0, 8.0), (70.0, 4.0))
    up, down = ((62.0, 2.0), (0.0, 0.0)), ((25.0, 2.0), (-38.0, 0.0))
    left, right = rng.choice(((up, down), (down, up)))
    return Posture(90.0, arms, (*left, *right), lean=22.0, look=rng.uniform(-30, 0))


_POSTURES: dict[str, Callable[[Random], Posture]] = {
    "standing": _standing,
    "waving": _waving,
    "walking": _walking,
    "sitting": _sitting,
    "lying": _lying,
    "sleeping": _lying,
    "riding": _riding,
}


def _idle_arms(rng: Random, *, seated: bool = False, waving: bool = False) -> tuple[Swing, Swing, Swing, Swing]:
    """Arms of someone who stands or sits: hanging, on the hips, on the lap, or one (sometimes both) raised."""
    jitter = rng.uniform
    swings: list[Swing] = []
    raised = rng.randrange(2) if waving else -1
    both = waving and rng.random() < 0.25
    for side in range(2):
        if side == raised or both:
            swings += [(jitter(-10, 20), jitter(95, 150)), (jitter(-10, 20), jitter(150, 195))]
        elif seated:
            swings += [(jitter(10, 30), jitter(8, 25)), (jitter(45, 80), jitter(-20, 15))]
        elif rng.random() < 0.25:
            swings += [(jitter(-15, 5), jitter(35, 55)), (jitter(5, 25), jitter(-50, -30))]
        else:
            swings += [(jitter(-12, 12), jitter(8, 32)), (jitter(5, 55), jitter(0, 30))]
    return swings[0], swings[1], swings[2], swings[3]


def project(posture: Posture) -> Joints:
    """The joints of a posture on the page, the middle of the hips at (0, 0)."""
    lean = math.radians(posture.lean)

    def body(x: float, y: float, z: float = 0.0) -> Spot:
        up = y - HIP_HEIGHT
        return x, up * math.cos(lean) - z * math.sin(lean), z * math.cos(lean) + up * math.sin(lean)

    shoulders = [body(side * SHOULDER, SHOULDER_HEIGHT) for side in (1, -1)]
    hips = [(side * HIP, 0.0, 0.0) for side in (1, -1)]
    elbows = [_reach(shoulders[i], posture.arms[2 * i], UPPER_ARM, (1, -1)[i]) for i in range(2)]
    wrists = [_reach(elbows[i], posture.arms[2 * i + 1], FOREARM, (1, -1)[i]) for i in range(2)]
    knees = [_reach(hips[i], posture.legs[2 * i], THIGH, (1, -1)[i]) for i in range(2)]
    ankles = [_reach(knees[i], posture.legs[2 * i + 1], SHIN, (1, -1)[i]) for i in range(2)]
    turn = _Turn(posture.yaw, posture.roll)
    face = _Turn(posture.yaw + posture.look, posture.roll)

    def pair(spots: list[Spot]) -> tuple[Spot, Spot]:
        return turn.page(spots[0]), turn.page(spots[1])

    return Joints(
        head=turn.page(body(0.0, HEAD_HEIGHT)),
        neck=turn.page(body(0.0, SHOULDER_HEIGHT + 0.02)),
        shoulders=pair(shoulders),
        elbows=pair(elbows),
        wrists=pair(wrists),
        hips=pair(hips),
        knees=pair(knees),
        ankles=pair(ankles),
        head_axes=(face.page((1.0, 0.0, 0.0)), face.page((0.0, 1.0, 0.0)), face.page((0.0, 0.0, 1.0))),
    )


def _reach(start: Spot, swing: Swing, length: float, side: int) -> Spot:
    """The far end of a limb that hangs down when its swing is (0, 0)."""
    forward, sideways = math.radians(swing[0]), math.radians(swing[1])
    return (
        start[0] + side * length * math.sin(sideways),
        start[1] - length * math.cos(forward) * math.cos(sideways),
        start[2] + length * math.sin(forward) * math.cos(sideways),
    )


class _Turn:
    """Yaw about the upright axis, roll in the page, then the view from slightly above."""

    def __init__(self, yaw: float, roll: float) -> None:
        self._cos, self._sin = math.cos(math.radians(yaw)), math.sin(math.radians(yaw))
        self._roll_cos, self._roll_sin = math.cos(math.radians(roll)), math.sin(math.radians(roll))

    def page(self, spot: Spot) -> Spot:
        x, y, z = spot
        across, near = x * self._cos + z * self._sin, z * self._cos - x * self._sin
        left, up = across * self._roll_cos - y * self._roll_sin, across * self._roll_sin + y * self._roll_cos
        return left, up - LOOK_DOWN * near, near


def flat(spot: Spot) -> Point:
    """A spot without its nearness."""
    return spot[0], spot[1]
