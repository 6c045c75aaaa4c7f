"""Drawn individuals by several cameras."""

from __future__ import annotations

import pytest
import torch

from visus.data.vignettes.cameras import Camera, camera_of, photograph
from visus.data.vignettes.identities import VignetteIdentities


def test_a_plain_camera_changes_nothing_and_others_do() -> None:
    image = torch.randint(0, 256, (3, 20, 30), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(photograph(image, Camera((1.0, 1.0, 1.0), 1.0, 1.0)), image)
    red = photograph(image, Camera((0.5, 1.0, 1.0), 1.0, 1.0))
    assert torch.equal(red[1:], image[1:])
    assert (red[0].float() - image[0] / 2).abs().max() <= 1
    coarse = photograph(image, Camera((1.0, 1.0, 1.0), 1.0, 0.4))
    assert coarse.float().std() < 0.8 * image.float().std()
    assert len({camera_of(number) for number in range(4)}) == 4


def test_queries_gallery_and_cameras() -> None:
    options = {"individuals": 1, "views": 4, "size": 48, "cameras": 2, "categories": ["cat"]}
    test, train = (VignetteIdentities(split=split, **options) for split in ("test", "train"))
    assert [(test[i].target.camera, test[i].target.is_query) for i in range(4)] == [
        (0, True),
        (0, False),
        (1, True),
        (1, False),
    ]
    assert [(train[i].target.camera, train[i].target.is_query) for i in (0, 2)] == [(0, None), (1, None)]
    plain = VignetteIdentities(split="test", **{**options, "cameras": 0})
    assert plain[1].target.camera is None
    assert torch.equal(photograph(plain[2].input, test.cameras[1]), test[2].input)
    with pytest.raises(ValueError, match="3 cameras cannot each take the same number of 4 views"):
        VignetteIdentities(split="test", **{**options, "cameras": 3})
