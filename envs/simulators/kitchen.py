"""Franka Kitchen of D4RL in gymnasium-robotics: an arm with nine joints does four things in a kitchen.

    kitchen-complete-v0  kitchen-partial-v0  kitchen-mixed-v0        (280 steps; all four in place are the end)

Observation [60]: `envs.rules.kitchen`, D4RL's, so that its recordings are of this task as they are; gymnasium-robotics
has 59 entries with velocities and without the goal. Action [9]: velocities of the joints, twice as many rad/s (m/s of
the fingers) as the action says, held for 0.08 s. What is commanded follows from the arm as it was last observed.

As in D4RL, joints are observed with uniform noise of up to 0.01 rad (m of the fingers), those of the kitchen with up to
0.00005 to 0.01 of theirs, and what is in place is judged by what is observed. The noise of a step follows from the
reset's seed and the step's number alone.

The reward is how many of the four are in place after the step, less 4. D4RL's own data count so, but in the state
before the step and without the 4; its environment pays 1 once for each. Rewards like those here, and the end when all
four are in place, are what WSRL trains on. D4RL's score is that of its environment, a quarter for each of the four that
was in place at any time: `normalized_score` here.
"""

from __future__ import annotations

from importlib import resources
from typing import Any, TypeAlias

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

from envs.rules import kitchen
from envs.simulators import robotics  # noqa: F401 - before anything of gymnasium-robotics
from envs.simulators.restore import Simulated, State

# isort: split
from gymnasium_robotics.envs.franka_kitchen import utils
from gymnasium_robotics.envs.franka_kitchen.franka_env import FrankaRobot
from gymnasium_robotics.envs.franka_kitchen.kitchen_env import KitchenEnv as _Kitchen

__all__ = ["KitchenEnv"]

Obs: TypeAlias = NDArray[np.float64]
Action: TypeAlias = NDArray[np.float32]

NOISE = 0.1  # share of the amplitudes of D4RL's franka_config.xml (kitchen_multitask_v0.py)


class KitchenEnv(Simulated, gymnasium.Env[Obs, Action]):
    """Put four things of the kitchen in place, in any order."""

    metadata = FrankaRobot.metadata
    observation_space = Box(-np.inf, np.inf, (kitchen.OBS_DIM,), np.float64)
    action_space = Box(-1.0, 1.0, (kitchen.ARM,), np.float32)

    def __init__(self, subtasks: tuple[str, ...], render_mode: str | None = None) -> None:
        self.render_mode, self._subtasks, self._goal = render_mode, tuple(subtasks), kitchen.goal(subtasks)
        self._kitchen = _Kitchen(
            list(subtasks),
            terminate_on_tasks_completed=False,
            object_noise_ratio=0.0,  # the noise here is D4RL's, and no state of a generator
            robot_noise_ratio=0.0,
            render_mode=render_mode,
        )
        self.model, self.data = self._kitchen.model, self._kitchen.data
        self._noise = NOISE * _amplitudes(self.model.nq)
        self._episode = self._step = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Obs, dict[str, Any]]:
        super().reset(seed=seed)
        self._episode = int(self.np_random.integers(2**31)) if seed is None else seed
        self._step = 0
        self._kitchen.reset(seed=seed)
        return self._observed(), {"success": False}

    def step(self, action: Action) -> tuple[Obs, float, bool, bool, dict[str, Any]]:
        self._kitchen.step(np.asarray(action, np.float64))
        self._step += 1
        obs = self._observed()
        placed = kitchen.subtasks(self._subtasks, obs)
        success = bool(placed.all())
        return obs, float(placed.sum()) - len(placed), success, False, {"success": success}

    def render(self) -> Any:
        return self._kitchen.render()

    def close(self) -> None:
        self._kitchen.close()

    def state(self) -> dict[str, NDArray[Any]]:
        """What has to be recorded beside an observation for `restore` to go on from there."""
        noise = np.array([self._episode, self._step], np.int64)
        return {"qpos": self.data.qpos.copy(), "qvel": self.data.qvel.copy(), "noise": noise}

    def missing(self, obs: Obs, state: State) -> str:
        if self._recorded(state) is None:
            return "no simulator states qpos and qvel of this task"
        return "" if np.shape(state.get("noise", ())) == (2,) else "not which noise was observed"

    def begin(self, obs: Obs, state: State) -> None:
        if recorded := self._recorded(state):
            self._start(*recorded)
        self._take_up(obs, state)

    def restore(self, obs: Obs, state: State) -> None:
        if recorded := self._recorded(state):
            self._set(*recorded)
        self._take_up(obs, state)

    def _take_up(self, obs: Obs, state: State) -> None:
        """Go on with the noise of that step, from the arm as it was observed."""
        self._episode, self._step = map(int, state.get("noise", (0, 0)))
        self._kitchen.robot_env._last_robot_qpos = obs[: kitchen.ARM].copy()

    def _observed(self) -> Obs:
        """The joints with noise, and the goal [60]; the next command starts from the arm as it is observed."""
        drawn = np.random.default_rng([self._episode, self._step]).uniform(-1.0, 1.0, len(self._noise))
        joints = self.data.qpos + self._noise * drawn
        self._kitchen.robot_env._last_robot_qpos = joints[: kitchen.ARM].copy()
        return np.concatenate((joints, self._goal))


def _amplitudes(joints: int) -> NDArray[np.float64]:
    """Largest noise of each joint position [joints], before it is scaled: gymnasium-robotics ships D4RL's file."""
    path = resources.files("gymnasium_robotics") / "envs/assets/kitchen_franka/franka_assets/franka_config.xml"
    root, _ = utils.get_config_root_node(config_file_name=str(path))
    return np.array([utils.read_config_from_node(root, f"qpos{i}", "pos_noise_amp", float)[0] for i in range(joints)])
