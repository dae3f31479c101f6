"""OGBench's cube tasks with a fixed goal, and play data of its scripted oracle.

    cube-single-task1-v0 ... cube-single-task5-v0     (200 steps; the first success is the end)

Observation [28] and success: `envs.rules.cubes`. Action [5]: how far the gripper is to move (x, y, z, yaw) and close,
in [-1, 1]. The reward is 0 where the cube has arrived and -1 elsewhere, judged after the step: ogbench's
`success_timing="post"`. Its registered single-task environments, and the rewards that it gives its data, judge the
state before the step.

Play data are made as by ogbench's data_gen_scripts/generate_manipspace.py: the arm carries the cube from one random
place to the next along plans with noise, and starts another when one is done, without regard to any task.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

from envs.errors import SimulatorError
from envs.rules import cubes

try:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # glfw, which nothing here opens a window with, asks for a display
        from ogbench.manipspace.envs.cube_env import CubeEnv as _Cubes
        from ogbench.manipspace.oracles.plan.cube_plan import CubePlanOracle
except ImportError:
    raise SimulatorError("the cube tasks need ogbench: pip install 'awac-bench[ogbench]'") from None

__all__ = ["CubeEnv", "play"]

Obs: TypeAlias = NDArray[np.float64]
Action: TypeAlias = NDArray[np.float32]


class CubeEnv(gymnasium.Env[Obs, Action]):
    """Carry the cube to where task `number` wants it."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 20}  # noqa: RUF012 - as gymnasium declares it
    observation_space = Box(-np.inf, np.inf, (cubes.OBS_DIM,), np.float64)
    action_space = Box(-1.0, 1.0, (5,), np.float32)

    def __init__(self, number: int, render_mode: str | None = None) -> None:
        self.render_mode, self.number = render_mode, number
        self.env = _quiet(reward_task_id=number)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Obs, dict[str, Any]]:
        super().reset(seed=seed)
        with _silence():
            obs, _ = self.env.reset(seed=seed)
        return obs, {"success": False}

    def step(self, action: Action) -> tuple[Obs, float, bool, bool, dict[str, Any]]:
        obs, reward, terminated, _, info = self.env.step(np.clip(action, -1.0, 1.0))
        return obs, float(reward), bool(terminated), False, {"success": bool(info["success"])}

    def render(self) -> Any:
        return self.env.render()

    def close(self) -> None:
        self.env.close()


def play(seed: int, steps: int, noise: float, smoothing: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Play one episode of the oracle: observations [steps + 1, 28], actions [steps, 5].

    It follows from the seed alone. `noise` is that of the plan, as a share of the largest step of each action, and
    `smoothing` the width over which it is smoothed, in steps.
    """
    env, before = _collecting(), np.random.get_state()
    np.random.seed(seed)
    try:
        with _silence():
            obs, info = env.reset(seed=seed)
        oracle = CubePlanOracle(env=env, noise=noise, noise_smoothing=smoothing)
        oracle.reset(obs, info)
        seen, sent = [obs], []
        for _ in range(steps):
            sent.append(np.clip(oracle.select_action(seen[-1], info), -1.0, 1.0))
            obs, _, _, _, info = env.step(sent[-1])
            seen.append(obs)
            if oracle.done:
                oracle.reset(*env.set_new_target(p_stack=0.0))
    finally:
        np.random.set_state(before)
    return np.asarray(seen, np.float32), np.asarray(sent, np.float32)


@functools.lru_cache(maxsize=1)
def _collecting() -> Any:
    """The environment that play is recorded in, made once in each process."""
    return _quiet(mode="data_collection", terminate_at_goal=False)


def _quiet(**options: Any) -> Any:
    """An environment of ogbench's with one cube, which paints no marks of success and failure."""
    with _silence():
        return _Cubes(env_type="single", permute_blocks=False, success_timing="post", visualize_info=False, **options)


@contextmanager
def _silence() -> Iterator[None]:
    """Silence gymnasium, which warns of the precision of bounds that the package gives in float64."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
