"""New files and folders: whole or absent, and as readable as the umask allows. Bounds on what compressed ones announce.

`tempfile` would make them private, which what is handed to others must not be.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from envs.errors import DatasetError, first_line

__all__ = ["check_new", "check_size", "new_file", "replaced"]

_OLD = "old"  # in a new folder: the one before it, for a moment
_RATIO = 300  # announced bytes per stored byte; recorded numbers compress to a third, flags and rewards further
_FREE = 64 * 2**20  # bytes that may be announced whatever is stored


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
        path.parent.mkdir(parents=True, exist_ok=True)
        with replaced(path) as passing:
            yield passing
    except OSError as error:
        raise DatasetError(f"cannot write {path}: {first_line(error)}") from None


@contextlib.contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Give a block a temporary name beside `path`, for a file or folder that replaces `path` if the block ends well.

    Otherwise it is deleted. The name begins with a dot, has the suffix of `path`, and no other process makes it up.
    Those who read what was at `path` keep what they have open.
    """
    passing = path.with_name(f".{path.name.removeprefix('.')}-{secrets.token_hex(4)}{path.suffix}")
    try:
        yield passing
        if passing.is_dir() and path.exists():  # no folder can be renamed over another that holds something
            path.rename(passing / _OLD)
        passing.replace(path)
        shutil.rmtree(path / _OLD, ignore_errors=True)
    finally:
        if passing.is_dir():
            shutil.rmtree(passing, ignore_errors=True)
        else:
            passing.unlink(missing_ok=True)


def check_size(where: str, what: str, announced: int, stored: int) -> None:
    """Refuse an array that announces far more bytes than recorded data could unpack to."""
    if announced > max(_FREE, _RATIO * stored):
        raise DatasetError(
            f"{where}: {what} announce {announced / 1e6:,.0f} MB and hold {stored / 1e6:,.1f} MB; "
            "no recording is like that, so nothing was read"
        )
