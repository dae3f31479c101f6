"""Files opened for reading: such as end, and no more of them than was meant."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import IO

__all__ = ["check_regular", "open_file", "read_file"]

_MOST = 1 << 28  # bytes of a file of texts; the largest metadata seen are a thousandth of it


def check_regular(path: Path) -> None:
    """Raise `OSError` for a pipe, socket or device, which may never end, for a folder, and where nothing is there."""
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "a pipe, socket or device, where a file is needed", str(path))


def open_file(path: Path) -> IO[bytes]:
    """Open a regular file for reading; raises `OSError` for anything else, without waiting for it."""
    check_regular(path)
    return path.open("rb")


def read_file(path: Path, most: int = _MOST) -> bytes:
    """Content of a regular file of at most so many bytes; raises `OSError` for anything else."""
    with open_file(path) as f:
        content = f.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"{most:,} bytes are the most that is read", str(path))
    return content
