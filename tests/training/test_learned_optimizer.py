"""The learned optimiser: what enters it, what it remembers, how it is trained, compared, written, and used in a run."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch

from visus.cli import main
from visus.errors import VisusError
from visus.systems.meta_learning.learning_to_learn import compare, descend, learn_once
from visus.systems.meta_learning.objectives import OBJECTIVES, Quadratics, SmallNetworks
from visus.training.learned_optimizer import CoordinateLSTM, LearnedOptimizer, log_and_sign, read_learned
from visus.training.optim import build_optimizer
from visus.training.recipe import OptimRecipe, RecipeError


def test_size_and_sign() -> None:
    slopes = torch.tensor([1.0, -math.e, math.exp(-5), 1e-9, 0.0])
    found = log_and_sign(slopes)
    assert found[:, 0].tolist() == pytest.approx([0.0, 0.2, -1.0, -1.0, -1.0])
    assert found[:, 1].tolist() == pytest.approx([1.0, -1.0, 1.0, 1e-9 * math.exp(5), 0.0], abs=1e-6)


def test_each_weight_has_a_memory_of_its_own() -> None:
    torch.manual_seed(0)
    network = CoordinateLSTM(hidden=4)
    together = torch.nn.Parameter(torch.zeros(3))
    alone = [torch.nn.Parameter(torch.zeros(1)) for _ in range(3)]
    ours, theirs = LearnedOptimizer([together], network), LearnedOptimizer(alone, network)
    for step in range(4):
        together.grad = torch.tensor([1.0, -2.0, 0.5]) * (step + 1)
        for one, slope in zip(alone, together.grad, strict=True):
            one.grad = slope[None].clone()
        ours.step()
        theirs.step()
    torch.testing.assert_close(together.detach(), torch.cat([one.detach() for one in alone]))
    assert len(set(together.tolist())) == 3


def test_memory_is_part_of_the_state() -> None:
    torch.manual_seed(0)
    network = CoordinateLSTM(hidden=4)
    weights = [torch.nn.Parameter(torch.ones(2, 2)) for _ in range(2)]
    first, second = (LearnedOptimizer([one], network) for one in weights)
    for _ in range(3):
        weights[0].grad = torch.ones(2, 2)
        first.step()
    weights[1].data.copy_(weights[0].data)
    second.load_state_dict(first.state_dict())
    for one, optimizer in zip(weights, (first, second), strict=True):
        one.grad = torch.full((2, 2), -0.5)
        optimizer.step()
    assert torch.equal(weights[0], weights[1])
    with pytest.raises(ValueError, match="takes no closure"):
        first.step(lambda: None)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_functions_are_what_a_loop_over_them_gives(name: str) -> None:
    functions = OBJECTIVES[name].draw(3, torch.Generator().manual_seed(1))
    weights = functions.start()
    assert functions(weights, 0).shape == (3,)
    assert torch.equal(functions(weights, 2), functions(weights, 2))
    changed = weights.clone()
    changed[1] += 1
    different = functions(changed, 0) != functions(weights, 0)
    assert different.tolist() == [False, True, False], "a function sees the weights of another"


def test_quadratics_by_hand() -> None:
    eye = torch.eye(2)[None]
    assert Quadratics(eye, torch.tensor([[1.0, 0]]), torch.zeros(1, 2))(torch.tensor([[3.0, 2]]), 0).tolist() == [8.0]


def test_small_networks_see_other_points_at_each_step() -> None:
    functions = SmallNetworks.drawn(2, torch.Generator().manual_seed(0), hidden=5)
    assert not torch.equal(functions(functions.start(), 0), functions(functions.start(), 1))


def test_learning_to_learn_lowers_the_loss_on_unseen_functions() -> None:
    torch.manual_seed(0)
    network = CoordinateLSTM(hidden=8)
    unseen = Quadratics.drawn(40, torch.Generator().manual_seed(5), size=4)
    outer = torch.optim.Adam(network.parameters(), lr=0.01)
    generator = torch.Generator().manual_seed(1)
    for _ in range(40):
        learn_once(network, Quadratics.drawn(16, generator, size=4), outer, steps=10, segment=5)
    after = descend(unseen, 10, lambda weights: LearnedOptimizer(weights, network)).values
    assert after[-1] < 0.5 * after[0]


def test_rivals_are_tuned_on_other_functions() -> None:
    tuning, test = (Quadratics.drawn(20, torch.Generator().manual_seed(seed), size=3) for seed in (0, 1))
    found = compare(CoordinateLSTM(hidden=3), tuning, test, steps=10, rates=(1e-3, 3e-2, 100.0))
    assert set(found) == {"learned", "SGD", "momentum", "RMSprop", "Adam"}
    assert found["SGD"].lr == 3e-2
    assert all(len(one.values) == 11 and one.seconds == sorted(one.seconds) for one in found.values())


def test_from_the_command_line_to_a_run_that_uses_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("visus.systems.meta_learning.learning_to_learn.RATES", (0.01,))
    run = tmp_path / "learned"
    words = ["--minutes", "0.01", "--steps", "4", "--hidden", "3", "--run", str(run)]
    assert main(["train", "learned-optimizer", *words]) == 0
    assert "loss after 8 steps: learned" in capsys.readouterr().out
    assert {file.name for file in run.iterdir()} == {"weights.safetensors", "metrics.json", "curves.csv", "report.html"}
    metrics = json.loads((run / "metrics.json").read_text())
    assert set(metrics["loss after 4 steps"]) == {"learned", "SGD", "momentum", "RMSprop", "Adam"}
    assert "milliseconds" in (run / "report.html").read_text()
    model = torch.nn.Linear(3, 2)
    optimizer = build_optimizer(model, OptimRecipe(name="learned", weights=str(run), lr=1e-3))
    assert isinstance(optimizer, LearnedOptimizer)
    assert {group["peak_lr"] for group in optimizer.param_groups} == {1.0}
    before = model.weight.detach().clone()
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    assert not torch.equal(model.weight, before)


def test_bad_input_gets_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RecipeError, match=r"optim\.weights must be the run of a learned optimiser"):
        OptimRecipe(name="learned")
    with pytest.raises(RecipeError, match=r"optim\.weights must be empty for this optim.name"):
        OptimRecipe(weights="runs/learned")
    with pytest.raises(VisusError, match="nowhere: no learned optimiser; `visus train learned-optimizer` trains one"):
        read_learned(tmp_path / "nowhere")
    torch.save({"a": torch.ones(1)}, tmp_path / "other.pt")
    with pytest.raises(VisusError, match="holds other weights, not a learned optimiser"):
        read_learned(tmp_path / "other.pt")
    with pytest.raises(ValueError, match="preprocessing must be one of log_and_sign, identity"):
        CoordinateLSTM(preprocessing="banana")
    assert main(["train", "learned-optimizer", "--minutes", "0", "--run", str(tmp_path / "run")]) == 2
    assert "must be above 0" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
