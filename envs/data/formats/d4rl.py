"""D4RL's layout: one HDF5 file of flat arrays, row i being step i.

    observations [N, O]  actions [N, A]  rewards [N]  terminals [N]
    timeouts [N]              optional: the episode was cut off after this step
    terminations, truncations, episode_terminals [N]   the same by other writers' names
    next_observations [N, O]  optional
    infos/NAME [N, ...]       optional: simulator states such as qpos and qvel, kept for replaying
    anything else             named and left out

Files written by this suite have besides: `demonstrations` [N], `seeds` [E], `infos_final/NAME` [E, ...], the states
after the last steps.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from disk.shapes import short
from disk.trouble import not_damage
from envs.data.formats.flat import Content, Flat, cut, flags, numbers
from envs.data.hdf5 import Arrays
from envs.errors import DatasetError, first_line
from envs.task import Task

__all__ = ["LAYOUT", "from_columns", "read"]

LAYOUT = {
    "observations": "obs",
    "actions": "action",
    "rewards": "reward",
    "next_observations": "next_obs",
    "terminals": "terminals",
    "timeouts": "timeouts",
    "terminations": "terminals",  # gymnasium's and Minari's names for the two
    "truncations": "timeouts",
    "episode_terminals": "timeouts",  # d3rlpy's: the episode ended, however
    "demonstrations": "demos",
    "seeds": "seeds",
    "episode_lengths": "lengths",
}
_NEEDED = ("observations", "actions")
_NAMED = 8  # of what is not read, in a note
_ACTOR = "action_"  # beginning of infos about the policy, which no simulator needs


def read(task: Task, path: Path, limit: int | None) -> Content:
    """Read the episodes of a D4RL file; raises `DatasetError` where it is damaged or not of the task."""
    where = str(path)
    try:
        with h5py.File(path, "r") as file:
            arrays = Arrays(where, file)
            columns = {key: arrays.get(file, key) for key in file if key in LAYOUT}
            infos = _group(arrays, file, "infos")
            finals = _group(arrays, file, "infos_final")
            groups = [name for name in ("infos", "infos_final") if arrays.group(file, name) is not None]
            unread = [
                key for key in file if key not in LAYOUT and key not in groups
            ]  # D4RL's kitchen has an array infos
            return from_columns(where, task, columns, limit, infos, finals, unread)
    except DatasetError:
        raise
    except (OSError, RuntimeError, ValueError, LookupError, TypeError, MemoryError) as error:
        if why := not_damage(error):
            raise DatasetError(f"{where}: cannot be read now ({why}); nothing says that it is damaged") from None
        raise DatasetError(f"{where}: damaged HDF5 ({first_line(error)}); fetch or save it again") from None


def from_columns(
    where: str,
    task: Task,
    columns: dict[str, Any],
    limit: int | None,
    infos: dict[str, Any],
    finals: dict[str, Any],
    unread: Sequence[str] = (),
) -> Content:
    """Cut arrays under D4RL's names into episodes; `unread` are the names of what else there is."""
    missing = [key for key in _NEEDED if key not in columns]
    if missing:
        raise DatasetError(
            f"{where}: has no {' and no '.join(missing)}; needed are observations, actions, terminals, "
            "and rewards where the task has no rule for them"
        )
    if not {"terminals", "timeouts", "lengths"} & {LAYOUT[key] for key in columns}:
        raise DatasetError(
            f"{where}: nothing says where episodes end; terminals, timeouts or episode_lengths would, one per step "
            "or one per episode"
        )
    notes: list[str] = []
    if task.from_columns is not None:
        columns, infos, notes = _as_the_task_has_them(where, task, columns, infos)
    acting = [f"infos/{name}" for name in infos if name.startswith(_ACTOR)]
    infos = {name: column for name, column in infos.items() if not name.startswith(_ACTOR)}
    for name, column in infos.items():
        numbers(where, f"infos/{name}", column)
    named: dict[str, Any] = {}
    for key, column in columns.items():
        narrow, name = _narrow(where, key, column, task.obs_dim), LAYOUT[key]
        named[name] = _either(where, name, named[name], narrow) if name in named else narrow
    left = [short(name) for name in (*unread, *acting)]
    notes += [f"not read: {', '.join(left[:_NAMED])}{' and more' * (len(left) > _NAMED)}"] if left else []
    content = cut(where, task, Flat(**named, infos=infos, finals=finals, notes=tuple(notes)), limit)
    if isinstance(named["obs"], _Narrow):
        beyond = columns["observations"].shape[1] - task.obs_dim
        note = f"{beyond} columns of zeros left out behind the {task.obs_dim} observations of {task.id}"
        return dataclasses.replace(content, notes=(*content.notes, note))
    return content


def _as_the_task_has_them(
    where: str, task: Task, columns: dict[str, Any], infos: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
    """Columns by D4RL's names, and infos, as the task lays them out, and what was done."""
    assert task.from_columns is not None
    try:
        return task.from_columns(columns, infos)
    except ValueError as error:
        raise DatasetError(f"{where}: {' '.join(str(error).split())}") from None


def _either(where: str, name: str, one: Any, other: Any) -> NDArray[np.bool_]:
    """Rows flagged by either of two columns that mean the same."""
    rows = one.shape[0] if one.shape else 0
    return flags(where, name, one, rows) | flags(where, name, other, rows)


class _Narrow:
    """View of the first columns of observations whose others are zero, as the contact forces of Ant-v2 were."""

    def __init__(self, where: str, column: Any, width: int) -> None:
        self.where, self.column, self.width = where, column, width
        self.shape, self.dtype = (column.shape[0], width), column.dtype

    def __getitem__(self, rows: slice) -> Any:
        block = self.column[rows]
        if block[:, self.width :].any():
            raise DatasetError(
                f"{self.where}: observations have shape {list(self.column.shape)}, and what lies beyond the first "
                f"{self.width} columns is not all zero; --env names the task that the data are of"
            )
        return block[:, : self.width]


def _narrow(where: str, key: str, column: Any, width: int) -> Any:
    """Narrow observations to the width of the task's if the rest of the first row is zero; leave all else as it is."""
    wide = LAYOUT[key] in ("obs", "next_obs") and len(column.shape) == 2 and column.shape[1] > width
    if not wide or not column.shape[0] or column.dtype.kind not in "biuf" or column[:1][0, width:].any():
        return column
    return _Narrow(where, column, width)


def _group(arrays: Arrays, group: h5py.Group, name: str, prefix: str = "") -> dict[str, h5py.Dataset]:
    """Arrays of a group, if it is there, by their paths; single values, of which D4RL has some, are left out."""
    found: dict[str, h5py.Dataset] = {}
    inner = arrays.group(group, name)
    for key in inner if inner is not None else ():
        if arrays.group(inner, key) is not None:
            found |= _group(arrays, inner, key, f"{prefix}{key}/")
        elif (part := arrays.get(inner, key)).shape:
            found[prefix + key] = part
    return found
