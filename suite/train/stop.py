"""A clean stop: signals ask for it, and the run obeys at its next checkpoint."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from envs.stepping.worker import STOP_SIGNALS

__all__ = ["StopRequest", "Stopped"]


class Stopped(Exception):  # noqa: N818 - not an error: the run can go on
    """The run was asked to stop, and did so at a checkpoint; `code` is what a shell gives for the signal."""

    def __init__(self, number: int) -> None:
        self.code = 128 + number
        super().__init__("stopped; the same command goes on from here")


class StopRequest:
    """While entered, stop signals ask for a stop instead of ending the process; a second Ctrl-C interrupts."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.number: int | None = None  # number of the signal that asked for a stop
        self._say = say
        self._before: dict[signal.Signals, Any] = {}

    @property
    def name(self) -> str:
        """Name of the signal that asked for a stop, e.g. SIGTERM; empty while none has."""
        return "" if self.number is None else signal.Signals(self.number).name

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():  # Python hands signals to no other
            self._before = {s: signal.signal(s, self._ask) for s in STOP_SIGNALS}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.number is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.number = number
        self._say("stopping at the next checkpoint")
