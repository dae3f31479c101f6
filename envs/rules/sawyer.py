"""The reward of sawyer-push from what was reached and what was asked for, as observations hold it."""

from __future__ import annotations

from typing import Any

from envs.task import minus_distance

__all__ = ["SUCCESS_DISTANCE", "UNIT", "reward"]

UNIT = 0.1  # metres per unit of an observation
SUCCESS_DISTANCE = 0.05  # metres


def reward(achieved: Any, desired: Any) -> Any:
    """Reward [...] -|achieved - desired| in metres, of goals [..., G] in units of an observation."""
    return UNIT * minus_distance(achieved, desired)
