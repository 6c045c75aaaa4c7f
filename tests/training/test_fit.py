"""The fit: resuming repeats an uninterrupted run, limits are kept, the best weights are the measured ones."""

from __future__ import annotations

import os
import re
import signal
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from visus.data.feed.failures import SampleError
from visus.nn.weights import read_weights
from visus.stopping import StoppedOnRequest
from visus.training import records
from visus.training.fit import FitResult, fit
from visus.training.guard import TrainingDiverged
from visus.training.pace import Pace
from visus.training.recipe import Recipe
from visus.training.run import RunError, RunFolder
from visus.types import Sample, Schema


def run_fit(squares: SimpleNamespace, folder: Path, recipe: Recipe, **options: object) -> tuple[FitResult, RunFolder]:
    """Trains the small problem in ``folder``."""
    run = RunFolder(folder)
    run.create(recipe)
    task = options.pop("task", None) or squares.task(recipe)
    train, val = squares.loaders(recipe)
    result = fit(task, train, val, recipe, run, schema=squares.schema, loggers=[], **options)
    return result, run


def without_time(rows: list[dict[str, float]]) -> list[dict[str, float]]:
    return [{name: value for name, value in row.items() if name != "minutes"} for row in rows]


def interrupt_at(monkeypatch: pytest.MonkeyPatch, epoch: int, batch: int) -> None:
    """Asks to stop when that batch begins, as Ctrl-C would."""
    original = Pace.on_train_batch_start

    def ask(self: Pace, trainer: pl.Trainer, module: pl.LightningModule, data: object, index: int) -> None:
        self.stop.number = 2 if (trainer.current_epoch, index) == (epoch, batch) else 0
        original(self, trainer, module, data, index)

    monkeypatch.setattr(Pace, "on_train_batch_start", ask)


@pytest.mark.parametrize(("epoch", "batch", "accumulate"), [(1, 4, 1), (1, 2, 1), (2, 0, 1), (1, 3, 2), (1, 4, 2)])
def test_resumed_run_repeats_an_uninterrupted_one(
    squares: SimpleNamespace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    epoch: int,
    batch: int,
    accumulate: int,
) -> None:
    # 5 batches an epoch: batch 4 stops at its end, the others in its middle; dropout, augmentation, batch norm, average
    recipe = squares.recipe(epochs=4, ema_decay=0.9, accumulate=accumulate)
    whole, whole_run = run_fit(squares, tmp_path / "whole", recipe)
    with monkeypatch.context() as patch:
        interrupt_at(patch, epoch, batch)
        with pytest.raises(StoppedOnRequest, match="--resume"):
            run_fit(squares, tmp_path / "parts", recipe)
    parts, parts_run = run_fit(squares, tmp_path / "parts", recipe, resume=True)
    assert without_time(parts.history) == without_time(whole.history)
    assert len(parts_run.history()) == 4
    assert parts_run.curves() == whole_run.curves()
    expected, _ = read_weights(whole_run.weights)
    weights, _ = read_weights(parts_run.weights)
    last, expected_last = (torch.load(run.checkpoint, weights_only=True) for run in (parts_run, whole_run))
    torch.testing.assert_close(weights, expected, rtol=0, atol=0)
    torch.testing.assert_close(last["state_dict"], expected_last["state_dict"], rtol=0, atol=0)
    torch.testing.assert_close(last["ema"]["average"], expected_last["ema"]["average"], rtol=0, atol=0)
    torch.testing.assert_close(last["optimizer_states"], expected_last["optimizer_states"], rtol=0, atol=0)


