"""Datasets: episodes in, checked transitions out. Whatever their source, they lie in the Minari store.

What this suite stores carries its recipe, the numbers of its demonstrations and a fingerprint of its content;
loading compares the fingerprint, so that no training is spent on damaged files.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envs.data import d4rl_names, minari_store, minari_write, packed
from envs.data.adapt import adapted
from envs.data.episodes import Episode, Transitions, checked, fingerprint, minari_buffer, raw, transitions
from envs.data.minari_store import OWN, LocalDataset, RawEpisode, exists, local_datasets
from envs.errors import DamagedError, DatasetError, nearest
from envs.task import Task
from envs.tasks import TASKS

__all__ = [
    "NAMESPACE", "Dataset", "DatasetInfo", "Episode", "LocalDataset", "Transitions",
    "content", "describe", "exists", "fingerprint", "load", "load_episodes", "load_raw", "local_datasets", "resolve",
    "store",
    "transitions", "write",
]  # fmt: skip

NAMESPACE = "awac-bench/"  # of the datasets that this suite builds


@dataclass(frozen=True)
class DatasetInfo:
    """What reports and `bench data info` say about a dataset.

    None is a share or mean of nothing, and a share of successes where the task has no success rule.
    """

    id: str
    fingerprint: str  # 12 hex digits that stand for the content
    episodes: int
    steps: int
    demos: int  # episodes
    demo_success: float | None  # share of demonstrations successful at their last step
    demo_success_any: float | None  # ... at any step
    rollout_success: float | None  # the same of the other episodes
    rollout_success_any: float | None
    demo_return: float | None  # mean undiscounted return, in the task's reward
    rollout_return: float | None
    return_min: float  # of an episode
    return_mean: float
    return_max: float
    over_horizon: int  # episodes longer than the task's horizon, as human demonstrations are
    clipped: float  # share of action entries in the file that lie outside [-1, 1]
    changes: str  # in words, what was changed on loading to make it one of the task; "" is nothing
    description: str
    recipe: Mapping[str, Any] = field(default_factory=dict)  # how it was made, where this suite made it


@dataclass(frozen=True)
class Dataset:
    """A checked dataset of one task."""

    transitions: Transitions
    info: DatasetInfo


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
    write(task, dataset_id, episodes, metadata, description)
    return load(task, dataset_id)


def write(
    task: Task, dataset_id: str, episodes: Sequence[Episode], metadata: Mapping[str, Any], description: str = ""
) -> None:
    """What `store` writes, for callers that drop the episodes before they read them back."""
    if exists(dataset_id):
        return
    demos = [i for i, e in enumerate(episodes) if e.demo]
    stored, _ = checked(task, dataset_id, raw(episodes), set(demos))
    own = {
        "task": task.id,
        "fingerprint": fingerprint(stored),
        "demos": demos,
        "recipe": json.loads(json.dumps(dict(metadata), allow_nan=False)),
    }
    extra: dict[str, Any] = {OWN: own}
    if task.anchors is not None:
        extra |= {"ref_min_score": task.anchors[0], "ref_max_score": task.anchors[1]}
    minari_write.create(dataset_id, [minari_buffer(task, e) for e in stored], task.id, extra, description or None)


def content(task: Task, dataset_id: str, episodes: Sequence[Episode]) -> str:
    """The fingerprint that episodes would be stored with."""
    demos = {i for i, e in enumerate(episodes) if e.demo}
    return fingerprint(checked(task, dataset_id, raw(episodes), demos)[0])


def load(task: Task, name: str) -> Dataset:
    """The dataset of that id or of the task's short name for it ("human"), fetched if need be, and checked.

    Raises `DatasetError` when it cannot be had, is damaged, or is not one of this task.
    """
    dataset_id = resolve(task, name)
    loaded = _load(task, dataset_id)
    info = _info(task, dataset_id, loaded)
    return Dataset(transitions(task, loaded.episodes), info)


def describe(task: Task, name: str) -> DatasetInfo:
    """The same without the transitions, which take more memory than all the rest."""
    dataset_id = resolve(task, name)
    return _info(task, dataset_id, _load(task, dataset_id))


def load_episodes(task: Task, name: str, infos: bool = False) -> list[Episode]:
    """The same episode by episode, with reset seeds where they were recorded, and what else was if `infos`."""
    return _load(task, resolve(task, name), infos).episodes


def load_raw(task: Task, name: str) -> tuple[list[RawEpisode], Collection[int], Mapping[str, Any]]:
    """Episodes as recorded, unchecked; the numbers of the demonstrations; what this suite noted when it stored them.

    Raises `DatasetError` when the dataset cannot be had or read, or belongs to another task.
    """
    dataset_id = resolve(task, name)
    own, demos = _about(task, dataset_id)
    return list(minari_store.episodes(dataset_id, infos=True)), demos, own


def resolve(task: Task, name: str) -> str:
    """A dataset id from an id or one of the task's short names."""
    if name in task.remote:
        return task.remote[name]
    try:
        minari_store.check_id(name)
    except DatasetError:
        raise DatasetError(f"{task.id} has no dataset {name!r}; {_hint(task, name)}") from None
    return name


