"""Environments by gymnasium id, and the tasks of other packages, which join through the entry point group "bench.envs".

An entry names the gymnasium id and the task: `my-task-v0 = "my_task:TASK"`. Its module is imported when the task is
asked for. The environment is registered with gymnasium by the task's `entry_point`, or by the module itself.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any

import gymnasium

from envs.errors import TaskPluginError
from envs.task import Task

__all__ = ["is_importable", "load", "make", "points", "register"]

GROUP = "bench.envs"


def register(task: Task) -> None:
    """Register the environments of a task with gymnasium; their class is loaded when one is made."""
    for env_id, more in {task.id: {}, **task.variants}.items():
        gymnasium.register(
            id=env_id,
            entry_point=task.entry_point,
            max_episode_steps=task.horizon,
            kwargs={**task.options, **more},
        )


def points() -> dict[str, EntryPoint]:
    """Entry points of other packages' tasks, by task id."""
    return {point.name: point for point in entry_points(group=GROUP)}


def load(point: EntryPoint) -> Task:
    """Load the task behind an entry point, and register its environment.

    Raises `TaskPluginError` where there is none of that id.
    """
    where = f"task {point.name} of {point.dist.name if point.dist else 'an installed package'}"
    try:
        task = point.load()
    except Exception as error:  # whatever the package's own code raises
        reason = f"{type(error).__name__}: {error}"
        raise TaskPluginError(f"{where}: {point.value} cannot be imported ({reason})") from error
    if not isinstance(task, Task) or task.id != point.name:
        found = f"a task {task.id!r}" if isinstance(task, Task) else f"{type(task).__name__}"
        raise TaskPluginError(f"{where}: {point.value} is {found}; it must be an envs.task.Task with that id")
    if task.entry_point and task.id not in gymnasium.registry:
        register(task)
    return task


def is_importable(env_id: str) -> bool:
    """Whether another process can make the environment by itself: it is ours, a package's, or names its module."""
    if ":" in env_id or env_id in points():
        return True
    spec = gymnasium.registry.get(env_id)
    return spec is not None and isinstance(spec.entry_point, str) and spec.entry_point.startswith("envs.")


def make(env_id: str, **options: Any) -> gymnasium.Env[Any, Any]:
    """Make an environment, also of other packages whose modules this process has not imported yet."""
    if env_id not in gymnasium.registry and (point := points().get(env_id)) is not None:
        load(point)
    return gymnasium.make(env_id, **options)
