"""Success on the Adroit hand tasks from a recorded observation alone: what gives datasets their rewards.

The rules are those printed in the AWAC paper (section 6.1), evaluated on the observation arrived in; a task's
reward is success - 1. `envs.simulators.hands` evaluates the same rules on the simulator's own state. Where the rule of
gymnasium-robotics differs, the paper's is used: `info["success"]` there is true for a door from 1.35 rad on.
Imports no simulator.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "DOOR_ANGLE",
    "NAIL_DISTANCE",
    "OBS_DIM",
    "PEN_DISTANCE",
    "PEN_SIMILARITY",
    "RELOCATE_DISTANCE",
    "door_success",
    "hammer_success",
    "nail_distance",
    "part",
    "pen_success",
    "relocate_success",
]

OBS_DIM = {"pen": 45, "door": 39, "relocate": 39, "hammer": 46}

PEN_DISTANCE = 0.075  # m, pen to target, inclusive
PEN_SIMILARITY = 0.95  # cosine of pen axis and target axis, inclusive; the paper's "<=" here is a misprint
DOOR_ANGLE = 1.4  # rad, exclusive; AWAC's released code and gymnasium-robotics: >= 1.35
RELOCATE_DISTANCE = 0.1  # m, ball to target, inclusive
NAIL_DISTANCE = 0.01  # m, nail to fully driven, exclusive: gymnasium-robotics, as the paper has no hammer task

# The nail slides along the normal of its board, which is horizontal, and a reset draws only the height of the
# board. So the nail's x and y say how far it stands out. Values of adroit_hammer.xml.
BOARD_XY = np.array([0.05, 0.0])  # m
NAIL_AXIS_XY = np.array([-0.932039, -0.362358])  # of the board's rotation; of length one within 1e-6
DRIVEN = 0.01  # m, height of the goal above the board's centre


def pen_success(next_obs: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether the pen is at the target and aligned with it [...], in observations [..., 45]."""
    distance = np.linalg.norm(part("pen", next_obs, 39, 42), axis=-1)
    similarity = np.sum(part("pen", next_obs, 33, 36) * part("pen", next_obs, 36, 39), axis=-1)
    return np.asarray((distance <= PEN_DISTANCE) & (similarity >= PEN_SIMILARITY))


def door_success(next_obs: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether the door is open [...], in observations [..., 39]."""
    return np.asarray(part("door", next_obs, 28, 29)[..., 0] > DOOR_ANGLE)


def relocate_success(next_obs: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether the ball is at the target [...], in observations [..., 39] of relocate."""
    distance = np.linalg.norm(part("relocate", next_obs, 36, 39), axis=-1)
    return np.asarray(distance <= RELOCATE_DISTANCE)


def hammer_success(next_obs: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether the nail is driven in [...], in observations [..., 46] of hammer.

    Entry 26, the nail's slide, would not do: it is one simulator substep ahead of the positions that
    gymnasium-robotics compares, and disagrees with it while the nail is moving.
    """
    return np.asarray(nail_distance(next_obs) < NAIL_DISTANCE)


def nail_distance(obs: NDArray[Any]) -> NDArray[np.float64]:
    """Metres [...] from the nail to where it is fully driven, in observations [..., 46] of hammer."""
    height = (part("hammer", obs, 42, 44) - BOARD_XY) @ NAIL_AXIS_XY
    return np.asarray(np.abs(height - DRIVEN))


def part(hand: str, obs: NDArray[Any], start: int, stop: int) -> NDArray[np.float64]:
    """Entries start:stop of observations [..., O] of a hand task, as float64 so that thresholds are not rounded."""
    if obs.shape[-1] != OBS_DIM[hand]:
        raise ValueError(f"{hand} observations have {OBS_DIM[hand]} entries, these have {obs.shape[-1]}")
    return obs[..., start:stop].astype(np.float64)
