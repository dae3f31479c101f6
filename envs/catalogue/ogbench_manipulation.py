"""OGBench's manipulation tasks with a fixed goal (Park et al. 2025): a robot arm carries, presses, opens and closes."""

from __future__ import annotations

from functools import partial

from envs.rules import ogbench_manipulation as rules
from envs.task import PlayRecipe, Task

__all__ = ["TASKS"]

_DISTIL = {"cube-single": 300.0, "cube-double": 300.0, "scene": 300.0, "puzzle-3x3": 1000.0}  # FQL's weight


def _task(scene: str, number: int) -> Task:
    """One of the five tasks of a scene; they share their play data but for rewards and ends."""
    facts = rules.SCENES[scene]
    return Task(
        id=f"{scene}-task{number}-v0",
        summary=f"a robot arm {facts.tasks[number - 1].words}",
        obs_dim=facts.obs_dim,
        action_dim=rules.ACTION_DIM,
        horizon=facts.horizon,
        entry_point="envs.simulators.ogbench_manipulation:ManipulationEnv",
        options={"scene": scene, "number": number},
        success_rule=facts.rule,
        success=partial(rules.success, scene, number),
        reward_rule=partial(rules.reward, scene, number),
        reward_range=(-float(facts.size), 0.0),
        expert="",
        recipe=PlayRecipe(),
        remote={kind: f"ogbench/{scene}-{kind}-singletask-task{number}-v0" for kind in ("play", "noisy")},
        terminates=True,
        ends_at_success=True,
        simulator=("ogbench", "mujoco"),
        extra="ogbench",
        settings={"fql.distil_weight": _DISTIL[scene], "online_steps": 1_000_000, "rollouts": 1000},
        sources={
            "fql.distil_weight": f"FQL's README, commands for {scene}",
            "online_steps": "FQL's README, offline to online",
            "rollouts": "ogbench's data_gen_scripts/commands.sh: 1000 episodes of 1000 steps",
        },
        profiles={"quick": {"rollouts": 50, "eval_episodes": 10}, "smoke": {"rollouts": 1, "eval_episodes": 1}},
    )


TASKS = tuple(_task(scene, n) for scene, facts in rules.SCENES.items() for n in range(1, len(facts.tasks) + 1))
