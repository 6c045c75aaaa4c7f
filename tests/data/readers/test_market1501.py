"""Market-1501: people, cameras, junk, distractors, queries and gallery."""

from __future__ import annotations

from pathlib import Path

import pytest

from visus.data.errors import AnnotationError
from visus.data.readers.market1501 import check_market1501, open_market1501, write_fake
from visus.data.records.fake_images import save_class


@pytest.fixture
def market(tmp_path: Path) -> Path:
    write_fake(tmp_path, classes=6, views=4)
    return tmp_path


def test_parts_cameras_junk_and_distractors(market: Path) -> None:
    """Three people are trained; the others have two queries and two images of the gallery each; two distractors."""
    train, test = open_market1501(market, "train"), open_market1501(market, "test")
    assert len(train) == 3 * 4
    assert {(train[i].target.is_query, train[i].target.camera) for i in range(len(train))} == {(None, 1), (None, 2)}
    targets = [test[i].target for i in range(len(test))]
    assert [target.is_query for target in targets] == [True] * 6 + [False] * 8
    assert test.schema.categories == ("distractors", "person 4", "person 5", "person 6")
    assert sum(int(target.label) == 0 for target in targets) == 2
    assert [target.camera for target in targets[:6]] == [1, 2] * 3


def test_names_that_say_nothing_are_refused(market: Path) -> None:
    save_class(market / "query" / "someone.jpg", 1, 0, seed=0)
    with pytest.raises(AnnotationError, match=r"someone\.jpg does not say its person and camera"):
        open_market1501(market, "test")
    assert any("someone.jpg" in problem.message for problem in check_market1501(market).problems)


def test_queries_without_another_camera_are_found(market: Path) -> None:
    assert not check_market1501(market).problems
    (market / "bounding_box_test" / "0004_c2s1_000003_00.jpg").unlink()
    save_class(market / "bounding_box_test" / "0001_c1s1_000003_00.jpg", 1, 0, seed=0)
    kinds = {problem.kind: problem.message for problem in check_market1501(market).problems}
    assert "no other camera has person 4" in kinds["query without gallery"]
    assert "person 1 is trained" in kinds["class in both parts"]
