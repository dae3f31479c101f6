"""The AntMaze mazes, where their cells lie, the way through them, and success. Imports no simulator.

Cells are squares of 4 m; the middle of the map is the origin, x grows with the column and y falls with the row.
"""

from __future__ import annotations

from collections import deque
from functools import cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["CELL", "GOAL_RADIUS", "MAPS", "OBS_DIM", "PARTS", "cells", "next_waypoint", "success"]

Cell: TypeAlias = tuple[int, int]  # row, column

# D4RL's maps for evaluation: wall, start, goal
MAPS = {
    "umaze": (
        "#####",
        "#s  #",
        "### #",
        "#g  #",
        "#####",
    ),
    "medium": (
        "########",
        "#s ##  #",
        "#  #   #",
        "##   ###",
        "#  #   #",
        "# #  # #",
        "#   # g#",
        "########",
    ),
    "large": (
        "############",
        "#s   #     #",
        "# ## # # # #",
        "#      #   #",
        "# #### ### #",
        "#  # #     #",
        "## # # # ###",
        "#  #   # g #",
        "############",
    ),
}
CELL = 4.0  # m, side of a cell
GOAL_RADIUS = 0.5  # m, inclusive: D4RL; gymnasium-robotics: 0.45
PARTS = ("observation", "achieved_goal", "desired_goal")  # of gymnasium-robotics' observation: the ant, position, goal
OBS_DIM = 31  # 27 + 2 + 2
_CODES: dict[str, int | str] = {"#": 1, "s": "r", "g": "g", " ": 0}  # as gymnasium-robotics writes maps


def cells(maze: str, anywhere: bool = False) -> list[list[int | str]]:
    """Write a map as gymnasium-robotics takes it; with `anywhere`, every free cell can be start or goal."""
    return [[_CODES[" " if anywhere and mark != "#" else mark] for mark in row] for row in MAPS[maze]]


def success(next_obs: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether the ant is at the goal [...], in observations [..., 31]."""
    if next_obs.shape[-1] != OBS_DIM:
        raise ValueError(f"maze observations have {OBS_DIM} entries, these have {next_obs.shape[-1]}")
    away = next_obs[..., 27:29].astype(np.float64) - next_obs[..., 29:31]
    return np.asarray(np.linalg.norm(away, axis=-1) <= GOAL_RADIUS)


def next_waypoint(maze: str, position: NDArray[Any], goal: NDArray[Any]) -> NDArray[np.float64]:
    """Points to head for [N, 2] from positions [N, 2]: middles of the next cells on a shortest way, or the goal."""
    out = np.empty((len(position), 2))
    for i in range(len(position)):
        at, end = _cell(maze, position[i]), _cell(maze, goal[i])
        step = _ways(maze, end)[at]
        out[i] = goal[i] if step == end else _middle(maze, step)
    return out


@cache
def _ways(maze: str, goal: Cell) -> dict[Cell, Cell]:
    """Next cell on a shortest way to `goal`, for every free cell; found breadth first from the goal."""
    ways, frontier = {goal: goal}, deque([goal])
    while frontier:
        row, column = at = frontier.popleft()
        for near in ((row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)):
            if near in _free(maze) and near not in ways:
                ways[near] = at
                frontier.append(near)
    return ways


@cache
def _free(maze: str) -> frozenset[Cell]:
    return frozenset((r, c) for r, row in enumerate(MAPS[maze]) for c, mark in enumerate(row) if mark != "#")


def _cell(maze: str, position: NDArray[Any]) -> Cell:
    """The free cell of a position [2], or where it lies over a wall, the free cell with the nearest middle."""
    rows = MAPS[maze]
    column, row = np.floor(np.array([position[0], -position[1]]) / CELL + np.array([len(rows[0]), len(rows)]) / 2)
    found = (int(row), int(column))
    if found in _free(maze):
        return found
    return min(sorted(_free(maze)), key=lambda c: float(np.linalg.norm(_middle(maze, c) - position)))


def _middle(maze: str, cell: Cell) -> NDArray[np.float64]:
    """The middle [2] of a cell."""
    rows = MAPS[maze]
    return CELL * np.array([cell[1] + 0.5 - len(rows[0]) / 2, len(rows) / 2 - cell[0] - 0.5])
