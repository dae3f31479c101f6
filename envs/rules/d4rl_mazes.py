"""D4RL's AntMaze files as tasks with D4RL's ant have them: the goal they do not hold, and which rows follow each other.

A file's observation [29] is position (2), height, orientation and joints (13), velocities (14). The task's [31] is what
`envs.rules.maze_maps` says: the ant, its position, the goal; positions in metres from the middle of the start's cell,
x growing with the column and y with the row.

Which goal its rewards are of, a file does not say: `infos/goal` are those that the ant was steered to when the data
were made. But a reward of 1 is one of arriving within half a metre of it
(scripts/generation/relabel_antmaze_rewards.py), so it is the middle of the smallest circle around where they arrive.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from envs.rules import maze_maps

__all__ = ["GOAL_NOISE", "arrived", "from_columns", "offset", "other_ant"]

GOAL_NOISE = (1.0, 0.5)  # m, largest of the two uniform parts that D4RL adds on each axis to the goal's cell
_WIDTH = 29  # of D4RL's observations
_JUMP = 1.5  # m between rows 0.1 s apart: a reset that the file does not mark
_ROUNDS = 2000  # of the search for the smallest circle, whose middle is then known to about a millimetre


def offset(maze: str) -> NDArray[np.float64]:
    """Where the goal's cell lies from the start's [2], in metres."""
    at = {mark: (r, c) for r, row in enumerate(maze_maps.MAPS[maze]) for c, mark in enumerate(row) if mark in "sg"}
    (start_row, start_column), (row, column) = at["s"], at["g"]
    return maze_maps.CELL * np.array([column - start_column, row - start_row], np.float64)


def arrived(next_obs: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether the ant is at the goal, as the one subtask [..., 1], in observations [..., 31]."""
    return maze_maps.success(next_obs)[..., None]


def from_columns(columns: dict[str, Any], infos: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
    """Turn a file's arrays into those of the task, and say what was done; one in the task's layout stays as it is.

    Rows whose successor is not in the file are left out, as D4RL's own reader does. Raises `ValueError` where no row
    arrives at a goal, or nothing says where episodes were cut off.
    """
    if len(columns["observations"].shape) != 2 or columns["observations"].shape[1] != _WIDTH:
        return columns, infos, []
    if lacking := [name for name in ("rewards", "timeouts") if name not in columns]:
        raise ValueError(f"has no {' and no '.join(lacking)}, which D4RL's AntMaze files have")
    obs = np.asarray(columns["observations"][:], np.float32)
    cut = np.asarray(columns["timeouts"][:]).reshape(-1).astype(bool)
    reward = np.asarray(columns["rewards"][:], np.float32).reshape(-1)
    if not len(obs) == len(cut) == len(reward):
        raise ValueError(f"has {len(obs)} observations, {len(cut)} timeouts and {len(reward)} rewards")
    jumps = np.append(np.linalg.norm(np.diff(obs[:, :2], axis=0), axis=1) > _JUMP, True)
    ends = cut | jumps
    kept = np.flatnonzero(~ends)
    reached = obs[kept + 1, :2][reward[kept] > 0.5]
    if not len(reached):
        raise ValueError("no row has a reward of 1, so nothing says where its goal is")
    goal, radius = _smallest_circle(reached.astype(np.float64))
    taken = {name: np.asarray(column[:])[kept] for name, column in columns.items() if name == "actions"}
    after = _laid_out(obs[kept + 1], goal)
    taken |= {
        "observations": _laid_out(obs[kept], goal),
        "next_observations": after,
        "rewards": reward[kept],
        "terminals": maze_maps.success(after),
        "timeouts": ends[kept + 1],
    }
    notes = [
        f"goal at x {goal[0]:.2f} m, y {goal[1]:.2f} m, the middle of where {len(reached):,} rewarded rows arrive, "
        f"up to {radius:.3f} m off",
        f"{len(obs) - len(kept):,} rows left out, after which an episode was cut off",
    ]
    if hidden := int((jumps & ~cut)[:-1].sum()):
        notes.append(f"{hidden:,} episodes end where the ant jumps, unmarked by the file")
    states = {name: np.asarray(v[:])[kept] for name, v in infos.items() if name in ("qpos", "qvel")}
    return taken, states, notes


def other_ant(columns: dict[str, Any], infos: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
    """Refuse D4RL's files for tasks with gymnasium's ant, which moves otherwise; all others stay as they are."""
    shape = columns["observations"].shape
    if len(shape) == 2 and shape[1] == _WIDTH:
        raise ValueError(
            "is of D4RL's ant, with a fifth of this one's torque and steps twice as long; the tasks "
            "antmaze-umaze-d4rl, antmaze-medium-d4rl and antmaze-large-d4rl have it: name one with --env"
        )
    return columns, infos, []


def _laid_out(obs: NDArray[np.float32], goal: NDArray[np.float64]) -> NDArray[np.float32]:
    """D4RL's observations [N, 29] as the task's [N, 31]."""
    goals = np.broadcast_to(goal.astype(np.float32), (len(obs), 2))
    return np.concatenate((obs[:, 2:], obs[:, :2], goals), axis=1)


def _smallest_circle(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Middle [2] and radius of the smallest circle around points [N, 2], by Badoiu and Clarkson (2003)."""
    middle = points.mean(axis=0)
    for step in range(1, _ROUNDS + 1):
        away = points - middle
        middle = middle + away[np.argmax((away**2).sum(axis=1))] / (step + 1)
    return middle, float(np.linalg.norm(points - middle, axis=1).max())
