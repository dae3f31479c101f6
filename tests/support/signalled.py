"""Waiting for what others do, and signals that this process gets while it waits."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path


def signal_once(paths: list[Path], number: int, times: int = 1) -> threading.Thread:
    """Send this process a signal when all paths exist."""

    def wait() -> None:
        until = time.monotonic() + 20
        while not all(p.exists() for p in paths) and time.monotonic() < until:
            time.sleep(0.01)
        for _ in range(times):
            os.kill(os.getpid(), number)

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def wait_for(true: Callable[[], bool], seconds: float = 120.0) -> None:
    """Return as soon as something is true; fails where that takes longer."""
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it never came to that"
        time.sleep(0.1)
