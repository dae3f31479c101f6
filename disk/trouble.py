"""Errors of the system that say nothing about a file's content: another process, a right, a mount, a limit, no room."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

__all__ = ["is_full", "not_damage", "remedy", "unwritten"]

_PASSING = {
    errno.EACCES, errno.EPERM, errno.EAGAIN, errno.ENOLCK, errno.EDEADLK, errno.ETXTBSY, errno.EBUSY, errno.EINTR,
    errno.ESTALE, errno.ETIMEDOUT, errno.ENOSYS, errno.ENOTSUP, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ELOOP,
    errno.EHOSTDOWN, errno.ENOTCONN, errno.EINVAL,
}  # fmt: skip
_FULL = {
    errno.ENOSPC: "make room there",
    errno.EDQUOT: "make room there, your quota is used up",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f)",
}


def not_damage(error: BaseException) -> str:
    """What is in the way, in words, where the file itself may be sound; "" for any other error."""
    if isinstance(error, MemoryError):
        return "not enough memory to read it"
    if not isinstance(error, OSError):
        return ""
    told, number = _told(error), _number(error)
    if number not in _PASSING:
        return ""
    locked = "; another program has it open" if number in (errno.EAGAIN, errno.ENOLCK) else ""
    words = error.strerror if number == errno.EINVAL and error.strerror and not told else os.strerror(number)
    return f"{words}{locked}"


def is_full(error: BaseException) -> bool:
    """Whether there is no room on the disk for what was to be written."""
    return _number(error) in (errno.ENOSPC, errno.EDQUOT)


def unwritten(path: Path | str, error: BaseException, instead: str) -> str:
    """One line on a file or folder that could not be written: which, why, and what to do.

    `instead` is what can be done whatever the reason is, such as "name another folder with --out".
    """
    return f"cannot write {path}: {_why(error)}; {remedy(error, instead)}"


def remedy(error: BaseException, instead: str) -> str:
    """What to do about what could not be written: make room where that is the reason, or what is always possible."""
    number = _number(error)
    return f"{_FULL[number]}, or {instead}" if number in _FULL else instead


def _why(error: BaseException) -> str:
    number = _number(error)
    return os.strerror(number) if number else (str(error).strip() or type(error).__name__).splitlines()[0][:200]


def _number(error: BaseException) -> int:
    """The system's number of an error, 0 where it has none."""
    return _told(error) or (error.errno if isinstance(error, OSError) else 0) or 0


def _told(error: BaseException) -> int:
    """The system's number in the text of an error: HDF5 gives it there alone, also as RuntimeError; 0 for none."""
    told = re.search(r"errno = (\d+)", str(error)) if isinstance(error, OSError | RuntimeError) else None
    return int(told[1]) if told else 0
