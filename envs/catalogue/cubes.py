"""OGBench's cube tasks with a fixed goal (Park et al. 2025): a robot arm carries a cube to one of five places."""

from __future__ import annotations

from functools import partial

from envs.rules import cubes
from envs.task import PlayRecipe, Task

__all__ = ["TASKS"]

_README = "FQL's README, commands for cube-single"


def _single(number: int) -> Task:
    """One of the five tasks with a single cube; they share their play data but for the rewards."""
    return Task(
        id=f"cube-single-task{number}-v0",
        summary=f"a robot arm carries a cube {cubes.NAMES[number - 1]}",
        obs_dim=cubes.OBS_DIM,
        action_dim=5,
        horizon=200,  # as ogbench registers it
        entry_point="envs.simulators.cubes:CubeEnv",
        options={"number": number},
        success_rule="cube within 0.04 m of its goal",
        success=partial(cubes.success, number),
        expert="",
        recipe=PlayRecipe(),
        terminates=True,
        ends_at_success=True,
        simulator=("ogbench", "mujoco"),
        extra="ogbench",
        settings={"fql.distil_weight": 300.0, "online_steps": 1_000_000, "rollouts": 1000},
        sources={
            "fql.distil_weight": _README,
            "online_steps": "FQL's README, offline to online",
            "rollouts": "ogbench's data_gen_scripts/commands.sh: 1000 episodes of 1000 steps",
        },
        profiles={"quick": {"rollouts": 50, "eval_episodes": 10}, "smoke": {"rollouts": 1, "eval_episodes": 1}},
    )


TASKS = tuple(_single(number) for number in range(1, len(cubes.GOALS) + 1))
