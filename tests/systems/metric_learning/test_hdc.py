"""HDC: which pairs each level learns from, and the cascade."""

from __future__ import annotations

import pytest
import torch
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.miners import HDCMiner
from tiny_networks import backbone, idle, images, targets, transform
from torch import nn
from torch.nn import functional as F

from visus.systems.metric_learning import PROBLEM
from visus.systems.metric_learning.hard_pairs import contrastive_terms, hard_pair_losses, hardest, pairs_of
from visus.systems.metric_learning.hdc import HDC, HDCCriterion, LastHead
from visus.systems.metric_learning.outputs import EmbeddingOutputs
from visus.types import ImageBatch


def tiny() -> HDC:
    torch.manual_seed(0)
    heads: list[nn.Module] = [LastHead(channels, 3, dropout=0.0) for channels in (4, 8, 8)]
    return HDC(transform=transform(), backbone=backbone(), heads=heads)


def outputs_of(*parts: torch.Tensor) -> EmbeddingOutputs:
    count = len(parts[0])
    return EmbeddingOutputs(torch.zeros(count, 2, dtype=torch.int64), torch.cat(parts, 1), list(parts))


def test_of_ten_pairs_the_nested_levels_keep_ten_five_and_one_and_the_released_ten_five_and_two() -> None:
    hardness, everything = torch.arange(10.0), torch.ones(10, dtype=torch.bool)
    nested, counts = everything, []
    for ratio in (1.0, 0.5, 0.2):
        nested = hardest(hardness, nested, ratio)
        counts.append(int(nested.sum()))
    assert counts == [10, 5, 1]
    assert nested.nonzero().tolist() == [[9]]
    assert [int(hardest(hardness, everything, ratio).sum()) for ratio in (1.0, 0.5, 0.2)] == [10, 5, 2]


def test_no_pairs_stay_no_pairs_and_a_share_is_rounded_up() -> None:
    none = torch.zeros(4, dtype=torch.bool)
    assert not hardest(torch.arange(4.0), none, 0.5).any()
    assert int(hardest(torch.arange(7.0), torch.ones(7, dtype=torch.bool), 0.2).sum()) == 2
    assert int(hardest(torch.arange(10.0), torch.ones(10, dtype=torch.bool), 0.3).sum()) == 3


@pytest.mark.parametrize("ratio", [0.3, 0.5, 1.0])
def test_the_hardest_pairs_are_those_of_pytorch_metric_learning(ratio: float) -> None:
    # Their case has ties; these points have none.
    embeddings = torch.tensor([0.0, 1.0, 2.1, 3.3, 4.6, 6.0])[:, None]
    labels = torch.tensor([0, 0, 1, 1, 1, 0])
    miner = HDCMiner(filter_percentage=ratio, distance=LpDistance(normalize_embeddings=False))
    a1, p, a2, n = miner(embeddings, labels)
    pairs, same = pairs_of(labels)
    squared = (embeddings[pairs[0], 0] - embeddings[pairs[1], 0]).square()
    hardness = torch.where(same, squared, -squared)
    for (left, right), kind in (((a1, p), same), ((a2, n), ~same)):
        theirs = {tuple(sorted(pair)) for pair in zip(left.tolist(), right.tolist(), strict=True)}
        mine = pairs[:, hardest(hardness, kind, ratio)].T.tolist()
        # They rank both orders of each pair, and so may keep half of one.
        assert {tuple(pair) for pair in mine} == theirs


def test_thirty_percent_of_their_case() -> None:
    points, labels = torch.arange(6.0), torch.tensor([0, 0, 1, 1, 1, 0])
    pairs, same = pairs_of(labels)
    far = (points[pairs[0]] - points[pairs[1]]).abs()
    assert pairs[:, hardest(far, same, 0.3)].T.tolist() == [[0, 5], [1, 5]]
    assert sorted(far[hardest(-far, ~same, 0.3)].tolist()) == [1.0, 1.0, 2.0]


