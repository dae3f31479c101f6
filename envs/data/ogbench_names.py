"""OGBench's datasets by name: `ogbench/scene-play-v0`, and of one task `ogbench/scene-play-singletask-task1-v0`.

One file serves the five tasks of a scene, whose rewards and ends it does not hold; so in the store a dataset has the
name of its task, which is one of `Task.remote`. Names and files as in ogbench/utils.py; the files for validation are
left alone. A file is looked for where the `ogbench` package keeps its downloads, and fetched to there.
"""

from __future__ import annotations

import re
from pathlib import Path

from envs.data import downloads
from envs.data.published import Shelf
from envs.errors import DatasetError
from envs.task import Task

__all__ = ["PREFIX", "SHELF", "find", "id_of"]

PREFIX = "ogbench/"
SHELF = Shelf(
    "OGBench's",
    (".ogbench", "data"),
    "OGBENCH_DATASET_DIR",
    "BENCH_OGBENCH_MIRRORS",
    ("https://rail.eecs.berkeley.edu/datasets/ogbench",),
)
_NAME = re.compile(r"ogbench/(?P<stem>.+?)(?P<single>-singletask(-task(?P<number>\d))?)?-v0")
_DEFAULT_TASKS = {"cube": "2", "scene": "2", "puzzle": "4"}  # which -singletask-v0 is; of mazes it is the first


def id_of(task: Task, name: str) -> str:
    """Id of the dataset of that name for a task; raises `DatasetError` where it is not one of its own."""
    own = [one for one in task.remote.values() if one.startswith(PREFIX)]
    found = _NAME.fullmatch(name)
    for one in own:
        stem, number = _parts(one)
        if found is None or found["stem"] != stem:
            continue
        default = _DEFAULT_TASKS.get(stem.split("-")[0], "1")
        asked = (found["number"] or default) if found["single"] else number
        if asked == number:
            return one
    known = f"its own: {', '.join(own)}" if own else f"{task.short_name} is no task of OGBench's"
    raise DatasetError(f"{task.id} has no dataset {name!r}; {known}")


def find(dataset_id: str, say: downloads.Progress, offline: bool = False) -> Path:
    """Path of the file that holds the dataset of an id, fetched if it is not there; see `Shelf.find`."""
    return SHELF.find(dataset_id, (f"{_parts(dataset_id)[0]}-v0.npz",), say, offline)


def _parts(dataset_id: str) -> tuple[str, str]:
    """File name without version, and number of the task, of an id of `Task.remote`."""
    found = _NAME.fullmatch(dataset_id)
    assert found is not None, dataset_id
    return found["stem"], found["number"]
