"""Search spaces: which values of a setting `bench tune` tries. A method's stands in its module, as `SPACE`.

What is searched around is the method's default or what its papers and codes use; ends are inclusive. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from algos.settings import SettingError, Value, spell

__all__ = ["SHARED", "Choice", "Domain", "Space", "Span"]


@dataclass(frozen=True)
class Span:
    """Numbers from `low` to `high`, drawn evenly, or evenly in their logarithm."""

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        if not self.low < self.high or (self.log and self.low <= 0):
            raise SettingError(f"{self.low:g} to {self.high:g}: a span rises, and one of logarithms begins above 0")

    def __contains__(self, value: object) -> bool:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and self.low <= value <= self.high  # type: ignore[operator]

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}{', evenly in its logarithm' * self.log}"

    @property
    def content(self) -> dict[str, Any]:
        """The span as JSON holds it."""
        return {"low": self.low, "high": self.high, "log": self.log}


@dataclass(frozen=True)
class Choice:
    """One of a few values."""

    values: tuple[Value, ...]

    def __contains__(self, value: object) -> bool:
        return value in self.values

    def __str__(self) -> str:
        return " | ".join(map(spell, self.values))

    @property
    def content(self) -> dict[str, Any]:
        """The choice as JSON holds it."""
        return {"values": list(self.values)}


Domain = Span | Choice
Space = Mapping[str, Domain]  # setting -> what is tried of it

# of the learner, for every method: sizes of steps and batches, by which methods differ least in what they need
SHARED: Space = {
    "policy_lr": Span(1e-4, 1e-3, log=True),
    "critic_lr": Span(1e-4, 1e-3, log=True),
    "tau": Span(2e-3, 0.1, log=True),
    "batch_size": Choice((128, 256, 512)),
}
