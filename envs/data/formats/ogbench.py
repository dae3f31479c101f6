"""OGBench's layout: one npz of flat arrays, row i being the state before step i and what is done in it.

    observations [N, O]  actions [N, A]
    terminals [N]                        the last row of an episode; where its action leads is not recorded
    qpos, qvel [N, ...]                  simulator states, kept beside
    button_states [N, B]                 the same of the scenes with buttons

There are no rewards, and episodes go on after a success. Rewards and ends are those of the task's rule, of the state
that a step arrives in; ogbench's own loader has those of the state before the step (its issue 34).
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from disk.arrays import ArraysError, read_npz
from envs.data.episodes import pieces
from envs.data.formats import d4rl
from envs.data.formats.flat import Content
from envs.errors import DatasetError, first_line
from envs.task import Task

__all__ = ["KEYS", "STATES", "read"]

KEYS = {"observations": "observations", "actions": "actions", "terminals": "timeouts"}  # here -> D4RL's name for it
STATES = ("qpos", "qvel", "button_states")


def read(task: Task, path: Path, limit: int | None) -> Content:
    """Read the episodes of an OGBench file, cut into pieces after each success.

    Raises `DatasetError` where it is damaged or not of the task.
    """
    where = str(path)
    try:
        arrays, unread = read_npz(path, lambda name: name in KEYS or name in STATES)
    except (ArraysError, OSError) as error:
        raise DatasetError(f"{where}: {first_line(error)}") from None
    if not task.computes_reward or task.success is None:
        raise DatasetError(
            f"{where}: holds no rewards, as OGBench's files do, and {task.id} has no rule that would give them"
        )
    if missing := [name for name in KEYS if name not in arrays]:
        raise DatasetError(f"{where}: has no {' and no '.join(missing)}, which OGBench's files have")
    columns = {theirs: arrays[name] for name, theirs in KEYS.items()}
    infos = {name: arrays[name] for name in STATES if name in arrays and arrays[name].shape}
    content = d4rl.from_columns(where, task, columns, limit, infos, {}, unread)
    cut = [piece for episode in content.episodes for piece in pieces(task, episode)]
    notes = list(content.notes)
    if len(cut) > len(content.episodes):
        notes.append(f"{len(content.episodes)} episodes go on after successes: cut there into {len(cut)}")
    return dataclasses.replace(content, episodes=cut, notes=tuple(notes))
