"""The local Minari store: where datasets lie, what they say of themselves, and their episodes as recorded.

HDF5 files are read directly: no environment has to be built for it, and recorded infos are skipped. Writing
is in `envs.data.minari_write`; the checks that a dataset must pass for a task are in `envs.data.episodes`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from minari.dataset.minari_dataset import parse_dataset_id
from minari.dataset.minari_storage import MinariStorage
from numpy.typing import NDArray

from disk.reading import check_regular, read_file
from disk.shapes import ShapeError, anything, line, listing, mapping, parse_json, table, text, whole
from disk.trouble import not_damage
from envs.data.hdf5 import Arrays
from envs.errors import DamagedError, DatasetError, first_line

__all__ = [
    "OWN",
    "LocalDataset",
    "RawEpisode",
    "check_id",
    "damaged",
    "env_id",
    "episodes",
    "exists",
    "folder",
    "local_datasets",
    "metadata",
    "root",
]

OWN = "awac_bench"  # key in a dataset's metadata under which this suite notes what it knows of the dataset


# of a dataset's metadata.json, what is read here; Minari's own has more
_METADATA = table(
    {"total_episodes": whole(0), "total_steps": whole(0)},
    {
        "dataset_id": line,
        "data_format": line,
        "description": text,
        OWN: table({}, {"task": line, "fingerprint": line, "demos": listing(whole(0)), "recipe": mapping(anything)}),
    },
)


class RawEpisode(NamedTuple):
    """One episode as it lies in a Minari dataset, unchecked."""

    obs: Any  # array [T+1, O]; a mapping for dict observations
    action: Any  # array [T, A]
    reward: Any  # array [T]; None where there is none
    terminated: NDArray[np.bool_]  # [T]
    seed: int | None  # of the environment's reset, where recorded
    infos: Mapping[str, Any] | None = None  # what else was recorded, where asked for: name -> array [T+1, ...]
    truncated: NDArray[np.bool_] | None = None  # [T]; None where nothing says


@dataclass(frozen=True)
class LocalDataset:
    """One line of `bench list datasets`, from the metadata alone."""

    id: str
    path: Path
    size: int  # bytes on disk
    episodes: int
    steps: int
    env: str  # gymnasium id recorded in it; "" where there is none
    broken: str  # why it cannot be read; "" when it looks sound


def root() -> Path:
    """The user's Minari store: `MINARI_DATASETS_PATH`, or ~/.minari/datasets. It need not exist."""
    named = os.environ.get("MINARI_DATASETS_PATH")
    try:
        return Path(named) if named else Path.home() / ".minari" / "datasets"
    except RuntimeError:
        raise DatasetError("there is no home folder here: MINARI_DATASETS_PATH says where datasets lie") from None


def check_id(dataset_id: str) -> None:
    """Refuse ids that Minari does not accept, for which it leaves a folder behind that breaks its own listing."""
    try:
        parse_dataset_id(dataset_id)
        valid = "//" not in dataset_id
    except (ValueError, TypeError):  # TypeError: no version
        valid = False
    if not valid:
        raise DatasetError(
            f"{dataset_id!r} is not a dataset id: name-v0 or namespace/name-v0, "
            "of letters, digits, '-', '_' and '/', with a version at the end"
        )


def folder(dataset_id: str) -> Path:
    """Folder where a dataset lies, or would lie."""
    check_id(dataset_id)
    return root() / dataset_id


def exists(dataset_id: str) -> bool:
    """Whether the store holds a dataset of that id, sound or not."""
    return (folder(dataset_id) / "data").is_dir()


def damaged(dataset_id: str, reason: str) -> DamagedError:
    """Make the error about a damaged dataset, which says which folder to delete."""
    path = folder(dataset_id)
    error = DamagedError(f"dataset {dataset_id} is damaged ({reason}); delete {path} and build or fetch it again")
    error.reason = reason
    return error


def metadata(dataset_id: str) -> dict[str, Any]:
    """Read a dataset's metadata.json; raises `DatasetError` when it is not there or unreadable."""
    try:
        content: dict[str, Any] = parse_json(read_file(folder(dataset_id) / "data" / "metadata.json"), _METADATA)
    except (OSError, ShapeError) as error:
        raise _unread(dataset_id, error, "metadata.json: ") from None
    return content


def _unread(dataset_id: str, error: BaseException, where: str = "") -> DatasetError:
    """Make the error about a dataset that could not be read: damaged, unless the system had other reasons."""
    if why := not_damage(error):
        return DatasetError(f"dataset {dataset_id} cannot be read now ({where}{why}); nothing says that it is damaged")
    return damaged(dataset_id, f"{where}{first_line(error)}")


def env_id(about: Mapping[str, Any]) -> str:
    """The gymnasium id of the environment that a dataset's metadata names; "" where it names none."""
    try:
        return str(json.loads(about["env_spec"])["id"])
    except (KeyError, TypeError, ValueError):
        return ""


