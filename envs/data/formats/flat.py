"""Steps laid end to end, as most files hold them, cut into episodes.

A step whose next observation is not in the file cannot be learned from: it is dropped, and a note says how many were.
Arrays are read in blocks, so that a file of doubles never lies in memory as doubles.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envs.data.episodes import Episode
from envs.discrete import one_hot
from envs.errors import DatasetError
from envs.task import Task

__all__ = ["Content", "Flat", "cut", "flags", "numbers"]

_BLOCK = 1 << 16  # rows read at once
_SHUFFLED = 0.1  # share of rows not followed by their successor from which a file holds loose steps, not episodes


@dataclass(frozen=True)
class Content:
    """Episodes of a file, as a task needs them."""

    episodes: list[Episode]
    notes: tuple[str, ...]  # what was dropped or assumed, for people
    demos: bool | None = None  # whether all of it is demonstrations by its nature; None: as each episode says
    clipped: float = 0.0  # share of action entries that lay outside [-1, 1]
    agreement: float | None = None  # share of rows where recorded rewards say what the task's rule does; None: unknown


@dataclass(frozen=True)
class Flat:
    """N steps of E episodes. Arrays may be anything that has a shape and a dtype and gives rows by slices."""

    obs: Any  # [N, O]
    action: Any  # [N, A]
    reward: Any = None  # [N] or [N, 1]
    next_obs: Any = None  # [N, O]
    terminals: Any = None  # [N] or [N, 1]: the task ended
    timeouts: Any = None  # [N] or [N, 1]: the episode was cut off
    lengths: Any = None  # [E] steps per episode, where the file says so instead
    infos: Mapping[str, Any] = field(default_factory=dict)  # name -> [N, ...]
    finals: Mapping[str, Any] = field(default_factory=dict)  # the same after an episode's last step: name -> [E, ...]
    demos: Any = None  # [N]: belongs to a demonstration
    seeds: Any = None  # [E] of the reset; negative where unknown
    notes: tuple[str, ...] = ()  # what was left out on the way here


def cut(where: str, task: Task, flat: Flat, limit: int | None = None) -> Content:
    """Cut flat steps into episodes of a task; `where` names the file in messages.

    `limit` is the number of steps after which episodes were cut off, for files that do not mark it; default: the
    task's horizon. Raises `DatasetError` where the file does not fit.
    """
    flat = _vectors(where, task, flat)
    rows = _rows(where, task, flat)
    terminal, ends, notes = _ends(where, flat, rows, limit, task.horizon)
    notes = [*flat.notes, *notes]
    obs = _float32(where, "observations", flat.obs)
    last = _successors(where, flat, obs, ends, notes)
    stop = np.flatnonzero(ends) + 1  # [E]
    start = np.concatenate(([0], stop[:-1]))
    stands_in = terminal[stop - 1] & (task.terminates and not task.computes_reward)  # the state after it is not used
    extra = np.ones(len(stop), np.bool_) if last is not None else stands_in  # episodes that get a last observation
    steps = stop - start - ~extra
    _count_dropped(where, steps, extra, stands_in if last is None else None, notes)
    at = start + np.cumsum(extra) - extra  # [E] where each begins once those are put in
    action, reward = _float32(where, "actions", flat.action), _reward(where, task, flat)
    if (outside := float(np.mean(np.abs(action) > 1))) > 0:
        notes.append(f"{outside:.1%} of action entries lie outside [-1, 1], to which they are clipped")
    rewards = _recorded_beside_rule(where, task, flat, rows)
    tail = obs[stop - 1] if last is None else last
    obs = _insert(obs, stop, extra, tail)
    states = {k: _insert(np.asarray(v[:]), stop, extra, _final(flat, k, v, len(stop))) for k, v in flat.infos.items()}
    demo = None if flat.demos is None else flags(where, "demonstrations", flat.demos, rows)
    seeds = _seeds(where, flat, len(stop))
    episodes = [
        Episode(
            obs[a : a + n + 1],
            action[s : s + n],
            demo=demo is not None and bool(demo[s]),
            terminated=bool(terminal[s + n - 1]),
            seed=int(seeds[e]) if seeds is not None and seeds[e] >= 0 else None,
            reward=None if reward is None else reward[s : s + n],
            infos={k: v[a : a + n + 1] for k, v in states.items()},
        )
        for e, (a, s, n) in enumerate(zip(at.tolist(), start.tolist(), steps.tolist(), strict=True))
        if n > 0
    ]
    agreement = None if rewards is None else _agreement(task, episodes, rewards, start[steps > 0].tolist(), notes)
    return Content(episodes, tuple(notes), clipped=outside, agreement=agreement)


def _vectors(where: str, task: Task, flat: Flat) -> Flat:
    """Turn choices [N] or [N, 1] of a task of choices into vectors [N, A]; all else stays as it is."""
    shape = tuple(getattr(flat.action, "shape", ()))
    if not task.discrete or not (len(shape) == 1 or shape[1:] == (1,)):
        return flat
    numbers(where, "actions", flat.action)
    column = np.asarray(flat.action[:]).reshape(-1)
    if not np.isin(column, np.arange(task.action_dim)).all():
        raise DatasetError(
            f"{where}: actions are not choices; {task.id} needs whole numbers from 0 to {task.action_dim - 1}"
        )
    return replace(flat, action=one_hot(column.astype(np.int64), task.action_dim))


def _recorded_beside_rule(where: str, task: Task, flat: Flat, rows: int) -> NDArray[np.float64] | None:
    """Rewards [N] of a file whose task has a rule for them, which are not learned from; None where none fit."""
    if not task.computes_reward or getattr(flat.reward, "shape", None) not in ((rows,), (rows, 1)):
        return None
    numbers(where, "rewards", flat.reward)
    return np.asarray(flat.reward[:], np.float64).reshape(rows)


def _agreement(
    task: Task, episodes: Sequence[Episode], rewards: NDArray[np.float64], start: list[int], notes: list[str]
) -> float | None:
    """Share of rows where recorded rewards [N] say what the task's rule does; None where they have many values.

    `start` are the rows where episodes begin. Two values stand for success and failure, whatever they are.
    """
    recorded = np.concatenate([rewards[s : s + len(e.action)] for s, e in zip(start, episodes, strict=True)])
    rule = np.concatenate([task.reward(e.obs[1:]) for e in episodes])
    values = np.unique(recorded)
    if len(values) > 2:
        notes.append("recorded rewards are of many values; the task's rule replaces them")
        return None
    same = recorded == rule if set(values.tolist()) <= {-1.0, 0.0} else (recorded == values.max()) == (rule == 0)
    notes.append(f"recorded rewards agree with the task's rule in {np.mean(same):.1%} of rows; the rule replaces them")
    return float(np.mean(same))


def numbers(where: str, what: str, column: Any) -> None:
    """Refuse a column of anything but numbers."""
    kind = getattr(getattr(column, "dtype", None), "kind", "O")
    if kind not in "?biuf":
        raise DatasetError(f"{where}: {what} are of type {getattr(column, 'dtype', 'object')}; numbers are needed")


def flags(where: str, what: str, column: Any, rows: int) -> NDArray[np.bool_]:
    """Turn a column of zeros and ones, [N] or [N, 1], into bool [N]."""
    numbers(where, what, column)
    if column.shape not in ((rows,), (rows, 1)):
        raise DatasetError(f"{where}: {what} have shape {list(column.shape)}, {rows} steps need [{rows}]")
    values = np.asarray(column[:]).reshape(rows)
    if values.dtype != np.bool_ and not np.isin(values, (0, 1)).all():
        raise DatasetError(f"{where}: {what} hold other values than 0 and 1")
    return values.astype(np.bool_)


def _seeds(where: str, flat: Flat, episodes: int) -> NDArray[np.int64] | None:
    """Seeds of the resets [E]; None where there are none, or not one for each episode."""
    if flat.seeds is None:
        return None
    numbers(where, "seeds", flat.seeds)
    seeds = np.asarray(flat.seeds[...])
    if seeds.ndim != 1 or seeds.dtype.kind not in "iu" or (len(seeds) and seeds.max() >= 2**63):
        raise DatasetError(
            f"{where}: seeds have shape {list(seeds.shape)} of {seeds.dtype}; [E] whole numbers are needed"
        )
    return seeds.astype(np.int64) if len(seeds) == episodes else None


def _rows(where: str, task: Task, flat: Flat) -> int:
    """Refuse shapes that do not fit the task and each other; return the number of rows N."""
    columns = {"observations": (flat.obs, task.obs_dim), "actions": (flat.action, task.action_dim)}
    if flat.next_obs is not None:
        columns["next_observations"] = (flat.next_obs, task.obs_dim)
    for what, (column, width) in columns.items():
        numbers(where, what, column)
        if len(column.shape) != 2 or column.shape[1] != width:
            raise DatasetError(
                f"{where}: {what} have shape {list(column.shape)}, {task.id} needs [rows, {width}]; "
                "--env names the task that the data are of"
            )
    rows = int(flat.action.shape[0])
    lengths = {what: column.shape[0] for what, (column, _) in columns.items()}
    lengths |= {f"infos/{k}": v.shape[0] for k, v in flat.infos.items()}
    if set(lengths.values()) != {rows}:
        raise DatasetError(f"{where}: {_counts(lengths)}; each step needs one of each: is the file cut off?")
    if not rows:
        raise DatasetError(f"{where}: holds no steps")
    return rows


def _counts(lengths: Mapping[str, int]) -> str:
    return ", ".join(f"{n} {what}" for what, n in lengths.items())


def _ends(
    where: str, flat: Flat, rows: int, limit: int | None, horizon: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], list[str]]:
    """Flags [N] of terminal steps, flags [N] of last steps, and in words what had to be assumed for them."""
    notes: list[str] = []
    terminal = np.zeros(rows, np.bool_)
    if flat.terminals is not None:
        terminal = flags(where, "terminals", flat.terminals, rows)
    ends = terminal.copy()
    if flat.lengths is not None:
        numbers(where, "episode_lengths", flat.lengths)
        steps = np.asarray(flat.lengths[...], np.float64).reshape(-1)  # whole numbers of any size have a sum there
        if len(flat.lengths.shape) != 1 or not (steps >= 1).all() or (steps % 1 != 0).any() or steps.sum() != rows:
            raise DatasetError(
                f"{where}: episode_lengths add up to {steps.sum():.0f} steps and are at least "
                f"{steps.min(initial=0):.0f}; there are {rows} actions, and an episode has at least one"
            )
        ends[np.cumsum(steps.astype(np.int64)) - 1] = True
    never = False
    if flat.timeouts is not None:
        cut_off = flags(where, "timeouts", flat.timeouts, rows)
        ends |= cut_off
        never = flat.lengths is None and not cut_off.any()
    if (flat.lengths is None and flat.timeouts is None) or (never and limit is not None):
        every = limit or horizon
        start = np.concatenate(([0], np.flatnonzero(terminal) + 1))
        since = np.arange(rows) - np.repeat(start, np.diff([*start, rows]))
        ends |= since % every == every - 1
        notes.append(f"the file does not mark where episodes were cut off: taken to be after {every} steps")
    elif limit is not None:
        notes.append(f"--limit {limit} has no effect: the file marks where episodes end")
    elif never and not terminal[-1]:
        notes.append("timeouts are never set: episodes end where they terminate; --limit cuts them after so many steps")
    ends[-1] = True
    return terminal, ends, notes


def _successors(
    where: str, flat: Flat, obs: NDArray[np.float32], ends: NDArray[np.bool_], notes: list[str]
) -> NDArray[np.float32] | None:
    """Observations [E, O] after the last steps of episodes; None where no next observations are recorded.

    Adds to `ends` the rows whose next observation is not the observation of the row after them.
    """
    if flat.next_obs is None:
        return None
    kept, breaks = [], 0
    for first, block in _blocks(where, "next_observations", flat.next_obs):
        here = ends[first : first + len(block)]
        after = obs[first + 1 : first + 1 + len(block)]
        apart = ~np.isclose(block[: len(after)], after, rtol=1e-4, atol=1e-4).all(axis=1) & ~here[: len(after)]
        here[: len(after)] |= apart
        breaks += int(apart.sum())
        kept.append(block[here])
    if breaks > _SHUFFLED * len(obs):
        raise DatasetError(
            f"{where}: after {breaks} of {len(obs)} steps the next row is not where the step arrived, so the file "
            "holds loose steps; episodes are needed: rows in their order"
        )
    if breaks:
        notes.append(f"{breaks} episodes cut where the next row is not where the step before arrived")
    return np.concatenate(kept)


def _count_dropped(
    where: str, steps: NDArray[Any], extra: NDArray[np.bool_], stands_in: NDArray[np.bool_] | None, notes: list[str]
) -> None:
    """Note the steps that cannot be used, and refuse a file of nothing else."""
    if count := int((~extra).sum()):
        notes.append(f"{count} steps dropped, the last of their episodes: no observation after them is recorded")
    if empty := int((steps < 1).sum()):
        notes.append(f"{empty} episodes dropped that had no other step")
    if stands_in is not None and (count := int(stands_in.sum())):
        notes.append(f"{count} terminal steps kept: the last observation stands in for the unrecorded one after it")
    if empty == len(steps):
        raise DatasetError(f"{where}: no step has an observation after it; next_observations would give them")


def _blocks(where: str, what: str, column: Any) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Blocks of a column as float32, each with the number of its first row; NaN and infinity are refused."""
    for first in range(0, column.shape[0], _BLOCK):
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes inf and is reported below
            block = np.asarray(column[first : first + _BLOCK]).astype(np.float32, copy=False)
        if not np.isfinite(block).all():
            bad = first + int(np.argmax(~np.isfinite(block.reshape(len(block), -1)).all(axis=1)))
            raise DatasetError(
                f"{where}: {what} hold NaN or infinity, first in row {bad}; fix or leave out its episode"
            )
        yield first, block


