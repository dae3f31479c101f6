"""Errors of the system that say nothing about a file's content: another process, a right, a mount, a limit."""

from __future__ import annotations

import errno
import os
import re

__all__ = ["not_damage"]

_PASSING = {
    errno.EACCES, errno.EPERM, errno.EAGAIN, errno.ENOLCK, errno.EDEADLK, errno.ETXTBSY, errno.EBUSY, errno.EINTR,
    errno.ESTALE, errno.ETIMEDOUT, errno.ENOSYS, errno.ENOTSUP, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ELOOP,
    errno.EHOSTDOWN, errno.ENOTCONN, errno.EINVAL,
}  # fmt: skip


def not_damage(error: BaseException) -> str:
    """What is in the way, in words, where the file itself may be sound; "" for any other error.

    HDF5 gives the number of the system's error in its text alone.
    """
    if isinstance(error, MemoryError):
        return "not enough memory to read it"
    if not isinstance(error, OSError):
        return ""
    told = re.search(r"errno = (\d+)", str(error))
    number = int(told[1]) if told else error.errno
    if number not in _PASSING:
        return ""
    locked = "; another program has it open" if number in (errno.EAGAIN, errno.ENOLCK) else ""
    words = error.strerror if number == errno.EINVAL and error.strerror and not told else os.strerror(number)
    return f"{words}{locked}"
