"""AntMaze with D4RL's own ant, for D4RL's own data.

    antmaze-umaze-d4rl-v0  antmaze-medium-d4rl-v0  antmaze-large-d4rl-v0        (1000 steps; umaze 700)

As `envs.simulators.mazes`, but for what makes D4RL's recordings fit: torques of up to 30 Nm, steps of 0.1 s that the
integrator takes in fifths, softer contacts, starts in the middle of their cell, goals up to 1.5 m off the middle of
theirs, and positions counted from the start's cell, y growing with the map's row (d4rl/locomotion/assets/ant.xml,
ant.py, maze_env.py). Observation [31] and file layout: `envs.rules.d4rl_mazes`. D4RL hides the goal and draws it anew
for each evaluation episode; here it is observed, as in the other mazes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box

from envs.rules import d4rl_mazes, maze_maps
from envs.simulators.mazes import Action, AntMaze, Obs, above
from envs.simulators.restore import Simulated, State

__all__ = ["D4RLAntMazeEnv"]

TIMESTEP = 0.02  # s; gymnasium's ant: 0.01
TORQUE = 30.0  # Nm; gymnasium's ant: 150
SOLIMP = (0.8, 0.8, 0.01)  # gymnasium's ant: MuJoCo's own, 0.9, 0.95, 0.001
RESET_NOISE = 0.1  # of joints, uniform, and of velocities, normal


class D4RLAntMazeEnv(Simulated, gymnasium.Env[Obs, Action]):
    """Run with D4RL's ant from the start of a maze of `maze_maps.MAPS` to its goal."""

    metadata = AntMaze.metadata
    observation_space = Box(-np.inf, np.inf, (maze_maps.OBS_DIM,), np.float64)
    action_space = Box(-1.0, 1.0, (8,), np.float32)

    def __init__(self, maze: str, render_mode: str | None = None) -> None:
        rows = maze_maps.cells(maze)[::-1]  # gymnasium-robotics' y falls with the row
        self._maze = AntMaze(
            render_mode=render_mode,
            maze_map=rows,
            include_cfrc_ext_in_observation=False,
            default_camera_config=above(maze),
        )
        Path(self._maze.tmp_xml_file_path).unlink(missing_ok=True)  # read by now, and otherwise never removed
        self._maze.position_noise_range = 0.0
        self.render_mode, self._ant = render_mode, self._maze.ant_env
        self.model, self.data = self._ant.model, self._ant.data
        self.model.opt.timestep = TIMESTEP
        self.model.actuator_gear[:, 0] = TORQUE
        self.model.geom_solimp[:, :3] = SOLIMP
        (start,) = (np.array([r, c]) for r, row in enumerate(rows) for c, mark in enumerate(row) if mark == "r")
        self._start_cell = self._maze.maze.cell_rowcol_to_xy(start)
        self._offset = d4rl_mazes.offset(maze)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Obs, dict[str, Any]]:
        super().reset(seed=seed)
        self._maze.reset(seed=seed)
        rng, ant = self.np_random, self._ant
        qpos = ant.init_qpos + rng.uniform(-RESET_NOISE, RESET_NOISE, self.model.nq)
        ant.set_state(qpos, RESET_NOISE * rng.standard_normal(self.model.nv))
        self._set_goal(self._offset + sum(rng.uniform(0.0, most, 2) for most in d4rl_mazes.GOAL_NOISE))
        return self._observed(), {"success": False}

    def step(self, action: Action) -> tuple[Obs, float, bool, bool, dict[str, Any]]:
        self._ant.do_simulation(np.clip(action, -1.0, 1.0), self._ant.frame_skip)
        obs = self._observed()
        success = bool(maze_maps.success(obs))
        return obs, float(success) - 1.0, success, False, {"success": success}

    def render(self) -> Any:
        return self._maze.render()

    def close(self) -> None:
        self._maze.close()

    def missing(self, obs: Obs, state: State) -> str:
        return ""  # an observation is the whole state

    def begin(self, obs: Obs, state: State) -> None:
        self._set_goal(obs[29:31])
        self._start(*self._joints(obs))

    def restore(self, obs: Obs, state: State) -> None:
        self._set(*self._joints(obs))

    def _joints(self, obs: Obs) -> tuple[Obs, Obs]:
        return np.concatenate((obs[27:29] + self._start_cell, obs[:13])), obs[13:27]

    def _set_goal(self, goal: Obs) -> None:
        self._goal = np.asarray(goal, np.float64)
        self._maze.goal = self._goal + self._start_cell
        self._maze.update_target_site_pos()

    def _observed(self) -> Obs:
        position = self.data.qpos[:2] - self._start_cell
        return np.concatenate((self.data.qpos[2:], self.data.qvel, position, self._goal))
