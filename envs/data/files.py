"""New files, whole or absent. Bounds on what compressed ones announce."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from disk.arrays import oversized
from disk.replace import folder_for, replacing
from disk.trouble import unwritten
from envs.errors import DatasetError, EnvsError

__all__ = ["check_new", "check_size", "new_file"]


def check_new(path: Path) -> None:
    """Raise `DatasetError` where there is a file already."""
    if path.exists():
        raise DatasetError(f"{path} is there already; delete it or name another file")


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Give a block a temporary name beside `path` to write a new file to, which becomes `path` if the block ends well.

    Raises `DatasetError` where `path` is there already, or cannot be written.
    """
    check_new(path)
    try:
        with folder_for(path), replacing(path) as passing:
            yield passing
    except (OSError, RuntimeError) as error:  # RuntimeError: of HDF5, as it closes a file on a full disk
        if isinstance(error, EnvsError):
            raise
        raise DatasetError(unwritten(path, error, "name a file in another folder")) from None


def check_size(where: str, what: str, announced: int, stored: int) -> None:
    """Refuse an array that announces far more bytes than recorded data could unpack to."""
    if wrong := oversized(what, announced, stored):
        raise DatasetError(f"{where}: {wrong}")
