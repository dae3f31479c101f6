"""State of a run: everything that a checkpoint holds beside the learner."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from algos.contract import Phase

__all__ = ["RunState"]

_PLAIN = ("env_step", "iteration", "switched", "evaluated", "chunks", "metrics_bytes", "seconds")
_SCORES = ("final", "collected")


@dataclass
class RunState:
    """Counters, clocks and latest scores of a run of S seeds."""

    diverged: NDArray[np.bool_]  # [S] seeds whose parameters were not finite at an evaluation
    env_step: int = 0  # environment steps per seed
    iteration: int = 0  # collections so far
    switched: bool = False  # whether the online phase has begun
    evaluated: tuple[int, int] | None = None  # (updates, env_step) of the last evaluation
    chunks: int = 0  # files of online transitions written
    metrics_bytes: int = 0  # length of metrics.csv as of the last evaluation
    # scores [S] of the last evaluation, and of the last collection until they are recorded
    final: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    collected: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    seconds: dict[str, float] = field(
        default_factory=lambda: {"offline": 0.0, "update": 0.0, "collect": 0.0, "evaluate": 0.0}
    )

    @property
    def phase(self) -> Phase:
        """The phase that the run is in."""
        return "online" if self.switched else "offline"

    def update_rate(self, updates: int) -> float:
        """Updates per second so far, offline and online."""
        return updates / max(1e-9, self.seconds["offline"] + self.seconds["update"])

    def state(self) -> dict[str, Any]:
        """The state as tensors and plain values, which `torch.load(weights_only=True)` reads."""
        out: dict[str, Any] = {name: getattr(self, name) for name in _PLAIN}
        out["diverged"] = torch.from_numpy(self.diverged.copy())
        for name in _SCORES:
            out[name] = {n: torch.from_numpy(v) for n, v in getattr(self, name).items()}
        return out

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> RunState:
        """Make a state from what `state()` gave."""
        out = cls(state["diverged"].numpy(), **{name: state[name] for name in _PLAIN})
        for name in _SCORES:
            setattr(out, name, {n: v.numpy() for n, v in state[name].items()})
        return out
