"""The Adroit hand tasks with D4RL's dense rewards (Fu et al. 2020): the binary tasks, but for what stands here."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from envs.catalogue import hands
from envs.rules import adroit_dense
from envs.task import Task

__all__ = ["TASKS"]


def _dense(binary: Task, highest: float, fql: float = 1000.0, **facts: Any) -> Task:
    """One dense task: the binary one with rewards of up to `highest` per step, and temperatures that much higher.

    `fql` is the weight of FQL's distillation.
    """
    temperatures = {f"{name}.temperature": 0.3 * highest for name in ("awac", "abm", "mpo")}
    kept = {name: value for name, value in binary.settings.items() if not name.startswith("awac")}
    return replace(
        binary,
        id=binary.id.replace("binary", "dense"),
        summary=f"{binary.summary}, dense reward",
        reward_range=(-math.inf, highest),
        dense=True,
        settings={**kept, **temperatures, "xql.beta": 8.0, "fql.distil_weight": fql, "fql.q_aggregate": "min"},
        sources={
            **dict.fromkeys(temperatures, "AWAC A.3: 0.3 where the largest reward is 1 above the least"),
            "xql.beta": "XQL's README for pen-human, on these rewards",
            **dict.fromkeys(("fql.distil_weight", "fql.q_aggregate"), "FQL's README, offline to online on cloned data"),
        },
        **facts,
    )


_pen, _door, _relocate, _hammer = hands.TASKS

# Anchors: mean returns of uniform random actions and of the shipped expert's mode over 100 episodes each.
TASKS = (
    _dense(
        _pen,
        entry_point="envs.simulators.hands_dense:PenDenseEnv",
        highest=61.0,
        anchors=(-140.59, 3026.30),
        d4rl_anchors=(96.262799, 3076.8331),  # of episodes that end when the pen is dropped
        horizon=100,  # D4RL's, which its score anchors belong to
    ),
    _dense(
        _door,
        entry_point="envs.simulators.hands_dense:DoorDenseEnv",
        highest=20.0,
        success_rule="door angle > 1.35 rad",
        success=adroit_dense.door_success,
        anchors=(-56.63, 3004.12),
        d4rl_anchors=(-56.512833, 2880.5693),
        fix_rewards=adroit_dense.fixed_door,
        profiles={"quick": {"rollouts": 100, "online_steps": 10_000}},
    ),
    _dense(
        _relocate,
        entry_point="envs.simulators.hands_dense:RelocateDenseEnv",
        highest=31.0,
        fql=10_000.0,
        anchors=(-5.72, 4430.02),
        d4rl_anchors=(-6.425911, 4233.8778),
        fix_rewards=adroit_dense.fixed_relocate,
    ),
    _dense(
        _hammer,
        entry_point="envs.simulators.hands_dense:HammerDenseEnv",
        highest=102.0,
        anchors=(-274.64, 16302.32),
        d4rl_anchors=(-274.856578, 12794.1348),
        fix_rewards=adroit_dense.fixed_hammer,
    ),
)
