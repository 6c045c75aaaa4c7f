import io

import pytest
import torch
from rich.console import Console

from visus.cli.tables import prediction_table, target_words
from visus.types import (
    VOID,
    ClassPrediction,
    ClassTarget,
    EmbeddingPrediction,
    InstancePrediction,
    InstanceTarget,
    NoRowError,
    Schema,
    SemanticPrediction,
    SemanticTarget,
)

SCHEMA = Schema(("cat", "dog [small]"), (1, 2))


def shown(prediction, *, min_score=0.5):
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(prediction_table(prediction, SCHEMA, min_score=min_score))
    return [line.split() for line in console.export_text().splitlines()]


def test_objects_from_the_least_score_on():
    boxes = torch.tensor([[1.0, 2.0, 3.0, 4.4], [5.0, 6.0, 7.0, 8.0]])
    found = InstancePrediction(boxes, torch.tensor([1, 0]), torch.tensor([0.9, 0.3]), (20, 20))
    assert shown(found)[1:] == [["dog", "[small]", "0.90", "1", "2", "3", "4"]]
    assert shown(found, min_score=0.95) == [["no", "object", "scores", "0.95", "or", "more"]]


def test_classes_of_a_image_with_the_box_in_the_first_row():
    found = ClassPrediction(torch.tensor([1, 0]), torch.tensor([0.9, 0.1]), (20, 20))
    assert shown(found) == [["class", "score"], ["dog", "[small]", "0.900"], ["cat", "0.100"]]
    boxed = ClassPrediction(found.labels, found.scores, (20, 20), torch.tensor([1.0, 2.0, 3.0, 4.0]))
    assert shown(boxed)[1:] == [["dog", "[small]", "0.900", "1", "2", "3", "4"], ["cat", "0.100"]]


def test_classes_of_pixels_by_their_share():
    labels = torch.tensor([[0, 1, 1, 1]], dtype=torch.uint8)
    found = SemanticPrediction(labels, torch.tensor([[0.5, 1.0, 1.0, 0.7]]), (1, 4))
    assert shown(found)[1:] == [["dog", "[small]", "75.0", "%", "0.90"], ["cat", "25.0", "%", "0.50"]]


def test_an_embedding():
    assert shown(EmbeddingPrediction(torch.ones(64), (4, 4))) == [["an", "embedding", "of", "64", "dimensions"]]


def test_words_about_each_kind_of_target():
    boxes = torch.tensor([[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]])
    objects = InstanceTarget(boxes, torch.tensor([0, 1]), torch.ones(2), torch.tensor([False, True]), (20, 20))
    assert target_words(objects, SCHEMA) == "2 objects"
    assert target_words(objects[torch.tensor([1])], SCHEMA) == "1 object"
    pixels = SemanticTarget(torch.tensor([[0, 1, VOID, 1]], dtype=torch.uint8), (1, 4))
    assert target_words(pixels, SCHEMA) == "2 classes"
    assert target_words(ClassTarget(torch.tensor(1), (4, 4)), SCHEMA) == "dog [small]"


def test_unknown_kinds_are_named():
    with pytest.raises(NoRowError, match="the table of a prediction knows no ClassTarget; it knows InstancePrediction"):
        shown(ClassTarget(torch.tensor(1), (4, 4)))
    with pytest.raises(NoRowError, match="the words about a target knows no EmbeddingPrediction; it knows Instance"):
        target_words(EmbeddingPrediction(torch.ones(4), (4, 4)), SCHEMA)