def test_resume_survives_a_kill_between_checkpoints(
    squares: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = squares.recipe(epochs=3)
    whole, _ = run_fit(squares, tmp_path / "whole", recipe)
    task = squares.task(recipe)
    step = task.training_step

    def killed(batch: object, batch_idx: int) -> None:
        if task.current_epoch == 2 and batch_idx == 1:
            raise MemoryError
        step(batch, batch_idx)

    task.training_step = killed
    with pytest.raises(MemoryError):
        run_fit(squares, tmp_path / "killed", recipe, task=task)
    resumed, _ = run_fit(squares, tmp_path / "killed", recipe, resume=True)
    assert without_time(resumed.history) == without_time(whole.history)


def test_a_stop_in_a_validation_repeats_it(
    squares: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "LONG_VALIDATION", 0.0)
    recipe = squares.recipe(epochs=3, ema_decay=0.9)
    whole, whole_run = run_fit(squares, tmp_path / "whole", recipe)
    task = squares.task(recipe)
    step = task.validation_step

    def asked(batch: object, batch_idx: int) -> None:
        if task.current_epoch == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        step(batch, batch_idx)

    task.validation_step = asked
    with pytest.raises(StoppedOnRequest, match="training part of epoch 2") as stopped:
        run_fit(squares, tmp_path / "parts", recipe, task=task)
    assert stopped.value.number == signal.SIGTERM
    parts, parts_run = run_fit(squares, tmp_path / "parts", recipe, resume=True)
    assert without_time(parts.history) == without_time(whole.history)
    torch.testing.assert_close(read_weights(parts_run.weights)[0], read_weights(whole_run.weights)[0], rtol=0, atol=0)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_an_image_that_cannot_be_read_costs_nothing_that_was_trained_before(
    squares: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, accumulate: int
) -> None:
    recipe = squares.recipe(epochs=3, accumulate=accumulate)
    whole, _ = run_fit(squares, tmp_path / "whole", recipe)
    images = type(squares.dataset(1, seed=1))
    read, calls = images.__getitem__, 0

    def broken(self: Any, index: int) -> Sample:
        nonlocal calls
        calls += self.seed == 1
        if self.seed == 1 and calls == 40 + 2 * 8 + 1:  # the third batch of the second epoch
            raise OSError(5, "Input/output error", "square.png")
        return read(self, index)

    with monkeypatch.context() as patch:
        patch.setattr(images, "__getitem__", broken)
        with pytest.raises(SampleError, match="Input/output error"):
            run_fit(squares, tmp_path / "parts", recipe)
    assert torch.load(tmp_path / "parts" / "last.ckpt", weights_only=True)["rounds"] > whole.history[0]["step"]
    parts, _ = run_fit(squares, tmp_path / "parts", recipe, resume=True)
    assert without_time(parts.history) == without_time(whole.history)


def test_ruined_weights_are_never_saved(squares: SimpleNamespace, tmp_path: Path) -> None:
    recipe = squares.recipe(epochs=4, val_every_epochs=4)
    task = squares.task(recipe)
    step = task.training_step

    def ruins(batch: object, batch_idx: int) -> None:
        step(batch, batch_idx)
        if task.current_epoch == 1 and batch_idx == 4:  # the last loss was finite, and no validation follows
            task.model.head.weight.data[0, 0] = float("inf")

    task.training_step = ruins
    with pytest.raises(TrainingDiverged, match=r"1 tensor of weights are not finite \(head\.weight"):
        run_fit(squares, tmp_path / "run", recipe, task=task)
    saved = torch.load(tmp_path / "run" / "last.ckpt", weights_only=True)
    assert saved["rounds"] == 5
    assert all(value.isfinite().all() for value in saved["state_dict"].values())


@pytest.mark.parametrize("damage", ["cut", "foreign", "hostile", "empty", "other model"])
def test_a_checkpoint_that_cannot_be_gone_on_from_is_named(
    squares: SimpleNamespace, tmp_path: Path, damage: str
) -> None:
    recipe = squares.recipe(epochs=1)
    _, run = run_fit(squares, tmp_path / "run", recipe)
    file = run.checkpoint
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:-2000])
    elif damage == "empty":
        file.write_bytes(b"")
    elif damage == "foreign":
        torch.save({"state_dict": {}, "epoch": 3}, file)
    elif damage == "hostile":
        torch.save({"state_dict": os.system}, file)
    else:
        content = torch.load(file, weights_only=True)
        content["state_dict"]["model.head.weight"] = torch.zeros(2, 2)
        torch.save(content, file)
    with pytest.raises(RunError, match=re.escape(str(file))):
        run_fit(squares, tmp_path / "run", recipe, resume=True)


