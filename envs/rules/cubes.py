"""What the cube tasks of OGBench (Park et al. 2025) ask for, and their rule, which an observation alone decides.

An observation [28] holds the arm's joints (6 positions, 6 velocities), the gripper (position, cosine and sine of its
yaw, opening, contact), then the cube (position, quaternion, cosine and sine of its yaw). Positions are ten times the
distance in metres from a point on the table.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["GOALS", "NAMES", "OBS_DIM", "TOLERANCE", "cube_position", "success"]

OBS_DIM = 28
TOLERANCE = 0.04  # metres
_CUBE = slice(19, 22)  # entries of an observation
_CENTER, _SCALE = np.array([0.425, 0.0, 0.0]), 10.0

# where each of the five tasks wants the cube, in metres, and what it is about (ogbench's cube_env.py, set_tasks)
GOALS = ((0.425, -0.1, 0.02), (0.5, 0.0, 0.02), (0.35, 0.0, 0.02), (0.5, 0.2, 0.02), (0.5, -0.2, 0.02))
NAMES = ("to the side", "away from the robot", "towards the robot", "across, one way", "across, the other way")


def cube_position(obs: NDArray[Any]) -> NDArray[np.float64]:
    """Position of the cube in metres: obs [..., 28] -> [..., 3]."""
    return np.asarray(obs[..., _CUBE] / _SCALE + _CENTER, np.float64)


def success(number: int, next_obs: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether the cube lies within 4 cm of where task `number`, counted from 1, wants it: [..., 28] -> [...]."""
    distance = np.linalg.norm(cube_position(next_obs) - np.array(GOALS[number - 1]), axis=-1)
    return np.asarray(distance <= TOLERANCE)
