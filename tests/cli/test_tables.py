import io

import torch
from rich.console import Console

from visus.cli.tables import prediction_table
from visus.types import ClassPrediction, EmbeddingPrediction, InstancePrediction, Schema, SemanticPrediction

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


def test_classes_of_a_picture_with_the_box_in_the_first_row():
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