def _float32(where: str, what: str, column: Any) -> NDArray[np.float32]:
    """Read a whole column as float32; NaN and infinity are refused."""
    if isinstance(column, np.ndarray) and column.dtype == np.float32:
        for _ in _blocks(where, what, column):
            pass
        return column
    out = np.empty(column.shape, np.float32)
    for first, block in _blocks(where, what, column):
        out[first : first + len(block)] = block
    return out


def _reward(where: str, task: Task, flat: Flat) -> NDArray[np.float32] | None:
    """Recorded rewards [N]; None where the task has a rule that gives them."""
    rows = int(flat.action.shape[0])
    if task.computes_reward:
        return None
    if flat.reward is None:
        raise DatasetError(f"{where}: has no rewards, and {task.id} has no rule that would give them")
    numbers(where, "rewards", flat.reward)
    if flat.reward.shape not in ((rows,), (rows, 1)):
        raise DatasetError(f"{where}: rewards have shape {list(flat.reward.shape)}, {rows} steps need [{rows}]")
    return _float32(where, "rewards", flat.reward).reshape(rows)


def _final(flat: Flat, name: str, column: Any, episodes: int) -> Any:
    """Simulator states [E, ...] after the last steps of episodes; NaN where they are not recorded."""
    final = flat.finals.get(name)
    if final is not None and final.shape == (episodes, *column.shape[1:]):
        return final[:]
    return np.full((episodes, *column.shape[1:]), np.nan)


def _insert(rows: NDArray[Any], stop: NDArray[Any], extra: NDArray[np.bool_], tail: Any) -> NDArray[Any]:
    """Insert into rows [N, ...] those of `tail` [E, ...], each behind its episode, where `extra` [E] says so."""
    if not extra.any():
        return rows
    tail = np.asarray(tail)[extra]
    kind = rows.dtype if rows.dtype.kind == "f" else np.result_type(rows.dtype, tail.dtype)
    out = np.empty((len(rows) + len(tail), *rows.shape[1:]), kind)
    behind = stop[extra] + np.arange(len(tail))  # places of the extra rows
    own = np.ones(len(out), np.bool_)
    own[behind] = False
    out[own], out[behind] = rows, tail
    return out
