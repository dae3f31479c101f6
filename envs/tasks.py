"""The registry of tasks: what is learned, from which data, and when it counts as solved.

The entries lie in `envs.catalogue`; packages elsewhere add theirs through an entry point (`envs.plugins`), and clips of
motion that users have brought are each a task (`envs.motion.library`).
"""

from __future__ import annotations

import dataclasses
import re

import gymnasium

from envs import plugins
from envs.catalogue import (
    hands,
    hands_dense,
    imitation,
    kitchen,
    lander,
    locomotion,
    mazes,
    ogbench_manipulation,
    ogbench_mazes,
    point,
    sawyer,
)
from envs.errors import UnknownTaskError, nearest
from envs.motion import library
from envs.task import DemoRecipe, Goal, NoiseRecipe, Recipe, Task

__all__ = ["TASKS", "DemoRecipe", "Goal", "NoiseRecipe", "Recipe", "Task", "get", "ids", "of_motions"]

_FAMILIES = (
    hands,
    hands_dense,
    point,
    sawyer,
    lander,
    locomotion,
    imitation,
    mazes,
    ogbench_manipulation,
    ogbench_mazes,
    kitchen,
)


TASKS: dict[str, Task] = {task.id: task for family in _FAMILIES for task in family.TASKS}


def ids() -> list[str]:
    """Ids of all tasks: ours, those of clips that users have brought, and those of installed packages."""
    return [*TASKS, *of_motions(), *(name for name in plugins.points() if name not in TASKS)]


def get(name: str) -> Task:
    """Find the task called `name`, with or without its version suffix; capitals and dashes do not matter.

    Raises `UnknownTaskError` with the nearest name, `TaskPluginError` where a package's task is broken, and
    `MotionError` where a clip's file is.
    """
    wanted = _plain(name)
    for task_id, task in TASKS.items():  # ours first: looking for packages reads what is installed
        if wanted in (_plain(task_id), _plain(_short(task_id))):
            return task
    for task_id, task in of_motions().items():
        if wanted in (_plain(task_id), _plain(_short(task_id))):
            return _following(task)
    for task_id, entry in plugins.points().items():
        if wanted in (_plain(task_id), _plain(_short(task_id))):
            return plugins.load(entry)
    known = [_short(task_id) for task_id in ids()]
    raise UnknownTaskError(f"unknown task {name!r}; {nearest(_short(name.lower()), known, cutoff=0.5)}")


def of_motions() -> dict[str, Task]:
    """Tasks of the clips that users have brought, by id, as far as names tell; `get` reads the clip as well."""
    found = (imitation.task_of(motion) for motion in library.brought())
    return {task.id: task for task in found if task.id not in TASKS}


def _following(task: Task) -> Task:
    """The task of a clip that a user has brought, with what tells it from others, and its environment registered."""
    motion = library.find(task.options["motion"])
    if task.id not in gymnasium.registry:
        plugins.register(task)
    return dataclasses.replace(task, content=motion.fingerprint)


def _short(task_id: str) -> str:
    return re.sub(r"-v\d+$", "", task_id)


def _plain(name: str) -> str:
    """Reduce a name to what is compared: SawyerPush-v0, the name in multiworld, is sawyer-push-v0."""
    return name.lower().replace("-", "")
