"""The table of published weights is consistent in itself, and with the networks it names."""

from __future__ import annotations

import re

import pytest

from visus.nn.backbones import BACKBONES
from visus.nn.published import PUBLISHED


@pytest.mark.parametrize("name", PUBLISHED)
def test_rows_are_complete(name: str) -> None:
    row = PUBLISHED[name]
    assert re.fullmatch(r"[0-9a-f]{8}", row.sha256_prefix)
    assert row.url == f"https://download.pytorch.org/models/{row.url.rsplit('/', 1)[1]}"
    assert row.url.endswith(f"-{row.sha256_prefix}.pth")
    assert row.size_mb > 5
    assert all(0 < score < 100 for score in row.metric.values())


def test_every_backbone_that_has_no_packaged_weights_is_published() -> None:
    assert BACKBONES.keys() - PUBLISHED.keys() == {"efficientnet_lite0", "bn_inception"}
    assert {PUBLISHED[name].num_classes for name in BACKBONES.keys() & PUBLISHED.keys()} == {1000}


def test_files_differ() -> None:
    assert len({row.url for row in PUBLISHED.values()}) == len(PUBLISHED)


def test_frozen_eps_is_zero_for_the_first_resnet_detectors_only() -> None:
    zero = {name for name, row in PUBLISHED.items() if row.frozen_eps == 0}
    assert zero == {"fasterrcnn_resnet50_fpn", "maskrcnn_resnet50_fpn", "keypointrcnn_resnet50_fpn"}
    assert PUBLISHED["maskrcnn_resnet50_fpn_v2"].frozen_eps is None
