"""Learners that compare: what they must give, by hand, and what they refuse."""

from __future__ import annotations

import pytest
import torch

from visus.systems.meta_learning.losses import EpisodeCriterion, RelationCriterion, ReptileCriterion
from visus.systems.meta_learning.matching import Matching
from visus.systems.meta_learning.metric_learner import class_means
from visus.systems.meta_learning.outputs import EpisodeOutputs
from visus.systems.meta_learning.prototypical import prototypical_conv4
from visus.systems.meta_learning.relation import relation_conv4
from visus.systems.meta_learning.transform import EpisodeTransform
from visus.types import Episode, EpisodeBatch, EpisodeTarget


def test_class_means_of_unequal_orders() -> None:
    support = torch.tensor([[[1.0, 0], [3, 0], [0, 2], [0, 4]]])
    means = class_means(support, torch.tensor([[1, 0, 1, 0]]), 2)
    assert means.tolist() == [[[1.5, 2.0], [0.5, 1.0]]]


def test_matching_gives_labels_by_a_softmax_over_cosines() -> None:
    head = Matching(2, full_context=False, scale=2.0)
    support = torch.tensor([[[1.0, 0], [0, 3], [5, 0]]])
    found = head(support, torch.tensor([[0, 1, 0]]), torch.tensor([[[2.0, 0]]]), 2).exp()
    weights = torch.tensor([2.0, 0.0, 2.0]).softmax(0)
    torch.testing.assert_close(found[0, 0], torch.stack([weights[0] + weights[2], weights[1]]))


def test_full_context_embeddings_see_the_support_set() -> None:
    torch.manual_seed(0)
    head = Matching(4, full_context=True)
    support, queries = torch.randn(1, 3, 4), torch.randn(1, 2, 4)
    labels = torch.tensor([[0, 1, 2]])
    before = head(support, labels, queries, 3)
    torch.testing.assert_close(head(support, labels, queries[:, :1], 3), before[:, :1])  # but not the other queries
    support[0, 2] += 1
    after = head(support, labels, queries, 3)
    assert not torch.allclose(before, after, atol=1e-4)


def tasks(count: int = 2, *, colours: bool = False) -> list[Episode]:
    generator = torch.Generator().manual_seed(0)
    channels = 3 if colours else 1
    shown = torch.randint(0, 256, (count, 9, channels, 32, 32), generator=generator, dtype=torch.uint8)
    return [Episode(tuple(one[:3]), torch.arange(3), tuple(one[3:])) for one in shown.expand(-1, -1, 3, -1, -1)]


@pytest.mark.parametrize("transductive", [False, True])
def test_relation_networks_look_at_other_queries_only_if_transductive(transductive: bool) -> None:
    torch.manual_seed(0)
    model = relation_conv4(size=16, width=8, transductive=transductive).eval()
    whole = model.transform.batch(tasks())
    part = EpisodeBatch(whole.support, whole.support_labels, whole.queries[:, :2], 3, whole.sheets)
    alike = torch.allclose(model(whole).logits[:, :2], model(part).logits, atol=1e-5)
    assert alike != transductive
    assert model(whole).transductive == transductive


def test_a_prototypical_network_learns_a_few_tasks() -> None:
    torch.manual_seed(0)
    model = prototypical_conv4(size=16, width=8)
    batch = model.transform.batch(tasks(4))
    targets = [EpisodeTarget(torch.tensor([0, 1, 2, 0, 1, 2]), torch.arange(3), (96, 96), i) for i in range(4)]
    criterion, adam = EpisodeCriterion(), torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    for _ in range(30):
        adam.zero_grad()
        loss = criterion(model(batch), targets)["queries"]
        loss.backward()
        adam.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] / 3


def test_images_of_unequal_sizes_are_stretched_alike() -> None:
    transform = EpisodeTransform(size=8, channels=1)
    white = [torch.full((3, side, side + 2), 255, dtype=torch.uint8) for side in (9, 8, 20, 31)]
    batch = transform.batch([Episode(tuple(white[:2]), torch.arange(2), tuple(white[2:]))])
    assert batch.support.shape == (1, 2, 3, 8, 8)
    assert not transform(batch.queries).any()  # white paper is 0


def test_colours_are_refused_by_a_network_that_sees_grey() -> None:
    one = tasks(1)[0]
    red = one.support[1].clone()
    red[0] = 255
    coloured = Episode((one.support[0], red, one.support[2]), one.support_labels, one.queries)
    with pytest.raises(ValueError, match="has colours, but the network sees grey ones: give it the option channels 3"):
        EpisodeTransform(size=32, channels=1).batch([coloured])
    assert EpisodeTransform(size=32, channels=3).batch([coloured]).support.shape == (1, 3, 3, 32, 32)


def test_unlike_tasks_and_none_at_all_are_refused() -> None:
    one = tasks(1)[0]
    other = Episode(one.support, one.support_labels, one.queries[:2])
    transform = EpisodeTransform(size=32, channels=1)
    with pytest.raises(ValueError, match="must be alike"):
        transform.batch([one, other])
    with pytest.raises(ValueError, match="no episodes"):
        transform.batch([])
    with pytest.raises(ValueError, match=r"\[4, 8, 8\]"):
        transform.batch([Episode((torch.zeros(4, 8, 8, dtype=torch.uint8),), torch.arange(1), one.queries)])
    for size, channels in ((0, 1), (8, 2)):
        with pytest.raises(ValueError, match=r"size must|channels must"):
            EpisodeTransform(size=size, channels=channels)


def test_losses_by_hand() -> None:
    targets = [EpisodeTarget(torch.tensor([1]), torch.arange(2), (2, 2))]
    outputs = EpisodeOutputs(torch.zeros(1, 1, 2), torch.tensor(3.0))
    assert float(EpisodeCriterion()(outputs, targets)["queries"]) == pytest.approx(0.693147, abs=1e-5)
    assert float(RelationCriterion()(outputs, targets)["relation"]) == pytest.approx(0.25)
    assert float(ReptileCriterion()(outputs, targets)["reptile"]) == 3.0
    with pytest.raises(ValueError, match="whose weights change"):
        ReptileCriterion()(EpisodeOutputs(outputs.logits), targets)


def test_an_image_that_is_too_small_for_four_layers_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 16 pixels"):
        prototypical_conv4(size=12)