def _about(task: Task, dataset_id: str) -> tuple[Mapping[str, Any], Collection[int]]:
    """What this suite noted of a dataset of the task, fetched if need be, and the numbers of its demonstrations."""
    if not exists(dataset_id):
        _fetch(task, dataset_id)
    about = minari_store.metadata(dataset_id)
    _check_task(task, dataset_id, about)
    own = _own(about)
    if not own and dataset_id.startswith(NAMESPACE):
        raise minari_store.damaged(dataset_id, f"metadata.json has lost its {OWN!r} entry")
    demos: Collection[int] = set(own.get("demos", ()))
    if not own and re.search(r"/human-v\d+$", dataset_id):
        demos = range(about["total_episodes"])
    return own, demos


def _load(task: Task, dataset_id: str, infos: bool = False) -> packed.Loaded:
    own, demos = _about(task, dataset_id)
    loaded = _sound(task, dataset_id, own, demos, infos)
    if own:  # stored by this suite, as the task has it
        return loaded
    episodes, changes = adapted(task, loaded.episodes)
    return replace(loaded, episodes=episodes, changes=changes)


def _sound(task: Task, dataset_id: str, own: Mapping[str, Any], demos: Collection[int], infos: bool) -> packed.Loaded:
    """The episodes as they are stored, unchanged since."""
    key = packed.key(task, dataset_id, demos)
    if not infos and (found := packed.read(dataset_id, key, own.get("fingerprint"))):
        return found
    try:
        episodes, clipped = checked(task, dataset_id, minari_store.episodes(dataset_id, infos), demos)
    except DatasetError as error:
        if not own or isinstance(error, DamagedError):
            raise
        raise minari_store.damaged(dataset_id, f"it was sound when it was stored; {error}") from None
    loaded = packed.Loaded(episodes, clipped, fingerprint(episodes))
    if own and own.get("fingerprint") != loaded.fingerprint:
        reason = f"its content is {loaded.fingerprint}, it was stored as {own.get('fingerprint')}"
        raise minari_store.damaged(dataset_id, reason)
    if not infos:
        packed.write(dataset_id, key, loaded)
    return loaded


def _own(about: Mapping[str, Any]) -> Mapping[str, Any]:
    own = about.get(OWN)
    return own if isinstance(own, dict) else {}


def _fetch(task: Task, dataset_id: str) -> None:
    where = f"dataset {dataset_id} is not in {minari_store.root()}"
    if dataset_id.startswith(NAMESPACE):
        raise DatasetError(f"{where}; `bench data build` makes a task's default one; {_hint(task, dataset_id)}")
    if dataset_id.startswith(d4rl_names.PREFIX):
        from envs.data import imports  # which stores what it reads with this module

        imports.import_data(task, dataset_id, say=lambda line: print(line, file=sys.stderr))
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


def _hint(task: Task, name: str) -> str:
    local = [d.id for d in local_datasets() if not d.broken]
    known = [*task.datasets, *task.remote.values(), *local]
    return nearest(name, known)


def _check_task(task: Task, dataset_id: str, about: Mapping[str, Any]) -> None:
    """Refuse data of another task, also where its arrays have the same shapes."""
    env, made_for = minari_store.env_id(about), _own(about).get("task", task.id)
    found = made_for if made_for != task.id else ""
    for other in TASKS.values():
        named = _names_scene(env, other) and not _names_scene(env, task)
        listed = dataset_id in other.remote.values() and dataset_id not in task.remote.values()
        if other.id != task.id and (other.id == env or listed or named):
            found = found or other.id  # of several with the same scene, the first
    if found:
        source = f", recorded in {env}" if env else ""
        raise DatasetError(f"dataset {dataset_id} belongs to {found}{source}; it cannot be used for {task.id}")


def _names_scene(env: str, task: Task) -> bool:
    """Whether an id such as AdroitHandDoor-v1 holds, capitalised, the first word of the task's id."""
    start = env.lower().find(task.id.split("-")[0])
    return start >= 0 and env[start].isupper()


def _info(task: Task, dataset_id: str, loaded: packed.Loaded) -> DatasetInfo:
    about = minari_store.metadata(dataset_id)
    episodes = loaded.episodes
    returns = np.empty(len(episodes))
    final, anywhere = np.zeros((2, len(episodes)), np.bool_)
    for i, e in enumerate(episodes):  # one by one: all observations at once would be a second copy of the dataset
        if task.success is not None:
            success = task.success(e.obs[1:])
            final[i], anywhere[i] = success[-1], success.any()
        reward = task.reward(e.obs[1:]) if task.computes_reward else e.reward
        assert reward is not None  # or it would not have been loaded
        returns[i] = reward.sum(dtype=np.float64)
    demo = np.array([e.demo for e in episodes])

    def share(flags: NDArray[np.bool_], chosen: NDArray[np.bool_]) -> float | None:
        return None if task.success is None else _mean(flags[chosen])

    return DatasetInfo(
        id=dataset_id,
        fingerprint=loaded.fingerprint,
        episodes=len(episodes),
        steps=sum(len(e.action) for e in episodes),
        demos=int(demo.sum()),
        demo_success=share(final, demo),
        demo_success_any=share(anywhere, demo),
        rollout_success=share(final, ~demo),
        rollout_success_any=share(anywhere, ~demo),
        demo_return=_mean(returns[demo]),
        rollout_return=_mean(returns[~demo]),
        return_min=float(returns.min()),
        return_mean=float(returns.mean()),
        return_max=float(returns.max()),
        over_horizon=sum(len(e.action) > task.horizon for e in episodes),
        clipped=loaded.clipped,
        changes=loaded.changes,
        description=str(about.get("description", "")),
        recipe=_own(about).get("recipe", {}),
    )


def _mean(values: NDArray[Any]) -> float | None:
    return float(values.mean()) if values.size else None
