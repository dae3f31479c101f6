"""OGBench's mazes with a fixed goal, and data of bodies that are led from goal to goal.

    pointmaze-medium-navigate-task1-v0 ... -task5-v0, pointmaze-large-...         (1000 steps)
    antmaze-medium-navigate-task1-v0 ... -task5-v0, antmaze-large-...             (1000 steps)
    humanoidmaze-medium-navigate-task1-v0 ... -task5-v0                           (2000 steps)

The first success is the end. Observations: the point's position [2]; positions and velocities of all joints of the ant
[29]; of the humanoid [69] its position, joint angles, heights, extremities and velocities. Goal and success:
`envs.rules.ogbench_mazes`. The reward is 0 at the goal and -1 elsewhere, judged after the step, as those of the other
tasks of OGBench here. The mazes are those of D4RL's `antmaze-medium` and `-large`; the ant has a fifth of the torque of
gymnasium's and half its rate, and the goal is not observed, as it never changes.

Data are made as by ogbench's data_gen_scripts/generate_locomaze.py, `navigate`: from a random cell to a random corner
on a shortest way, with noise on the actions, and on to the next.
"""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

from envs.errors import SimulatorError
from envs.rules.ogbench_mazes import BODIES
from envs.simulators.ogbench_tasks import Obs, SingleTask
from envs.task import NavigateRecipe

try:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # glfw, which nothing here opens a window with, asks for a display
        from ogbench.locomaze.maze import make_maze_env
except ImportError:
    raise SimulatorError("OGBench's tasks need ogbench: pip install 'awac-bench[ogbench]'") from None

__all__ = ["Agent", "MazeEnv", "navigate"]

Cell: TypeAlias = tuple[int, int]  # row, column
Agent: TypeAlias = Callable[[Obs, Obs], NDArray[Any]]  # obs [O], direction to go [2], of length 1 -> action [A]


class MazeEnv(SingleTask):
    """Go to the goal of task `number` in a maze."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012 - as gymnasium declares it

    def __init__(self, body: str, maze: str, number: int, render_mode: str | None = None) -> None:
        self.render_mode = render_mode
        self.observation_space = Box(-np.inf, np.inf, (BODIES[body].obs_dim,), np.float64)
        self.action_space = Box(-1.0, 1.0, (BODIES[body].action_dim,), np.float32)
        self.env = _maze(body, maze, reward_task_id=number, add_noise_to_goal=False)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Obs, dict[str, Any]]:
        super().reset(seed=seed)
        with _own_stream(self.env, int(self.np_random.integers(2**31))) as drawn:
            obs, _ = self.env.reset(seed=drawn)
        return obs, {"success": False}


def navigate(
    options: Mapping[str, Any], recipe: NavigateRecipe, agent: Agent, seed: int, reached: list[int] | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Lead an agent from goal to goal for one episode: observations [T + 1, O], actions [T, A].

    It follows from the seed alone. To `reached` is added at how many goals the agent arrived.
    """
    env = _collecting(options["body"], options["maze"])
    cells, corners = _cells(env.maze_map)
    arrivals = 0
    with _own_stream(env, seed):
        route = {"init_ij": _drawn(cells), "goal_ij": _drawn(corners)}
        obs, _ = env.reset(seed=seed, options={"task_info": route})
        seen, sent = [obs], []
        for _ in range(recipe.length):
            wish = agent(seen[-1], _direction(env))
            action = np.clip(wish + np.random.normal(0, recipe.noise, wish.shape), -1.0, 1.0).astype(np.float32)
            obs, _, _, _, info = env.step(action)
            seen.append(obs)
            sent.append(action)
            if info["success"]:
                arrivals += 1
                env.set_goal(_drawn(corners))
    if reached is not None:
        reached.append(arrivals)
    return np.asarray(seen, np.float32), np.asarray(sent, np.float32)


def _direction(env: Any) -> Obs:
    """Unit vector [2] to the next cell on the way to the goal, or to the middle of the goal's cell."""
    here, there = env.get_xy(), env.cur_goal_xy
    way = _next(env, env.xy_to_ij(here), env.xy_to_ij(there)) - here
    return np.asarray(way / (np.linalg.norm(way) + 1e-6))


@functools.cache
def _next(env: Any, here: Cell, there: Cell) -> Obs:
    """Middle [2] of the next cell on a shortest way, by ogbench's search, which depends on the cells alone."""
    middle, _ = env.get_oracle_subgoal(env.ij_to_xy(here), env.ij_to_xy(there))
    return np.asarray(middle, np.float64)


def _drawn(cells: list[Cell]) -> Cell:
    return cells[np.random.randint(len(cells))]


def _cells(walls: NDArray[Any]) -> tuple[list[Cell], list[Cell]]:
    """Free cells of a map, and those of them that are not in the middle of a straight corridor."""
    free = [(int(i), int(j)) for i, j in np.argwhere(walls == 0)]
    corners = []
    for i, j in free:
        across, along = (walls[i, j - 1], walls[i, j + 1]), (walls[i - 1, j], walls[i + 1, j])
        if (across, along) not in (((0, 0), (1, 1)), ((1, 1), (0, 0))):
            corners.append((i, j))
    return free, corners


@functools.lru_cache(maxsize=1)
def _collecting(body: str, maze: str) -> Any:
    """The environment that data are recorded in, made once in each process."""
    return _maze(body, maze, terminate_at_goal=False)


def _maze(body: str, maze: str, **options: Any) -> Any:
    kind = body.removesuffix("maze")
    made = make_maze_env(kind, "maze", maze_type=maze, success_timing="post", **options)
    Path(made.fullpath).unlink(missing_ok=True)  # read by now, and otherwise never removed
    return made


@contextlib.contextmanager
def _own_stream(env: Any, seed: int) -> Iterator[int]:
    """Let all that an environment draws follow from a seed, and leave numpy's global stream, which it uses, alone."""
    before = np.random.get_state()
    np.random.seed(seed)
    env.action_space.seed(seed)
    try:
        yield seed
    finally:
        np.random.set_state(before)
