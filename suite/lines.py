"""Lines for people: results on stdout, everything else on stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable

from envs.task import Task

__all__ = ["about", "say", "show"]


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
