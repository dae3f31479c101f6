"""D4RL's datasets by name: which file holds `d4rl/halfcheetah-medium-v2`, and where it is fetched from.

A file is looked for where the `d4rl` package keeps its downloads, and fetched to there. Names and files as in D4RL's
own table (d4rl/infos.py): -v0, -v1 and -v2 of a name are different data.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from envs.data import downloads
from envs.errors import DatasetError, closest

__all__ = ["FILES", "PREFIX", "File", "find", "folder", "get"]

PREFIX = "d4rl/"
MIRRORS = "BENCH_D4RL_MIRRORS"  # comma-separated base addresses, tried in their order
DEFAULT_MIRRORS = tuple(f"{scheme}://rail.eecs.berkeley.edu/datasets/offline_rl" for scheme in ("https", "http"))


@dataclass(frozen=True)
class File:
    """One file of D4RL, which holds one dataset."""

    path: str  # below a mirror
    limit: int  # steps after which episodes were cut off, for files that do not mark it
    demos: bool = False  # whether all episodes are human demonstrations

    @property
    def name(self) -> str:
        """Name of the file without folders, as in the cache of the `d4rl` package."""
        return self.path.rsplit("/", 1)[1]


def _locomotion() -> dict[str, File]:
    kinds = ("random", "medium", "expert", "medium-replay", "medium-expert")
    found = {}
    for robot in ("halfcheetah", "hopper", "walker2d", "ant"):
        for kind in kinds:
            stem = "mixed" if kind == "medium-replay" else kind.replace("-", "_")
            found[f"{robot}-{kind}-v0"] = File(f"gym_mujoco/{robot}_{stem}.hdf5", 1000)
        for version in ("v1", "v2"):
            for kind in (*kinds, "full-replay"):
                file = f"gym_mujoco_{version}/{robot}_{kind.replace('-', '_')}-{version}.hdf5"
                found[f"{robot}-{kind}-{version}"] = File(file, 1000)
    return found | {"walker2d-medium-replay-v0": File("gym_mujoco/walker_mixed.hdf5", 1000)}  # so called there


def _hands() -> dict[str, File]:
    stems = {"human": "{}-v0_demos_clipped", "cloned": "{}-demos-v0-bc-combined", "expert": "{}-v0_expert_clipped"}
    found = {}
    for hand, limit in {"pen": 100, "door": 200, "relocate": 200, "hammer": 200}.items():
        for kind, stem in stems.items():
            found[f"{hand}-{kind}-v0"] = File(f"hand_dapg/{stem.format(hand)}.hdf5", limit, kind == "human")
            found[f"{hand}-{kind}-v1"] = File(f"hand_dapg_v1/{hand}-{kind}-v1.hdf5", limit, kind == "human")
    return found


FILES = {PREFIX + name: file for name, file in sorted((_locomotion() | _hands()).items())}


def get(name: str) -> File:
    """Look up a name such as d4rl/door-human-v1; raises `DatasetError` with the nearest names."""
    if name in FILES:
        return FILES[name]
    close = closest(name, FILES, count=3)
    versions = [n for n in FILES if n.startswith(re.sub(r"v\d+$", "v", name))]
    hint = f"did you mean {' or '.join(versions or close)}?" if versions or close else "known: " + ", ".join(FILES)
    raise DatasetError(f"{name!r} is none of D4RL's datasets known here; {hint}")


def folder() -> Path:
    """Folder where the `d4rl` package keeps its files."""
    named = os.environ.get("D4RL_DATASET_DIR")
    try:
        return Path(named) if named else Path.home() / ".d4rl" / "datasets"
    except RuntimeError:
        raise DatasetError("there is no home folder here: D4RL_DATASET_DIR says where D4RL's files lie") from None


def find(name: str, say: downloads.Progress, offline: bool = False) -> Path:
    """Path of the file of a name, fetched if it is not there, with the checksum it had when it was first seen.

    Raises `DatasetError`, saying which file is to be put where, when it is not there and cannot be fetched.
    """
    file = get(name)
    path = folder() / file.name
    if not path.exists():
        bases = [b.strip().rstrip("/") for b in os.environ.get(MIRRORS, "").split(",") if b.strip()] or DEFAULT_MIRRORS
        # in D4RL's folders, or all files in one, as some lay them
        urls = [f"{base}/{place}" for base in bases for place in (file.path, file.name)]
        put = f"put {file.name}, which is {urls[0]}, into {folder()}"
        if offline or downloads.offline():
            raise DatasetError(f"{name} is not at {path}, and this is offline: {put}")
        say(f"{name}: fetching {file.name} into {folder()}")
        try:
            downloads.fetch(path, urls, say)
        except DatasetError as error:
            raise DatasetError(
                f"{name} could not be fetched ({error}); {put}, or name other mirrors in {MIRRORS}"
            ) from None
    downloads.verify(path, say)
    return path
