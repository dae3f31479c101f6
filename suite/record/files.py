"""Files that a command is told to write: whether they can be, before the work."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from algos.settings import SettingError
from disk.replace import folder_for, replacing_folder
from disk.trouble import remedy, unwritten

__all__ = ["replacing_folder", "unwritten", "writable"]


@contextlib.contextmanager
def writable(out: Path | None) -> Iterator[None]:
    """Make a file's folder for a block that writes the file; what was made and is empty after it goes.

    `out` None: there is no file. Raises `SettingError` before the block where the file cannot be written.
    """
    if out is None:
        yield
        return
    with contextlib.ExitStack() as made:
        try:
            if out.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            made.enter_context(folder_for(out))
            with tempfile.TemporaryFile(dir=out.parent):
                pass
        except OSError as error:
            todo = remedy(error, "name a file in a folder you can write to")
            raise SettingError(f"--out {out}: {error.strerror}; {todo}") from None
        yield
