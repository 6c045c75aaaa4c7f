"""Neural Motifs (Zellers et al. 2018, arXiv 1711.06640): objects in the context of all others of the image.

A recurrent network reads the objects from left to right and classifies each in its context; a second one reads these,
and what it says of two objects, multiplied with the features of the box around both, gives their predicate. We differ
in plain bidirectional LSTMs where the paper has alternating highway LSTMs, in classes that are decided without the
classes decided before, and in embeddings of classes that are learned here.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_sequence, unpack_sequence

from visus.systems.scene_graphs.frequencies import Frequencies
from visus.systems.scene_graphs.outputs import Objects, Scene

CLASS_WIDTH = 100
POSITION_WIDTH = 64


class Motifs(nn.Module):
    """Object context, edge context, and the product of subject, object and union.

    Args:
        width: of the box head's vectors.
        hidden: of the recurrent networks and of the product.
        frequencies: their logarithm is added to the logits.
    """

    def __init__(self, *, width: int, hidden: int, frequencies: Frequencies) -> None:
        super().__init__()
        num_classes, _, num_predicates = frequencies.counts.shape
        self.frequencies = frequencies
        self.class_embedding = nn.Linear(num_classes, CLASS_WIDTH, bias=False)
        self.position = nn.Sequential(nn.Linear(4, POSITION_WIDTH), nn.ReLU())
        self.object_context = Context(width + CLASS_WIDTH + POSITION_WIDTH, hidden)
        self.classifier = nn.Linear(hidden, num_classes)
        self.decided_embedding = nn.Linear(num_classes, CLASS_WIDTH, bias=False)
        self.edge_context = Context(hidden + CLASS_WIDTH, hidden)
        self.subject, self.object = nn.Linear(hidden, hidden), nn.Linear(hidden, hidden)
        self.predicates = nn.Linear(hidden, num_predicates)

    def forward(self, scene: Scene) -> tuple[Float[Tensor, "n classes"], Float[Tensor, "p predicates"]]:
        """The logits of the classes of the objects in context, and of the predicates of each pair."""
        objects, (subjects, others) = scene.objects, scene.pairs.unbind(1)
        classes, places = self.class_embedding(objects.class_scores), self.position(scene.shares_xyxy)
        context = self.object_context(torch.cat([scene.vectors, classes, places], dim=1), objects)
        object_logits = self.classifier(context) + objects.class_scores.clamp(min=1e-4).log()
        decided = self.decided_embedding(objects.class_scores)
        edges = self.edge_context(torch.cat([context, decided], dim=1), objects)
        product = self.subject(edges)[subjects] * self.object(edges)[others] * scene.unions
        bias = self.frequencies(objects.labels[subjects], objects.labels[others])
        return object_logits, self.predicates(product) + bias


class Context(nn.Module):
    """A bidirectional LSTM over the objects of each image, from left to right by the centres of their boxes.

    Args:
        inputs: numbers of each object.
        hidden: numbers of each object in context.
    """

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(inputs, hidden // 2, bidirectional=True)

    def forward(self, vectors: Float[Tensor, "n inputs"], objects: Objects) -> Float[Tensor, "n hidden"]:
        """Each object in context, in the order in which they came."""
        if not len(objects):  # the network wants something to read
            padded = torch.cat([vectors, vectors.new_zeros(1, vectors.shape[1])])
            return self.lstm(padded)[0][:0]  # type: ignore[no-any-return]
        centres = objects.boxes_xyxy[:, ::2].mean(dim=1)
        order = centres.argsort(stable=True)
        order = order[objects.image_index[order].argsort(stable=True)]
        lengths = torch.unique_consecutive(objects.image_index[order], return_counts=True)[1].tolist()
        packed: PackedSequence = pack_sequence(list(torch.split(vectors[order], lengths)), enforce_sorted=False)
        read = torch.cat(unpack_sequence(self.lstm(packed)[0]))
        return torch.zeros_like(read).index_copy(0, order, read)
