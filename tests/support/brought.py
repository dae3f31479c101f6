"""Files as other programs write them, of the toy task, for the tests of imports."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import h5py
import numpy as np

LENGTHS = (4, 1, 6)  # of the episodes in a file


def columns(lengths: tuple[int, ...] = LENGTHS, *, successors: bool = True) -> dict[str, Any]:
    """Flat arrays under D4RL's names; observation entry 1 counts the rows, so that a crossing would show."""
    rng = np.random.default_rng(0)
    rows, end = sum(lengths), np.cumsum(lengths)
    obs = rng.standard_normal((rows, 3)).astype(np.float32)
    obs[:, 1] = np.arange(rows)
    after = np.concatenate((obs[1:], obs[:1]))
    after[end - 1] = 0.25  # what only next_observations know
    timeouts = np.zeros(rows, np.bool_)
    timeouts[end - 1] = True
    made = {
        "observations": obs,
        "actions": rng.uniform(-1, 1, (rows, 2)).astype(np.float32),
        "rewards": np.arange(rows, dtype=np.float32),
        "terminals": np.zeros(rows, np.bool_),
        "timeouts": timeouts,
    }
    return made | ({"next_observations": after} if successors else {})


def changed(**changes: Any) -> dict[str, Any]:
    """Columns with some replaced, or left out where None."""
    return {k: v for k, v in (columns() | changes).items() if v is not None}


def hdf5(path: Path, arrays: dict[str, Any]) -> Path:
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file.create_dataset(name, data=values)
    return path


def npz(path: Path, arrays: dict[str, Any]) -> Path:
    np.savez(path, **arrays)
    return path


def paths(lengths: tuple[int, ...] = LENGTHS, *, nested: bool = False, successors: bool = True) -> list[dict[str, Any]]:
    """Path dictionaries as rlkit's collector makes them, or as DAPG's without successors."""
    flat = columns(lengths)
    out = []
    for start, stop in zip(np.cumsum(lengths) - lengths, np.cumsum(lengths), strict=True):
        one = {k: v[start:stop] for k, v in flat.items() if k != "timeouts"}
        one["rewards"], one["terminals"] = one["rewards"][:, None], one["terminals"][:, None]
        one |= {"agent_infos": [{} for _ in one["actions"]], "env_infos": [{"final": np.float64(1)}] * (stop - start)}
        for key in ("observations", "next_observations") if nested else ():
            one[key] = np.array([{"state_observation": o, "desired_goal": o[:1]} for o in one[key]], object)
        if not successors:
            del one["next_observations"]
        out.append(one)
    return out


def npy(path: Path, content: list[Any]) -> Path:
    np.save(path, np.array(content, object), allow_pickle=True)
    return path


def pickled(path: Path, content: Any, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(content, protocol))
    return path
