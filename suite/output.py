"""Output of a command: results on stdout, everything else on stderr, and files where the user wants them.

Whether such a file can be written is checked before the work; after it the file is whole or absent.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from algos.settings import SettingError
from disk import replace
from disk.trouble import unwritten

if TYPE_CHECKING:
    from envs.task import Task

__all__ = ["about", "replacing", "say", "show", "take_all_letters", "told"]


def about(task: Task) -> Callable[[str], None]:
    """Make a `say` that names the task a line is about, where several are worked on."""
    return lambda message: say(f"{task.short_name}: {message}")


def say(message: str) -> None:
    """Print what is going on, on stderr, if anybody is there to read it."""
    with suppress(OSError, ValueError):
        sys.stderr.write(f"{message}\n")
        sys.stderr.flush()


def show(line: str) -> None:
    """Print a result, on stdout, as long as anybody reads it: what is worked on goes on without."""
    try:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    except BrokenPipeError:  # `| head` has seen enough; what is left in the buffer must not fail at the end either
        with suppress(OSError, ValueError):  # not a file of the system's, as in tests
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def take_all_letters() -> None:
    """Have stdout and stderr write letters that the locale has not as escapes, where they would end the command."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path beside `path`, with its suffix, for a file that takes its place if the block ends well.

    Raises `SettingError` where the disk does not take it.
    """
    with told(path), replace.replacing(path) as new:
        yield new


@contextmanager
def told(path: Path, instead: str = "name another folder with --out") -> Iterator[None]:
    """Raise `SettingError` in one line where the disk does not take what the block writes to `path`."""
    try:
        yield
    except OSError as error:
        raise SettingError(unwritten(path, error, instead)) from error
