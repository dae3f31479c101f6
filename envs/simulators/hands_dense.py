"""The Adroit hand tasks of gymnasium-robotics with D4RL's dense rewards.

    door-dense-v0  relocate-dense-v0  hammer-dense-v0  (200 steps)      pen-dense-v0  (100 steps, as in D4RL)

Observations, actions, resets and rendering are those of `AdroitHand{Pen,Door,...}-v1`, and so is the reward, with one
slip of gymnasium-robotics 1.4.2 corrected (`envs.rules.adroit_dense`). `info["success"]` is the environment's own. No
episode terminates; D4RL's pen ends when the pen is dropped, which costs 5 per step here as in gymnasium-robotics.
"""

from __future__ import annotations

from typing import Any

import gymnasium

from envs.rules import adroit_dense
from envs.simulators.hands import (
    Action,
    DoorHand,
    HammerHand,
    Obs,
    PenHand,
    RelocateHand,
)

__all__ = ["DoorDenseEnv", "HammerDenseEnv", "PenDenseEnv", "RelocateDenseEnv"]


class _DenseReward(gymnasium.Env[Obs, Action]):
    """Mixin that corrects the reward of a hand environment."""

    def _palm(self, obs: Obs) -> Any:
        """Distance in metres between palm and object."""
        raise NotImplementedError

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Obs, dict[str, Any]]:
        obs, _ = super().reset(seed=seed, options=options)
        return obs, {"success": False}

    def step(self, action: Action) -> tuple[Obs, float, bool, bool, dict[str, Any]]:
        obs, reward, _, _, info = super().step(action)
        fixed = float(reward) - adroit_dense.SLIP * float(self._palm(obs))
        return obs, fixed, False, False, {"success": bool(info["success"])}


class PenDenseEnv(_DenseReward, PenHand):
    """Spin a pen in the hand to a target orientation: observation [45], action [24]."""

    def _palm(self, obs: Obs) -> float:
        return 0.0  # no such term


class DoorDenseEnv(_DenseReward, DoorHand):
    """Undo the latch and swing the door open: observation [39], action [28]."""

    def _palm(self, obs: Obs) -> Any:
        return adroit_dense.door_palm(obs)


class RelocateDenseEnv(_DenseReward, RelocateHand):
    """Grasp the ball and carry it to the target: observation [39], action [30]."""

    def _palm(self, obs: Obs) -> Any:
        return adroit_dense.relocate_palm(obs)


class HammerDenseEnv(_DenseReward, HammerHand):
    """Pick up the hammer and drive the nail in: observation [46], action [26]."""

    def _palm(self, obs: Obs) -> Any:
        return adroit_dense.hammer_palm(obs)
