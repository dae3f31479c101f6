"""Discrete actions: one of n choices is a one-hot vector of width n inside the suite, a whole number outside.

Environments and Minari datasets keep their `Discrete(n)` space; what steps or reads them converts here.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete
from numpy.typing import ArrayLike, NDArray

__all__ = ["OneHotActions", "boxed", "choices", "one_hot"]


def one_hot(choice: ArrayLike, n: int) -> NDArray[np.float32]:
    """Turn choices [...], whole numbers from 0 to n - 1, into one-hot vectors [..., n]."""
    return np.eye(n, dtype=np.float32)[np.asarray(choice, np.int64)]


def choices(action: NDArray[Any]) -> NDArray[np.int64]:
    """Turn vectors [..., n] into choices [...]: the largest entry of each, of equals the first."""
    return np.asarray(action.argmax(-1), np.int64)


class OneHotActions(gymnasium.ActionWrapper[Any, NDArray[np.float32], Any]):
    """Wrapper of an environment of n choices: it takes n numbers and chooses the largest."""

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        super().__init__(env)
        assert isinstance(env.action_space, Discrete)
        self.first = env.action_space.start
        self.action_space = Box(0.0, 1.0, (int(env.action_space.n),), np.float32)

    def action(self, action: NDArray[np.float32]) -> Any:
        return self.first + choices(action)


def boxed(env: gymnasium.Env[Any, Any]) -> gymnasium.Env[Any, Any]:
    """Wrap an environment of choices so that actions are vectors, as everywhere in the suite; leave others alone."""
    return OneHotActions(env) if isinstance(env.action_space, Discrete) else env
