"""Episodes, the transitions made of them, and the checks they must pass before a task is trained on them.

What is learned from does not depend on what its source called success: where a task has a rule, rewards are the
task's own, computed from the observation arrived in. Elsewhere they are the recorded ones. Observations and actions
become float32, and actions are clipped to [-1, 1], as the environment clips them; one of several choices becomes a
one-hot vector.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from minari.data_collector.episode_buffer import EpisodeBuffer
from numpy.typing import NDArray

from envs.data.minari_store import RawEpisode
from envs.discrete import choices, one_hot
from envs.errors import DatasetError
from envs.task import Task

__all__ = ["Episode", "Transitions", "checked", "fingerprint", "minari_buffer", "pieces", "raw", "transitions"]


@dataclass(frozen=True)
class Episode:
    """One episode of T steps."""

    obs: NDArray[np.float32]  # [T+1, O]
    action: NDArray[np.float32]  # [T, A] as executed
    demo: bool = False  # whether it is a demonstration
    terminated: bool = False  # the last step ended the task; otherwise it was cut off
    seed: int | None = None  # of the environment's reset, where known
    reward: NDArray[np.float32] | None = None  # [T] as recorded; None where the task's rule gives it
    # what the source recorded beside, such as simulator states "qpos" and "qvel": name -> [T+1, ...], for replaying
    infos: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def cut(self, steps: int, terminated: bool) -> Episode:
        """Keep the first `steps` of the episode; `terminated` is whether the task ends with them."""
        return replace(self.between(0, steps), terminated=terminated)

    def between(self, start: int, stop: int) -> Episode:
        """Keep the steps from `start` to before `stop`, and the observation after them."""
        reward = None if self.reward is None else self.reward[start:stop]
        infos = {name: values[start : stop + 1] for name, values in self.infos.items()}
        obs, action = self.obs[start : stop + 1], self.action[start:stop]
        return replace(self, obs=obs, action=action, reward=reward, infos=infos)


@dataclass(frozen=True)
class Transitions:
    """N transitions, episode after episode; none crosses from one episode into the next."""

    obs: NDArray[np.float32]  # [N, O]
    action: NDArray[np.float32]  # [N, A] within [-1, 1]
    reward: NDArray[np.float32]  # [N] the task's reward of next_obs, or as recorded
    next_obs: NDArray[np.float32]  # [N, O]
    terminated: NDArray[np.bool_]  # [N] stops the bootstrap
    truncated: NDArray[np.bool_]  # [N] last step of an episode that was cut off; does not stop the bootstrap
    episode: NDArray[np.int32]  # [N] counted from 0
    step: NDArray[np.int32]  # [N] within the episode, counted from 0
    demo: NDArray[np.bool_]  # [N] belongs to a demonstration

    def __len__(self) -> int:
        return len(self.obs)


def transitions(task: Task, episodes: Sequence[Episode]) -> Transitions:
    """Lay at least one episode end to end, rewarded by the task's rule where it has one."""
    lengths = np.array([len(e.action) for e in episodes])
    last = np.cumsum(lengths) - 1  # [episodes] row of each last step
    next_obs = np.concatenate([e.obs[1:] for e in episodes])
    terminated = np.zeros(len(next_obs), np.bool_)
    terminated[last] = [e.terminated and task.terminates for e in episodes]
    truncated = np.zeros(len(next_obs), np.bool_)
    truncated[last] = ~terminated[last]
    return Transitions(
        obs=np.concatenate([e.obs[:-1] for e in episodes]),
        action=np.concatenate([e.action for e in episodes]),
        reward=task.reward(next_obs) if task.computes_reward else _rewards(episodes),
        next_obs=next_obs,
        terminated=terminated,
        truncated=truncated,
        episode=np.repeat(np.arange(len(episodes), dtype=np.int32), lengths),
        step=np.concatenate([np.arange(n, dtype=np.int32) for n in lengths]),
        demo=np.repeat([e.demo for e in episodes], lengths),
    )


def pieces(task: Task, episode: Episode) -> list[Episode]:
    """Cut an episode that went on after successes into pieces, each of which ends with one; the rest is cut off.

    Nothing is lost: OGBench stops the bootstrap at a success, too, and goes on after it.
    """
    assert task.success is not None, task.id
    ends = np.flatnonzero(task.success(episode.obs[1:])) + 1
    bounds = [0, *ends.tolist(), len(episode.action)]
    out = []
    for start, stop in itertools.pairwise(bounds):
        if start < stop:
            seed = episode.seed if start == 0 else None
            out.append(replace(episode.between(start, stop), terminated=stop in ends, seed=seed))
    return out


def _rewards(episodes: Sequence[Episode]) -> NDArray[np.float32]:
    """Recorded rewards [N] of all episodes, end to end."""
    recorded = [e.reward for e in episodes if e.reward is not None]
    if len(recorded) < len(episodes):
        raise ValueError(f"{len(episodes) - len(recorded)} of {len(episodes)} episodes have no recorded rewards")
    return np.concatenate(recorded)


def fingerprint(episodes: Iterable[Episode]) -> str:
    """Twelve hex digits of the SHA-256 over the shapes, arrays and flags of all episodes, in order."""
    digest = hashlib.sha256()
    for e in episodes:
        digest.update(repr((e.obs.shape, e.action.shape, e.demo, e.terminated)).encode())
        digest.update(np.ascontiguousarray(e.obs, "<f4").data)
        digest.update(np.ascontiguousarray(e.action, "<f4").data)
        if e.reward is not None:
            digest.update(np.ascontiguousarray(e.reward, "<f4").data)
    return digest.hexdigest()[:12]


