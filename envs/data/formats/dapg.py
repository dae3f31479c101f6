"""DAPG's demonstrations (Rajeswaran et al. 2018): a pickled list of paths, all of them by people.

A path has T observations for T actions, so its last step has no successor and is dropped. `init_state_dict` is kept as
`init_NAME`, in the first row of an episode: it is the state asked for, not always the one that was recorded.
"""

from __future__ import annotations

import dataclasses
import mmap
from pathlib import Path

from envs.data.formats.flat import Content, cut
from envs.data.formats.paths import flatten
from envs.data.formats.pickles import read_pickle
from envs.errors import DatasetError, first_line
from envs.task import Task

__all__ = ["read"]


def read(task: Task, path: Path, limit: int | None) -> Content:
    """Read the episodes of a pickle of paths; raises `DatasetError` where it holds anything else."""
    where = str(path)
    try:
        with path.open("rb") as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as content:
            loaded = read_pickle(where, content)
    except OSError as error:
        raise DatasetError(f"{where}: cannot be read ({first_line(error)})") from None
    return dataclasses.replace(cut(where, task, flatten(where, loaded, task), limit), demos=True)
