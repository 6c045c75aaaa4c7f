"""The contract of a loss, checked on every loss of every architecture of the catalog, built as training builds it."""

from __future__ import annotations

import copy
import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
import torch
from torch import Tensor, nn

from contracts.fakes import Learnable, learnable, model_of, quick_model
from visus import catalog
from visus.cli import main
from visus.problem import Architecture, Problem
from visus.recipes import RECIPES
from visus.training.numbers import in_float32
from visus.training.recipe import Recipe, RecipeError
from visus.types import Batch

Losses = Mapping[str, Tensor]

IDLE = {
    "ssd": (
        r"head\.regression_head\.module_list\.[12]\.",
        "the drawn objects are smaller than the default boxes of the coarse maps, so that none of these is positive",
    ),
    "shape_parts": (
        r"encoder\.(align_\w+\.(points|cloud)\.|second\.6\.bias)",
        "the matrices of PointNet start as the identity, whatever the layers below them say; and the bias of its "
        "widest layer is taken away by the norm behind it, in one step whose gradient says so exactly",
    ),
}
"""By loss: parameters that learn nothing from the samples of this contract, and why that is right."""

ORDERED = {"npairs": "the first image of a class is the anchor and the second its positive"}
"""Losses that depend on the order of the images of a class, and why; the order of the classes may not matter."""

CHOOSING = {
    "clustering": "it searches the best set of medoids, and a difference in the last digit may pick another one"
}
"""Losses that make a discrete choice of the whole batch, and why rounding may change it."""

OF_OBJECTS = {"box", "rpn_box", "centerness", "mask", "keypoint", "pixels", "aux", "dice"}
"""Terms that are about annotated objects or pixels alone, and so 0 where there is none."""


@dataclass(frozen=True)
class Case:
    """A loss, the quickest model of its architecture, and samples that the problem learns from."""

    problem: Problem
    architecture: Architecture
    loss: str

    def __str__(self) -> str:
        return f"{self.model_name}-{self.loss}"

    @property
    def model_name(self) -> str:
        return quick_model(self.architecture)

    @property
    def builder(self) -> Any:
        return self.architecture.losses[self.loss]

    @property
    def facts(self) -> set[str]:
        """The arguments that data and model decide."""
        return {"num_classes", *self.architecture.facts(self.model)}

    @property
    def data(self) -> Learnable:
        return learnable(self.problem.name)

    @property
    def model(self) -> nn.Module:
        return model_of(self.model_name)

    def recipe(self, **changes: Any) -> Recipe:
        return replace(Recipe(name="contract", model=self.model_name, loss=self.loss), **changes)

    def criterion(self, **options: Any) -> Any:
        """As training builds it, from a seed."""
        torch.manual_seed(1)
        return self.problem.criterion(self.model, self.recipe(loss_options=options), self.data.schema)

    def batch(self, **changes: Any) -> Batch:
        return self.data.batch(self.model, **changes)


CASES = [
    Case(problem, architecture, loss)
    for problem in catalog.PROBLEMS.values()
    for architecture in problem.architectures
    for loss in architecture.losses
]


