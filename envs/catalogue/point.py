"""A small dense task, to try a method on."""

from __future__ import annotations

import math

from envs.task import Recipe, Task

__all__ = ["TASK", "TASKS"]

TASK = Task(
    id="point-reach-v0",
    summary="push a point to a goal and stop there: seconds, to try a method on",
    obs_dim=6,
    action_dim=2,
    horizon=100,
    entry_point="envs.simulators.point:PointReachEnv",
    success_rule="",
    success=None,
    expert="point",
    anchors=(-109.53, -13.77),
    recipe=Recipe(clone_hidden=(64, 64), clone_updates=100),
    reward_range=(-math.sqrt(8), 0.0),
    simulator=("gymnasium",),
    settings={"online_steps": 100_000, "demonstrations": 15, "rollouts": 100},
    profiles={
        "quick": {
            "hidden": (64, 64),
            "batch_size": 128,
            "policy_lr": 1e-3,
            "critic_lr": 1e-3,
            "offline_updates": 2000,
            "online_steps": 6000,
            "eval_every_offline": 1000,
            "eval_every_online": 2000,
        },
    },
)

TASKS = (TASK,)
