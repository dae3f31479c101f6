"""What people see of a command: results on stdout, everything else on stderr, and files written where they say.

Such a file is checked before the work, and whole or absent after it.
"""

from __future__ import annotations

import errno
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from algos.settings import SettingError
from envs.task import Task

__all__ = ["about", "check_writable", "replacing", "say", "show"]


def about(task: Task) -> Callable[[str], None]:
    """`say`, naming the task that a line is about, where several are worked on."""
    return lambda message: say(f"{task.short_name}: {message}")


def say(message: str) -> None:
    """What is going on, on stderr."""
    sys.stderr.write(f"{message}\n")
    sys.stderr.flush()


def show(line: str) -> None:
    """A result, on stdout."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


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
