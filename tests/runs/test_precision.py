"""int8 is measured beside the plain network, and refused where it loses more than half a point."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from visus.errors import VisusError
from visus.metrics.metric import Measure
from visus.runs.precision import Asked
from visus.runs.results import Measured


def a_form(model: Any) -> Any:
    return model


def measuring(plain: float, int8: float, measure: Measure) -> Callable[..., Measured]:
    def measured(form: Any) -> Measured:
        return Measured({"AP": plain if form is None else int8}, {"AP": measure}, [], [], 3)

    return measured


def asked(precision: Any, *, force: bool = False) -> tuple[Asked, io.StringIO]:
    said = io.StringIO()
    return Asked(precision, force, None, Console(file=said, width=200)), said


AP = Measure(headline=True)
ERROR = Measure(headline=True, smaller_is_better=True)


def test_half_a_point_is_told_and_taken() -> None:
    wanted, said = asked("int8")
    assert wanted.measured(measuring(0.5, 0.496, AP), a_form).numbers == {"AP": 0.496}
    assert said.getvalue() == "AP: int8 0.4960, fp32 0.5000, 0.40 points lost\n"


@pytest.mark.parametrize(("plain", "int8", "measure"), [(0.5, 0.48, AP), (0.1, 0.12, ERROR)], ids=["AP", "error"])
def test_more_is_refused_unless_forced(plain: float, int8: float, measure: Measure) -> None:
    wanted, _ = asked("int8")
    with pytest.raises(VisusError, match="more than half a point is lost; --force"):
        wanted.measured(measuring(plain, int8, measure), a_form)
    wanted, said = asked("int8", force=True)
    assert wanted.measured(measuring(plain, int8, measure), a_form).numbers == {"AP": int8}
    assert "2.00 points lost" in said.getvalue()


def test_other_forms_are_measured_once() -> None:
    wanted, said = asked("fp32")
    assert wanted.measured(measuring(0.5, 0.1, AP), a_form).numbers == {"AP": 0.1}
    assert said.getvalue() == ""


def test_as_it_is_no_form_is_made() -> None:
    wanted, _ = asked("plain")
    assert wanted.form([], list) is None  # type: ignore[arg-type]
