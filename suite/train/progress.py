"""Progress of a run: a live line on a terminal, plain lines elsewhere. Shows phase, rate, time left, latest score."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from types import TracebackType
from typing import IO, NamedTuple, cast

from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar

__all__ = ["Progress", "Standing", "duration"]

PLAIN_EVERY = 15.0  # seconds between plain lines
LIVE_EVERY = 0.2
BAR_WIDTH = 16


def duration(seconds: float) -> str:
    """Spell seconds as '45s', '3m10s' or '2h05m'."""
    s = round(max(0.0, seconds))
    if s < 60:
        return f"{s}s"
    return f"{s // 60}m{s % 60:02d}s" if s < 3600 else f"{s // 3600}h{s % 3600 // 60:02d}m"


class Standing(NamedTuple):
    """How far a run is: `done` of `total` units of a phase, `rate` units per second, `left` seconds to its end."""

    phase: str
    done: int
    total: int
    unit: str
    rate: float
    left: float

    def parts(self) -> list[str]:
        """What a line says of it, in the order of reading."""
        return [
            f"{self.phase} {self.done:,}/{self.total:,} {self.unit}",
            f"{self.rate:,.0f} {self.unit}/s",
            f"{duration(self.left)} left",
        ]


class Stderr:
    """What is stderr now, for a console; nobody who reads it is no error: training goes on, and its log has the lines.

    A console of rich's ends the process where its reader is gone.
    """

    def __init__(self) -> None:
        self._stream = sys.stderr  # of now: while a bar is shown, rich puts itself in its place

    def write(self, text: str) -> int:
        """Write what can be written."""
        with suppress(OSError, ValueError):  # the terminal is gone, or its reader; ValueError: it was closed
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush what can be flushed."""
        with suppress(OSError, ValueError):
            self._stream.flush()

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        with suppress(OSError, ValueError):
            return self._stream.isatty()
        return False

    @property
    def encoding(self) -> str:
        """Its encoding, by which rich chooses between characters."""
        return getattr(self._stream, "encoding", None) or "utf-8"


class Progress:
    """One line of progress about one cell, rewritten in place where the terminal can do that."""

    def __init__(self, title: str, console: Console | None = None) -> None:
        self.title = title
        self.console = console or Console(file=cast(IO[str], Stderr()), force_jupyter=False)
        self.live = self.console.is_terminal and not self.console.is_dumb_terminal
        self._printed = 0.0
        self._score: tuple[str, str] = ("", "")
        self._bar: Bar | None = None
        self._columns = (BarColumn(bar_width=BAR_WIDTH), TextColumn("{task.description}", markup=False))

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def say(self, message: str) -> None:
        """Print a line that stays."""
        self.console.print(f"{self.title}: {message}", markup=False, highlight=False, soft_wrap=True)

    def score(self, text: str, each: str = "") -> None:
        """Keep the latest score, which is shown with the progress from now on; `each` seed's where there is room."""
        self._score = (text, each)

    @property
    def headline(self) -> str:
        """The latest score, without each seed's."""
        return self._score[0]

    @property
    def scores(self) -> str:
        """The latest score, with each seed's."""
        return " ".join(filter(None, self._score))

    def show(self, standing: Standing) -> None:
        """Show where the run is, not more often than is good for the eye."""
        now = time.monotonic()
        if now - self._printed < (LIVE_EVERY if self.live else PLAIN_EVERY):
            return
        self._printed = now
        short, long = self.headline, self.scores
        if not self.live:
            self.say(" | ".join([*standing.parts(), *([long] if long else [])]))
            return
        text, bar = self.fitting(standing, short, long)
        self._draw(text, standing, bar)

    def fitting(self, standing: Standing, short: str, long: str) -> tuple[str, bool]:
        """What of it fits on one line, and whether the bar does too.

        Left out first are each seed's score, the bar, the score, the rate.
        """
        where, rate, left = standing.parts()
        room = self.console.width - 1
        choices = [([where, rate, left, long], True), ([where, rate, left, short], True)]
        choices += [([where, rate, left, short], False), ([where, rate, left], False), ([where, left], False)]
        for parts, bar in choices:
            text = f"{self.title}: " + " | ".join(part for part in parts if part)
            if cell_len(text) + (BAR_WIDTH + 1) * bar <= room:
                return text, bar
        return f"{where} | {left}"[:room], False  # the title has been seen; a line that wraps cannot be rewritten

    def _draw(self, text: str, standing: Standing, bar: bool) -> None:
        if self._bar is None:
            self._bar = Bar(*self._columns, console=self.console, auto_refresh=False, redirect_stdout=False)
            self._bar.add_task(text, total=standing.total or 1)
            self._bar.start()
        self._bar.columns = self._columns if bar else self._columns[-1:]
        task = self._bar.task_ids[0]
        self._bar.update(task, description=text, completed=standing.done, total=standing.total or 1, refresh=True)