def checked(
    task: Task, dataset_id: str, raw_episodes: Iterable[RawEpisode], demos: Collection[int]
) -> tuple[list[Episode], float]:
    """Check recorded episodes; return them fit for training, and the share of action entries that had to be clipped.

    `demos` holds the numbers of the demonstrations. Raises `DatasetError` naming the first unfit episode.
    """
    episodes: list[Episode] = []
    outside = entries = 0
    for index, part in enumerate(raw_episodes):
        where = f"dataset {dataset_id}, episode {index}"
        obs = _array(where, "observations", _joined(part.obs, task.obs_parts), task.obs_dim, task)
        action = (_choices if task.discrete else _actions)(where, part.action, task)
        if not len(action) or len(obs) != len(action) + 1:
            raise DatasetError(
                f"{where}: {len(obs)} observations and {len(action)} actions; "
                "T actions, at least one, need T+1 observations"
            )
        if task.terminates and np.any(part.terminated[:-1]):
            raise DatasetError(f"{where}: goes on after step {int(np.argmax(part.terminated))} terminated")
        if count := int(np.count_nonzero(np.abs(action) > 1)):
            outside += count
            action = np.clip(action, -1, 1)
        entries += action.size
        reward = None if task.computes_reward else _recorded_reward(where, part.reward, len(action))
        terminated = task.terminates and bool(part.terminated[-1])
        episodes.append(Episode(obs, action, index in demos, terminated, part.seed, reward, part.infos or {}))
    if not episodes:
        raise DatasetError(f"dataset {dataset_id} is empty: it has no episodes")
    return episodes, outside / entries


def raw(episodes: Iterable[Episode]) -> Iterator[RawEpisode]:
    """Turn episodes into what a file of them would hold, for `checked`."""
    for e in episodes:
        ends = np.zeros(len(e.action), np.bool_)
        ends[-1:] = e.terminated
        yield RawEpisode(e.obs, e.action, e.reward, ends, e.seed, e.infos)


def minari_buffer(task: Task, episode: Episode) -> EpisodeBuffer:
    """Turn an episode into what Minari writes, rewarded by the task's rule where it has one."""
    rows = transitions(task, [episode])
    # Minari declares lists, and writes arrays as they are
    values: dict[str, Any] = {
        "observations": episode.obs,
        "actions": choices(episode.action) if task.discrete else episode.action,
        "rewards": rows.reward,
        "terminations": rows.terminated,
        "truncations": rows.truncated,
        "infos": dict(episode.infos) or None,
    }
    return EpisodeBuffer(seed=episode.seed, **values)


def _recorded_reward(where: str, value: Any, steps: int) -> NDArray[np.float32]:
    """Rewards of shape [T] or [T, 1] as finite float32 [T]."""
    if value is None:
        raise DatasetError(f"{where}: no rewards are recorded, and the task has no rule that would give them")
    with np.errstate(over="ignore"):
        array = np.asarray(value, dtype=np.float32)
    if array.shape not in ((steps,), (steps, 1)):
        raise DatasetError(f"{where}: rewards have shape {list(array.shape)}, {steps} actions need [{steps}]")
    bad = ~np.isfinite(array.reshape(steps))
    if bad.any():
        raise DatasetError(f"{where}: rewards hold NaN or infinity, first at step {int(np.argmax(bad))}")
    return array.reshape(steps)


def _actions(where: str, value: Any, task: Task) -> NDArray[np.float32]:
    """Actions as finite float32 [T, A]."""
    return _array(where, "actions", value, task.action_dim, task)


def _choices(where: str, value: Any, task: Task) -> NDArray[np.float32]:
    """Actions as one-hot vectors [T, A], from choices [T] or [T, 1], as Minari keeps them, or from such vectors."""
    n = task.action_dim
    array = np.asarray(value)
    vectors = array.ndim == 2 and array.shape[1] == n
    if vectors and np.isin(array, (0, 1)).all() and (array.sum(1) == 1).all():
        return array.astype(np.float32)
    column = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
    if column.ndim != 1 or not np.isin(column, np.arange(n)).all():
        raise DatasetError(
            f"{where}: actions of shape {list(array.shape)} are not choices; {task.id} needs whole "
            f"numbers from 0 to {n - 1}, [rows]"
        )
    return one_hot(column, n)


def _joined(value: Any, parts: Sequence[str]) -> Any:
    """Join a mapping's arrays of these names into one; a value that does not have them all stays as it is."""
    if not parts or not isinstance(value, Mapping) or not set(parts) <= set(value):
        return value
    return np.concatenate([np.asarray(value[name]) for name in parts], axis=-1)


def _array(where: str, what: str, value: Any, width: int, task: Task) -> NDArray[np.float32]:
    """Observations or actions as finite float32 [rows, width]."""
    if isinstance(value, Mapping):
        raise DatasetError(
            f"{where}: {what} are a dictionary of {', '.join(value)}; {task.id} needs arrays [rows, {width}]"
        )
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes inf and is reported below
        array = np.asarray(value, dtype=np.float32)
    if array.ndim != 2 or array.shape[1] != width:
        raise DatasetError(f"{where}: {what} have shape {list(array.shape)}, {task.id} needs [rows, {width}]")
    bad = ~np.isfinite(array).all(axis=1)
    if bad.any():
        raise DatasetError(f"{where}: {what} hold NaN or infinity, first at step {int(np.argmax(bad))}")
    return array
