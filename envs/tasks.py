"""The registry of tasks: what is learned, from which data, and when it counts as solved.

A task is a registered gymnasium environment plus everything the suite must know about it: shapes, horizon,
reward bounds, the success rule, where it has one, in words and as a function of a recorded observation, the recipe
of its default dataset, score anchors, and the settings the papers use on it. The entries lie in `envs.catalogue`.
"""

from __future__ import annotations

import difflib
import re

from envs.catalogue import hands, hands_dense, locomotion, mazes, point
from envs.task import DemoRecipe, MazeRecipe, Recipe, Task

__all__ = ["TASKS", "DemoRecipe", "MazeRecipe", "Recipe", "Task", "UnknownTaskError", "get"]


class UnknownTaskError(ValueError):
    """No task of that name; the message gives the nearest one."""


TASKS: dict[str, Task] = {
    task.id: task for family in (hands, point, locomotion, hands_dense, mazes) for task in family.TASKS
}


def get(name: str) -> Task:
    """The task called `name`, with or without its version suffix."""
    for task in TASKS.values():
        if name in (task.id, task.short_name):
            return task
    known = [t.short_name for t in TASKS.values()]
    close = difflib.get_close_matches(re.sub(r"-v\d+$", "", name), known, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"
    raise UnknownTaskError(f"unknown task {name!r}; {hint}")
