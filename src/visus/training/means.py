"""The mean of each named loss over an epoch, kept on the device so that no step waits for a number."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from visus.ops.processes import sum_over_processes


class LossMeans:
    """Sums named losses step by step; every step must have the same names."""

    def __init__(self) -> None:
        self.terms: tuple[str, ...] = ()
        self._sums: Tensor | None = None
        self._steps = 0

    def add(self, terms: Sequence[str], values: Float[Tensor, " t"], *, counts: bool = True) -> None:
        """Takes the losses of a step; where it does not count, their names alone.

        Raises:
            ValueError: when the names are not those of the steps before.
        """
        if self._sums is None:
            self.terms, self._sums = tuple(terms), torch.zeros_like(values)
        if tuple(terms) != self.terms:
            raise ValueError(
                f"The criterion returned the losses {list(terms)} after {list(self.terms)}: return every loss at every "
                "step, as logits.sum() * 0 where a batch has nothing to learn from."
            )
        self._sums = self._sums.to(values.device) + (values if counts else torch.zeros_like(values))
        self._steps += counts

    def compute(self, *, over_processes: bool) -> dict[str, float]:
        """The mean of each loss and, as ``loss``, of their sum; empty before the first step.

        Args:
            over_processes: the mean over all processes of a distributed run, which all must ask for.
        """
        if self._sums is None:
            return {}
        totals = torch.cat([self._sums, self._sums.new_tensor([self._steps])])
        if over_processes:
            sum_over_processes(totals)
        *sums, steps = totals.tolist()
        means = [value / steps for value in sums]
        return {"loss": sum(means), **(dict(zip(self.terms, means, strict=True)) if len(means) > 1 else {})}

    def reset(self) -> None:
        """Forgets all steps."""
        self._sums, self._steps, self.terms = None, 0, ()

    def state_dict(self) -> dict[str, object]:
        """The sums so far, for a checkpoint inside an epoch."""
        return {"terms": list(self.terms), "sums": self._sums, "steps": self._steps}

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Takes up where ``state_dict`` left."""
        terms, sums, steps = state["terms"], state["sums"], state["steps"]
        assert isinstance(terms, list)
        assert isinstance(sums, Tensor | None)
        assert isinstance(steps, int)
        self.terms, self._sums, self._steps = tuple(terms), sums, steps
