"""Output of a command: results on stdout, everything else on stderr, and files where the user wants them.

Whether such a file can be written is checked before the work; after it the file is whole or absent.
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
    """Make a `say` that names the task a line is about, where several are worked on."""
    return lambda message: say(f"{task.short_name}: {message}")


def say(message: str) -> None:
    """Print what is going on, on stderr."""
    sys.stderr.write(f"{message}\n")
    sys.stderr.flush()


def show(line: str) -> None:
    """Print a result, on stdout."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


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


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path beside `path`, with its suffix, for a file that takes its place if the block ends well.

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
