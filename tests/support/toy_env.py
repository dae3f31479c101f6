"""Three toy environments. Worker processes import this module by the environments' ids, so it imports little."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np

HORIZON = 8
POINT, SCRIPT = f"{__name__}:point-v0", f"{__name__}:script-v0"


class PointEnv(gymnasium.Env[Any, Any]):
    """A point pushed along two axes by the action; success right of 0.5."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (3,), np.float32)
    action_space = gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.at = self.np_random.normal(size=3).astype(np.float32)
        return self.at.copy(), {}

    def step(self, action: Any) -> Any:
        self.at[:2] += 0.3 * np.clip(action, -1, 1)
        success = bool(point_success(self.at))
        return self.at.copy(), float(success) - 1.0, False, False, {"success": success}


def point_success(next_obs: Any) -> Any:
    return next_obs[..., 0] > 0.5


class LineEnv(PointEnv):
    """The same along one axis, by one of three choices: back, nothing, forth."""

    action_space = gymnasium.spaces.Discrete(3)

    def step(self, action: Any) -> Any:
        assert self.action_space.contains(action), action
        return super().step(np.array([float(action) - 1.0, 0.0]))


class ScriptEnv(gymnasium.Env[Any, Any]):
    """Everything follows from the reset seed: see `script`. Observation: seed modulo 1000, steps so far."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (2,), np.float32)
    action_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        assert seed is not None
        self.seed, self.t = seed, 0
        return self._obs(), {}

    def step(self, action: Any) -> Any:
        self.t += 1
        length, terminates, successes = script(self.seed)
        end = self.t == length
        info = {"success": self.t in successes}
        return self._obs(), float(10 * self.t + action[0]), end and terminates, end and not terminates, info

    def _obs(self) -> Any:
        return np.array([self.seed % 1000, self.t], np.float32)


def script(seed: int) -> tuple[int, bool, set[int]]:
    """Length of the episode, whether it ends by termination, and the steps (from 1) that are successes.

    Seeds 0, 1, 2, ... modulo 4: successful at the end of 2; on the way of 3; never, 4 steps; at both, 9 steps.
    """
    return [(2, True, {2}), (3, True, {1, 2}), (4, False, set()), (9, False, {3, 9})][seed % 4]


gymnasium.register("point-v0", f"{__name__}:PointEnv", max_episode_steps=HORIZON)
gymnasium.register("line-v0", f"{__name__}:LineEnv", max_episode_steps=HORIZON)
gymnasium.register("script-v0", f"{__name__}:ScriptEnv")
