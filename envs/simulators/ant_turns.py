"""An ant that can run along +x can run anywhere: its body looks the same after every quarter turn.

Turning the world brings any heading to +x, and renaming the legs by quarter turns brings the body's yaw within an
eighth of a turn of the one at which the policy runs. Observations are those of ant-v5 [27], actions its torques [8].
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["legs_back", "quarter_turns", "turned"]

Array: TypeAlias = NDArray[np.float64]

# The legs follow each other by quarter turns, but the ankles of the second and third bend about reversed axes.
_ANKLES = np.array([[1, 1], [1, -1], [1, -1], [1, 1]])  # leg -> sign of (hip, ankle)


def quarter_turns(obs: NDArray[Any], heading: NDArray[Any], yaw: float) -> NDArray[np.int64]:
    """Number [N] of quarter turns by which to rename the legs, for the yaw relative to the heading to be near `yaw`."""
    w, x, y, z = np.moveaxis(obs[:, 1:5].astype(np.float64), -1, 0)
    facing = np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))
    return np.asarray(np.round((heading + yaw - facing) / (np.pi / 2)), np.int64) % 4


def turned(obs: NDArray[Any], heading: NDArray[Any], turns: NDArray[np.int64]) -> Array:
    """Turn the world of observations [N, 27] so that `heading` [N] lies along +x, and rename legs by `turns` [N]."""
    out = obs.astype(np.float64)
    body = turns * np.pi / 2
    out[:, 1:5] = _times(_times(_about_z(-heading), out[:, 1:5]), _about_z(body))
    out[:, 1:5] *= np.where(out[:, 1:2] < 0, -1.0, 1.0)  # of the two quaternions of an orientation the one with w >= 0
    out[:, 13:15] = _rotated(out[:, 13:15], -heading)  # velocity in the world
    out[:, 16:18] = _rotated(out[:, 16:18], -body)  # angular velocity in the body
    for start in (5, 19):  # joint angles, their velocities
        out[:, start : start + 8] = _renamed(out[:, start : start + 8], turns)
    return out


def legs_back(action: NDArray[Any], turns: NDArray[np.int64]) -> Array:
    """Turn actions [N, 8] for renamed legs into actions for the legs as they are; actions begin with the last leg."""
    legs = np.roll(action.astype(np.float64), -2, axis=1)
    return np.roll(_renamed(legs, -turns), 2, axis=1)


def _renamed(joints: Array, turns: NDArray[np.int64]) -> Array:
    """Rename joints [N, 8]: leg i is the one that was leg i + turns."""
    legs = joints.reshape(-1, 4, 2) * _ANKLES
    order = (np.arange(4) + turns[:, None]) % 4  # [N, 4]
    return np.asarray((np.take_along_axis(legs, order[:, :, None], axis=1) * _ANKLES).reshape(-1, 8))


def _about_z(angle: NDArray[Any]) -> Array:
    """Quaternions [N, 4] of turns by angles [N] about the vertical."""
    zero = np.zeros_like(angle, np.float64)
    return np.stack([np.cos(angle / 2), zero, zero, np.sin(angle / 2)], axis=-1)


def _times(a: Array, b: Array) -> Array:
    """Products [N, 4] of quaternions (w, x, y, z)."""
    (aw, ax, ay, az), (bw, bx, by, bz) = np.moveaxis(a, -1, 0), np.moveaxis(b, -1, 0)
    return np.stack(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ],
        axis=-1,
    )


def _rotated(vectors: Array, angle: NDArray[Any]) -> Array:
    """Turn vectors [N, 2] by angles [N]."""
    x, y = vectors[:, 0], vectors[:, 1]
    return np.stack([np.cos(angle) * x - np.sin(angle) * y, np.sin(angle) * x + np.cos(angle) * y], axis=-1)
