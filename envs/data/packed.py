"""A copy of a large dataset's checked episodes that is read at once, beside the dataset in the store.

HDF5 of thousands of episodes is slow to open, one array after another. The copy holds the same episodes end to end,
mapped into memory. It is used only while the dataset's file has the size and time of change that it was made from, and
its own content is compared with the fingerprint whenever it is read: what is trained on has always been checked.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from disk.replace import replacing_folder
from envs.data.episodes import Episode, fingerprint
from envs.data.minari_store import folder
from envs.task import Task

__all__ = ["Loaded", "key", "read", "write"]

FOLDER = ".awac-bench-packed"
MIN_STEPS = 200_000  # smaller datasets are read quickly as they are


@dataclass(frozen=True)
class Loaded:
    """Episodes that have passed all checks."""

    episodes: list[Episode]
    clipped: float  # share of action entries in the file that lie outside [-1, 1]
    fingerprint: str  # of what is stored
    changes: str = ""  # in words, what a task's knowledge of its environment changed afterwards


def key(task: Task, dataset_id: str, demos: Collection[int]) -> str:
    """Hash of the dataset's file as it is now and of the task's facts that decide how it is read; "" without file."""
    try:
        file = (folder(dataset_id) / "data" / "main_data.hdf5").stat()
    except OSError:
        return ""
    way = (task.id, task.obs_dim, task.action_dim, task.terminates, task.computes_reward, sorted(demos))
    return hashlib.sha256(repr((1, file.st_size, file.st_mtime_ns, way)).encode()).hexdigest()


def read(dataset_id: str, wanted: str, expected: str | None) -> Loaded | None:
    """Read packed episodes, if their key is the one wanted and their content is what it was when they were packed.

    `expected` is the fingerprint in the dataset's metadata, where it has one.
    """
    place = folder(dataset_id) / FOLDER
    try:
        about = json.loads((place / "about.json").read_text(encoding="utf-8"))
        if not wanted or about["key"] != wanted or expected not in (None, about["fingerprint"]):
            return None
        loaded = Loaded(_episodes(place), float(about["clipped"]), str(about["fingerprint"]))
        return loaded if fingerprint(loaded.episodes) == loaded.fingerprint else None
    except Exception:  # whatever numpy makes of a damaged file: the dataset itself is read then
        return None


def _episodes(place: Path) -> list[Episode]:
    # copy-on-write maps: callers may change the arrays, never the files
    maps: dict[str, Any] = {n: np.load(place / f"{n}.npy", mmap_mode="c") for n in ("obs", "action", "reward")}
    lengths, demo, terminated, seeds = np.load(place / "episodes.npy").tolist()
    episodes, step = [], 0
    obs, action, reward = (maps[n].view(np.ndarray) for n in ("obs", "action", "reward"))
    for i, length in enumerate(lengths):
        stop = step + length
        seed = None if seeds[i] < 0 else seeds[i]
        recorded = reward[step:stop] if len(reward) else None
        episodes.append(
            Episode(obs[step + i : stop + i + 1], action[step:stop], bool(demo[i]), bool(terminated[i]), seed, recorded)
        )
        step = stop
    return episodes


def write(dataset_id: str, made_for: str, loaded: Loaded) -> None:
    """Pack episodes for the next time, if they have many steps; where the store cannot be written to, do nothing."""
    episodes = loaded.episodes
    if not made_for or sum(len(e.action) for e in episodes) < MIN_STEPS:
        return
    about = {"key": made_for, "fingerprint": loaded.fingerprint, "clipped": loaded.clipped}
    with contextlib.suppress(OSError), replacing_folder(folder(dataset_id) / FOLDER) as new:
        for name in ("obs", "action", "reward"):
            _save(new / f"{name}.npy", [a for e in episodes if (a := getattr(e, name)) is not None])
        table = [(len(e.action), e.demo, e.terminated, -1 if e.seed is None else e.seed) for e in episodes]
        np.save(new / "episodes.npy", np.array(table, np.int64).T)
        (new / "about.json").write_text(json.dumps(about), encoding="utf-8")


def _save(path: Path, parts: list[Any]) -> None:
    """Write float32 arrays end to end, without laying them end to end in memory."""
    rows = sum(map(len, parts))
    with path.open("wb") as f:
        np.lib.format.write_array_header_1_0(
            f, {"descr": "<f4", "fortran_order": False, "shape": (rows, *(parts[0].shape[1:] if parts else ()))}
        )
        for part in parts:
            f.write(np.ascontiguousarray(part, "<f4").data)
        f.flush()
        os.fsync(f.fileno())
