"""The Adroit hand tasks with D4RL's dense rewards (Fu et al. 2020); data as of the binary tasks."""

from __future__ import annotations

import math
from typing import Any

from envs.catalogue.sizes import SMALL
from envs.rules import adroit, adroit_dense
from envs.task import DemoRecipe, Task

__all__ = ["TASKS"]


def _settings(highest: float, **changes: Any) -> dict[str, Any]:
    """As of the binary tasks; the temperature of 0.3, for rewards between -1 and 0, grows with the highest reward."""
    temperature = 0.3 * highest
    return {
        "awac.temperature": temperature, "abm.temperature": temperature, "mpo.temperature": temperature,
        "online_steps": 800_000, "rlpd.backup_entropy": False, **changes,
    }  # fmt: skip


# Anchors: mean returns of uniform random actions and of the shipped expert's mode over 100 episodes each.
TASKS = (
    Task(
        id="pen-dense-v0",
        summary="spin a pen in the hand to a target orientation, dense reward",
        obs_dim=45,
        action_dim=24,
        success_rule="pen within 0.075 m of the target and axes aligned (cosine > 0.95)",
        success=adroit.pen_success,
        expert="pen",
        anchors=(-140.59, 3026.30),
        d4rl_anchors=(96.262799, 3076.8331),  # of episodes that end when the pen is dropped
        recipe=DemoRecipe(noise=1.0),
        remote={k: f"D4RL/pen/{k}-v2" for k in ("human", "cloned", "expert")},
        horizon=100,
        reward_range=(-math.inf, 61.0),
        dense=True,
        settings=_settings(61.0),
        profiles={"quick": SMALL},
    ),
    Task(
        id="door-dense-v0",
        summary="undo the latch and swing the door open, dense reward",
        obs_dim=39,
        action_dim=28,
        success_rule="door angle > 1.35 rad",
        success=adroit_dense.door_success,
        expert="door",
        anchors=(-56.63, 3004.12),
        d4rl_anchors=(-56.512833, 2880.5693),
        recipe=DemoRecipe(lag=0.2, hold_probability=0.1),
        remote={k: f"D4RL/door/{k}-v2" for k in ("human", "cloned", "expert")},
        reward_range=(-math.inf, 20.0),
        dense=True,
        mend=adroit_dense.mended_door,
        settings=_settings(20.0),
        profiles={"quick": SMALL | {"online_steps": 10_000}},
    ),
    Task(
        id="relocate-dense-v0",
        summary="grasp the ball and carry it to the target, dense reward",
        obs_dim=39,
        action_dim=30,
        success_rule="ball within 0.1 m of the target",
        success=adroit.relocate_success,
        expert="relocate",
        anchors=(-5.72, 4430.02),
        d4rl_anchors=(-6.425911, 4233.8778),
        recipe=DemoRecipe(lag=0.15, hold_probability=0.05),
        remote={k: f"D4RL/relocate/{k}-v2" for k in ("human", "cloned", "expert")},
        reward_range=(-math.inf, 31.0),
        dense=True,
        mend=adroit_dense.mended_relocate,
        settings=_settings(31.0, online_steps=4_000_000),
        profiles={"quick": {"batch_size": 128}},
    ),
    Task(
        id="hammer-dense-v0",
        summary="pick up the hammer and drive the nail in, dense reward",
        obs_dim=46,
        action_dim=26,
        success_rule="nail within 0.01 m of fully driven",
        success=adroit.hammer_success,
        expert="hammer",
        anchors=(-274.64, 16302.32),
        d4rl_anchors=(-274.856578, 12794.1348),
        recipe=DemoRecipe(lag=0.3, hold_probability=0.05),
        remote={k: f"D4RL/hammer/{k}-v2" for k in ("human", "cloned", "expert")},
        reward_range=(-math.inf, 102.0),
        dense=True,
        mend=adroit_dense.mended_hammer,
        settings=_settings(102.0),
    ),
)
