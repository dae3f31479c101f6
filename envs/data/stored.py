"""Datasets in the Minari store, by id: written, checked against what a task needs, described.

What this suite stores carries its recipe, the numbers of its demonstrations and a fingerprint of its content;
reading compares the fingerprint, so that no training is spent on damaged files. Datasets made elsewhere are adapted to
what a task knows of the environments they come from, and what was changed is said.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envs.data import minari_store, minari_write, packed
from envs.data.episodes import Episode, checked, fingerprint, minari_buffer, raw, transitions
from envs.data.minari_store import OWN
from envs.errors import DamagedError, DatasetError
from envs.task import Task
from envs.tasks import TASKS

__all__ = [
    "NAMESPACE",
    "DatasetInfo",
    "adapted",
    "content",
    "describe",
    "ended_at_success",
    "info",
    "notes",
    "read",
    "task_of",
    "write",
]

NAMESPACE = "awac-bench/"  # of the datasets that this suite builds


@dataclass(frozen=True)
class DatasetInfo:
    """Facts about a dataset, for reports and `bench data info`.

    A share or mean of nothing is None, and so is a share of successes where the task has no success rule.
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


def write(
    task: Task, dataset_id: str, episodes: Sequence[Episode], metadata: Mapping[str, Any], description: str = ""
) -> None:
    """Write episodes into the store, complete or not at all; an id that it holds already stays as it is.

    `metadata` is the recipe, of JSON values. Raises `DatasetError` when the episodes do not fit the task or the folder
    cannot be written.
    """
    if minari_store.exists(dataset_id):
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
    """Compute the fingerprint that episodes would be stored with."""
    demos = {i for i, e in enumerate(episodes) if e.demo}
    return fingerprint(checked(task, dataset_id, raw(episodes), demos)[0])


def describe(task: Task, dataset_id: str) -> DatasetInfo:
    """Read and describe a dataset; raises `DatasetError` where it is damaged, or not one of the task."""
    return info(task, dataset_id, read(task, dataset_id))


def info(task: Task, dataset_id: str, loaded: packed.Loaded) -> DatasetInfo:
    """Describe a dataset that has been read."""
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


def read(task: Task, dataset_id: str, infos: bool = False) -> packed.Loaded:
    """Read the episodes of a dataset, checked for the task; with everything recorded beside them if `infos`.

    Raises `DatasetError` where it is damaged, or not one of the task.
    """
    own, demos = notes(task, dataset_id)
    loaded = _sound(task, dataset_id, own, demos, infos)
    if own:  # stored by this suite, as the task has it
        return loaded
    episodes, changes = adapted(task, loaded.episodes)
    return replace(loaded, episodes=episodes, changes=changes)


def notes(task: Task, dataset_id: str) -> tuple[Mapping[str, Any], Collection[int]]:
    """Read what this suite noted of a dataset when it stored it, and the numbers of its demonstrations.

    Raises `DatasetError` where the dataset is one of another task.
    """
    about = minari_store.metadata(dataset_id)
    _check_task(task, dataset_id, about)
    own = _own(about)
    if not own and dataset_id.startswith(NAMESPACE):
        raise minari_store.damaged(dataset_id, f"metadata.json has lost its {OWN!r} entry")
    demos: Collection[int] = set(own.get("demos", ()))
    if not own and re.search(r"/human-v\d+$", dataset_id):
        demos = range(about["total_episodes"])
    return own, demos


def _sound(task: Task, dataset_id: str, own: Mapping[str, Any], demos: Collection[int], infos: bool) -> packed.Loaded:
    """Read and check the episodes of a dataset, whose content must be what it was when it was stored."""
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


def adapted(task: Task, episodes: list[Episode]) -> tuple[list[Episode], str]:
    """Adapt episodes made elsewhere to what the task would have recorded, and say what was changed; "" if nothing."""
    episodes, ended = ended_at_success(task, episodes)
    changes = [ended] if ended else []
    if task.fix_rewards is not None:
        rows = transitions(task, episodes)
        reward = task.fix_rewards(rows.reward, rows.next_obs)
        if reward is not rows.reward:
            changes.append("a sign slip of the recording environment is put right in the rewards")
            parts = np.split(reward, np.cumsum([len(e.action) for e in episodes])[:-1])
            episodes = [replace(e, reward=part) for e, part in zip(episodes, parts, strict=True)]
    return episodes, "; ".join(changes)


def ended_at_success(task: Task, episodes: list[Episode]) -> tuple[list[Episode], str]:
    """Cut episodes after their first success, where that is the task's end, and say how much was; "" if nothing."""
    if not task.ends_at_success or task.success is None:
        return episodes, ""
    shorter = [_until_success(task.success(e.obs[1:]), e) for e in episodes]
    left_out = sum(len(e.action) for e in episodes) - sum(len(e.action) for e in shorter)
    said = f"{left_out:,} steps after the first success of an episode are left out, as it ends there"
    return shorter, said if left_out else ""


def _until_success(success: NDArray[np.bool_], episode: Episode) -> Episode:
    """Cut an episode after its first success [T], as terminated there; one without a success stays as it is."""
    if not success.any():
        return episode
    return episode.cut(int(np.argmax(success)) + 1, terminated=True)


def task_of(dataset_id: str) -> str:
    """The id of the task that a stored dataset says it is of; raises `DatasetError` where it is not there or silent."""
    if not minari_store.exists(dataset_id):
        raise DatasetError(f"{dataset_id} is neither a file nor a dataset in {minari_store.root()}")
    named = _own(minari_store.metadata(dataset_id)).get("task")
    if named is None:
        raise DatasetError(f"{dataset_id} does not say which task it is of; --env does")
    return str(named)


def _own(about: Mapping[str, Any]) -> Mapping[str, Any]:
    own = about.get(OWN)
    return own if isinstance(own, dict) else {}


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


def _mean(values: NDArray[Any]) -> float | None:
    return float(values.mean()) if values.size else None
