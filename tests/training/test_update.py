"""Rounds of training: what is done in one, by one optimiser or by two, and what is counted."""

from __future__ import annotations

import copy
from pathlib import Path
from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from training.adversaries import judged, make_adversarial_task
from visus.nn.weights import read_weights
from visus.stopping import StoppedOnRequest
from visus.training.fit import FitResult, fit
from visus.training.pace import Pace
from visus.training.recipe import Recipe
from visus.training.run import RunError, RunFolder
from visus.training.task import Task
from visus.training.update import Round, frozen


def make_round(**options: object) -> Round:
    """A round without an engine."""
    defaults = {
        "batch": None,
        "evaluate": dict,
        "backward": lambda loss: loss.backward(),
        "watch": lambda losses: None,
        "share": 1.0,
        "complete": True,
        "clip_norm": None,
    }
    return Round(**(defaults | options))


def run_adversaries(
    squares: SimpleNamespace, folder: Path, recipe: Recipe, **options: object
) -> tuple[FitResult, RunFolder, Task]:
    """Trains finder and critic on the small problem."""
    run = RunFolder(folder)
    run.create(recipe)
    task = make_adversarial_task(squares, recipe)
    result = fit(task, *squares.loaders(recipe), recipe, run, schema=squares.schema, loggers=[], **options)
    return result, run, task


def test_frozen_networks_pass_gradients_on_and_keep_none() -> None:
    maker, critic = nn.Linear(3, 2), nn.Linear(2, 1)
    critic.bias.requires_grad_(False)
    with frozen(critic):
        make_round().backward({"fooled": judged(critic, maker(torch.ones(6, 3)), True)})
    assert maker.weight.grad.any()
    assert critic.weight.grad is None
    assert (critic.weight.requires_grad, critic.bias.requires_grad) == (True, False)


def test_losses_that_teach_nothing_are_noted_and_watched() -> None:
    seen: list[str] = []
    step = make_round(watch=seen.extend)
    weight = torch.ones(2, requires_grad=True)
    step.note({"counted": weight.sum(), "also": torch.tensor(3)})
    assert {name: float(value) for name, value in step.losses.items()} == {"counted": 2.0, "also": 3.0}
    assert seen == ["counted", "also"]
    assert weight.grad is None


def test_two_networks_learn_as_in_a_loop_by_hand() -> None:
    torch.manual_seed(0)
    first, batches = nn.ModuleList([nn.Linear(3, 2), nn.Linear(2, 1)]), torch.randn(5, 6, 3)
    results = []
    for by_hand in (True, False):
        networks = copy.deepcopy(first)
        optimizers = [torch.optim.Adam(network.parameters(), lr=0.05) for network in networks]
        maker, critic = networks
        for noise in batches:
            step = make_round(clip_norm=0.1)
            for learner, other, optimizer in ((critic, maker, optimizers[1]), (maker, critic, optimizers[0])):
                with frozen(other):
                    made = maker(noise)
                    wrong = judged(critic, torch.ones(6, 2), True) + judged(critic, made, False)
                    loss = wrong if learner is critic else judged(critic, made, True)
                    if not by_hand:
                        step.backward({"loss": loss})
                        step.descend(optimizer)
                        continue
                gradients = torch.autograd.grad(loss, list(learner.parameters()))
                norm = torch.cat([gradient.flatten() for gradient in gradients]).norm()
                for parameter, gradient in zip(learner.parameters(), gradients, strict=True):
                    parameter.grad = gradient * min(1, 0.1 / float(norm))
                optimizer.step()
        results.append(networks.state_dict())
    torch.testing.assert_close(results[1], results[0], rtol=1e-4, atol=1e-6)
    assert not torch.allclose(results[0]["0.weight"], first[0].weight)


def test_the_losses_of_a_round_are_noted_without_their_graph() -> None:
    weight = nn.Parameter(torch.tensor(2.0))
    seen: list[dict[str, Tensor]] = []
    step = make_round(watch=seen.append, share=0.25)
    step.backward({"a": weight * 3})
    step.backward({"b": weight.to(torch.bfloat16)})
    assert {name: float(value) for name, value in step.losses.items()} == {"a": 6, "b": 2}
    assert not any(value.requires_grad for value in step.losses.values())
    assert [list(losses) for losses in seen] == [["a"], ["b"]]
    assert weight.grad.item() == 1  # (3 + 1) / 4


def test_nothing_descends_before_the_last_batch() -> None:
    weight = nn.Parameter(torch.tensor(2.0))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    for complete, expected in ((False, 2.0), (True, -4.0)):
        step = make_round(complete=complete)
        step.backward({"a": weight * 3})
        step.descend(optimizer)
        assert weight.item() == expected
    assert weight.grad is None