def test_a_limited_run_goes_on_with_a_higher_limit(squares: SimpleNamespace, tmp_path: Path) -> None:
    limited = squares.recipe(epochs=2, max_steps=3)
    limited = replace(limited, optim=replace(limited.optim, schedule="constant", warmup_steps=0))
    unlimited = replace(limited, fit=replace(limited.fit, max_steps=None))
    whole, _ = run_fit(squares, tmp_path / "whole", unlimited)
    first, _ = run_fit(squares, tmp_path / "parts", limited)
    assert [row["step"] for row in first.history] == [3]
    parts, _ = run_fit(squares, tmp_path / "parts", unlimited, resume=True)
    assert without_time(parts.history) == without_time(whole.history)


def test_resume_without_a_checkpoint_says_so(squares: SimpleNamespace, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"last\.ckpt does not exist"):
        run_fit(squares, tmp_path / "none", squares.recipe(), resume=True)


def test_workers_do_not_change_the_run(squares: SimpleNamespace, tmp_path: Path) -> None:
    recipe = squares.recipe(epochs=2)
    alone, _ = run_fit(squares, tmp_path / "alone", recipe)
    helped, _ = run_fit(squares, tmp_path / "helped", replace(recipe, data=replace(recipe.data, workers=1)))
    assert without_time(helped.history) == without_time(alone.history)


def test_saved_weights_are_the_average_that_was_measured(squares: SimpleNamespace, tmp_path: Path) -> None:
    recipe = squares.recipe(epochs=3, ema_decay=0.99)
    task = squares.task(recipe)
    result, run = run_fit(squares, tmp_path / "run", recipe, task=task)
    weights, metadata = read_weights(run.weights)
    assert Schema.from_json(metadata["schema"]) == squares.schema
    assert metadata["model"] == "finder"
    assert not torch.equal(weights["head.weight"], task.model.state_dict()["head.weight"])
    model = squares.finder()
    model.load_state_dict(weights)
    model.eval()
    _, val = squares.loaders(recipe)
    metric = squares.metric()
    for batch in val:
        metric.update(model.postprocess(model(batch.inputs), [t.size for t in batch.targets]), batch)
    assert metric.compute()["box AP"] == result.best_measures["box AP"]


def test_a_model_that_adapts_has_gradients_in_validation(squares: SimpleNamespace, tmp_path: Path) -> None:
    recipe = squares.recipe(epochs=1)
    task = squares.task(recipe)
    task.model.adapts = True
    seen = set()
    task.model.register_forward_pre_hook(lambda model, inputs: seen.add((model.training, torch.is_grad_enabled())))
    run_fit(squares, tmp_path, recipe, task=task)
    assert seen == {(True, True), (False, True)}


def test_last_epoch_is_validated_whatever_its_number(squares: SimpleNamespace, tmp_path: Path) -> None:
    result, _ = run_fit(squares, tmp_path / "run", squares.recipe(epochs=5, val_every_epochs=3))
    assert ["box AP" in row for row in result.history] == [False, False, True, False, True]


def test_without_validation_the_last_weights_are_kept(squares: SimpleNamespace, tmp_path: Path) -> None:
    recipe = squares.recipe(epochs=1)
    run = RunFolder(tmp_path)
    run.create(recipe)
    task = squares.task(recipe)
    fit(task, squares.loaders(recipe)[0], None, recipe, run, schema=squares.schema, loggers=[])
    torch.testing.assert_close(read_weights(run.weights)[0], task.model.state_dict(), rtol=0, atol=0)


def test_max_steps_ends_the_schedule_and_validates(squares: SimpleNamespace, tmp_path: Path) -> None:
    recipe = squares.recipe(epochs=100, max_steps=7, val_every_epochs=50)
    result, _ = run_fit(squares, tmp_path / "run", recipe)
    assert result.history[-1]["step"] == 7
    assert "box AP" in result.history[-1]
    assert result.history[-1]["lr"] < 0.1 * recipe.optim.lr
    assert "max_steps" in result.stop_reason


