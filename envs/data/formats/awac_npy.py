"""AWAC's own files (Nair et al. 2020, as rlkit loads them): `.npy` of an object array of path dictionaries.

Observations are flat, or dictionaries with the policy's input under `state_observation`; every step has its
successor in `next_observations`. Demonstrations and rollouts lie in files of their own, so `--demos` says which it is.
"""

from __future__ import annotations

import math
import mmap
from pathlib import Path

from disk.arrays import ArraysError, read_header
from envs.data.formats.flat import Content, cut
from envs.data.formats.paths import flatten
from envs.data.formats.pickles import read_pickle
from envs.errors import DatasetError, first_line
from envs.task import Task

__all__ = ["read"]


def read(task: Task, path: Path, limit: int | None) -> Content:
    """Read the episodes of a pickled npy; raises `DatasetError` where it holds anything else."""
    where = str(path)
    try:
        with path.open("rb") as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as content:
            shape, dtype = read_header(f)
            if not dtype.hasobject:
                raise DatasetError(
                    f"{where}: a plain array {list(shape)} of {dtype}; AWAC's npy hold path dictionaries, and plain "
                    "arrays belong into an npz under the names observations, actions, rewards, terminals"
                )
            content.seek(f.tell())
            loaded = read_pickle(where, content)
    except DatasetError:
        raise
    except ArraysError as error:
        raise DatasetError(f"{where}: {error}") from None
    except (OSError, ValueError, EOFError) as error:
        raise DatasetError(f"{where}: damaged npy ({first_line(error)}); fetch or save it again") from None
    if isinstance(loaded, list) and len(loaded) != math.prod(shape):
        raise DatasetError(f"{where}: announces {math.prod(shape)} paths and holds {len(loaded)}; fetch it again")
    return cut(where, task, flatten(where, loaded, task), limit)
