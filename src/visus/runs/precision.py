"""A run measured in another form of its network: fused, in bfloat16, or in int8, which is refused if it loses much."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console

from visus.errors import VisusError
from visus.nn.fused.choose import Choice as Choice

if TYPE_CHECKING:
    from torch import nn

    from visus.data.feed.loader import SampleDataset
    from visus.metrics.metric import Measure
    from visus.runs.results import Measured

MOST_LOST: Final = 0.005
"""int8 that loses more than half a point of the headline is refused."""


@dataclass(frozen=True)
class Loss:
    """What a network in another form loses of a headline.

    Args:
        metric: the name of the headline.
        measure: what it means.
        precision: of the other form.
        network: the number of the network as it is.
        other: the number of the other form.
    """

    metric: str
    measure: Measure
    precision: str
    network: float
    other: float

    @property
    def lost(self) -> float:
        """How much worse the other form is; below 0 where it is better."""
        return self.measure.merit(self.network) - self.measure.merit(self.other)

    def __str__(self) -> str:
        points = f"{100 * abs(self.lost):.2f} points {'lost' if self.lost > 0 else 'gained'}"
        return f"{self._numbers()}, {points}"

    def refuse(self) -> None:
        """Refuses what loses more than `MOST_LOST`.

        Raises:
            VisusError: it does; the message has both numbers.
        """
        if self.lost > MOST_LOST:
            raise VisusError(f"{self._numbers()}: more than half a point is lost; --force takes it all the same")

    def _numbers(self) -> str:
        return f"{self.metric}: {self.precision} {self.other:.4f}, fp32 {self.network:.4f}"


Form = Callable[["nn.Module"], "nn.Module"]


@dataclass(frozen=True)
class Asked:
    """In what form a network is to be measured.

    Args:
        precision: what was asked for.
        force: take an int8 network that loses more than `MOST_LOST`, too.
        device: where it runs; None for the CPU.
        console: told what was chosen, and what int8 costs.
    """

    precision: Choice
    force: bool
    device: str | None
    console: Console

    def form(self, dataset: SampleDataset, calibration: Callable[[], SampleDataset]) -> Form | None:
        """What changes the network; None where it stays as it is.

        Args:
            dataset: what is measured; its first input is what the form is tried on.
            calibration: opens what int8 is calibrated with.
        """
        if self.precision == "plain":
            return None
        return partial(self._formed, dataset=dataset, calibration=calibration)

    def _formed(
        self, model: nn.Module, *, dataset: SampleDataset, calibration: Callable[[], SampleDataset]
    ) -> nn.Module:
        from visus.nn.fused.choose import choose
        from visus.nn.fused.int8 import calibrate
        from visus.predict.faster import CALIBRATION_IMAGES

        network: Any = model

        def calibrated(fast: nn.Module, on_note: Callable[[str], None]) -> nn.Module:
            samples = calibration()
            places = range(min(len(samples), CALIBRATION_IMAGES))
            return calibrate(
                fast, (network.transform.batch([samples[place].input]) for place in places), on_note=on_note
            )

        device = self.device or "cpu"
        return choose(
            model.to(device).eval(),
            network.transform.batch([dataset[0].input]).to(device),
            self.precision,
            count=len(dataset),
            calibrate=calibrated,
            on_note=partial(self.console.print, soft_wrap=True, highlight=False, markup=False),
        )

    def measured(self, measure: Callable[..., Measured], form: Form | None) -> Measured:
        """The numbers of that form; of int8, beside those of the plain network.

        Raises:
            VisusError: int8 loses too much.
        """
        found = measure(form=form)
        name = next((name for name, measure in found.measures.items() if measure.headline), None)
        if self.precision != "int8" or name is None:
            return found
        plain = measure(form=None)
        loss = Loss(name, plain.measures[name], "int8", plain.numbers[name], found.numbers[name])
        self.console.print(str(loss), highlight=False, markup=False)
        if not self.force:
            loss.refuse()
        return found
