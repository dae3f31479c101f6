"""Gymnasium's lunar lander (AWR Table 1), dense rewards."""

from __future__ import annotations

import math
from typing import Any

from envs.task import Recipe, Task

__all__ = ["TASKS"]

_LANDER: dict[str, Any] = {
    "obs_dim": 8,
    "success_rule": "",  # its documentation calls a return of 200 solved, which the return shows by itself
    "success": None,
    "horizon": 1000,  # as gymnasium registers it
    "entry_point": "envs.simulators.lander:LanderEnv",
    "reward_range": (-math.inf, math.inf),
    "terminates": True,
    "simulator": ("gymnasium", "box2d"),
    "extra": "box2d",
    "settings": {"online_steps": 1_000_000, "demonstrations": 15, "rollouts": 100},
    "profiles": {
        # one environment per seed: an evaluation plays its episodes one after the other
        "quick": {"eval_every_online": 10_000, "eval_episodes": 10},
        "smoke": {"eval_episodes": 1},
    },
}

TASKS = (
    Task(
        id="lunarlander-v3",
        summary="land between the flags, firing one engine or none at a time",
        action_dim=4,
        discrete=True,
        options={"continuous": False},
        expert="lander",
        presets={"official": {"awr.policy_lr": 5e-4}},  # AWR's code, awr_configs.py; its L2 on the logits is left out
        anchors=(-177.24, 251.35),  # AWR's Table 1, on v2: AWR 229, RWR 185
        recipe=Recipe(clone_updates=500),
        **_LANDER,
    ),
    Task(
        id="lunarlander-continuous-v3",
        summary="land between the flags with two throttles",
        action_dim=2,
        options={"continuous": True},
        expert="lander-continuous",
        anchors=(-209.54, 285.67),
        recipe=Recipe(clone_updates=300),
        **_LANDER,
    ),
)
