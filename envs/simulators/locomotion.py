"""Gymnasium's MuJoCo locomotion tasks, dense rewards, 1000 steps.

    halfcheetah-v5 (never terminates)  walker2d-v5  hopper-v5
    ant-v5, humanoid-v5 (without contact forces: 27 and 270 observations)

Simulator, observations, rewards and terminations are those of `HalfCheetah-v5` and so on; Ant and Humanoid go without
contact forces as they were all zero in the simulator of the papers. Three things differ. Humanoid's torques of at most
0.4 are asked for by actions from -1 to 1, as everywhere else. Actions are clipped to [-1, 1] before anything sees them:
the simulator clips them anyway, but gymnasium charges the control cost for what was asked, which a sampled action pays
for; AWAC's code clips first as well. And MuJoCo's complaint about a deprecated attribute of half_cheetah.xml is kept
from the terminal and from its MUJOCO_LOG.TXT.
"""

from __future__ import annotations

import warnings
from typing import Any, TypeAlias

import gymnasium
import mujoco
import numpy as np
from gymnasium.envs.mujoco.ant_v5 import AntEnv as _Ant
from gymnasium.envs.mujoco.half_cheetah_v5 import HalfCheetahEnv as _HalfCheetah
from gymnasium.envs.mujoco.hopper_v5 import HopperEnv as _Hopper
from gymnasium.envs.mujoco.humanoid_v5 import HumanoidEnv as _Humanoid
from gymnasium.envs.mujoco.walker2d_v5 import Walker2dEnv as _Walker2d
from gymnasium.spaces import Box
from numpy.typing import NDArray

from envs.simulators.restore import ObservedState

__all__ = ["AntEnv", "HalfCheetahEnv", "HopperEnv", "HumanoidEnv", "Walker2dEnv"]

Obs: TypeAlias = NDArray[np.float64]
Action: TypeAlias = NDArray[np.float32]

_KNOWN = "settotalmass"  # of half_cheetah.xml, as gymnasium ships it


class _ClippedActions(ObservedState, gymnasium.Env[Obs, Action]):
    """Mixin that clips the actions of an environment, and loads its model without MuJoCo's known complaint."""

    def step(self, action: Action) -> tuple[Obs, float, bool, bool, dict[str, Any]]:
        obs, reward, terminated, truncated, info = super().step(np.clip(action, -1.0, 1.0))
        return obs, float(reward), bool(terminated), bool(truncated), info

    def _initialize_simulation(self) -> Any:
        before = mujoco.get_mju_user_warning()
        mujoco.set_mju_user_warning(_warn_unless_known)
        try:
            return super()._initialize_simulation()  # type: ignore[misc]  # of MujocoEnv, which comes next
        finally:
            mujoco.set_mju_user_warning(before)


class HalfCheetahEnv(_ClippedActions, _HalfCheetah):  # type: ignore[misc]  # the base is untyped, here and below
    """Run forward: observation [17], action [6]."""


class Walker2dEnv(_ClippedActions, _Walker2d):  # type: ignore[misc]
    """Walk on two legs without falling: observation [17], action [6]."""

    observed_speed = 10.0


class HopperEnv(_ClippedActions, _Hopper):  # type: ignore[misc]
    """Hop on one leg without falling: observation [11], action [3]."""

    observed_speed = 10.0


class AntEnv(_ClippedActions, _Ant):  # type: ignore[misc]
    """Run on four legs without turning over: observation [27] as registered here, action [8]."""


class HumanoidEnv(_ClippedActions, _Humanoid):  # type: ignore[misc]
    """Run on two legs without falling: observation [270] as registered here, action [17] of which 1 is full torque."""

    def _set_action_space(self) -> Box:
        self.action_space = Box(-1.0, 1.0, super()._set_action_space().shape, np.float32)  # type: ignore[no-untyped-call]
        return self.action_space

    def do_simulation(self, ctrl: Action, n_frames: int) -> None:
        super().do_simulation(ctrl * self.model.actuator_ctrlrange[:, 1], n_frames)


def _warn_unless_known(message: str) -> None:
    if _KNOWN not in message:
        warnings.warn(message, stacklevel=2)
