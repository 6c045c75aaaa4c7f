"""The plan of a scene: who is in it, where, how large, and who sits on what; nothing is drawn yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

from visus.data.vignettes.backgrounds import Ground
from visus.data.vignettes.kinds import KINDS, Surface
from visus.data.vignettes.looks import Look, individual

MAX_OBJECTS = 7
REFERENCE = 192  # sizes are given for a picture whose shorter side has this many pixels


@dataclass(frozen=True)
class Placement:
    """One object of a scene.

    Args:
        category: its category.
        number: which individual of that category it is.
        look: the individual's appearance.
        pose: how it stands.
        x: the column of its origin (pixels).
        y: the row of its origin (pixels).
        unit: pixels in one of its units.
        mirror: whether it looks to the left.
        seed: fixes the details of its pose.
        floor: the row (pixels) at which it, or what it rests on, meets the ground; what is nearer has a greater one.
        support: the place in the scene of the object that it is related to, -1 for none.
        relation: how it is related to its support ("sitting on"), empty for none.
    """

    category: str
    number: int
    look: Look
    pose: str
    x: float
    y: float
    unit: float
    mirror: bool
    seed: int
    floor: float
    support: int = -1
    relation: str = ""

    def box(self) -> tuple[float, float, float, float]:
        """About what it covers: xyxy in pixels."""
        extent = KINDS[self.category].extents[self.pose]
        half = extent.half * self.unit
        return self.x - half, self.y - extent.up * self.unit, self.x + half, self.y + extent.down * self.unit

    def moved(self, dx: float, dy: float) -> Placement:
        """The same object elsewhere."""
        return replace(self, x=self.x + dx, y=self.y + dy, floor=self.floor + dy)


@dataclass(frozen=True)
class Cast:
    """Who may appear: categories, and the individuals of each (``count`` of the stream ``stream``).

    ``lead`` is the category and the number of an individual that the plan puts down before all others.
    """

    categories: tuple[str, ...]
    stream: str
    count: int
    lead: tuple[str, int] | None = None


# (what rests, how it rests, the poses for it, what it rests on, its unit in units of the support)
_RESTING: tuple[tuple[str, str, tuple[str, ...], str, tuple[float, float]], ...] = (
    ("person", "sitting on", ("sitting",), "bench", (0.9, 1.1)),
    ("person", "sitting on", ("sitting",), "couch", (0.8, 1.0)),
    ("person", "sitting on", ("sitting",), "chair", (1.2, 1.45)),
    ("person", "lying on", ("lying", "sleeping"), "couch", (0.72, 0.85)),
    ("person", "lying on", ("lying", "sleeping"), "bench", (0.75, 0.9)),
    ("person", "riding", ("riding",), "bicycle", (1.0, 1.15)),
    ("cat", "on top of", ("sitting", "sleeping", "standing"), "couch", (0.42, 0.55)),
    ("cat", "on top of", ("sitting", "sleeping"), "chair", (0.55, 0.7)),
    ("cat", "on top of", ("sitting", "sleeping", "walking"), "table", (0.45, 0.6)),
    ("cat", "on top of", ("sitting", "sleeping"), "car", (0.38, 0.46)),
    ("cat", "on top of", ("sitting", "sleeping"), "bench", (0.45, 0.6)),
    ("dog", "on top of", ("sitting", "sleeping"), "couch", (0.45, 0.6)),
    ("dog", "on top of", ("sitting", "sleeping"), "bench", (0.45, 0.6)),
    ("bird", "on top of", ("standing",), "bench", (0.38, 0.5)),
    ("bird", "on top of", ("standing",), "table", (0.38, 0.5)),
    ("bird", "on top of", ("standing",), "car", (0.36, 0.44)),
    ("bird", "on top of", ("standing",), "chair", (0.5, 0.62)),
    ("cup", "on top of", ("resting",), "table", (0.3, 0.42)),
    ("cup", "on top of", ("resting",), "chair", (0.38, 0.48)),
    ("ball", "on top of", ("resting",), "table", (0.3, 0.42)),
    ("ball", "on top of", ("resting",), "couch", (0.28, 0.36)),
    ("ball", "on top of", ("resting",), "chair", (0.4, 0.52)),
    ("cat", "under", ("sitting", "sleeping", "standing"), "table", (0.42, 0.52)),
    ("dog", "under", ("sleeping", "sitting", "standing"), "table", (0.46, 0.58)),
    ("ball", "under", ("resting",), "table", (0.3, 0.42)),
)


def plan_scene(rng: Random, size: tuple[int, int], ground: Ground, cast: Cast) -> list[Placement]:
    """Objects for a ground, those farther away first; 1 to 7 of them.

    Args:
        rng: where chance comes from.
        size: rows and columns of the picture.
        ground: where things stand.
        cast: who may appear.
    """
    goal = rng.choices(range(1, MAX_OBJECTS + 1), weights=(6, 12, 20, 24, 20, 12, 6))[0]
    groups: list[list[Placement]] = []
    for _ in range(goal * 3):
        who = replace(cast, lead=None) if groups else cast
        count = sum(len(group) for group in groups)
        if count == goal:
            break
        scale = min(size) / REFERENCE
        depth = rng.random()
        apart = goal - count < 2 or rng.random() < 0.55
        group = _alone(rng, ground, who, scale * (0.8 + 0.3 * depth)) if apart else None
        group = group or _together(rng, ground, who, scale * (0.8 + 0.3 * depth))
        placed = _put_down(rng, group or [], size, ground, depth)
        if placed and _leaves_enough_to_see(groups, placed, size):
            groups.append(placed)
    if not groups:
        return plan_scene(rng, size, ground, cast)
    groups.sort(key=lambda group: group[0].floor)
    return _joined(groups)


def _joined(groups: Sequence[Sequence[Placement]]) -> list[Placement]:
    """All groups in one list; the places of supports count from the start of the scene."""
    scene: list[Placement] = []
    for group in groups:
        start = len(scene)
        scene += [replace(item, support=item.support + start) if item.support >= 0 else item for item in group]
    return scene


def _appear(
    rng: Random, cast: Cast, category: str, pose: str, unit: float, at: tuple[float, float] = (0.0, 0.0)
) -> Placement:
    """The lead, or any individual of another category, in a pose, its origin ``at`` a point (pixels)."""
    number = cast.lead[1] if cast.lead and cast.lead[0] == category else rng.randrange(cast.count)
    look = individual(category, cast.stream, number)
    return Placement(category, number, look, pose, at[0], at[1], unit, rng.random() < 0.5, rng.randrange(2**31), 0.0)


def _alone(rng: Random, ground: Ground, cast: Cast, scale: float) -> list[Placement]:
    """One object by itself, its origin at (0, 0)."""
    categories = cast.lead[:1] if cast.lead else cast.categories
    weights = [KINDS[name].indoor if ground.indoor else KINDS[name].outdoor for name in categories]
    category = rng.choices(categories, weights=weights)[0]
    kind = KINDS[category]
    item = _appear(rng, cast, category, rng.choice(kind.poses()), rng.uniform(*kind.sizes) * scale)
    aloft = item.pose == "flying" or (category == "ball" and rng.random() < 0.15)
    return [replace(item, y=-rng.uniform(0.8, 2.0) * item.unit)] if aloft else [item]


def _together(rng: Random, ground: Ground, cast: Cast, scale: float) -> list[Placement] | None:
    """An object and one or two that rest on it or under it, in the order in which they are drawn."""
    options = [rest for rest in _RESTING if rest[0] in cast.categories and rest[3] in cast.categories]
    if cast.lead:  # the larger one of the two, or nearly so
        lead = cast.lead[0]
        options = [rest for rest in options if lead == rest[3] or (lead == rest[0] and rest[4][0] > 0.7)]
    if not options:
        return None
    weights = [
        (KINDS[rest[3]].indoor if ground.indoor else KINDS[rest[3]].outdoor) * (2.0 if rest[0] == "person" else 0.6)
        for rest in options
    ]
    category, relation, poses, holder, shares = rng.choices(options, weights=weights)[0]
    kind = KINDS[holder]
    low, high = kind.sizes
    base = _appear(rng, cast, holder, "standing", rng.uniform((low + high) / 2, high) * scale)
    unit = base.unit * rng.uniform(*shares)
    if relation == "riding":
        sign = -1 if base.mirror else 1
        rider = _appear(rng, cast, category, "riding", unit, (sign * -0.14 * base.unit, -0.62 * base.unit))
        return [base, replace(rider, mirror=base.mirror, support=0, relation=relation)]
    if relation == "under":
        at = (rng.uniform(-0.12, 0.12) * base.unit, -0.04 * base.unit)
        guest = _appear(rng, cast, category, rng.choice(poses), unit, at)
        return [replace(guest, support=1, relation=relation), base]
    surface = kind.surface(base.look) if kind.surface else Surface(0.0, 0.0)
    lift = surface.height * base.unit
    guest = _appear(rng, cast, category, rng.choice(poses), unit, (0.0, -lift))
    room = max(surface.half - KINDS[category].extents[guest.pose].half * unit / base.unit * 0.7, 0.0) * base.unit
    return [base, replace(guest, x=rng.uniform(-room, room), support=0, relation=relation)]


def _put_down(
    rng: Random, group: list[Placement], size: tuple[int, int], ground: Ground, depth: float
) -> list[Placement] | None:
    """The group somewhere on the ground, at most a little of it outside the picture; None where it does not fit."""
    if not group:
        return None
    height, width = size
    boxes = [item.box() for item in group]
    left, top = min(box[0] for box in boxes), min(box[1] for box in boxes)
    right = max(box[2] for box in boxes)
    spill = 0.22 * (right - left) if rng.random() < 0.3 else -2.0
    low, high = -left - spill, width - right + spill
    floor = ground.horizon + (height - ground.horizon) * (0.15 + 0.82 * depth)
    if top + floor < -0.08 * height:
        floor = -top - 0.05 * height
    if low > high or floor > height * 1.05:
        return None
    x = rng.uniform(low, high)
    return [replace(item, x=item.x + x, y=item.y + floor, floor=floor) for item in group]


def _leaves_enough_to_see(groups: list[list[Placement]], new: list[Placement], size: tuple[int, int]) -> bool:
    """Whether no object is hidden too far by what stands nearer."""
    everyone = [*groups, new]
    for group in everyone:
        for item in group:
            left, top, right, bottom = item.box()
            area = (right - left) * (bottom - top)
            hidden = 0.0
            for other in everyone:
                if other is group or other[0].floor < group[0].floor:
                    continue
                for cover in other:
                    a, b, c, d = cover.box()
                    hidden += max(min(c, right) - max(a, left), 0) * max(min(d, bottom) - max(b, top), 0)
            if hidden > 0.4 * area:
                return False
    return True
