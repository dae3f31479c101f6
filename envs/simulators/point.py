"""A point that is to come to rest at a goal: a dense task of seconds, to try a method on before the slow ones.

    observation [6]: position, velocity, goal - position    action [2]: push, in [-1, 1]    reward: -|goal - position|

The point moves in a box of side 2 that stops it at its walls, with drag, for 5 seconds in steps of a twentieth. Start
and goal are uniform in the box.

    python -m envs.simulators.point ROLLOUTS.npz

records the controller that the shipped expert is distilled from.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

from envs.catalogue.point import TASK

__all__ = ["PointReachEnv", "controller", "record"]

Array: TypeAlias = NDArray[np.float64]

STEP = 0.05  # seconds
PUSH, DRAG = 4.0, 1.0  # acceleration of a full push; deceleration per unit of velocity
STIFFNESS, DAMPING = 6.0, 3.0  # of the controller
EPISODES, NOISE, SEED = 60, 0.2, 700  # of a recording
PIXELS = 240  # sides of a picture


class PointReachEnv(gymnasium.Env[Array, NDArray[np.float32]]):
    """Push a point to a goal; episodes are cut off by gymnasium's time limit and never end otherwise."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": round(1 / STEP)}  # noqa: RUF012 - as gymnasium declares it
    observation_space = Box(-np.inf, np.inf, (TASK.obs_dim,), np.float64)
    action_space = Box(-1.0, 1.0, (TASK.action_dim,), np.float32)

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode
        self.position, self.velocity, self.goal = np.zeros(2), np.zeros(2), np.zeros(2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        super().reset(seed=seed)
        self.position, self.goal = self.np_random.uniform(-1, 1, (2, 2))
        self.velocity = np.zeros(2)
        return self._observation(), {}

    def step(self, action: NDArray[np.float32]) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        push = np.clip(action, -1.0, 1.0)
        self.velocity = self.velocity + STEP * (PUSH * push - DRAG * self.velocity)
        moved = self.position + STEP * self.velocity
        self.position = np.clip(moved, -1.0, 1.0)
        self.velocity = np.where(moved == self.position, self.velocity, 0.0)
        return self._observation(), -float(np.linalg.norm(self.goal - self.position)), False, False, {}

    def render(self) -> NDArray[np.uint8] | None:
        """Draw the box with the goal in green and the point in blue [240, 240, 3], if `render_mode` is "rgb_array"."""
        if self.render_mode is None:
            return None
        axis = np.linspace(-1.05, 1.05, PIXELS)
        across, up = np.meshgrid(axis, axis[::-1])
        picture = np.full((PIXELS, PIXELS, 3), 255, np.uint8)
        picture[np.maximum(abs(across), abs(up)) > 1] = 200
        for centre, radius, colour in ((self.goal, 0.08, (90, 180, 110)), (self.position, 0.05, (0, 90, 180))):
            picture[np.hypot(across - centre[0], up - centre[1]) < radius] = colour
        return picture

    def missing(self, obs: Array, state: Mapping[str, Any]) -> str:
        return ""

    def begin(self, obs: Array, state: Mapping[str, Any]) -> None:
        self.restore(obs, state)

    def restore(self, obs: Array, state: Mapping[str, Any]) -> None:
        """Take up an observed state, as `envs.simulators.restore` explains: the observation is all of it."""
        self.position, self.velocity, self.goal = obs[:2].copy(), obs[2:4].copy(), obs[:2] + obs[4:6]

    def _observation(self) -> Array:
        return np.concatenate((self.position, self.velocity, self.goal - self.position))


def controller(obs: Array) -> Array:
    """Push towards the goal and against the velocity: obs [..., 6] -> action [..., 2]."""
    return np.clip(STIFFNESS * obs[..., 4:] - DAMPING * obs[..., 2:4], -1.0, 1.0)


def record(path: Path) -> None:
    """Record episodes of the controller with Gaussian noise, as `bench data distill` reads them."""
    rng, env = np.random.default_rng(SEED), PointReachEnv()
    seen = np.zeros((EPISODES, TASK.horizon + 1, TASK.obs_dim), np.float32)
    wish, sent = np.zeros((2, EPISODES, TASK.horizon, TASK.action_dim), np.float32)
    for e in range(EPISODES):
        obs, _ = env.reset(seed=SEED + e)
        seen[e, 0] = obs
        for t in range(TASK.horizon):
            wish[e, t] = controller(obs)
            sent[e, t] = np.clip(wish[e, t] + NOISE * rng.standard_normal(2), -1, 1)
            obs, *_ = env.step(sent[e, t])
            seen[e, t + 1] = obs
    np.savez_compressed(path, observations=seen, expert_actions=wish, actions=sent)


if __name__ == "__main__":
    record(Path(sys.argv[1]))
