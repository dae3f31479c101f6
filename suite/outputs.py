"""Files that commands write where the user says: checked before the work, whole or absent after it."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from algos.settings import SettingError

__all__ = ["check_writable", "replacing"]


def check_writable(out: Path) -> None:
    """Raises `SettingError` where a file cannot be written; its folder is made."""
    try:
        if out.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out.parent):
            pass
    except OSError as error:
        raise SettingError(f"--out {out}: {error.strerror}; name a file in a folder you can write to") from None


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name beside `path`, with its suffix, for a file that takes its place if the block ends well.

    Raises `SettingError` where the disk does not take it.
    """
    new = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        yield new
        new.replace(path)
    except OSError as error:
        raise SettingError(f"{path}: {error.strerror or error}; nothing was written") from error
    finally:
        new.unlink(missing_ok=True)
