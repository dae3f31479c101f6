"""New files for other programs and people: whole or absent, never in place of another, as readable as the umask allows.

`tempfile` would make them private, which what is handed to others must not be.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path

from envs.errors import DatasetError, first_line

__all__ = ["check_new", "check_size", "new_file", "passing_name"]

_RATIO = 300  # announced bytes per stored byte; recorded numbers compress to a third, flags and rewards further
_FREE = 64 * 2**20  # bytes that may be announced whatever is stored


def check_new(path: Path) -> None:
    """Raises `DatasetError` where there is a file already."""
    if path.exists():
        raise DatasetError(f"{path} is there already; delete it or name another file")


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """A name beside `path`, with its suffix, for a file that goes by `path` if the block ends well.

    Raises `DatasetError` where `path` is there already, or cannot be written.
    """
    check_new(path)
    passing = path.with_name(passing_name(f".{path.name}") + path.suffix)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield passing
            passing.replace(path)
        finally:
            passing.unlink(missing_ok=True)
    except OSError as error:
        raise DatasetError(f"cannot write {path}: {first_line(error)}") from None


def passing_name(name: str) -> str:
    """A name that begins so, and that no other process makes up."""
    return f"{name}-{secrets.token_hex(4)}"


def check_size(where: str, what: str, announced: int, stored: int) -> None:
    """Refuse an array that claims to unpack to far more than could be recorded data."""
    if announced > max(_FREE, _RATIO * stored):
        raise DatasetError(
            f"{where}: {what} announce {announced / 1e6:,.0f} MB and hold {stored / 1e6:,.1f} MB; "
            "no recording is like that, so nothing was read"
        )
