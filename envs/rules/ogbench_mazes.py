"""Where the maze tasks of OGBench (Park et al. 2025) begin and end, and their rule, which an observation alone decides.

An observation begins with the position (x, y) in metres. Cells are squares of 4 m; cell (row, column) has its middle at
x = 4 column - 4, y = 4 row - 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["BODIES", "ROUTES", "Body", "goal", "success"]


@dataclass(frozen=True)
class Body:
    """What moves through the mazes."""

    words: str
    obs_dim: int
    action_dim: int
    radius: float  # metres from the goal, inclusive, that count as arrived (ogbench's maze.py)
    horizon: int  # steps, as ogbench registers it


BODIES = {
    "pointmaze": Body("a point", 2, 2, 1.0, 1000),
    "antmaze": Body("a four-legged robot", 29, 8, 0.5, 1000),
    "humanoidmaze": Body("a humanoid", 69, 21, 0.5, 2000),
}

# maze -> cells of the start and of the goal of each task (`set_tasks` of ogbench's maze.py)
ROUTES = {
    "medium": (((1, 1), (6, 6)), ((6, 1), (1, 6)), ((5, 3), (4, 2)), ((6, 5), (6, 1)), ((2, 6), (1, 1))),
    "large": (((1, 1), (7, 10)), ((5, 4), (7, 1)), ((7, 4), (1, 10)), ((3, 8), (5, 4)), ((1, 1), (5, 4))),
}


def goal(maze: str, number: int) -> NDArray[np.float64]:
    """Goal [2] of task `number`, counted from 1, in metres."""
    row, column = ROUTES[maze][number - 1][1]
    return np.array([4.0 * column - 4.0, 4.0 * row - 4.0])


def success(body: str, maze: str, number: int, next_obs: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether the body has arrived at the goal of task `number`: [..., O] -> [...]."""
    away = np.linalg.norm(next_obs[..., :2] - goal(maze, number), axis=-1)
    return np.asarray(away <= BODIES[body].radius)
