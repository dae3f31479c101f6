"""Environments put back into recorded states, so that single transitions can be repeated.

An environment that can do it has the methods of `Restorable`: locomotion and point-reach from the observation alone,
the hand tasks and the humanoid that follows a clip where simulator states were recorded beside it. Called by
`envs.verify.single_steps`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias, runtime_checkable

import mujoco
import numpy as np
from numpy.typing import NDArray

__all__ = ["ObservedState", "RecordedState", "Restorable", "Simulated", "State"]

Array: TypeAlias = NDArray[np.float64]
State: TypeAlias = Mapping[str, NDArray[Any]]  # one row of what was recorded beside the observation: "qpos", "qvel"


@runtime_checkable
class Restorable(Protocol):
    """An environment whose state follows from what datasets hold of it; it must have been reset once."""

    def missing(self, obs: Array, state: State) -> str:
        """Say in words which part of the state is not recorded at obs [O]; "" when all of it is."""

    def begin(self, obs: Array, state: State) -> None:
        """Take up an episode at its first row, goals included, as a reset would."""

    def restore(self, obs: Array, state: State) -> None:
        """Go on from a later row of the same episode. What that row does not say stays as the last step left it."""


class Simulated:
    """Joints of a MuJoCo environment, read from what was recorded and set."""

    model: Any
    data: Any

    def _recorded(self, state: State) -> tuple[Array, Array] | None:
        """Joint positions and velocities, where both were recorded in the shapes of this model."""
        qpos, qvel = (np.asarray(state.get(name, ()), np.float64) for name in ("qpos", "qvel"))
        return (qpos, qvel) if qpos.shape == (self.model.nq,) and qvel.shape == (self.model.nv,) else None

    def _set(self, qpos: Array, qvel: Array) -> None:
        """Set the joints and nothing else: body positions stay one substep old, as after a step of the simulator."""
        self.data.qpos[:], self.data.qvel[:] = qpos, qvel

    def _start(self, qpos: Array, qvel: Array) -> None:
        mujoco.mj_resetData(self.model, self.data)
        self._set(qpos, qvel)
        mujoco.mj_forward(self.model, self.data)


class ObservedState(Simulated):
    """Mixin of locomotion: observations are all joint positions but the root's x (and y), then all velocities."""

    observed_speed = np.inf  # velocities are clipped to this in the observation

    def missing(self, obs: Array, state: State) -> str:
        if self._recorded(state) is None and np.any(np.abs(self._velocity(obs)) >= self.observed_speed):
            return f"velocities beyond {self.observed_speed:g}"
        return ""

    def begin(self, obs: Array, state: State) -> None:
        mujoco.mj_resetData(self.model, self.data)
        self._start(*(self._recorded(state) or (self._position(obs), self._velocity(obs))))

    def restore(self, obs: Array, state: State) -> None:
        velocity = self._velocity(obs)
        velocity = np.where(np.abs(velocity) < self.observed_speed, velocity, self.data.qvel)
        self._set(*(self._recorded(state) or (self._position(obs), velocity)))

    def _position(self, obs: Array) -> Array:
        seen = len(obs) - self.model.nv
        return np.concatenate((self.data.qpos[: self.model.nq - seen], obs[:seen]))

    def _velocity(self, obs: Array) -> Array:
        return obs[len(obs) - self.model.nv :]


class RecordedState(Simulated):
    """Mixin of the hand tasks: observations hold no velocities, so the joints must have been recorded beside them.

    The goal is a part of the model, not of the joints. It is read from the first observation: D4RL stores the same
    goal for all episodes of relocate (its issue 196).
    """

    def missing(self, obs: Array, state: State) -> str:
        return "" if self._recorded(state) else "no simulator states qpos and qvel of this task"

    def begin(self, obs: Array, state: State) -> None:
        qpos, qvel = self._recorded(state) or (self.data.qpos.copy(), self.data.qvel.copy())
        self._start(qpos, qvel)
        self._place_goal(obs)
        mujoco.mj_forward(self.model, self.data)

    def restore(self, obs: Array, state: State) -> None:
        if recorded := self._recorded(state):
            self._set(*recorded)

    def _place_goal(self, obs: Array) -> None:
        """Change the model so that a reset with these joints would have been observed as `obs`."""
        raise NotImplementedError
