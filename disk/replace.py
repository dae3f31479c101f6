"""Files and folders that take the place of earlier ones as a whole: a reader sees the old or the new, never a half.

What is being written lies beside its place, under a name that begins with a dot and says which process writes it. What
a process that was killed left there is put in order by the next that writes to the same place. `tempfile` would make
files private, which what is handed to others must not be.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

__all__ = ["folder_for", "leftovers", "replacing", "replacing_all", "replacing_folder", "settle"]

_NEW, _OLD = ".new-", ".old-"  # what the names of what is being written begin with, and of what steps aside for it
_OLD_AGE = 24 * 3600.0  # seconds after which what a process of another machine wrote is taken for left behind
_EXCHANGE = 2  # RENAME_EXCHANGE of renameat2(2)
_HERE = re.sub(r"[^\w.]", "_", platform.node()) or "localhost"
_WRITER = re.compile(r"\.(?:new|old)-(?P<host>[\w.]+)-(?P<pid>\d+)-[0-9a-f]+-")


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name beside `path`, with its suffix, for a file that takes its place if the block ends well.

    The file is on the disk before it does, has the mode that the user's umask gives, and vanishes if the block fails.
    """
    with replacing_all([path]) as (new,):
        yield new


@contextlib.contextmanager
def replacing_all(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """Names as `replacing` gives them for files that belong together: none takes its place before all are on the disk.

    They take their places in their order.
    """
    for path in paths:
        settle(path)
    passing = [_beside(path) for path in paths]
    try:
        yield passing
        for new in passing:
            with new.open("rb") as written:
                os.fsync(written.fileno())
        for new, path in zip(passing, paths, strict=True):
            os.replace(new, path)
    finally:
        for new in passing:
            new.unlink(missing_ok=True)


@contextlib.contextmanager
def folder_for(path: Path) -> Iterator[None]:
    """Make the folder that `path` lies in, and those above it; what was made and is empty after the block goes."""
    made = [folder for folder in path.parents if not folder.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    finally:
        for folder in made:
            with contextlib.suppress(OSError):  # not empty, not made, or another process was quicker
                folder.rmdir()


@contextlib.contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """A new folder beside `path` that takes its place if the block ends well, and vanishes if it fails.

    The two change places at once where the system can do that. Elsewhere the earlier one steps aside for a moment; it
    comes back if the new one cannot take its place, and by `settle` if the process is killed in that moment.
    """
    with folder_for(path):
        settle(path)
        new = _beside(path)
        try:
            new.mkdir()
            yield new
            if not path.is_dir():
                os.rename(new, path)  # fails where a file is there
            elif not _exchanged(new, path):
                _swapped(new, path)
        finally:
            shutil.rmtree(new, ignore_errors=True)  # what is there now is the old one, if the block ended well


def settle(path: Path) -> None:
    """Put in order what killed processes left beside `path`.

    An earlier folder that had stepped aside comes back where nothing took its place; all else is deleted. What other
    processes are writing stays.
    """
    if not path.parent.is_dir():
        return
    for left in path.parent.glob(f".*-{_escaped(path.name)}"):
        made = _WRITER.match(left.name)
        if made is None or left.name != f"{made[0]}{path.name}" or not _is_gone(left, made["host"], int(made["pid"])):
            continue
        with contextlib.suppress(OSError):  # another process puts it in order, too
            if left.name.startswith(_OLD) and not path.exists():
                os.rename(left, path)
            elif left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink()


def leftovers(folder: Path) -> list[Path]:
    """The files in a folder that a process was writing when it was killed, for who alone may write to the folder."""
    return [path for path in folder.glob(f"{_NEW}*") if path.is_file()]


def _beside(path: Path, kind: str = _NEW) -> Path:
    return path.with_name(f"{kind}{_HERE}-{os.getpid()}-{secrets.token_hex(4)}-{path.name}")


def _escaped(name: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", name)


def _is_gone(left: Path, host: str, pid: int) -> bool:
    """Whether the process that was writing there has ended; of one on another machine, by the time since."""
    try:
        if host != _HERE:
            return time.time() - left.stat().st_mtime > _OLD_AGE
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return True
    except OSError:
        return False
    return False


def _exchanged(one: Path, other: Path) -> bool:
    """Have two folders change places at once; False where the system or the file system cannot do that."""
    try:
        call = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError, TypeError):  # another C library, or another system
        return False
    here = -100  # AT_FDCWD
    return bool(call(here, os.fsencode(one), here, os.fsencode(other), _EXCHANGE) == 0)


def _swapped(new: Path, path: Path) -> None:
    """Have `new` take the place of the folder at `path`, which steps aside first."""
    old = _beside(path, _OLD)
    os.rename(path, old)
    try:
        os.rename(new, path)
    except OSError:
        os.rename(old, path)
        raise
    shutil.rmtree(old, ignore_errors=True)