def test_bfloat16_sees_the_new_weights_within_a_round() -> None:
    layer = nn.Linear(1, 1, bias=False)
    nn.init.constant_(layer.weight, 1.0)
    optimizer = torch.optim.SGD(layer.parameters(), lr=1.0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        step = make_round()
        step.backward({"a": layer(torch.ones(1, 1)).sum()})
        step.descend(optimizer)
        assert layer(torch.ones(1, 1)).item() == 0


def test_gradients_of_float32_losses_stay_float32_in_a_bfloat16_run(squares: SimpleNamespace, tmp_path: Path) -> None:
    recipe = squares.recipe(epochs=1, precision="bf16")
    task = squares.task(recipe)
    finer = 1 + 2.0**-12  # bfloat16 makes 1 of it
    gradients = []

    def criterion(outputs: object, targets: object) -> dict[str, Tensor]:
        if outputs.logits.requires_grad:
            outputs.logits.register_hook(gradients.append)
        return {"loss": (outputs.logits @ torch.full((3, 1), finer)).sum()}

    task.criterion = criterion
    run = RunFolder(tmp_path)
    run.create(recipe)
    fit(task, *squares.loaders(recipe), recipe, run, schema=squares.schema, loggers=[])
    assert len(gradients) == 5
    for gradient in gradients:
        assert gradient.eq(finer).all()


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_run_with_two_optimisers_resumes_to_the_same_numbers(
    squares: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, accumulate: int
) -> None:
    recipe = squares.recipe(epochs=3, ema_decay=0.9, accumulate=accumulate)
    whole, whole_run, _ = run_adversaries(squares, tmp_path / "whole", recipe)
    with monkeypatch.context() as patch:
        original = Pace.on_train_batch_start

        def ask(self: Pace, trainer: pl.Trainer, module: pl.LightningModule, data: object, index: int) -> None:
            self.stop.number = 2 if (trainer.current_epoch, index) == (1, 3) else 0
            original(self, trainer, module, data, index)

        patch.setattr(Pace, "on_train_batch_start", ask)
        with pytest.raises(StoppedOnRequest):
            run_adversaries(squares, tmp_path / "parts", recipe)
    parts, parts_run, _ = run_adversaries(squares, tmp_path / "parts", recipe, resume=True)
    rows = [[{**row, "minutes": 0} for row in result.history] for result in (whole, parts)]
    assert rows[0] == rows[1]
    assert [row["step"] for row in rows[0]] == [count * (5 if accumulate == 1 else 3) for count in (1, 2, 3)]
    assert {"train critic", "train fooled", "train class", "train loss"} <= rows[0][-1].keys()
    saved = [torch.load(run.checkpoint, weights_only=True) for run in (whole_run, parts_run)]
    assert len(saved[0]["optimizer_states"]) == 2
    for part in ("state_dict", "optimizer_states", "ema"):
        torch.testing.assert_close(saved[0][part], saved[1][part], rtol=0, atol=0)
    torch.testing.assert_close(*(read_weights(run.weights)[0] for run in (whole_run, parts_run)), rtol=0, atol=0)


def test_limits_schedules_and_averages_count_rounds(squares: SimpleNamespace, tmp_path: Path) -> None:
    recipe = squares.recipe(epochs=100, max_steps=7, ema_decay=0.9)
    result, _, task = run_adversaries(squares, tmp_path, recipe)
    assert (task.rounds, result.history[-1]["step"], task.ema.updates) == (7, 7, 7)
    assert "max_steps = 7" in result.stop_reason
    rates = {group["lr"] for optimizer in task._update.made for group in optimizer.param_groups}
    assert len(rates) == 1
    assert rates.pop() < 0.1 * recipe.optim.lr


def test_each_optimiser_is_clipped_by_itself() -> None:
    parameters = [nn.Parameter(torch.tensor(value)) for value in (0.0, 0.0)]
    optimizers = [torch.optim.SGD([parameter], lr=1.0) for parameter in parameters]
    step = make_round(clip_norm=1.0)
    step.backward({"a": 30 * parameters[0] + 0.5 * parameters[1]})
    for optimizer in optimizers:
        step.descend(optimizer)
    assert [float(parameter) for parameter in parameters] == pytest.approx([-1, -0.5], rel=1e-5)


def test_a_checkpoint_of_before_rounds_were_counted_is_refused(squares: SimpleNamespace, tmp_path: Path) -> None:
    recipe = squares.recipe(epochs=1)
    run = RunFolder(tmp_path)
    run.create(recipe)
    fit(squares.task(recipe), *squares.loaders(recipe), recipe, run, schema=squares.schema, loggers=[])
    checkpoint = torch.load(run.checkpoint, weights_only=True)
    del checkpoint["rounds"]
    torch.save(checkpoint, run.checkpoint)
    with pytest.raises(RunError, match=r"no checkpoint of this version of visus \(it lacks rounds\)"):
        fit(squares.task(recipe), *squares.loaders(recipe), recipe, run, schema=squares.schema, resume=True)
