"""Files that a command is told to write: whether they can be, before the work."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from algos.settings import SettingError
from disk.replace import replacing_folder

__all__ = ["check_writable", "replacing_folder"]


def check_writable(out: Path) -> None:
    """Make a file's folder; raises `SettingError` where the file cannot be written."""
    try:
        if out.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out.parent):
            pass
    except OSError as error:
        raise SettingError(f"--out {out}: {error.strerror}; name a file in a folder you can write to") from None
