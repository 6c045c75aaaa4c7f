"""The parametric shapes: the same every time, of every category, with all of their parts."""

from __future__ import annotations

import pytest
import torch

from visus.data.vignettes3d import THINGS, VignetteParts, Vignettes3D
from visus.data.vignettes3d.dataset import POINTS, first_part
from visus.data.vignettes3d.fake import thing_mesh
from visus.data.vignettes3d.things import PARTS


def test_a_shape_is_the_same_every_time_and_another_in_another_split() -> None:
    one, again = (Vignettes3D(length=9)[5] for _ in range(2))
    assert torch.equal(one.input.points, again.input.points)
    assert one.input.frame == one.target.size == (POINTS,)
    others = [Vignettes3D(length=9, split="val")[5], Vignettes3D(length=9, seed=1)[5]]
    assert not any(torch.equal(one.input.points, other.input.points) for other in others)
    with pytest.raises(IndexError, match="no shape 9"):
        Vignettes3D(length=9)[9]


def test_every_category_and_part_occurs() -> None:
    data = VignetteParts(length=150)
    labels, parts = set(), set()
    for index in range(150):
        target = data[index].target
        label = int(target.label)
        labels.add(label)
        own = range(first_part(data.schema.categories[label]), 99)[: len(PARTS[data.schema.categories[label]])]
        assert set(target.labels.tolist()) <= set(own)
        parts |= set(target.labels.tolist())
    assert labels == set(range(len(THINGS)))
    assert parts == set(range(len(data.schema.part_names)))


@pytest.mark.parametrize("name", THINGS)
def test_a_thing_stands_on_the_ground(name: str) -> None:
    mesh = thing_mesh(name, seed=3)
    assert abs(float(mesh.vertices[:, 2].min())) < 0.2
    assert int(mesh.faces.max()) == len(mesh.vertices) - 1
