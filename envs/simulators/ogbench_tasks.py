"""What the environments of OGBench's single tasks share: one of the package's own, which they hand actions to."""

from __future__ import annotations

from typing import Any, TypeAlias

import gymnasium
import numpy as np
from numpy.typing import NDArray

__all__ = ["Action", "Obs", "SingleTask"]

Obs: TypeAlias = NDArray[np.float64]
Action: TypeAlias = NDArray[np.float32]


class SingleTask(gymnasium.Env[Obs, Action]):
    """A task with a fixed goal, in the package's environment `env`; subclasses make that and reset it."""

    env: Any

    def step(self, action: Action) -> tuple[Obs, float, bool, bool, dict[str, Any]]:
        obs, reward, terminated, _, info = self.env.step(np.clip(action, -1.0, 1.0))
        return obs, float(reward), bool(terminated), False, {"success": bool(info["success"])}

    def render(self) -> Any:
        return self.env.render()

    def close(self) -> None:
        self.env.close()
