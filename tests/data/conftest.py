from __future__ import annotations

from pathlib import Path

import pytest

from visus.data.readers import coco


@pytest.fixture(scope="session")
def fake_coco(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("coco")
    coco.write_fake(root)
    return root
