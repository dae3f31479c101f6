"""Files and folders that take the place of earlier ones as a whole: a reader sees the old or the new, never a half."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from algos.settings import SettingError

__all__ = ["check_writable", "leftovers", "replacing", "replacing_folder"]

_NEW = ".new-"  # what the names of files and folders that are being written begin with


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name beside `path`, with its suffix, for a file that takes its place if the block ends well.

    The file is on the disk before it does, has the mode that the user's umask gives, and vanishes if the block fails.
    """
    new = _beside(path)
    try:
        yield new
        with new.open("rb") as written:
            os.fsync(written.fileno())
        os.replace(new, path)
    finally:
        new.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """A new folder beside `path` that takes its place if the block ends well, and vanishes if it fails.

    An earlier folder at `path` steps aside for a moment, and comes back if the new one cannot take its place.
    """
    new = _beside(path)
    old = new.with_name(f"{new.name}.old")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new.mkdir()
        yield new
        if path.exists():
            os.rename(path, old)
        try:
            os.rename(new, path)
        except OSError:
            if old.exists():
                os.rename(old, path)
            raise
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def leftovers(folder: Path) -> list[Path]:
    """The files in a folder that a process was writing with `replacing` when it was killed."""
    return [path for path in folder.glob(f"{_NEW}*") if path.is_file()]


def _beside(path: Path) -> Path:
    return path.with_name(f"{_NEW}{os.getpid()}-{path.name}")


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
