"""A map over processes, for reading run folders and drawing figures, which take most of a report's time."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

__all__ = ["spreading"]

Item = TypeVar("Item")
Result = TypeVar("Result")

WORTH_IT = 6  # with fewer items, starting processes costs more than it saves
MOST = 16


@contextmanager
def spreading(work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Iterator[Result]]:
    """The results of `work` in the order of `items`, computed while the block does something else.

    Uses forked processes where there are many items and forking is safe; `work` must be a top-level function
    or a partial of one. Only Linux forks: elsewhere a new process would import everything again, which takes
    longer than the work.
    """
    workers = min(len(items), MOST)
    if sys.platform == "linux":
        workers = min(workers, len(os.sched_getaffinity(0)))
    if sys.platform != "linux" or len(items) < WORTH_IT or workers < 2:
        yield map(work, items)
        return
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("fork")) as pool:
        yield pool.map(work, items)
