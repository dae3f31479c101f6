"""The registry of tasks: what is learned, from which data, and when it counts as solved.

A task is a registered gymnasium environment plus everything the suite must know about it: shapes, horizon,
reward bounds, the success rule, where it has one, in words and as a function of a recorded observation, the recipe
of its default dataset, score anchors, and the settings the papers use on it. The entries lie in `envs.catalogue`.
"""

from __future__ import annotations

import difflib
import re

from envs.catalogue import hands, locomotion, point, sawyer
from envs.task import DemoRecipe, Goal, NoiseRecipe, Recipe, Task

__all__ = ["TASKS", "DemoRecipe", "Goal", "NoiseRecipe", "Recipe", "Task", "UnknownTaskError", "get"]


class UnknownTaskError(ValueError):
    """No task of that name; the message gives the nearest one."""


TASKS: dict[str, Task] = {task.id: task for family in (hands, point, sawyer, locomotion) for task in family.TASKS}


def get(name: str) -> Task:
    """The task called `name`, with or without its version suffix; capitals and dashes do not matter."""
    for task in TASKS.values():
        if _plain(name) in (_plain(task.id), _plain(task.short_name)):
            return task
    known = [t.short_name for t in TASKS.values()]
    close = difflib.get_close_matches(re.sub(r"-v\d+$", "", name.lower()), known, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"
    raise UnknownTaskError(f"unknown task {name!r}; {hint}")


def _plain(name: str) -> str:
    """As names are compared: SawyerPush-v0, the name in multiworld, is sawyer-push-v0."""
    return name.lower().replace("-", "")