def test_the_losses_of_the_levels_are_those_of_the_definition() -> None:
    generator = torch.Generator().manual_seed(3)
    parts = [F.normalize(torch.randn(8, 4, generator=generator), dim=1) for _ in range(2)]
    labels = torch.tensor([0, 0, 0, 1, 1, 2, 2, 2])
    for mode in ("paper", "released"):
        found = hard_pair_losses(parts, labels, (1.0, 0.5), mode=mode)  # type: ignore[arg-type]
        pull, push = _pairs(labels, True), _pairs(labels, False)
        for part, ratio, loss in zip(parts, (1.0, 0.5), found, strict=True):
            far = {pair: float((part[pair[0]] - part[pair[1]]).square().sum()) for pair in pull + push}
            pull_now = sorted(pull, key=lambda pair: -far[pair])
            push_now = sorted(push, key=lambda pair: far[pair])[: -int(-(ratio * len(push)) // 1)]
            if mode == "paper":
                pull_now = pull_now[: -int(-(ratio * len(pull)) // 1)]
                pull, push = pull_now, push_now
            weight = 1 if mode == "paper" else 2
            total = sum(far[pair] for pair in pull_now) + weight * sum(max(0.0, 1 - far[pair]) for pair in push_now)
            active = len(pull_now) + weight * sum(far[pair] < 1 for pair in push_now)
            assert float(loss) == pytest.approx(total / active, rel=1e-5)


def _pairs(labels: torch.Tensor, same: bool) -> list[tuple[int, int]]:
    count = len(labels)
    return [(i, j) for i in range(count) for j in range(i + 1, count) if bool(labels[i] == labels[j]) == same]


def test_pairs_pull_by_squared_distance_and_push_within_the_margin() -> None:
    terms = contrastive_terms(torch.tensor([0.5, 0.5, 2.0]), torch.tensor([True, False, False]), 1.0)
    assert terms.tolist() == [0.5, 0.5, 0.0]


@pytest.mark.parametrize("labels", [(0, 0, 0, 0), (0, 1, 2, 3)])
def test_batches_of_one_class_or_without_pairs_of_one_give_finite_losses(labels: tuple[int, ...]) -> None:
    parts = [torch.ones(4, 3, requires_grad=True) for _ in range(3)]
    losses = HDCCriterion()(outputs_of(*parts), targets(*labels))
    torch.stack(list(losses.values())).sum().backward()
    assert all(part.grad is not None and bool(part.grad.isfinite().all()) for part in parts)


def test_gradients_are_exact() -> None:
    labels = torch.tensor([0, 0, 1, 1, 2])
    part = torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    for mode in ("paper", "released"):
        assert torch.autograd.gradcheck(lambda x, m=mode: hard_pair_losses([x], labels, (0.5,), mode=m)[0], (part,))


def test_retrieval_compares_all_levels_in_one_row_and_every_parameter_learns() -> None:
    model = tiny()
    outputs = model(images())
    assert outputs.embeddings.shape == (6, 9)
    torch.testing.assert_close(outputs.embeddings, torch.cat(outputs.parts, 1))
    for part in outputs.parts:
        torch.testing.assert_close(part.norm(dim=1), torch.ones(6))
    losses = HDCCriterion()(outputs, targets(0, 0, 1, 1, 2, 2))
    assert list(losses) == ["level 1", "level 2", "level 3"]
    torch.stack(list(losses.values())).sum().backward()
    assert not idle(model)


@pytest.mark.parametrize(("name", "size"), [("hdc_lite0", 64), ("hdc_googlenet", 64), ("hdc_googlenet", 224)])
def test_the_published_dimensions(name: str, size: int) -> None:
    model = PROBLEM.models[name](size=size, pretrained=False).eval()
    with torch.no_grad():
        outputs = model(ImageBatch(torch.rand(1, 3, size, size), torch.full((1, 2), size)))
    assert [part.shape[1] for part in outputs.parts] == [128, 128, 128]


def test_options_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="hard_ratios"):
        HDCCriterion(hard_ratios=(1.0, 0.0))
    with pytest.raises(ValueError, match="weights"):
        HDCCriterion(weights=(1.0,))
    with pytest.raises((ValueError, TypeError), match="mode"):
        HDCCriterion(mode="hard")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="2 hard ratios need an embedding each"):
        hard_pair_losses([torch.zeros(2, 2)], torch.tensor([0, 1]), (1.0, 0.5))
    with pytest.raises(ValueError, match="multiple of 3"):
        PROBLEM.models["hdc_lite0"](embedding_dim=100, pretrained=False)
