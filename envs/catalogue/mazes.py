"""AntMaze of D4RL (Fu et al. 2020): a long way and no reward on it."""

from __future__ import annotations

from typing import Any

from envs import maze_maps
from envs.catalogue.sizes import SMALL
from envs.task import MazeRecipe, Task

__all__ = ["TASKS"]

# IQL's paper, Cal-QL's run_antmaze.sh, RLPD's README; online they run for 300,000 to 1,000,000 steps
_SETTINGS = {
    "iql.expectile": 0.9, "iql.inverse_temperature": 10.0,
    "cql.lagrange_gap": 0.8, "rlpd.backup_entropy": False, "rlpd.subset": 1,
}  # fmt: skip

_MAZE: dict[str, Any] = {
    "obs_dim": maze_maps.OBS_DIM,
    "action_dim": 8,
    "success_rule": "within 0.5 m of the goal",
    "success": maze_maps.success,
    "expert": "ant",
    "terminates": True,
    "ends_at_success": True,
    "obs_parts": maze_maps.PARTS,
}

TASKS = (
    Task(
        id="antmaze-umaze-v1",
        summary="a four-legged robot finds its way around one wall",
        anchors=(-700.0, -167.0),
        recipe=MazeRecipe("umaze", "antmaze-umaze-anywhere-v1"),
        remote={"play": "D4RL/antmaze/umaze-v1", "diverse": "D4RL/antmaze/umaze-diverse-v1"},
        horizon=700,
        # whole episodes per iteration
        settings=_SETTINGS | {"steps_per_iteration": 700, "online_steps": 700_000, "eval_every_online": 14_000},
        profiles={"quick": SMALL | {"online_steps": 14_000, "eval_every_online": 3500}},
        **_MAZE,
    ),
    *(
        Task(
            id=f"antmaze-{maze}-v1",
            summary=f"a four-legged robot finds its way through a {maze} maze",
            anchors=anchors,
            recipe=MazeRecipe(maze, f"antmaze-{maze}-anywhere-v1"),
            remote={kind: f"D4RL/antmaze/{maze}-{kind}-v1" for kind in ("play", "diverse")},
            horizon=1000,
            settings=_SETTINGS,
            **_MAZE,
        )
        for maze, anchors in (("medium", (-1000.0, -288.0)), ("large", (-1000.0, -399.0)))
    ),
)
