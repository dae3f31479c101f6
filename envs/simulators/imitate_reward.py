"""How near a humanoid is to the one of its clip: DeepMimic's five terms, from SceneImitate.cpp (commit 1f915c5).

    reward = 0.5 exp(-2 pose) + 0.05 exp(-0.1 velocity) + 0.15 exp(-10 end effectors) + 0.2 exp(-5 root)
             + 0.1 exp(-10 centre of mass)

    pose             weighted sum over joints of squared angles in radians, the root's rotation among them
    velocity         the same of squared differences of angular velocities
    end effectors    sum over wrists and ankles of squared distances, about the root and its heading, but for heights
    root             position^2 + 0.1 rotation^2 + 0.01 velocity^2 + 0.001 angular velocity^2
    centre of mass   0.1 velocity^2

The weights of joints are the file's, scaled to a sum of 1. The paper's text has no term of the root, and other numbers
in places; the code's are those of its released policies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import mujoco
import numpy as np
from numpy.typing import NDArray

from envs.motion.clip import HINGE_SPEEDS, HINGES, JOINTS, QUATERNIONS, TURNS
from envs.motion.quaternions import angle, conjugate, product
from envs.simulators.imitate_character import BODIES, END_EFFECTORS, Drives

__all__ = ["SCALES", "WEIGHTS", "Figure", "errors", "heading", "rewards"]

Array: TypeAlias = NDArray[np.float64]

WEIGHTS = {"pose": 0.5, "velocity": 0.05, "end_effectors": 0.15, "root": 0.2, "centre_of_mass": 0.1}
SCALES = {"pose": 2.0, "velocity": 0.1, "end_effectors": 10.0, "root": 5.0, "centre_of_mass": 10.0}

_OF_JOINTS = np.array([BODIES[name].weight for name in ("root", *JOINTS)])
_OF_JOINTS /= _OF_JOINTS.sum()
_BALL = np.array([True, *(size == 4 for size in JOINTS.values())])
_OF_BALLS, _OF_HINGES = _OF_JOINTS[_BALL], _OF_JOINTS[~_BALL]


@dataclass
class Figure:
    """A humanoid in some state, in the world of DeepMimic, with what rewards and observations need of it.

    `pose` [43] and `velocity` [34] are laid out as in clips: the root's angular velocity is that in the world.
    """

    model: Any
    data: Any
    drives: Drives
    pose: Array
    velocity: Array

    def __init__(self, model: Any) -> None:
        self.model, self.data, self.drives = model, mujoco.MjData(model), Drives(model)
        self.pose, self.velocity = np.zeros(43), np.zeros(34)
        self._effectors = [model.body(name).id for name in END_EFFECTORS]
        self.root = model.body("root").id

    def place(self, pose: Array, velocity: Array) -> None:
        """Put the humanoid into a state of a clip."""
        self.data.qpos[self.drives.pose] = pose
        self.data.qvel[self.drives.velocity] = velocity
        mujoco.mju_rotVecQuat(self.data.qvel[3:6], velocity[3:6], conjugate(pose[3:7]))
        self.look()

    def look(self) -> None:
        """Take over the state that the simulator has come to; body positions of its last step are one substep old."""
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_comPos(self.model, self.data)
        mujoco.mj_comVel(self.model, self.data)
        mujoco.mj_subtreeVel(self.model, self.data)
        self.pose = self.data.qpos[self.drives.pose]
        self.velocity = self.data.qvel[self.drives.velocity]
        mujoco.mju_rotVecQuat(self.velocity[3:6], self.data.qvel[3:6], self.data.qpos[3:7])

    @property
    def drift(self) -> Array:
        """Velocity [3] of the centre of mass."""
        return np.asarray(self.data.subtree_linvel[self.root])

    def effectors(self, ground: float) -> Array:
        """Wrists and ankles [4, 3]: about the root, turned by its heading, but heights above the ground."""
        at = self.data.xpos[self._effectors] - self.pose[:3]
        at[:, 1] += self.pose[1] - ground
        return np.asarray(at @ heading(self.pose[3:7]).T)


def heading(rotation: Array) -> Array:
    """Matrix [3, 3] that turns the world about the vertical until a root of this rotation [4] faces along x."""
    w, x, y, z = rotation
    forward, right = 1 - 2 * (y * y + z * z), 2 * (x * z - w * y)  # where the root's own x points to
    size = np.hypot(forward, right)
    c, s = (forward / size, right / size) if size > 0 else (1.0, 0.0)
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])


def errors(actual: Figure, wanted: Figure, ground: float = 0.0) -> dict[str, float]:
    """The five errors of one humanoid beside another, whose ground lies at the height `ground`."""
    apart = angle(product(actual.pose[QUATERNIONS], conjugate(wanted.pose[QUATERNIONS])))  # [9]
    bent = actual.pose[HINGES] - wanted.pose[HINGES]
    turns = actual.velocity[TURNS] - wanted.velocity[TURNS]
    bending = actual.velocity[HINGE_SPEEDS] - wanted.velocity[HINGE_SPEEDS]
    moved = actual.velocity[:3] - wanted.velocity[:3]
    away = actual.pose[:3] - wanted.pose[:3]
    away[1] += ground
    reach = actual.effectors(0.0) - wanted.effectors(ground)
    drift = actual.drift - wanted.drift
    root = away @ away + 0.1 * apart[0] ** 2 + 0.01 * (moved @ moved) + 0.001 * (turns[0] @ turns[0])
    return {
        "pose": float(_OF_BALLS @ apart**2 + _OF_HINGES @ bent**2),
        "velocity": float(_OF_BALLS @ (turns**2).sum(-1) + _OF_HINGES @ bending**2),
        "end_effectors": float((reach**2).sum()),
        "root": float(root),
        "centre_of_mass": 0.1 * float(drift @ drift),
    }


def rewards(actual: Figure, wanted: Figure, ground: float = 0.0) -> dict[str, float]:
    """The five terms of the reward, weighted: each from 0 to its weight."""
    found = errors(actual, wanted, ground)
    return {name: weight * float(np.exp(-SCALES[name] * found[name])) for name, weight in WEIGHTS.items()}
