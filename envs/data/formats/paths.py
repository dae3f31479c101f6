"""Lists of path dictionaries, one per episode: how rlkit and DAPG keep trajectories.

observations [T, O], or T dictionaries with one of `OBS_KEYS`   actions [T, A]   rewards [T]
next_observations   optional, like observations                terminals [T]    optional
init_state_dict     optional: simulator state before the first step
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from disk.shapes import short
from envs.data.formats.flat import Flat
from envs.errors import DatasetError
from envs.task import Task

__all__ = ["OBS_KEYS", "flatten"]

_NAMED = 8  # of what is not read, in a note
OBS_KEYS = ("state_observation", "observation")
_OTHER = {"observations": "obs", "actions": "action", "rewards": "reward", "terminals": "terminals"}


def flatten(where: str, loaded: Any, task: Task) -> Flat:
    """Lay paths end to end; each is taken out of `loaded` on the way, so that two copies never lie in memory.

    Rewards that do not fit their actions are left out where the task has a rule for them.
    """
    if isinstance(loaded, dict):
        loaded = loaded.get("paths", [loaded])
    if not isinstance(loaded, list) or not loaded or not all(isinstance(p, dict) for p in loaded):
        raise DatasetError(f"{where}: holds no list of path dictionaries, each with observations and actions")
    states = _first_states(loaded)
    notes = _unread(loaded)
    if task.computes_reward and (odd := sum(_unfit_rewards(p) for p in loaded)):
        notes.append(
            f"rewards left out: in {odd} of {len(loaded)} paths not one per action; the task's rule gives them"
        )
        loaded[:] = [{k: v for k, v in p.items() if k != "rewards"} for p in loaded]
    columns: dict[str, list[NDArray[Any]]] = {}
    for index in range(len(loaded)):
        path, loaded[index] = loaded[index], None
        for name, values in _columns(f"{where}, path {index}", path).items():
            columns.setdefault(name, []).append(values)
    lengths = np.array([len(a) for a in columns["action"]])
    partial = [name for name, parts in columns.items() if len(parts) < len(lengths)]
    if partial:
        raise DatasetError(f"{where}: some paths have {', '.join(partial)} and some do not; all or none are needed")
    joined: dict[str, Any] = {name: _joined(where, name, columns.pop(name)) for name in list(columns)}
    return Flat(**joined, lengths=lengths, infos=_series(states, lengths), notes=tuple(notes))


def _unfit_rewards(path: dict[str, Any]) -> bool:
    """Whether a path's rewards are not one for each of its actions."""
    rewards, actions = path.get("rewards"), path.get("actions")
    return rewards is not None and isinstance(actions, Sequence | np.ndarray) and np.size(rewards) != len(actions)


def _unread(paths: Sequence[dict[str, Any]]) -> list[str]:
    """Note the entries of paths that are not read."""
    known = {*_OTHER, "next_observations", "init_state_dict"}
    names = [short(str(name)) for name in dict.fromkeys(name for path in paths for name in path) if name not in known]
    return [f"not read: {', '.join(names[:_NAMED])}{' and more' * (len(names) > _NAMED)}"] if names else []


def _columns(where: str, path: dict[str, Any]) -> dict[str, NDArray[Any]]:
    """Arrays of one path, of T rows each, doubles as float32."""
    missing = [key for key in ("observations", "actions") if key not in path]
    if missing:
        raise DatasetError(f"{where}: has no {' and no '.join(missing)}, only {', '.join(sorted(path)[:8])}")
    found = {name: _array(where, key, path[key]) for key, name in _OTHER.items() if key in path}
    rows = len(found["action"])
    if not rows:
        raise DatasetError(f"{where}: has no steps; leave it out")
    if "next_observations" in path:
        found["next_obs"] = _array(where, "next_observations", path["next_observations"])
    elif len(found["obs"]) == rows + 1:
        found["next_obs"] = found["obs"][1:]
    if len(found["obs"]) == rows + 1:
        found["obs"] = found["obs"][:-1]
    wrong = {name: len(values) for name, values in found.items() if len(values) != rows}
    if wrong:
        raise DatasetError(
            f"{where}: {rows} actions, but {', '.join(f'{n} entries in {name}' for name, n in wrong.items())}; "
            "each step needs one of each"
        )
    return found


def _array(where: str, key: str, value: Any) -> NDArray[Any]:
    """Turn a path's entry into rows of numbers; of dictionaries, those under the first known key."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        inner = next((k for k in OBS_KEYS if k in value[0]), None)
        if inner is None:
            raise DatasetError(
                f"{where}: {key} are dictionaries of {', '.join(value[0])}; {' or '.join(OBS_KEYS)} is needed"
            )
        if not all(isinstance(v, dict) and inner in v for v in value):
            raise DatasetError(f"{where}: not all {key} have {inner}")
        value = [v[inner] for v in value]
    try:
        array = np.asarray(value)
    except ValueError:  # rows of several lengths
        array = np.asarray(None)
    if array.dtype.kind not in "?biuf" or not array.ndim:
        raise DatasetError(f"{where}: {key} are not rows of numbers")
    with np.errstate(over="ignore"):  # what float32 cannot hold is reported as infinity
        return array.astype(np.float32, copy=False)


def _joined(where: str, name: str, parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Join the rows of all paths; columns of one entry per step may be [T] or [T, 1]."""
    if name in ("reward", "terminals"):
        parts = [p.reshape(len(p), -1) for p in parts]
    if len({p.shape[1:] for p in parts}) > 1:
        raise DatasetError(f"{where}: the paths' {name} rows are not all of one width")
    return np.concatenate(parts)


def _first_states(paths: Sequence[dict[str, Any]]) -> list[dict[str, NDArray[Any]]]:
    """Recorded states before the first step of each path; none unless all paths have the same entries."""
    found = [p.get("init_state_dict") for p in paths]
    arrays: Callable[[Any], dict[str, NDArray[Any]]] = lambda d: {  # noqa: E731
        k: v for k, v in d.items() if isinstance(v, np.ndarray) and v.dtype.kind == "f"
    }
    states = [arrays(d) for d in found if isinstance(d, dict)]
    same = len(states) == len(paths) and len({tuple((k, v.shape) for k, v in s.items()) for s in states}) == 1
    return states if same else []


def _series(states: Sequence[dict[str, NDArray[Any]]], lengths: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Columns `init_NAME` [N, ...]: the recorded state in an episode's first row, NaN in the others."""
    if not states:
        return {}
    first = np.cumsum(lengths) - lengths
    out = {}
    for name, one in states[0].items():
        out[f"init_{name}"] = np.full((int(lengths.sum()), *one.shape), np.nan)
        out[f"init_{name}"][first] = [s[name] for s in states]
    return out
