"""New files, whole or absent. Bounds on what compressed ones announce."""

from __future__ import annotations

import contextlib
import gc
import io
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

from disk.arrays import oversized
from disk.replace import folder_for, replacing
from disk.trouble import unwritten
from envs.errors import DatasetError, EnvsError

__all__ = ["check_new", "check_size", "new_file", "one_error"]


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
        with folder_for(path), replacing(path) as passing, one_error():
            yield passing
    except (OSError, RuntimeError) as error:  # RuntimeError: of HDF5, as it closes a file on a full disk
        if isinstance(error, EnvsError):
            raise
        raise DatasetError(unwritten(path, error, "name a file in another folder")) from None


@contextlib.contextmanager
def one_error() -> Iterator[None]:
    """Have an error that ends the block be all that is said of it.

    On a full disk, HDF5's objects print a traceback each as they are let go, which is done here. What the block says on
    stderr is passed on where it ends well.
    """
    with contextlib.redirect_stderr(io.StringIO()) as said:
        try:
            yield
        except BaseException as error:
            part: BaseException | None = error
            while part is not None:
                traceback.clear_frames(part.__traceback__)
                part = part.__context__
            gc.collect()
            raise
    sys.stderr.write(said.getvalue())


def check_size(where: str, what: str, announced: int, stored: int) -> None:
    """Refuse an array that announces far more bytes than recorded data could unpack to."""
    if wrong := oversized(what, announced, stored):
        raise DatasetError(f"{where}: {wrong}")