@pytest.fixture(params=CASES, ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    case: Case = request.param
    case.model.zero_grad(set_to_none=True)
    return case


def losses_of(case: Case, batch: Batch, criterion: Any, *, seed: int = 0, training: bool = True) -> Losses:
    """What a criterion says of a batch after ``seed``; without dropout, which hides what is compared."""
    for module in case.model.train(training).modules():
        if isinstance(module, nn.modules.dropout._DropoutNd):
            module.eval()
    torch.manual_seed(seed)
    losses: Losses = criterion(case.model(batch.inputs, batch.targets), batch.targets)
    return losses


def total(losses: Losses) -> Tensor:
    return torch.stack(list(losses.values())).sum()


def parameters(case: Case, criterion: Any) -> dict[str, nn.Parameter]:
    """Everything that learns: of the model, and of a loss that is a module."""
    named = dict(case.model.named_parameters())
    if isinstance(criterion, nn.Module):
        named |= {f"criterion.{name}": parameter for name, parameter in criterion.named_parameters()}
    return {name: parameter for name, parameter in named.items() if parameter.requires_grad}


def assert_same(losses: Losses, others: Losses, **tolerance: float) -> None:
    assert list(losses) == list(others)
    for name, value in losses.items():
        torch.testing.assert_close(value, others[name], msg=lambda text, name=name: f"{name}: {text}", **tolerance)


# --- values and gradients ---


def test_losses_are_finite_named_scalars_and_teach_every_parameter(case: Case) -> None:
    criterion = case.criterion()
    losses = losses_of(case, case.batch(), criterion)
    assert losses
    for name, value in losses.items():
        assert value.ndim == 0, name
        assert value.dtype == torch.float32, name
        assert value.isfinite(), name
        assert value.requires_grad, f"{name} teaches nothing"
    total(losses).backward()
    idle = IDLE.get(case.loss, (r"(?!)", ""))[0]
    for name, parameter in parameters(case, criterion).items():
        assert parameter.grad is not None, f"{name} has no gradient, which stops distributed training"
        assert parameter.grad.isfinite().all(), name
        assert bool(parameter.grad.any()) != bool(re.match(idle, name)), f"does {name} learn? See IDLE"


def test_the_terms_are_the_same_in_training_and_in_validation(case: Case) -> None:
    criterion = case.criterion()
    with torch.no_grad():
        assert [*losses_of(case, case.batch(), criterion)] == [
            *losses_of(case, case.batch(), criterion, training=False)
        ]


def test_the_order_of_the_images_does_not_matter(case: Case) -> None:
    """Of losses that sample, only the seed may change them, and of one seed they are always the same."""
    batch, order = case.batch(), (2, 4, 0, 3, 1, 5) if case.loss in ORDERED else (3, 5, 0, 2, 4, 1)
    with torch.no_grad():
        losses, again, sampled = (losses_of(case, batch, case.criterion(), seed=seed) for seed in (0, 0, 1))
        assert_same(again, losses, rtol=0, atol=0)
        if all(torch.equal(sampled[name], value) for name, value in losses.items()):
            others = losses_of(case, case.batch(order=order), case.criterion())
            assert_same(others, losses, rtol=1e-3, atol=1e-4)


def test_where_nothing_can_be_learned_losses_are_small_and_have_gradients(case: Case) -> None:
    """Images without objects or pixels that count, or each of a class of its own: the same terms, none larger."""
    criterion = case.criterion()
    with torch.no_grad():
        usual = losses_of(case, case.batch(), case.criterion())
    losses = losses_of(case, case.batch(empty=True), criterion)
    assert list(losses) == list(usual), "every step must have the same terms"
    assert all(value.isfinite() for value in losses.values()), losses
    assert all(not losses[name].detach().any() for name in OF_OBJECTS & losses.keys()), losses
    assert float(total(losses).detach()) <= 1.5 * abs(float(total(usual))) + 0.1
    total(losses).backward()
    for name, parameter in parameters(case, criterion).items():
        assert parameter.grad is not None, f"{name} has no gradient, which stops distributed training"
        assert parameter.grad.isfinite().all(), name


def test_a_batch_of_no_images_is_refused_where_it_is_made(case: Case) -> None:
    with pytest.raises(ValueError, match=r"^cannot make a batch of no \w+[^\n]*$"):
        Learnable(case.data.schema, ()).batch(case.model)


def test_under_autocast_losses_are_computed_in_float32(case: Case) -> None:
    """What a round evaluates is exactly what float32 makes of the outputs, some of which are bfloat16."""
    batch, model, criterion = case.batch(), case.model.eval(), case.criterion()
    task = catalog.build_task(model, case.recipe(), case.data.schema)
    task.criterion = criterion
    state = copy.deepcopy(criterion)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        torch.manual_seed(0)
        losses = task.losses(batch)
        torch.manual_seed(0)
        outputs = model(batch.inputs, batch.targets)
    assert {value.dtype for value in losses.values()} == {torch.float32}
    assert_same(losses, state(in_float32(outputs), batch.targets), rtol=0, atol=0)


def test_losses_of_a_model_in_float64_are_the_same(case: Case) -> None:
    batch, numbers = case.batch(), []
    for convert in (nn.Module.float, nn.Module.double):
        torch.manual_seed(1)
        task = catalog.build_task(copy.deepcopy(case.model).eval(), case.recipe(), case.data.schema)
        torch.manual_seed(0)
        with torch.no_grad():
            numbers.append(convert(task).losses(batch))
    assert {value.dtype for losses in numbers for value in losses.values()} == {torch.float32}
    assert all(bool(value.isfinite()) for losses in numbers for value in losses.values())
    if case.loss not in CHOOSING:
        assert_same(numbers[1], numbers[0], rtol=0.02, atol=1e-3)


# --- options ---


def options_of(case: Case) -> dict[str, Any]:
    """What can be chosen of a loss, with the annotations; what data and model decide is left out."""
    hints = get_type_hints(case.builder.__init__ if inspect.isclass(case.builder) else case.builder)
    return {name: hints[name] for name in inspect.signature(case.builder).parameters if name not in case.facts}


def variants() -> list[Any]:
    """Every loss with every other value of each option that is a choice."""
    found = []
    for case in CASES:
        for name, hint in options_of(case).items():
            default = inspect.signature(case.builder).parameters[name].default
            values = get_args(hint) if get_origin(hint) is Literal else (True, False) if hint is bool else ()
            found += [
                pytest.param(case, {name: value}, id=f"{case}-{name}-{value}") for value in values if value != default
            ]
    return found


@pytest.mark.parametrize(("case", "options"), variants())
def test_every_choice_gives_finite_losses_with_gradients(case: Case, options: dict[str, Any]) -> None:
    case.model.zero_grad(set_to_none=True)
    losses = losses_of(case, case.batch(), case.criterion(**options))
    assert all(value.isfinite() for value in losses.values()), losses
    total(losses).backward()
    gradients = [parameter.grad for parameter in case.model.parameters() if parameter.grad is not None]
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert any(gradient.any() for gradient in gradients)


@pytest.mark.parametrize("name", ["banana", ""])
def test_an_unknown_loss_is_refused_naming_those_that_there_are(case: Case, name: str) -> None:
    recipe = case.recipe(loss=name)
    if not name:  # the usual one
        assert case.problem.criterion(case.model, recipe, case.data.schema) is not None
        return
    with pytest.raises(RecipeError, match="banana") as error:
        case.problem.criterion(case.model, recipe, case.data.schema)
    assert all(loss in str(error.value) for loss in case.architecture.losses)
    assert "\n" not in str(error.value)


def test_losses_of_other_architectures_are_refused(case: Case) -> None:
    others = [name for name in catalog.LOSSES if name not in case.architecture.losses]
    assert others
    for name in others:
        with pytest.raises(RecipeError, match=f"no loss of {case.model_name} called '{name}'"):
            case.problem.criterion(case.model, case.recipe(loss=name), case.data.schema)


def test_an_unknown_option_is_refused_naming_those_that_there_are(case: Case) -> None:
    with pytest.raises(RecipeError, match=f"option of the loss {case.loss} called 'gamm'") as error:
        case.criterion(gamm=2)
    assert all(option in str(error.value) for option in options_of(case))


def test_options_of_a_wrong_kind_are_refused(case: Case) -> None:
    for name, hint in options_of(case).items():
        wrong = 3.5 if hint is str else "banana"
        with pytest.raises(RecipeError, match=rf"{name}.*{wrong}"):
            case.criterion(**{name: wrong})


def test_what_the_data_decides_is_no_option(case: Case) -> None:
    """The number of classes, and what a loss must know of its model: two of them would disagree."""
    for name in case.facts:
        with pytest.raises(RecipeError, match=f"{name} .* decided by the data and the model"):
            case.criterion(**{name: 3})


def quick_recipes() -> list[Any]:
    """A recipe on drawn data for each problem."""
    found = {}
    for name, make in RECIPES.items():
        recipe = make()
        if catalog.DATASETS[recipe.data.dataset].write_fake is None:
            found.setdefault(catalog.problem_of(recipe.model).name, name)
    return [pytest.param(name, id=f"{problem}-{name}") for problem, name in found.items()]


@pytest.mark.parametrize("name", quick_recipes())
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--loss", "banana"], "no loss of .* called 'banana'"),
        (
            ["--loss-options", "gamm", "2"],
            "option of the loss .* called 'gamm'|Unrecognized options: --loss-opt",
        ),
    ],
)
def test_the_command_line_refuses_them_before_anything_is_written(
    name: str, words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sizes = ["--data.train-length", "2", "--data.val-length", "1", "--fit.accelerator", "cpu"]
    assert main(["train", name, "--run", str(tmp_path / "run"), *sizes, *words]) != 0
    said = capsys.readouterr().err
    assert re.search(message, " ".join(said.split())), said
    assert "Traceback" not in said
    assert not any((tmp_path / "run").iterdir() if (tmp_path / "run").exists() else ())
