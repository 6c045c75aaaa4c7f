"""Scene graphs in JSON: what predict writes is read, so is the form of sg2im, and what is wrong is said in one line."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from visus.data.errors import AnnotationError
from visus.errors import VisusError
from visus.phrases.vocabulary import PhraseError, Vocabulary
from visus.predict.completed import completed
from visus.predict.content import content_of, size_record
from visus.predict.scene_json import graph_record, phrase_graph, read_scene_graphs, scene_graph
from visus.scenes import SceneGraph
from visus.types import GraphPrediction, Schema

SCHEMA = Schema(
    categories=("cat", "table", "ball", "sky", "grass"),
    category_ids=(1, 2, 3, 4, 5),
    attributes=("red", "black", "sleeping"),
    predicates=("on top of", "next to", "left of", "right of", "above", "below", "inside", "surrounding"),
    backdrops=(("sky", "grass"),),
)
WORDS = Vocabulary(SCHEMA)
SIZE = (64, 64)


def read(record: Any) -> SceneGraph:
    return scene_graph(record, WORDS, SIZE)


def found() -> GraphPrediction:
    """Two sure objects and an unsure one."""
    return GraphPrediction(
        boxes_xyxy=torch.tensor([[10.0, 20, 50, 60], [0, 40, 100, 100], [5, 5, 9, 9]]),
        labels=torch.tensor([0, 1, 2]),
        scores=torch.tensor([0.9, 0.8, 0.2]),
        size=(100, 200),
        attribute_scores=torch.tensor([[0.1, 0.9, 0.6], [0.0, 0.0, 0.0], [0.9, 0.0, 0.0]]),
        relationships=torch.tensor([[0, 0, 1], [1, 1, 0], [2, 0, 1]]),
        relationship_scores=torch.tensor([0.7, 0.1, 0.15]),
    )


def test_what_predict_says_comes_back() -> None:
    """The sure objects, their attributes and relationships, and the boxes in the pixels of the image to make."""
    record = {**size_record((100, 200)), **content_of(found(), SCHEMA)}
    graph = read(json.loads(json.dumps(record)))
    assert graph.labels.tolist() == [0, 1]
    assert graph.attributes.tolist() == [[False, True, True], [False, False, False]]
    assert graph.relationships.tolist() == [[0, 0, 1]]
    wanted = torch.tensor([[10.0, 20, 50, 60], [0, 40, 100, 100]]) * torch.tensor([0.32, 0.64, 0.32, 0.64])
    torch.testing.assert_close(graph.boxes, wanted)


def test_a_graph_survives_its_own_json() -> None:
    graph = read({**size_record((100, 200)), **content_of(found(), SCHEMA)})
    again = read(json.loads(json.dumps(graph_record(graph, SCHEMA))))
    torch.testing.assert_close(again.boxes, graph.boxes, atol=0.01, rtol=0)
    for name in ("labels", "attributes", "relationships"):
        assert torch.equal(getattr(again, name), getattr(graph, name))
    bare = read({"objects": ["cat"]})
    assert graph_record(bare, SCHEMA)["objects"] == [{"name": "cat", "attributes": []}]


def test_the_form_of_sg2im_is_read(tmp_path: Path) -> None:
    """A list of graphs whose objects are names and whose relationships are lists."""
    file = tmp_path / "graphs.json"
    one = {"objects": ["sky", "grass", "cat"], "relationships": [[0, "above", 1], [2, "on top of", 1]]}
    file.write_text(json.dumps([one, {"objects": ["ball"]}]))
    first, second = read_scene_graphs(file, WORDS, SIZE)
    assert first.labels.tolist() == [3, 4, 0]
    assert first.relationships.tolist() == [[0, 4, 1], [2, 0, 1]]
    assert not first.boxes.isfinite().any()
    assert (second.labels.tolist(), second.relationships.shape) == ([2], (0, 3))


def test_a_word_may_be_an_attribute_and_a_predicate() -> None:
    schema = Schema(("man", "bicycle"), (1, 2), attributes=("riding",), predicates=("riding",))
    record = {"objects": [{"name": "man", "attributes": ["riding"]}, "bicycle"], "relationships": [[0, "riding", 1]]}
    graph = scene_graph(record, Vocabulary(schema), SIZE)
    assert (graph.attributes.tolist(), graph.relationships.tolist()) == ([[True], [False]], [[0, 0, 1]])


def test_synonyms_are_known() -> None:
    graph = read({"objects": ["kitten", "table"], "relationships": [[0, "upon", 1]]})
    assert (graph.labels.tolist(), graph.relationships.tolist()) == ([0, 1], [[0, 0, 1]])


def box(*edges: float) -> dict[str, Any]:
    return {"width": 100, "height": 50, "objects": [{"name": "cat", "box_xyxy": list(edges)}]}


WRONG: dict[str, tuple[Any, str]] = {
    "unknown object": ({"objects": ["cat", "cta"]}, "object 1: the model knows no object 'cta'; did you mean cat?"),
    "object that is an attribute": ({"objects": ["red"]}, "knows no object 'red'"),
    "unknown attribute": (
        {"objects": [{"name": "cat", "attributes": ["reed"]}]},
        "object 0: the model knows no attribute 'reed'; did you mean red?",
    ),
    "unknown predicate": (
        {"objects": ["cat", "table"], "relationships": [[0, "eats", 1]]},
        "relationship 0: the model knows no predicate 'eats'; there are: above, below,",
    ),
    "to itself": (
        {"objects": ["cat", "table"], "relationships": [[1, "next to", 1]]},
        "relationship 0 is of object 1 (table) to itself",
    ),
    "missing index": (
        {"objects": ["cat", "table"], "relationships": [[0, "next to", 2]]},
        "relationship 0: there is no object 2; objects count from 0 to 1",
    ),
    "index that is no number": ({"objects": ["cat"], "relationships": [["cat", "next to", 0]]}, "no object 'cat'"),
    "no objects": ({"objects": []}, "no objects, so there is nothing to make an image of"),
    "300 objects": ({"objects": ["cat"] * 300}, "300 objects; an image is made of 30 at most"),
    "none sure": ({"objects": [{"name": "cat", "score": 0.1}]}, "none of its 1 objects has a score of 0.5 or more"),
    "box outside": (box(90, 10, 120, 40), "object 0: the box [90, 10, 120, 40] (left, top, right, bottom) lies not"),
    "box turned round": (box(50, 10, 20, 40), "lies not inside of an image of 100x50"),
    "box of three": (box(1, 2, 3), "'box_xyxy' must be four numbers, not [1, 2, 3]"),
    "box of nothing": ({"objects": [{"name": "cat", "box_xyxy": [0, 0, 1, 1]}]}, "boxes need the 'width' and the"),
    "no graph": ([1, 2], "a scene graph is a dict with a list of 'objects'"),
    "object without a name": ({"objects": [{"label": 3}]}, "object 0: must be a name, or a dict with a 'name'"),
    "relationship of two": ({"objects": ["cat"], "relationships": [[0, 1]]}, "must be [subject, predicate, object]"),
    "relationships that are none": ({"objects": ["cat"], "relationships": "on"}, "must be a list"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_said_in_one_line(what: str) -> None:
    record, message = WRONG[what]
    with pytest.raises(VisusError, match=re.escape(message)) as error:
        read(record)
    assert "\n" not in str(error.value)
    assert str(error.value).startswith("graph")


def test_files_are_named(tmp_path: Path) -> None:
    file = tmp_path / "graphs.json"
    for content, message in (("[]", "an empty list"), ('[{"objects": ["cat"]}, {"objects": []}]', ", graph 1: no obj")):
        file.write_text(content)
        with pytest.raises(VisusError, match=f"{re.escape(str(file))}.*{message}"):
            read_scene_graphs(file, WORDS, SIZE)
    file.write_text("{")
    with pytest.raises(AnnotationError, match="not valid JSON"):
        read_scene_graphs(file, WORDS, SIZE)
    with pytest.raises(AnnotationError, match=r"missing\.json"):
        read_scene_graphs(tmp_path / "missing.json", WORDS, SIZE)


def test_a_phrase_is_a_graph() -> None:
    graph = phrase_graph("a red ball on top of a table and a sleeping cat", WORDS, SIZE)
    assert graph.labels.tolist() == [2, 1, 0]
    assert graph.attributes.tolist() == [[True, False, False], [False] * 3, [False, False, True]]
    assert graph.relationships.tolist() == [[0, 0, 1]]


@pytest.mark.parametrize("text", ["a purple zebra", "zebra riding unicycle", "something on a table", "and"])
def test_a_phrase_of_nothing_known_is_refused(text: str) -> None:
    with pytest.raises(PhraseError):
        phrase_graph(text, WORDS, SIZE)


# --- what a graph leaves open ---


def test_a_graph_without_a_backdrop_gets_one() -> None:
    graph = completed(read({"objects": ["cat", "ball"]}), SCHEMA)
    assert graph.labels.tolist() == [0, 2, 3, 4]
    assert [2, SCHEMA.predicates.index("above"), 3] in graph.relationships.tolist()
    named = completed(read({"objects": ["cat", "grass"]}), SCHEMA)
    assert named.labels.tolist() == [0, 4]


def test_unrelated_things_are_arranged_by_the_seed() -> None:
    left = SCHEMA.predicates.index("left of")
    orders = set()
    for seed in range(8):
        graph = phrase_graph("a cat and a ball", WORDS, SIZE)
        one, same = (completed(SceneGraph(**{**vars(graph), "seed": seed}), SCHEMA) for _ in range(2))
        assert torch.equal(one.relationships, same.relationships)
        orders |= {(i, j) for i, number, j in one.relationships.tolist() if number == left}
    assert orders == {(0, 1), (1, 0)}


def test_boxes_decide_where_they_are_given() -> None:
    record = {"width": 64, "height": 64, "objects": [{"name": "cat", "box_xyxy": [0, 0, 10, 10]}]}
    record["objects"] += [{"name": "ball", "box_xyxy": [40, 0, 50, 10]}]
    for seed in range(4):
        graph = completed(SceneGraph(**{**vars(read(record)), "seed": seed}), SCHEMA)
        rows = [tuple(row) for row in graph.relationships.tolist() if row[0] < 2 and row[2] < 2]
        names = {(i, SCHEMA.predicates[number], j) for i, number, j in rows}
        assert names == {(0, "left of", 1), (1, "right of", 0)}


def test_models_without_words_for_places_get_none() -> None:
    plain = Schema(categories=("cat",), category_ids=(1,), predicates=("on",))
    graph = scene_graph({"objects": ["cat", "cat"]}, Vocabulary(plain), SIZE)
    assert completed(graph, plain) is graph
