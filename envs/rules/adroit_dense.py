"""Dense rewards of the Adroit hand tasks from recorded observations, and the slip that recordings of them have.

D4RL's rewards (Rajeswaran et al. 2018 with bonuses) charge 0.1 for every metre between palm and object. In
gymnasium-robotics 1.2.1 to 1.4.2, door, relocate and hammer pay 0.1 for it instead, and so do datasets recorded there.
The distance is in the observation, so taking 0.2 off per metre corrects the slip exactly:
`envs.simulators.hands_dense` does that to every step, the `fixed_*` here to datasets made elsewhere that show it.

A slip shows where a reward exceeds what its formula allows. Observations hold all of the formulas except the cost of
velocity (door, hammer), which only lowers the reward, and whether the ball is lifted (relocate), which leaves two
values. Pen has no such term. Imports no simulator.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from envs.rules import adroit

__all__ = [
    "DOOR_ANGLE",
    "SLIP",
    "door_palm",
    "door_success",
    "fixed_door",
    "fixed_hammer",
    "fixed_relocate",
    "hammer_palm",
    "relocate_palm",
]

Rewards: TypeAlias = NDArray[np.float32]

DOOR_ANGLE = 1.35  # rad, exclusive: D4RL and gymnasium-robotics (inclusive); AWAC's paper: 1.4
SLIP = 0.2  # per metre from palm to object: what gymnasium-robotics 1.4.2 pays too much
TOOL = np.array([-0.2, 0.0, -0.04])  # head of the hammer in its own frame; adroit_hammer.xml
_TOLERANCE = 1e-3  # of a reward, far above the rounding of float32 observations
_SHARE = 0.01  # of the steps must show the slip, as rounding can move single ones over the threshold of a bonus


def door_success(next_obs: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether the door is open [...] as D4RL and gymnasium-robotics count it, in observations [..., 39]."""
    return np.asarray(adroit.part("door", next_obs, 28, 29)[..., 0] > DOOR_ANGLE)


def door_palm(obs: NDArray[Any]) -> NDArray[np.float64]:
    """Distance [...] in metres between palm and handle in door observations [..., 39]."""
    return _length(adroit.part("door", obs, 35, 38))


def relocate_palm(obs: NDArray[Any]) -> NDArray[np.float64]:
    """Distance [...] in metres between palm and ball in relocate observations [..., 39]."""
    return _length(adroit.part("relocate", obs, 30, 33))


def hammer_palm(obs: NDArray[Any]) -> NDArray[np.float64]:
    """Distance [...] in metres between palm and hammer in hammer observations [..., 46]."""
    return _length(adroit.part("hammer", obs, 33, 36) - adroit.part("hammer", obs, 36, 39))


def fixed_door(reward: Rewards, next_obs: NDArray[Any]) -> Rewards:
    """Return rewards [N] of a whole dataset with the slip corrected; the same array where it does not show."""
    return _fixed(reward, next_obs, door_palm, reward - _door_limit(next_obs))


def fixed_relocate(reward: Rewards, next_obs: NDArray[Any]) -> Rewards:
    """Return rewards [N] of a whole dataset with the slip corrected; the same array where it does not show."""
    lying, lifted = _relocate_values(next_obs)
    slipped = SLIP * relocate_palm(next_obs)
    off = np.minimum(abs(reward - lying), abs(reward - lifted))
    off_slipped = np.minimum(abs(reward - lying - slipped), abs(reward - lifted - slipped))
    return _fixed(reward, next_obs, relocate_palm, off - off_slipped)


def fixed_hammer(reward: Rewards, next_obs: NDArray[Any]) -> Rewards:
    """Return rewards [N] of a whole dataset with the slip corrected; the same array where it does not show.

    It cannot show where the hand never comes to rest, as under random actions: such rewards are left as they are.
    """
    return _fixed(reward, next_obs, hammer_palm, reward - _hammer_limit(next_obs))


def _fixed(
    reward: Rewards,
    next_obs: NDArray[Any],
    palm: Callable[[NDArray[Any]], NDArray[np.float64]],
    excess: NDArray[np.float64],
) -> Rewards:
    """Subtract the slip from rewards, if more than a few of the [N] excesses show it."""
    if np.mean(excess > _TOLERANCE) <= _SHARE:
        return reward
    return np.asarray(reward - SLIP * palm(next_obs), np.float32)


def _door_limit(obs: NDArray[Any]) -> NDArray[np.float64]:
    """The door's reward without its cost of velocity, 1e-5 times the squares of all joint velocities."""
    angle = adroit.part("door", obs, 28, 29)[..., 0]
    bonus = 2.0 * (angle > 0.2) + 8.0 * (angle > 1.0) + 10.0 * (angle > DOOR_ANGLE)
    return np.asarray(-0.1 * door_palm(obs) - 0.1 * (angle - 1.57) ** 2 + bonus)


def _relocate_values(obs: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Relocate's reward with the ball on the table and with it lifted: observations do not say which."""
    palm, ball = (_length(adroit.part("relocate", obs, start, start + 3)) for start in (33, 36))  # to the target
    lying = -0.1 * relocate_palm(obs) + 10.0 * (ball < 0.1) + 20.0 * (ball < 0.05)
    return lying, lying + 1.0 - 0.5 * palm - 0.5 * ball


def _hammer_limit(obs: NDArray[Any]) -> NDArray[np.float64]:
    """The hammer's reward without its cost of velocity, 0.01 times the length of all joint velocities."""
    hammer, nail = (adroit.part("hammer", obs, start, start + 3) for start in (36, 42))
    head = hammer + _turned(adroit.part("hammer", obs, 39, 42), TOOL)
    out = adroit.nail_distance(obs)
    lifted = (hammer[..., 2] > 0.04) & (head[..., 2] > 0.04)
    bonus = 2.0 * lifted + 25.0 * (out < 0.02) + 75.0 * (out < 0.01)
    return np.asarray(-0.1 * hammer_palm(obs) - _length(head - nail) - 10.0 * out + bonus)


def _turned(euler: NDArray[np.float64], offset: NDArray[np.float64]) -> NDArray[np.float64]:
    """`offset` [3] of a body turned by angles [..., 3] about its own x, then y, then z."""
    (sx, sy, sz), (cx, cy, cz) = (np.moveaxis(f(euler), -1, 0) for f in (np.sin, np.cos))
    a, b, c = offset
    x, y, z = cz * a - sz * b, sz * a + cz * b, c  # about z
    x, z = cy * x + sy * z, -sy * x + cy * z  # about y
    return np.stack([x, cx * y - sx * z, sx * y + cx * z], axis=-1)


def _length(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.linalg.norm(vectors, axis=-1))
