"""Files that a command is told to write: whether they can be, before the work."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from algos.settings import SettingError
from disk.replace import replacing_folder
from disk.trouble import remedy, unwritten

__all__ = ["check_writable", "replacing_folder", "unwritten"]


def check_writable(out: Path) -> None:
    """Make a file's folder; raises `SettingError` where the file cannot be written."""
    try:
        if out.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out.parent):
            pass
    except OSError as error:
        todo = remedy(error, "name a file in a folder you can write to")
        raise SettingError(f"--out {out}: {error.strerror}; {todo}") from None
