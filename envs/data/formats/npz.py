"""Plain `.npz`: arrays under D4RL's names, without pickles.

    observations [N, O]  actions [N, A]  rewards [N]
    terminals [N]        the task ended with this step
    timeouts [N]         the episode was cut off after it; or instead episode_lengths [E], in steps
    next_observations [N, O]  optional; observations may instead be [N + E, O], each episode with its last one
    demonstrations [N], seeds [E], infos/NAME [N, ...], infos_final/NAME [E, ...]    optional, as in `formats.d4rl`

Episodes of one length may also be stacked: observations [E, T+1, O], actions [E, T, A], rewards and flags [E, T].
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np

from envs.data.files import check_size
from envs.data.formats import d4rl
from envs.data.formats.flat import Content
from envs.errors import DatasetError, first_line
from envs.task import Task

__all__ = ["read"]


def read(task: Task, path: Path, limit: int | None) -> Content:
    """Read the episodes of an npz; raises `DatasetError` where it is damaged or not of the task."""
    where = str(path)
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                _check_member(where, archive, member)
        with np.load(path, allow_pickle=False) as file:
            columns = {key: file[key] for key in file.files if key in d4rl.LAYOUT}
            infos, finals = (
                {key.removeprefix(group): file[key] for key in file.files if key.startswith(group)}
                for group in ("infos/", "infos_final/")
            )
    except DatasetError:
        raise
    except (
        OSError,
        ValueError,
        EOFError,
        KeyError,
        RuntimeError,
        NotImplementedError,
        zipfile.BadZipFile,
        zlib.error,
        MemoryError,
    ) as error:
        raise DatasetError(f"{where}: damaged npz ({first_line(error)}); fetch or save it again") from None
    return d4rl.from_columns(where, task, _with_successors(_unstacked(columns)), limit, infos, finals)


def _check_member(where: str, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    """Refuse a member that is no plain array, or whose header does not fit what is packed behind it."""
    name = member.filename.removesuffix(".npy")
    check_size(where, name, member.file_size, member.compress_size)
    with archive.open(member) as f:
        shape, dtype, header = _header(f)
    if dtype.hasobject:
        raise DatasetError(f"{where}: {name} holds Python objects, which may be programs; save plain numbers")
    announced = int(np.prod(shape, dtype=object)) * dtype.itemsize + header
    if announced != member.file_size:
        raise DatasetError(
            f"{where}: {name} announces {announced:,} bytes and holds {member.file_size:,}; fetch or save it again"
        )


def _header(f: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    """Shape and dtype in the header of an npy, and the length of the header in bytes."""
    version = np.lib.format.read_magic(f)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(f)
    elif version == (2, 0):
        shape, _, dtype = np.lib.format.read_array_header_2_0(f)
    else:
        raise ValueError(f"npy version {version}")
    return shape, dtype, f.tell()


def _unstacked(columns: dict[str, Any]) -> dict[str, Any]:
    """Lay episodes of one length [E, T, ...] end to end; anything else stays as it is."""
    action = columns.get("actions")
    if action is None or action.ndim != 3:
        return columns
    count, length = action.shape[:2]
    out = {
        k: v.reshape(-1, *v.shape[2:]) if v.shape[:2] in ((count, length), (count, length + 1)) else v
        for k, v in columns.items()
    }
    return {"episode_lengths": np.full(count, length)} | out  # flags may end episodes earlier, never join two


def _with_successors(columns: dict[str, Any]) -> dict[str, Any]:
    """Split observations [N + E, O] into those before and those after each step."""
    obs, lengths = columns.get("observations"), columns.get("episode_lengths")
    if obs is None or lengths is None or "next_observations" in columns or lengths.dtype.kind not in "iu":
        return columns
    if lengths.ndim != 1 or (lengths < 1).any() or len(obs) != lengths.sum() + len(lengths):
        return columns
    end = np.cumsum(lengths + 1) - 1
    first = np.concatenate(([0], end[:-1] + 1))
    return columns | {"observations": np.delete(obs, end, 0), "next_observations": np.delete(obs, first, 0)}
