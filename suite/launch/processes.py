"""Several cells at once: one `bench run` process per cell, a few at a time, their lines passed on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import Any

from envs.stepping.worker import STOP_SIGNALS
from suite.output import say

__all__ = [
    "NOT_STARTED",
    "REFUSED",
    "TERM_SECONDS",
    "Command",
    "StopSignals",
    "Tries",
    "run_all",
    "shell_code",
    "stopped",
]

TERM_SECONDS = 60.0  # a stopping run writes its checkpoint within this time
NOT_STARTED = None  # in place of an exit code: every small number, below 0 too, is one
REFUSED = 2  # exit code of a command that cannot be carried out: another try would end the same way


@dataclass(frozen=True)
class Command:
    """A command line, and its name in messages."""

    name: str
    command: Sequence[str]


def stopped(code: int | None) -> bool:
    """Whether a stop signal ended a process (-n, or 128 + n as a shell tells it), or kept it from being started."""
    return code is NOT_STARTED or -code in STOP_SIGNALS or code - 128 in STOP_SIGNALS


def shell_code(code: int | None) -> int:
    """The exit code that stands for a process's: 128 + n where signal n ended it, as a shell has it; 1: not started."""
    if code is NOT_STARTED:
        return 1
    return code if code >= 0 else 128 - code


class StopSignals:
    """While entered, a stop signal is noted instead of ending the process."""

    def __init__(self) -> None:
        self.number: int | None = None  # of the last one that came
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> StopSignals:
        self._before = {s: signal.signal(s, self._note) for s in STOP_SIGNALS}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.number = number


class Tries:
    """Counts how often each cell has failed, and says which of them are tried again, at most `retries` times each."""

    def __init__(self, retries: int) -> None:
        self.retries = retries
        self._failed: Counter[str] = Counter()

    def again(self, name: str, code: int | None) -> bool:
        """Whether a process that ended with this code is to be started once more; a stop and a refusal are final."""
        if code in (0, REFUSED) or stopped(code) or self._failed[name] >= self.retries:
            return False
        self._failed[name] += 1
        say(f"{name}: ended with exit code {code}; try {self._failed[name]} of {self.retries} goes on from there")
        return True


def run_all(
    cells: Sequence[Command],
    jobs: int,
    gpus: Sequence[str] = (),
    unwanted: Callable[[str], bool] = lambda name: False,
    retries: int = 0,
    signals: StopSignals | None = None,
) -> dict[str, int | None]:
    """Run every cell, `jobs` at a time; returns exit codes by name. A stop signal stops all of them cleanly.

    A cell that fails does not keep the others from running, and is started again up to `retries` times, after the
    others. One that a stop left out has NOT_STARTED. With `gpus`, as CUDA_VISIBLE_DEVICES names them, every process
    sees one of them, and they are shared out evenly. A cell that becomes `unwanted` is asked to stop, or not begun, and
    keeps the others from nothing. `signals` are those that stop, where the caller wants to know which came.
    """
    codes: dict[str, int | None] = {cell.name: NOT_STARTED for cell in cells}
    waiting = list(cells)
    running: dict[str, tuple[Command, subprocess.Popen[str]]] = {}
    places: dict[str, int] = {}  # of each running cell, below `jobs`; a place that is free again goes to the next
    passing: list[threading.Thread] = []
    asked: set[str] = set()  # to stop, as they are unwanted
    tries = Tries(retries)
    stop = signals or StopSignals()
    with stop:
        while running or (waiting and stop.number is None):
            while waiting and len(running) < jobs and stop.number is None:
                cell = waiting.pop(0)
                if unwanted(cell.name):
                    continue
                place = places[cell.name] = min({*range(jobs)} - {*places.values()})
                process = _start(cell, gpus[place % len(gpus)] if gpus else None)
                running[cell.name] = cell, process
                passing.append(threading.Thread(target=_pass_on, args=(process,), daemon=True))
                passing[-1].start()
            if stop.number is not None:
                _stop([process for _, process in running.values()])
            for name, (cell, process) in list(running.items()):
                if process.poll() is not None:
                    codes[name] = process.returncode
                    del running[name], places[name]
                    if stop.number is None and name not in asked and tries.again(name, process.returncode):
                        waiting.append(cell)
                elif name not in asked and unwanted(name):
                    asked.add(name)
                    process.terminate()
            time.sleep(0.1)
    for thread in passing:
        thread.join(1.0)  # the last lines, which say why a cell failed; a process left behind may hold the pipe
    return codes


def _start(cell: Command, gpu: str | None) -> subprocess.Popen[str]:
    """Start a process in a group of its own, so that Ctrl-C reaches it only once, through this process."""
    return subprocess.Popen(
        cell.command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
        env=None if gpu is None else {**os.environ, "CUDA_VISIBLE_DEVICES": gpu},
    )


def _pass_on(process: subprocess.Popen[str]) -> None:
    assert process.stderr is not None
    with process.stderr as lines:
        for line in lines:
            with suppress(OSError, ValueError):  # nobody reads them any more; the process has to be read all the same
                sys.stderr.write(line)
                sys.stderr.flush()


def _stop(processes: Sequence[subprocess.Popen[str]]) -> None:
    """Ask for a clean stop, wait for it, and kill what does not come to an end."""
    for process in processes:
        if process.poll() is None:
            process.terminate()
    deadline = time.monotonic() + TERM_SECONDS
    for process in processes:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
