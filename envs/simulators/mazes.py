"""AntMaze of D4RL in gymnasium-robotics: a four-legged robot that has to find its way to a goal.

    antmaze-umaze-v1  antmaze-medium-v1  antmaze-large-v1        (1000 steps; D4RL: umaze 700)

Observation [31]: the ant as in ant-v5 [27] (height, orientation, joints; velocities), its position [2], the goal [2],
in metres. Action [8]: torques, clipped to [-1, 1]. Start and goal lie in the cells of D4RL's evaluation mazes, each up
to a metre off its centre on either axis. The reward is 0 within half a metre of the goal, where the episode ends, as in
D4RL's evaluation, and -1 elsewhere: D4RL's 1 and 0, less 1, as IQL and RLPD train on them. As in D4RL, an ant that
falls over lies there until time is up. Unlike there, the goal is observed (D4RL hides it, though it varies), and the
ant is gymnasium's, with five times the torque per unit of action.

The same mazes with starts and goals in any free cell are `antmaze-*-anywhere-v1`, for data.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

import gymnasium
import mujoco
import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

from envs.rules import maze_maps
from envs.simulators import robotics  # noqa: F401 - before anything of gymnasium-robotics

# isort: split
from gymnasium_robotics.envs.maze.ant_maze_v5 import AntMazeEnv as AntMaze

__all__ = ["Action", "AntMaze", "AntMazeEnv", "Obs", "above"]

Obs: TypeAlias = NDArray[np.float64]
Action: TypeAlias = NDArray[np.float32]


class AntMazeEnv(gymnasium.Env[Obs, Action]):
    """Run to a goal in a maze of `maze_maps.MAPS`; with `anywhere`, start and goal are drawn from all free cells."""

    metadata = AntMaze.metadata
    observation_space = Box(-np.inf, np.inf, (maze_maps.OBS_DIM,), np.float64)
    action_space = Box(-1.0, 1.0, (8,), np.float32)

    def __init__(self, maze: str, anywhere: bool = False, render_mode: str | None = None) -> None:
        self._maze = AntMaze(
            render_mode=render_mode,
            maze_map=maze_maps.cells(maze, anywhere),
            include_cfrc_ext_in_observation=False,  # as in ant-v5 here
            default_camera_config=above(maze),
        )
        Path(self._maze.tmp_xml_file_path).unlink(missing_ok=True)  # read by now, and otherwise never removed
        self.render_mode = render_mode

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Obs, dict[str, Any]]:
        super().reset(seed=seed)
        parts, _ = self._maze.reset(seed=seed)
        return _flat(parts), {"success": False}

    def step(self, action: Action) -> tuple[Obs, float, bool, bool, dict[str, Any]]:
        obs = _flat(self._maze.step(np.clip(action, -1.0, 1.0))[0])
        success = bool(maze_maps.success(obs))
        return obs, float(success) - 1.0, success, False, {"success": success}

    def render(self) -> Any:
        return self._maze.render()

    def close(self) -> None:
        self._maze.close()


def above(maze: str) -> dict[str, Any]:
    """Place a camera above the maze, whose cells are four metres wide, so that it sees all of it."""
    rows = maze_maps.MAPS[maze]
    distance = 5.0 * max(len(rows), *map(len, rows))
    return {"type": mujoco.mjtCamera.mjCAMERA_FREE, "lookat": np.zeros(3), "distance": distance, "elevation": -90.0}


def _flat(parts: dict[str, Obs]) -> Obs:
    return np.concatenate([parts[name] for name in maze_maps.PARTS])
