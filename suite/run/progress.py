"""Progress of a run: a live bar on a terminal, plain lines elsewhere. Shows phase, rate, time left, latest score."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from types import TracebackType

__all__ = ["Progress", "duration"]

PLAIN_EVERY = 15.0  # seconds between plain lines


def duration(seconds: float) -> str:
    """Spell seconds as '45s', '3m10s' or '2h05m'."""
    s = round(max(0.0, seconds))
    if s < 60:
        return f"{s}s"
    return f"{s // 60}m{s % 60:02d}s" if s < 3600 else f"{s // 3600}h{s % 3600 // 60:02d}m"


class Progress:
    """One line of progress about one cell, rewritten in place on a terminal."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.live = sys.stderr.isatty()
        self._printed = 0.0
        self._score = ""
        self._width = 0

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self.live and self._width:
            _write("\n")

    def say(self, message: str) -> None:
        """Print a line that stays."""
        clear = "\r" + " " * self._width + "\r" if self.live and self._width else ""
        _write(f"{clear}{self.title}: {message}\n")

    def score(self, text: str) -> None:
        """Keep the latest score, which is shown with the progress from now on."""
        self._score = text

    def show(self, phase: str, done: int, total: int, unit: str, rate: float, left: float) -> None:
        """Show where the run is: `done` of `total` units, `rate` units per second, `left` seconds to the end."""
        now = time.monotonic()
        if now - self._printed < (0.2 if self.live else PLAIN_EVERY):
            return
        self._printed = now
        share = done / total if total else 1.0
        text = f"{phase} {done:,}/{total:,} {unit} | {rate:,.0f} {unit}/s | {duration(left)} left"
        if self._score:
            text += f" | {self._score}"
        if not self.live:
            self.say(text)
            return
        bar = "█" * round(16 * share) + "░" * (16 - round(16 * share))
        line = f"{self.title}: {bar} {text}"
        _write("\r" + line.ljust(self._width))
        self._width = len(line)


def _write(text: str) -> None:
    """Write to stderr, if anybody is there: training goes on without, and its log has every line."""
    with suppress(OSError, ValueError):  # the terminal is gone, or its reader; ValueError: it was closed
        sys.stderr.write(text)
        sys.stderr.flush()
