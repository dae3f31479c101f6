"""Datasets by name: found, fetched or imported if need be, and loaded as checked transitions of a task.

Whatever their source, they then lie in the Minari store (`envs.data.stored`).
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from envs.data import d4rl_names, imports, minari_store, minari_write, ogbench_names, stored
from envs.data.episodes import Episode, Transitions, fingerprint, pieces, transitions
from envs.data.minari_store import LocalDataset, RawEpisode, exists, local_datasets
from envs.data.stored import NAMESPACE, DatasetInfo
from envs.errors import DatasetError, nearest
from envs.task import Task

__all__ = [
    "NAMESPACE",
    "Dataset",
    "DatasetInfo",
    "Episode",
    "LocalDataset",
    "Transitions",
    "describe",
    "exists",
    "fingerprint",
    "load",
    "load_episodes",
    "load_raw",
    "local_datasets",
    "pieces",
    "resolve",
    "store",
    "transitions",
]


@dataclass(frozen=True)
class Dataset:
    """A checked dataset of one task."""

    transitions: Transitions
    info: DatasetInfo


def load(task: Task, name: str) -> Dataset:
    """Load and check a dataset by its id or the task's short name for it ("human"); fetch it first if need be.

    Raises `DatasetError` when it cannot be had, is damaged, or is not one of this task.
    """
    dataset_id = _at_hand(task, name)
    loaded = stored.read(task, dataset_id)
    info = stored.info(task, dataset_id, loaded)
    return Dataset(transitions(task, loaded.episodes), info)


def describe(task: Task, name: str) -> DatasetInfo:
    """Describe a dataset as `load` does, without its transitions, which take more memory than all the rest."""
    return stored.describe(task, _at_hand(task, name))


def load_episodes(task: Task, name: str, infos: bool = False) -> list[Episode]:
    """Load the episodes of a dataset, with reset seeds where recorded; with everything else recorded if `infos`."""
    return stored.read(task, _at_hand(task, name), infos).episodes


def load_raw(task: Task, name: str) -> tuple[list[RawEpisode], Collection[int], Mapping[str, Any]]:
    """Load episodes unchecked; the numbers of the demonstrations; what this suite noted when it stored them.

    Raises `DatasetError` when the dataset cannot be had or read, or belongs to another task.
    """
    dataset_id = _at_hand(task, name)
    own, demos = stored.notes(task, dataset_id)
    return list(minari_store.episodes(dataset_id, infos=True)), demos, own


def store(
    task: Task,
    dataset_id: str,
    episodes: Sequence[Episode],
    metadata: Mapping[str, Any],
    description: str = "",
) -> Dataset:
    """Write episodes into the Minari store, complete or not at all, and return the dataset as read back.

    `metadata` is the recipe, of JSON values. If the store holds the id already, the existing dataset is
    returned and nothing is written: ask `exists` first, or compare fingerprints, where that matters.
    Raises `DatasetError` when the episodes do not fit the task or the folder cannot be written.
    """
    stored.write(task, dataset_id, episodes, metadata, description)
    return load(task, dataset_id)


def resolve(task: Task, name: str) -> str:
    """Turn a dataset id or one of the task's short names into a dataset id."""
    if name in task.remote:
        return task.remote[name]
    if name.startswith(ogbench_names.PREFIX):
        return ogbench_names.id_of(task, name)
    try:
        minari_store.check_id(name)
    except DatasetError:
        raise DatasetError(f"{task.id} has no dataset {name!r}; {_hint(task, name)}") from None
    return name


def _at_hand(task: Task, name: str) -> str:
    """Turn a name into the id of a dataset that is in the store, fetched if need be."""
    dataset_id = resolve(task, name)
    if not exists(dataset_id):
        _fetch(task, dataset_id)
    return dataset_id


def _fetch(task: Task, dataset_id: str) -> None:
    where = f"dataset {dataset_id} is not in {minari_store.root()}"
    if dataset_id.startswith(NAMESPACE):
        raise DatasetError(f"{where}; `bench data build` makes a task's default one; {_hint(task, dataset_id)}")
    if dataset_id.startswith((d4rl_names.PREFIX, ogbench_names.PREFIX)):
        imports.import_data(task, dataset_id, say=_say)
        return
    try:
        return minari_write.download(dataset_id)
    except DatasetError as error:
        where = f"{where} and could not be fetched ({error})"
    if dataset_id not in task.remote.values():
        where = f"{where}; {_hint(task, dataset_id)}"
    raise DatasetError(
        f"{where}; `minari download {dataset_id}` fetches it, if it is on Minari's remote, "
        "given a network and `pip install 'awac-bench[hub]'`"
    )


def _say(line: str) -> None:
    with contextlib.suppress(OSError, ValueError):  # nobody reads stderr
        print(line, file=sys.stderr)


def _hint(task: Task, name: str) -> str:
    local = [d.id for d in local_datasets() if not d.broken]
    known = [*task.datasets, *task.remote.values(), *local]
    return nearest(name, known)
