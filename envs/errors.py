"""Errors of this package, each one line for people: what is wrong, and what would be right. Hints for such lines."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import ClassVar

__all__ = [
    "DamagedError",
    "DatasetError",
    "EnvsError",
    "MotionError",
    "SimulatorError",
    "TaskPluginError",
    "UnknownTaskError",
    "WorkerError",
    "closest",
    "first_line",
    "nearest",
]


class EnvsError(Exception):
    """Base of all errors here: the command line prints the message and ends with `exit_code`."""

    exit_code: ClassVar[int] = 2  # something that the user can put right


class UnknownTaskError(EnvsError, ValueError):
    """No task of that name; the message gives the nearest one."""


class TaskPluginError(EnvsError, ValueError):
    """An installed package announces a task that is none; the message names the package."""


class SimulatorError(EnvsError, RuntimeError):
    """A simulator that is not installed, or cannot draw here; the message says how to get it."""


class DatasetError(EnvsError, ValueError):
    """A dataset that is missing, damaged, or not one of this task; the message says what would be right."""


class DamagedError(DatasetError):
    """Files of a dataset that were changed, cut off or lost; `reason` is what is wrong, without what to do."""

    reason: str = ""


class MotionError(EnvsError, ValueError):
    """A clip of motion that is missing, or holds none; the message says what would be right."""


class WorkerError(EnvsError, RuntimeError):
    """A worker process died, or an environment in it raised; the message says which environments it had."""

    exit_code = 1


def closest(word: str, known: Iterable[str], count: int = 1, cutoff: float = 0.6) -> list[str]:
    """List up to `count` known words that are most similar to `word`, each by at least `cutoff` of 1."""
    return difflib.get_close_matches(word, list(known), n=count, cutoff=cutoff)


def nearest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Hint at the closest known word, "did you mean X?", or list all of them where none is close."""
    names = list(known)
    close = closest(word, names, cutoff=cutoff)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(names)}"


def first_line(error: BaseException) -> str:
    """Summarise an exception in one short line."""
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.strerror}: {error.filename}"
    text = str(error).strip(" \n'\"") or type(error).__name__  # a KeyError comes in quotes
    return text.splitlines()[0][:200]
