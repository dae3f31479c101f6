"""A report that is built again while runs go on."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from suite.record.folders import RecordError, find_runs, read_status

__all__ = ["EVERY", "watched"]

EVERY = 30.0  # seconds between looks
WATCHED = ("run.json", "status.json", "metrics.csv")

State = dict[Path, tuple[int, int]]


def watched(
    build: Callable[[], Path],
    roots: Sequence[Path],
    every: float,
    say: Callable[[str], object],
    sleep: Callable[[float], object] = time.sleep,
) -> Path:
    """Build, and build again whenever a run below the roots has gone on, until none is running; returns the page.

    What cannot be read while it is being written is said and tried again at the next look. Raises `RecordError` where
    the first report or the last one cannot be built.
    """
    seen = _state(roots)
    page = build()
    while _running(roots):
        say(f"{page} is up to date; runs are going on: next look in {every:g} s, Ctrl-C ends it")
        sleep(every)
        if (now := _state(roots)) == seen:
            continue
        seen = now
        try:
            page = build()
        except RecordError as error:
            say(f"not built again: {error}")
    return build() if _state(roots) != seen else page


def _running(roots: Sequence[Path]) -> bool:
    """Whether a run is going on; a folder that is damaged is none."""
    for folder in _folders(roots):
        with suppress(RecordError):
            if read_status(folder).get("state") == "running":
                return True
    return False


def _state(roots: Sequence[Path]) -> State:
    """Size and time of everything that a report of these roots is made of."""
    files = [folder / name for folder in _folders(roots) for name in WATCHED]
    return {file: (found.st_size, found.st_mtime_ns) for file in files if file.exists() and (found := file.stat())}


def _folders(roots: Sequence[Path]) -> list[Path]:
    return [folder for root in roots if root.is_dir() for folder in find_runs(root)]
