"""People: a jointed figure with clothes, hair and a face, and its seventeen keypoints."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from visus.data.vignettes.canvas import Ink, Pen, Point, darker, recoloured
from visus.data.vignettes.looks import Look
from visus.data.vignettes.palette import INK_DARK, WHITE
from visus.data.vignettes.skeleton import HEAD_RADIUS, Joints, Spot, flat, project, strike

ARM, LEG, WAIST = 0.062, 0.085, 0.17


def draw_person(pen: Pen, look: Look, pose: str, rng: Random) -> None:
    """Draws a person whose origin is the ground below the feet; the seat when sitting; the lowest side when lying."""
    joints = _lifted(project(strike(pose, rng)), pose)
    girth = look.between(0, 0.9, 1.2)
    shirt, trousers, skin = pen.ink(look.colours[0], look.pattern), pen.ink(look.colours[1]), pen.ink(look.skin)
    steps: list[tuple[float, Callable[[], None]]] = [
        (_near(joints.neck, joints.hips[0], joints.hips[1]), lambda: _torso(pen, joints, girth, shirt, trousers)),
        (joints.head[2] + 0.03, lambda: _head(pen, joints, look, skin, asleep=pose == "sleeping")),
    ]
    for side in range(2):
        steps.append((_near(joints.elbows[side], joints.wrists[side]) + 0.02, _arm(pen, joints, side, look, girth)))
        steps.append((_near(joints.knees[side], joints.hips[side]) - 0.01, _leg(pen, joints, side, look, girth)))
    if look.noun == "woman" and look.has(1, 0.5):
        steps.append(
            (_near(joints.hips[0], joints.knees[0], joints.knees[1]) + 0.03, lambda: _skirt(pen, joints, trousers))
        )
    for _, step in sorted(steps, key=lambda pair: pair[0]):
        step()


def _near(*spots: Spot) -> float:
    return sum(spot[2] for spot in spots) / len(spots)


def _lifted(joints: Joints, pose: str) -> Joints:
    """The joints moved so that the figure rests on its origin."""
    if pose == "sitting":
        drop = -LEG * 0.4
    elif pose == "riding":
        drop = 0.0
    elif pose in ("lying", "sleeping"):
        drop = min(joints.shoulders[0][1], joints.shoulders[1][1], joints.hips[0][1], joints.hips[1][1]) - 0.05
    else:
        drop = min(joints.ankles[0][1], joints.ankles[1][1]) - 0.025

    def lift(spot: Spot) -> Spot:
        return spot[0], spot[1] - drop, spot[2]

    def both(pair: tuple[Spot, Spot]) -> tuple[Spot, Spot]:
        return lift(pair[0]), lift(pair[1])

    return Joints(
        lift(joints.head), lift(joints.neck), both(joints.shoulders), both(joints.elbows), both(joints.wrists),
        both(joints.hips), both(joints.knees), both(joints.ankles), joints.head_axes,
    )  # fmt: skip


def _torso(pen: Pen, joints: Joints, girth: float, shirt: Ink, trousers: Ink) -> None:
    """Neck, chest and pelvis, at least as wide as a body is deep."""
    hips = _spread(joints.hips, WAIST * girth * 0.5)
    chest = _spread(joints.shoulders, 0.075 * girth)
    pen.limb(hips[0], hips[1], LEG * girth, LEG * girth, trousers)
    pen.polygon((*chest, hips[1], hips[0]), shirt)
    pen.limb(chest[0], chest[1], ARM * girth, ARM * girth, shirt)
    pen.limb(hips[0], hips[1], 0.045, 0.045, shirt)
    for side in range(2):
        pen.mark(5 + side, flat(joints.shoulders[side]), shirt)
        pen.mark(11 + side, flat(joints.hips[side]), shirt, trousers)


def _spread(pair: tuple[Spot, Spot], least: float) -> tuple[Point, Point]:
    """The two points, moved apart until each is ``least`` from their middle (seen from the side, they coincide)."""
    (x0, y0, _), (x1, y1, _) = pair
    half = ((x0 - x1) ** 2 + (y0 - y1) ** 2) ** 0.5 / 2
    middle = ((x0 + x1) / 2, (y0 + y1) / 2)
    if half >= least:
        return (x0, y0), (x1, y1)
    if half < 1e-6:
        return (middle[0] + least, middle[1]), (middle[0] - least, middle[1])
    scale = least / half
    return (
        (middle[0] + (x0 - middle[0]) * scale, middle[1] + (y0 - middle[1]) * scale),
        (middle[0] + (x1 - middle[0]) * scale, middle[1] + (y1 - middle[1]) * scale),
    )


def _arm(pen: Pen, joints: Joints, side: int, look: Look, girth: float) -> Callable[[], None]:
    """An arm in a sleeve: long sleeves leave the hand bare, short ones the forearm."""

    def draw() -> None:
        shoulder, elbow, wrist = (flat(pair[side]) for pair in (joints.shoulders, joints.elbows, joints.wrists))
        sleeve, skin = darker(pen.ink(look.colours[0], look.pattern), 0.86), pen.ink(look.skin)
        width = ARM * girth
        long = look.has(2, 0.5)
        if not long:
            pen.limb(elbow, wrist, width * 0.9, width * 0.8, skin)
        pen.limb(shoulder, elbow, width * 1.15, width, sleeve)
        if long:
            pen.limb(elbow, wrist, width, width * 0.9, darker(sleeve, 0.85))
        pen.disc(_beyond(elbow, wrist, 0.02), width * 0.58, skin)
        pen.mark(5 + side, shoulder, sleeve)
        pen.mark(7 + side, elbow, sleeve, skin)
        pen.mark(9 + side, wrist, skin, sleeve)

    return draw


def _leg(pen: Pen, joints: Joints, side: int, look: Look, girth: float) -> Callable[[], None]:
    """A leg in trousers or shorts, and its shoe, which points where the body faces."""

    def draw() -> None:
        hip, knee, ankle = (flat(pair[side]) for pair in (joints.hips, joints.knees, joints.ankles))
        trousers, skin, shoe = pen.ink(look.colours[1]), pen.ink(look.skin), pen.ink(look.colours[2])
        bare = look.has(3, 0.35) or (look.noun == "woman" and look.has(1, 0.5))
        width = LEG * girth
        toe = joints.head_axes[2]
        tip = (ankle[0] + 0.06 * toe[0], ankle[1] + 0.05 * min(toe[1], 0.0) - 0.012)
        pen.limb(ankle, tip, 0.06, 0.05, shoe)
        pen.limb(knee, ankle, width * 0.85, width * 0.6, skin if bare else darker(trousers, 0.84))
        pen.disc(ankle, 0.032, shoe)
        pen.limb(hip, knee, width * 1.15, width * 0.92, trousers)
        pen.mark(11 + side, hip, trousers)
        pen.mark(13 + side, knee, trousers, skin)
        pen.mark(15 + side, ankle, shoe, trousers, skin)

    return draw


def _skirt(pen: Pen, joints: Joints, ink: Ink) -> None:
    """A skirt over the hips that ends above the knees."""
    hips = _spread(joints.hips, 0.085)
    hem = [_toward(flat(joints.hips[i]), flat(joints.knees[i]), 0.72) for i in range(2)]
    low = _spread(((*hem[0], 0.0), (*hem[1], 0.0)), 0.12)
    pen.polygon((hips[0], hips[1], low[1], low[0]), darker(ink, 0.93))


def _head(pen: Pen, joints: Joints, look: Look, skin: Ink, *, asleep: bool) -> None:
    """Neck, hair and face; what is on the far side of the head faces away."""
    head, radius = joints.head, HEAD_RADIUS
    left, up, ahead = joints.head_axes

    def at(x: float, y: float, z: float) -> Point:
        return (
            head[0] + radius * (x * left[0] + y * up[0] + z * ahead[0]),
            head[1] + radius * (x * left[1] + y * up[1] + z * ahead[1]),
        )

    hair = pen.ink(look.hair)
    long_hair = look.noun == "woman"
    pen.limb(flat(joints.neck), at(0, -0.6, 0), 0.06, 0.06, darker(skin, 0.88))

    def crown() -> None:
        pen.disc(at(0, 0.16, -0.16), radius * 1.06, hair)
        if long_hair:
            for side in (-1, 1):
                pen.limb(at(side * 0.72, 0.0, -0.3), at(side * 0.82, -1.1, -0.4), radius * 0.75, radius * 0.6, hair)
            if ahead[2] < 0.5:
                pen.limb(at(0, 0.0, -0.5), at(0, -1.05, -0.55), radius * 1.5, radius * 1.3, hair)

    def face() -> None:
        pen.disc(at(0, -0.1, 0.14), radius * 0.92, skin)
        _ears(pen, at, skin, left[2], hidden=long_hair)
        _features(pen, at, skin, joints, asleep=asleep)

    for step in (crown, face) if ahead[2] > -0.2 else (face, crown):
        step()


def _ears(
    pen: Pen, at: Callable[[float, float, float], Point], skin: Ink, left_nearness: float, *, hidden: bool
) -> None:
    for index, side in ((3, 1.0), (4, -1.0)):
        spot = at(side * 0.95, -0.08, -0.02)
        faces_viewer = side * left_nearness > -0.75
        if hidden or not faces_viewer:
            pen.mark(index, spot)
        else:
            pen.disc(spot, HEAD_RADIUS * 0.27, darker(skin, 0.8))
            pen.mark(index, spot, skin)


def _features(pen: Pen, at: Callable[[float, float, float], Point], skin: Ink, joints: Joints, *, asleep: bool) -> None:
    """Eyes, nose and mouth, each drawn where the head shows it."""
    left, _, ahead = joints.head_axes
    for index, side in ((1, 1.0), (2, -1.0)):
        spot = at(side * 0.4, 0.08, 0.82)
        if 0.9 * ahead[2] + side * 0.42 * left[2] < -0.05:
            pen.mark(index, spot)
        elif asleep:
            pen.limb(at(side * 0.55, 0.06, 0.8), at(side * 0.22, 0.06, 0.85), 0.016, 0.016, recoloured(skin, INK_DARK))
            pen.mark(index, spot, skin)
        else:
            pen.disc(spot, HEAD_RADIUS * 0.25, recoloured(skin, WHITE))
            pen.disc(spot, HEAD_RADIUS * 0.15, recoloured(skin, INK_DARK))
            pen.mark(index, spot, skin)
    nose = at(0, -0.2, 1.05)
    if ahead[2] < -0.2:
        pen.mark(0, nose)
        return
    pen.limb(at(-0.25, -0.58, 0.8), at(0.25, -0.58, 0.8), 0.018, 0.018, recoloured(skin, (150, 40, 50)))
    pen.disc(nose, HEAD_RADIUS * 0.17, darker(skin, 0.72))
    pen.mark(0, nose, skin)


def _beyond(start: Point, end: Point, length: float) -> Point:
    """The point ``length`` past ``end``, coming from ``start``."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    norm = max((dx * dx + dy * dy) ** 0.5, 1e-6)
    return end[0] + dx / norm * length, end[1] + dy / norm * length


def _toward(start: Point, end: Point, share: float) -> Point:
    return start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share
