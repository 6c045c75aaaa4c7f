from __future__ import annotations

from itertools import combinations

import pytest
import torch

from visus.data.feed.loader import SampleDataset
from visus.data.vignettes import CATEGORIES, Vignettes
from visus.data.vignettes.backgrounds import STUFF
from visus.data.vignettes.semantic import SemanticVignettes
from visus.types import VOID, SemanticTarget


def test_classes_are_those_of_the_scene_and_clutter_is_void() -> None:
    semantic, scenes = SemanticVignettes("val", 6, size=96), Vignettes(split="val", length=6, size=96)
    assert isinstance(semantic, SampleDataset)
    names = (*CATEGORIES, *STUFF)
    seen = set()
    for index in range(6):
        sample, scene = semantic[index], scenes.scene(index)
        assert torch.equal(sample.input, scene.sample.input)
        assert isinstance(sample.target, SemanticTarget)
        assert sample.target.size == semantic.size(index) == (96, 96)
        assert sample.target.image_id == index
        for number in scene.semantic.unique().tolist():
            labels = sample.target.labels[scene.semantic == number].unique().tolist()
            seen.add(names[number])
            expected = VOID if names[number] == "clutter" else semantic.schema.categories.index(names[number])
            assert labels == [expected]
    assert {"clutter", "wall", "sky"} <= seen
    assert semantic.path(2) == scenes.path(2)


def test_colours_can_be_told_apart() -> None:
    colours = SemanticVignettes("train", 1).schema.colours
    assert len(colours) == len(CATEGORIES) + len(STUFF) - 1
    distances = [sum((a - b) ** 2 for a, b in zip(*pair, strict=True)) ** 0.5 for pair in combinations(colours, 2)]
    assert min(distances) > 30


def test_other_splits_and_seeds_show_other_scenes() -> None:
    first = SemanticVignettes("train", 1, size=64)[0].input
    assert not torch.equal(first, SemanticVignettes("train", 1, size=64, seed=1)[0].input)
    assert not torch.equal(first, SemanticVignettes("val", 1, size=64)[0].input)
    with pytest.raises(IndexError):
        SemanticVignettes("train", 1, size=64)[1]
