"""OGBench's mazes with a fixed goal (Park et al. 2025): a long way, learned from wandering about the maze."""

from __future__ import annotations

from functools import partial
from typing import Any

from envs.rules import ogbench_mazes as rules
from envs.task import AnyRecipe, GivenData, NavigateRecipe, Task

__all__ = ["TASKS"]

# body and maze -> kinds of OGBench's data of it, the first of which the task is named after
_KINDS = {
    ("pointmaze", "medium"): ("navigate", "stitch"),
    ("pointmaze", "large"): ("navigate", "stitch"),
    ("antmaze", "medium"): ("navigate", "stitch", "explore"),
    ("antmaze", "large"): ("navigate", "stitch", "explore"),
    ("humanoidmaze", "medium"): ("navigate", "stitch"),
}

# OGBench leads the point itself, and an ant and a humanoid that were trained to be led, which its package lacks. The
# ant here obeys the expert of ant-v5, whose motors have five times the gear (150, here 30). Nothing stands in for the
# humanoid, so that its tasks have the published data alone.
_RECIPES: dict[str, AnyRecipe] = {
    "pointmaze": NavigateRecipe(noise=0.5),
    "antmaze": NavigateRecipe(noise=0.2, expert="ant", gain=5.0),
}

_MAZES = {"medium": "a maze", "large": "a large maze"}

_README = "FQL's README, commands for {}"
_SETTINGS: dict[str, dict[str, Any]] = {
    "pointmaze": {},
    "antmaze": {"fql.distil_weight": 10.0, "fql.q_aggregate": "min"},  # of antmaze-large
    "humanoidmaze": {"fql.distil_weight": 100.0, "discount": 0.995},
}

_ROLLOUTS = "ogbench's data_gen_scripts/commands.sh: 1000 episodes of 1000 steps"
_ONLINE = "FQL's README, offline to online on humanoidmaze-medium"


def _task(body: str, maze: str, number: int) -> Task:
    """One of the five tasks of a maze; they share their data but for rewards and ends."""
    facts = rules.BODIES[body]
    start, goal = rules.ROUTES[maze][number - 1]
    kinds = _KINDS[body, maze]
    settings = _SETTINGS[body]
    remote = {kind: f"ogbench/{body}-{maze}-{kind}-singletask-task{number}-v0" for kind in kinds}
    own = {"rollouts": 1000} if body in _RECIPES else {}
    return Task(
        id=f"{body}-{maze}-{kinds[0]}-task{number}-v0",
        summary=f"{facts.words} finds its way from cell {start} to cell {goal} of {_MAZES[maze]}",
        obs_dim=facts.obs_dim,
        action_dim=facts.action_dim,
        horizon=facts.horizon,
        entry_point="envs.simulators.ogbench_mazes:MazeEnv",
        options={"body": body, "maze": maze, "number": number},
        success_rule=f"within {facts.radius:g} m of the goal",
        success=partial(rules.success, body, maze, number),
        expert="",
        recipe=_RECIPES.get(body, GivenData(remote[kinds[0]])),
        remote=remote,
        terminates=True,
        ends_at_success=True,
        simulator=("ogbench", "mujoco"),
        extra="ogbench",
        settings={**settings, "online_steps": 1_000_000, **own},
        sources={
            **{name: _README.format(f"{body}-{maze if body == 'humanoidmaze' else 'large'}") for name in settings},
            "online_steps": _ONLINE,
            **dict.fromkeys(own, _ROLLOUTS),
        },
        profiles={
            "quick": {**dict.fromkeys(own, 50), "eval_episodes": 10},
            "smoke": {**dict.fromkeys(own, 1), "eval_episodes": 1},
        },
    )


TASKS = tuple(_task(body, maze, number) for body, maze in _KINDS for number in range(1, len(rules.ROUTES[maze]) + 1))