def test_max_minutes_ends_the_schedule_in_time(squares: SimpleNamespace, tmp_path: Path) -> None:
    recipe = squares.recipe(epochs=100_000, max_minutes=1.5 / 60)
    result, run = run_fit(squares, tmp_path / "run", recipe)
    assert "max_minutes" in result.stop_reason
    assert result.history[-1]["lr"] < 0.05 * recipe.optim.lr
    assert 0.8 * 1.5 / 60 < result.history[-1]["minutes"] < 3 * 1.5 / 60
    assert run.weights.is_file()


def test_early_stop_counts_validations_without_improvement(squares: SimpleNamespace, tmp_path: Path) -> None:
    recipe = squares.recipe(epochs=30, early_stop_patience=2)
    recipe = replace(recipe, optim=replace(recipe.optim, lr=1e-9))
    result, _ = run_fit(squares, tmp_path / "run", recipe)
    assert len(result.history) == result.best_epoch + 2
    assert "no improvement" in result.stop_reason


def test_accumulated_steps_equal_one_large_batch(squares: SimpleNamespace, tmp_path: Path) -> None:
    results, weights = [], []
    for accumulate, batch_size in ((1, 20), (2, 10)):
        recipe = squares.recipe(epochs=2, accumulate=accumulate)
        recipe = replace(recipe, data=replace(recipe.data, batch_size=batch_size))
        task = squares.task(recipe, dropout=0.0, norm=False)
        results.append(run_fit(squares, tmp_path / str(accumulate), recipe, task=task)[0])
        weights.append(task.model.state_dict())
    for one, two in zip(results[0].history, results[1].history, strict=True):
        assert one["step"] == two["step"]
        assert two["train loss"] == pytest.approx(one["train loss"], rel=1e-4)
    torch.testing.assert_close(weights[1], weights[0], rtol=1e-3, atol=1e-5)


def test_bfloat16_gives_float32_losses_and_weights(squares: SimpleNamespace, tmp_path: Path) -> None:
    recipe = squares.recipe(epochs=2, precision="bf16", ema_decay=0.9)
    task = squares.task(recipe)
    seen = set()

    def criterion(outputs: object, targets: object) -> dict[str, torch.Tensor]:
        seen.add(outputs.logits.dtype)
        return squares.criterion(outputs, targets)

    task.criterion = criterion
    result, run = run_fit(squares, tmp_path / "run", recipe, task=task)
    assert seen == {torch.float32}
    assert read_weights(run.weights)[0]["head.weight"].dtype == torch.float32
    full, _ = run_fit(squares, tmp_path / "full", squares.recipe(epochs=2, ema_decay=0.9))
    assert result.history[-1]["train loss"] == pytest.approx(full.history[-1]["train loss"], rel=0.1)
    assert result.history[-1]["train loss"] != full.history[-1]["train loss"]


def test_diverged_training_names_batch_images_and_term(squares: SimpleNamespace, tmp_path: Path) -> None:
    recipe = squares.recipe(epochs=1)
    task = squares.task(recipe)
    calls = iter(range(100))

    def criterion(outputs: object, targets: object) -> dict[str, torch.Tensor]:
        losses = squares.criterion(outputs, targets)
        return losses | {"box": losses["box"] * float("inf" if next(calls) == 2 else 1)}

    task.criterion = criterion
    with pytest.raises(TrainingDiverged, match=r"(?s)'box' is not finite in epoch 1, batch 3 .*square_1_\d+\.png"):
        run_fit(squares, tmp_path / "run", recipe, task=task)


def test_channels_last_is_used_where_the_model_asks(squares: SimpleNamespace) -> None:
    from visus.training.task import Task

    recipe = squares.recipe()
    model = squares.finder()
    model.channels_last = True
    task = Task(model=model, criterion=squares.criterion, metric=squares.metric(), recipe=recipe)
    assert task.model.backbone[3].weight.is_contiguous(memory_format=torch.channels_last)


def test_unknown_monitor_lists_what_was_measured(squares: SimpleNamespace, tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"fit\.monitor must be one of .*box AP.*'mask AP'"):
        run_fit(squares, tmp_path / "run", squares.recipe(monitor="mask AP"))
