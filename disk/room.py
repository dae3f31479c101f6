"""Room on a disk for what another library is about to write, where it would not say that there was none."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from pathlib import Path

__all__ = ["reserve"]


def reserve(folder: Path, size: int) -> None:
    """Raise `OSError` where a folder's disk has not so many bytes left."""
    if shutil.disk_usage(folder).free < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if hasattr(os, "posix_fallocate"):  # which quotas and limits stop as well; not on macOS
        with tempfile.TemporaryFile(dir=folder) as file:
            os.posix_fallocate(file.fileno(), 0, size)
