"""What is computed along an episode: returns to go, the action that followed, the steps that are left."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["columns", "next_actions", "returns_to_go", "steps_left"]

Array = NDArray[np.float32]
Flags = NDArray[np.bool_]


def columns(
    names: Sequence[str], action: Array, reward: Array, terminated: Flags, ends: Flags, discount: float
) -> dict[str, Array]:
    """Those of `algos.replay.COLUMNS` that are named, for rows [..., n] laid episode after episode.

    `ends` marks the last row of every episode; action is [..., n, A].
    """
    out = {"ends": ends.astype(np.float32)}
    if "return_to_go" in names:
        out["return_to_go"] = returns_to_go(reward, terminated, ends, discount)
    if {"next_action", "has_next"} & set(names):
        out["next_action"], out["has_next"] = next_actions(action, ends)
    if "steps_left" in names:
        out["steps_left"] = steps_left(ends)
    return {name: out[name] for name in names}


def returns_to_go(reward: Array, terminated: Flags, ends: Flags, discount: float) -> Array:
    """Discounted sum of rewards from each row to the end of the task: [..., n].

    An episode that was only cut off would have gone on: its last reward is taken to stay as it was for ever, which is
    r / (1 - discount) (Cal-QL's code for sparse rewards; exact for a reward that has settled).
    """
    out = np.zeros_like(reward, dtype=np.float64)
    after = np.zeros(reward.shape[:-1])
    for t in reversed(range(reward.shape[-1])):
        cut = np.where(terminated[..., t], 0.0, reward[..., t] / (1.0 - discount))
        after = reward[..., t] + discount * np.where(ends[..., t], cut, after)
        out[..., t] = after
    return out.astype(np.float32)


def next_actions(action: Array, ends: Flags) -> tuple[Array, Array]:
    """The action of the following row of the same episode, zero at its end [..., n, A], and whether there is one."""
    has_next = ~ends
    has_next[..., -1] = False
    following = np.roll(action, -1, axis=-2) * has_next[..., None]
    return following.astype(np.float32), has_next.astype(np.float32)


def steps_left(ends: Flags) -> Array:
    """Rows from each one to the last of its episode, both counted: [..., n]; the last row of all ends its episode."""
    here = np.arange(ends.shape[-1])
    last = np.where(ends, here, len(here) - 1)
    return (np.minimum.accumulate(last[..., ::-1], axis=-1)[..., ::-1] - here + 1).astype(np.float32)
