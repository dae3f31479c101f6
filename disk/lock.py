"""Locks on files, where the file system has them. They go with the process that holds them, however it ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["Held", "is_held", "lock"]


class Held(Exception):  # noqa: N818 - an answer
    """Another process holds the lock."""


@contextmanager
def lock(path: Path, *, passing: bool = False) -> Iterator[str]:
    """Hold a file's lock, and make the file; gives "", or why there are no locks here, and then nothing is held.

    A `passing` file goes with the block. Raises `Held` where another process holds it, or has just let a passing one
    go, `OSError` where the file cannot be made.
    """
    handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
    try:
        why = ""
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Held from None
        except OSError as error:  # ENOSYS, ENOLCK, ENOTSUP, EBADF: network file systems and others without it
            why = error.strerror or str(error)
        if not passing:
            yield why
            return
        if not _is_there(handle, path):  # who has just let it go has taken the file away
            raise Held
        try:
            yield why
        finally:
            path.unlink(missing_ok=True)  # before the lock is let go: nobody else can have taken it
    finally:
        os.close(handle)


def _is_there(handle: int, path: Path) -> bool:
    """Whether the file that is open still is the one that has the name."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def is_held(path: Path) -> bool | None:
    """Whether a process holds the lock; None where there are no locks.

    Shared access is asked for, so that two readers do not see each other.
    """
    try:
        with path.open(encoding="utf-8") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            except OSError:
                return None
    except OSError:
        return False
    return False
