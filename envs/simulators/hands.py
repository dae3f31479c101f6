"""The Adroit hand tasks of gymnasium-robotics with the AWAC paper's binary reward.

    pen-binary-v0  door-binary-v0  relocate-binary-v0  hammer-binary-v0        (200 steps)

Observations, actions (clipped to [-1, 1]), resets and rendering are those of `AdroitHand{Pen,Door,...}-v1`.
The reward is 0 on success and -1 otherwise, `info["success"]` the same as a bool, and no episode terminates.

Success is read from the simulator as the step left it. Body and site positions are then one 2 ms substep
older than joint angles, which is also how observations hold them; bringing them up to date with `mj_forward`
would move them by up to 5 mm and let the reward disagree with the observation.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import gymnasium
import mujoco
import numpy as np
from numpy.typing import NDArray

from envs.rules import adroit
from envs.simulators import robotics  # noqa: F401 - before anything of gymnasium-robotics
from envs.simulators.restore import RecordedState

# isort: split
from gymnasium_robotics.envs.adroit_hand import (
    AdroitHandDoorEnv,
    AdroitHandHammerEnv,
    AdroitHandPenEnv,
    AdroitHandRelocateEnv,
)

__all__ = [
    "Action",
    "DoorEnv",
    "DoorHand",
    "HammerEnv",
    "HammerHand",
    "Obs",
    "PenEnv",
    "PenHand",
    "RelocateEnv",
    "RelocateHand",
]

Obs: TypeAlias = NDArray[np.float64]
Action: TypeAlias = NDArray[np.float32]


class PenHand(RecordedState, AdroitHandPenEnv):  # type: ignore[misc]  # the base is untyped, here and below
    """`AdroitHandPen-v1`, whose recorded states can be taken up again."""

    def _place_goal(self, obs: Obs) -> None:
        turn = self.model.body_quat[self.target_obj_body_id]
        turn[:] = (1, 0, 0, 0)
        mujoco.mj_kinematics(self.model, self.data)
        site = self.data.site_xpos
        unturned = (site[self.tar_t_site_id] - site[self.tar_b_site_id]) / self.tar_length
        turn[:] = (1 + unturned @ obs[36:39], *np.cross(unturned, obs[36:39]))  # the shorter way
        turn /= np.linalg.norm(turn)


class DoorHand(RecordedState, AdroitHandDoorEnv):  # type: ignore[misc]
    """`AdroitHandDoor-v1`, whose recorded states can be taken up again."""

    def _place_goal(self, obs: Obs) -> None:
        self.model.body_pos[self.door_body_id] += obs[32:35] - self.data.site_xpos[self.handle_site_id]


class RelocateHand(RecordedState, AdroitHandRelocateEnv):  # type: ignore[misc]
    """`AdroitHandRelocate-v1`, whose recorded states can be taken up again."""

    def _place_goal(self, obs: Obs) -> None:
        palm = self.data.site_xpos[self.S_grasp_site_id]
        ball, target = self.data.xpos[self.obj_body_id], self.data.site_xpos[self.target_obj_site_id]
        self.model.body_pos[self.obj_body_id] += palm - obs[30:33] - ball
        self.model.site_pos[self.target_obj_site_id] += palm - obs[33:36] - target


class HammerHand(RecordedState, AdroitHandHammerEnv):  # type: ignore[misc]
    """`AdroitHandHammer-v1`, whose recorded states can be taken up again."""

    def _place_goal(self, obs: Obs) -> None:
        self.model.body_pos[self.target_body_id, 2] += obs[44] - self.data.site_xpos[self.target_obj_site_id][2]


class _BinaryReward(gymnasium.Env[Obs, Action]):
    """Mixin that replaces reward and info of a hand environment."""

    def _succeeded(self) -> bool:
        """Whether the simulator's present state is a success."""
        raise NotImplementedError

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Obs, dict[str, Any]]:
        obs, _ = super().reset(seed=seed, options=options)
        return obs, {"success": False}

    def step(self, action: Action) -> tuple[Obs, float, bool, bool, dict[str, Any]]:
        obs = super().step(action)[0]
        success = self._succeeded()
        return obs, float(success) - 1.0, False, False, {"success": success}


class PenEnv(_BinaryReward, PenHand):
    """Spin a pen in the hand to a target orientation: observation [45], action [24]."""

    def _succeeded(self) -> bool:
        position, site = self.data.xpos[self.obj_body_id], self.data.site_xpos
        distance = np.linalg.norm(position - site[self.eps_ball_site_id])
        pen = (site[self.obj_t_site_id] - site[self.obj_b_site_id]) / self.pen_length
        target = (site[self.tar_t_site_id] - site[self.tar_b_site_id]) / self.tar_length
        return bool(distance <= adroit.PEN_DISTANCE and pen @ target >= adroit.PEN_SIMILARITY)


class DoorEnv(_BinaryReward, DoorHand):
    """Undo the latch and swing the door open: observation [39], action [28]."""

    def _succeeded(self) -> bool:
        return bool(self.data.qpos[self.door_hinge_addrs] > adroit.DOOR_ANGLE)


class RelocateEnv(_BinaryReward, RelocateHand):
    """Grasp the ball and carry it to the target: observation [39], action [30]."""

    def _succeeded(self) -> bool:
        ball, target = self.data.xpos[self.obj_body_id], self.data.site_xpos[self.target_obj_site_id]
        return bool(np.linalg.norm(ball - target) <= adroit.RELOCATE_DISTANCE)


class HammerEnv(_BinaryReward, HammerHand):
    """Pick up the hammer and drive the nail in: observation [46], action [26]."""

    def _succeeded(self) -> bool:
        nail, driven = self.data.site_xpos[self.target_obj_site_id], self.data.site_xpos[self.goal_site_id]
        return bool(np.linalg.norm(nail - driven) < adroit.NAIL_DISTANCE)
