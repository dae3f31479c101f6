"""Datasets made elsewhere, adapted to what a task knows of the environments they come from; nothing in silence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from envs.data.episodes import Episode, transitions
from envs.task import Task

__all__ = ["adapted"]


def adapted(task: Task, episodes: list[Episode]) -> tuple[list[Episode], str]:
    """Episodes made elsewhere as the task would have recorded them, and in words what was changed; "" is nothing."""
    changes = []
    if task.ends_at_success and task.success is not None:
        shorter = [_ended(task.success(e.obs[1:]), e) for e in episodes]
        left_out = sum(len(e.action) for e in episodes) - sum(len(e.action) for e in shorter)
        if left_out:
            changes.append(f"{left_out:,} steps after the first success of an episode are left out, as it ends there")
        episodes = shorter
    if task.mend is not None:
        rows = transitions(task, episodes)
        reward = task.mend(rows.reward, rows.next_obs)
        if reward is not rows.reward:
            changes.append("a sign slip of the recording environment is put right in the rewards")
            parts = np.split(reward, np.cumsum([len(e.action) for e in episodes])[:-1])
            episodes = [replace(e, reward=part) for e, part in zip(episodes, parts, strict=True)]
    return episodes, "; ".join(changes)


def _ended(success: NDArray[np.bool_], episode: Episode) -> Episode:
    """The episode up to its first success [T], where it is terminated; the same one if it has none."""
    if not success.any():
        return episode
    return episode.cut(int(np.argmax(success)) + 1, terminated=True)
