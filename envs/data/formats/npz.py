"""Plain `.npz`: arrays under D4RL's names, without pickles.

    observations [N, O]  actions [N, A]  rewards [N]
    terminals [N]        the task ended with this step
    timeouts [N]         the episode was cut off after it; or instead episode_lengths [E], in steps
    next_observations [N, O]  optional; observations may instead be [N + E, O], each episode with its last one
    demonstrations [N], seeds [E], infos/NAME [N, ...], infos_final/NAME [E, ...]    optional, as in `formats.d4rl`

OGBench's files, which hold simulator states `qpos` and `qvel` and none of the optional arrays but `terminals`, are read
by `formats.ogbench`: there these mark the last rows of episodes.

Episodes of one length may also be stacked: observations [E, T+1, O], actions [E, T, A], rewards and flags [E, T].
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from disk.arrays import ArraysError, read_npz
from envs.data.formats import d4rl, ogbench
from envs.data.formats.flat import Content
from envs.errors import DatasetError, first_line
from envs.task import Task

__all__ = ["read"]

_GROUPS = ("infos/", "infos_final/")


def read(task: Task, path: Path, limit: int | None) -> Content:
    """Read the episodes of an npz; raises `DatasetError` where it is damaged or not of the task."""
    where = str(path)
    try:
        arrays, unread = read_npz(path, lambda name: name in d4rl.LAYOUT or name.startswith(_GROUPS))
    except (ArraysError, OSError) as error:
        raise DatasetError(f"{where}: {first_line(error)}") from None
    if {"qpos", "qvel"} <= set(unread) and set(arrays) == set(ogbench.KEYS):
        return ogbench.read(task, path, limit)
    columns = {key: array for key, array in arrays.items() if key in d4rl.LAYOUT}
    infos, finals = (
        {key.removeprefix(group): array for key, array in arrays.items() if key.startswith(group) and array.shape}
        for group in _GROUPS
    )
    return d4rl.from_columns(where, task, _with_successors(_unstacked(columns)), limit, infos, finals, unread)


def _unstacked(columns: dict[str, Any]) -> dict[str, Any]:
    """Lay episodes of one length [E, T, ...] end to end; anything else stays as it is."""
    action = columns.get("actions")
    if action is None or action.ndim != 3:
        return columns
    count, length = action.shape[:2]
    out = {
        k: v.reshape(-1, *v.shape[2:]) if v.shape[:2] in ((count, length), (count, length + 1)) else v
        for k, v in columns.items()
    }
    return {"episode_lengths": np.full(count, length)} | out  # flags may end episodes earlier, never join two


def _with_successors(columns: dict[str, Any]) -> dict[str, Any]:
    """Split observations [N + E, O] into those before and those after each step."""
    obs, lengths = columns.get("observations"), columns.get("episode_lengths")
    if obs is None or lengths is None or "next_observations" in columns or lengths.dtype.kind not in "iu":
        return columns
    if lengths.ndim != 1 or (lengths < 1).any() or len(obs) != lengths.sum() + len(lengths):
        return columns
    end = np.cumsum(lengths + 1) - 1
    first = np.concatenate(([0], end[:-1] + 1))
    return columns | {"observations": np.delete(obs, end, 0), "next_observations": np.delete(obs, first, 0)}
