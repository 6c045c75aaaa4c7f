"""Names: what is looked up, what was probably meant, options that are checked, builders that share a signature."""

from __future__ import annotations

import inspect
import pickle
from typing import Literal, get_type_hints

import pytest

from visus.catalog import MODELS
from visus.names import build, closest, closest_path, counted, find, named, suggestion


def _made(
    first: str, /, *, size: int = 3, kind: Literal["a", "b"] = "a", share: float | None = None
) -> tuple[str, int, str, float | None]:
    """What is made.

    Args:
        size: of it.
        kind: of which it is.
        share: of something.
    """
    return first, size, kind, share


one = named("one", _made, "first", "The one.")
large = named("large", _made, "second", "The large one.", size=9, kind="b")


def test_a_named_builder_shows_the_signature_that_it_shares() -> None:
    assert [str(inspect.signature(made)) for made in (one, large)] == [
        f"(*, size: 'int' = {size}, kind: \"Literal['a', 'b']\" = '{kind}', share: 'float | None' = None)"
        " -> 'tuple[str, int, str, float | None]'"
        for size, kind in ((3, "a"), (9, "b"))
    ]
    hints = get_type_hints(large)
    assert "first" not in hints
    assert hints["kind"] == Literal["a", "b"]
    assert (large.__name__, large.__qualname__, large.__module__) == ("large", "large", __name__)
    assert inspect.getdoc(large) == (
        "The large one.\n\nArgs:\n    size: of it.\n    kind: of which it is.\n    share: of something."
    )


def test_a_named_builder_builds_with_its_defaults_and_what_is_asked_for() -> None:
    assert one() == ("first", 3, "a", None)
    assert large() == ("second", 9, "b", None)
    assert large(size=4, share=0.5) == ("second", 4, "b", 0.5)
    assert build(large, {"size": 5}, what="large", facts={"share": 0.25, "other": 1}) == ("second", 5, "b", 0.25)
    assert pickle.loads(pickle.dumps(large)) is large
    with pytest.raises(TypeError, match="colour"):
        large(colour="red")  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="no option of two called 'sise'; did you mean size"):
        named("two", _made, "third", "Two.", sise=3)


@pytest.mark.parametrize("name", MODELS)
def test_every_model_is_built_by_a_function_of_its_name_with_options_by_keyword(name: str) -> None:
    builder = MODELS[name]
    assert builder.__name__ == name
    assert inspect.getdoc(builder)
    parameters = inspect.signature(builder).parameters
    assert all(one.kind is one.KEYWORD_ONLY and one.default is not one.empty for one in parameters.values())
    assert set(get_type_hints(builder)) == {*parameters, "return"}


def test_unknown_names_are_refused_with_the_nearest() -> None:
    assert find({"cat": 1, "dog": 2}, "cat", "animal") == 1
    with pytest.raises(ValueError, match=r"no animal called 'cta'; did you mean cat\? There are: cat, dog"):
        find({"cat": 1, "dog": 2}, "cta", "animal")
    assert closest("cta", ["cat", "dog"]) == "cat"
    assert closest("zebra", ["cat", "dog"]) is None
    assert suggestion("x", []) == "; there are none"


@pytest.mark.parametrize(("options", "message"), [({"sise": 1}, "did you mean size"), ({"kind": "c"}, "kind")])
def test_options_are_checked_before_anything_is_built(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(one, options, what="one")


@pytest.mark.parametrize(
    ("number", "plural", "said"),
    [
        (1, "images", "1 image"),
        (0, "images", "0 images"),
        (1, "classes", "1 class"),
        (1200, "boxes", "1,200 boxes"),
        (1, "categories", "1 category"),
    ],
)
def test_a_count_agrees_with_its_noun(number: int, plural: str, said: str):
    assert counted(number, plural) == said


def test_the_nearest_name_beside_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("Photo.JPG", "street.png", "runs"):
        (tmp_path / name).touch()
    assert closest_path("photo.jpeg") == "Photo.JPG"
    assert closest_path("stret.png") == "street.png"
    assert closest_path(tmp_path / "run") == str(tmp_path / "runs")
    assert closest_path("something else") is None
    assert closest_path("nowhere/photo.jpg") is None
    assert closest_path("a\0b") is None
