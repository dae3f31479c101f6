"""Datasets as files for other programs: D4RL's HDF5, or npz. Reading one back gives the same episodes, bit by bit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from disk.room import reserve
from envs.data.episodes import Episode, transitions
from envs.data.files import new_file
from envs.data.hdf5 import full_disk_raises
from envs.errors import DatasetError
from envs.task import Task

__all__ = ["write"]

_PER_ARRAY = 1 << 12  # bytes of an HDF5 file that are not its numbers


def write(task: Task, episodes: Sequence[Episode], path: Path) -> None:
    """Write episodes to a new file, whose extension says the format; it appears complete or not at all.

    Raises `DatasetError` where it is there already, cannot be written, or has another extension.
    """
    writer = _WRITERS.get(path.suffix.lower())
    if writer is None:
        raise DatasetError(f"{path}: end the name in {' or '.join(_WRITERS)}, which says the format")
    with new_file(path) as passing:
        writer(passing, _arrays(task, episodes))


def _arrays(task: Task, episodes: Sequence[Episode]) -> dict[str, NDArray[Any]]:
    """Arrays of a file by their names in it, such as "infos/qpos" for one in a group."""
    rows = transitions(task, episodes)
    arrays: dict[str, NDArray[Any]] = {
        "observations": rows.obs,
        "actions": rows.action,
        "rewards": rows.reward,
        "next_observations": rows.next_obs,
        "terminals": rows.terminated,
        "timeouts": rows.truncated,
        "demonstrations": rows.demo,
        "seeds": np.array([-1 if e.seed is None else e.seed for e in episodes], np.int64),
    }
    for name in sorted(set.intersection(*(set(e.infos) for e in episodes))):  # what all of them have
        states = [e.infos[name] for e in episodes]
        if len({s.shape[1:] for s in states}) == 1:
            arrays[f"infos/{name}"] = np.concatenate([s[:-1] for s in states])
            arrays[f"infos_final/{name}"] = np.stack([s[-1] for s in states])
    return arrays


def _write_hdf5(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    reserve(path.parent, sum(values.nbytes + _PER_ARRAY for values in arrays.values()))
    with full_disk_raises(), h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file.create_dataset(name, data=values)


def _write_npz(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    np.savez(path, **arrays)  # type: ignore[arg-type]


_WRITERS: dict[str, Callable[[Path, dict[str, NDArray[Any]]], None]] = {
    ".hdf5": _write_hdf5,
    ".h5": _write_hdf5,
    ".npz": _write_npz,
}