def episodes(dataset_id: str, infos: bool = False) -> Iterator[RawEpisode]:
    """Read the episodes of a local dataset in their order, unchecked; raises `DatasetError` when it is damaged.

    `infos` reads what else was recorded too: simulator states can be larger than all the rest.
    """
    about = metadata(dataset_id)
    data = folder(dataset_id) / "data"
    read = _read_hdf5 if about.get("data_format", "hdf5") == "hdf5" else _read_any
    try:
        yield from read(data, about["total_episodes"], infos)
    except ImportError as error:
        raise DatasetError(f"dataset {dataset_id} is stored as {about['data_format']}: {first_line(error)}") from None
    except (OSError, LookupError, TypeError, ValueError, RuntimeError, AttributeError, MemoryError) as error:
        raise _unread(dataset_id, error) from None


def _read_hdf5(data: Path, count: int, infos: bool = False) -> Iterator[RawEpisode]:
    check_regular(data / "main_data.hdf5")
    with h5py.File(data / "main_data.hdf5", "r") as file:
        if len(file) != count:
            raise ValueError(f"{len(file)} episodes where metadata.json says {count}")
        arrays = Arrays("main_data.hdf5", file)
        for index in range(count):
            group = arrays.group(file, f"episode_{index}")
            if group is None:
                raise ValueError(f"main_data.hdf5: episode_{index} is not a group in this file")
            obs, action = (_read(arrays, group, part) for part in ("observations", "actions"))
            seed = group.attrs.get("seed")
            more = arrays.group(group, "infos") if infos else None
            yield RawEpisode(
                obs,
                action,
                arrays.get(group, "rewards")[()],
                np.asarray(arrays.get(group, "terminations")[()], np.bool_),
                None if seed is None else int(seed),
                None if more is None else _read_group(arrays, more),
                np.asarray(arrays.get(group, "truncations")[()], np.bool_) if "truncations" in group else None,
            )


def _read(arrays: Arrays, group: h5py.Group, key: str) -> Any:
    """An array, or the arrays of a group by their paths, such as "state/qpos"."""
    inner = arrays.group(group, key)
    return arrays.get(group, key)[()] if inner is None else _read_group(arrays, inner)


def _read_group(arrays: Arrays, group: h5py.Group) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in group:
        part = _read(arrays, group, name)
        found |= {f"{name}/{inner}": a for inner, a in part.items()} if isinstance(part, dict) else {name: part}
    return found


def _read_any(data: Path, count: int, infos: bool = False) -> Iterator[RawEpisode]:
    """Read episodes in any format that Minari knows, by its own and slower reader."""
    storage = MinariStorage.read(data)
    about = storage.get_episode_metadata(range(count))
    for episode, extra in zip(storage.get_episodes(range(count)), about, strict=True):
        terminated = np.asarray(episode["terminations"], np.bool_)
        yield RawEpisode(
            episode["observations"],
            episode["actions"],
            episode["rewards"],
            terminated,
            extra.get("seed"),
            _flat(episode.get("infos") or {}) if infos else None,
            np.asarray(episode["truncations"], np.bool_),
        )


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Arrays of nested mappings by their paths, such as "state/qpos"."""
    found: dict[str, Any] = {}
    for name, part in tree.items():
        found |= _flat(part, f"{prefix}{name}/") if isinstance(part, Mapping) else {prefix + name: np.asarray(part)}
    return found


def local_datasets() -> list[LocalDataset]:
    """Every dataset of the store, sorted by id; broken ones are listed with the reason."""
    found = []
    for place, folders, _ in os.walk(root()):
        if "data" in folders:
            path = Path(place)
            found.append(_describe(path.relative_to(root()).as_posix(), path))
            folders.clear()
        else:
            folders[:] = [f for f in folders if not f.startswith(".")]
    return sorted(found, key=lambda d: d.id)


def _describe(dataset_id: str, path: Path) -> LocalDataset:
    size = sum(f.stat().st_size for f in path.rglob("*") if f.is_file())
    try:
        check_id(dataset_id)
    except DatasetError as error:
        reason = f"{error}; Minari cannot list its store until {path} is deleted"
        return LocalDataset(dataset_id, path, size, 0, 0, "", reason)
    try:
        about = metadata(dataset_id)
    except DatasetError as error:
        return LocalDataset(dataset_id, path, size, 0, 0, "", str(error))
    reason = ""
    if about.get("dataset_id") != dataset_id:
        reason = f"its metadata names it {about.get('dataset_id')!r}; move {path} there or delete it"
    elif about.get("data_format", "hdf5") == "hdf5" and not _has_content(path / "data" / "main_data.hdf5"):
        reason = str(damaged(dataset_id, "main_data.hdf5 is missing or empty"))
    return LocalDataset(dataset_id, path, size, about["total_episodes"], about["total_steps"], env_id(about), reason)


def _has_content(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0
