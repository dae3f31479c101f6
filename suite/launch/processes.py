"""Several cells at once: one `bench run` process per cell, a few at a time, their lines passed on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from envs.stepping.worker import STOP_SIGNALS

__all__ = ["NOT_STARTED", "TERM_SECONDS", "Command", "run_all", "shell_code", "stopped"]

TERM_SECONDS = 60.0  # a stopping run writes its checkpoint within this time
NOT_STARTED = None  # in place of an exit code: every small number, below 0 too, is one


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


def run_all(
    cells: Sequence[Command],
    jobs: int,
    gpus: Sequence[str] = (),
    unwanted: Callable[[str], bool] = lambda name: False,
) -> dict[str, int | None]:
    """Run every cell, `jobs` at a time; returns exit codes by name. A stop signal stops all of them cleanly.

    A cell that fails does not keep the others from running. One that a stop left out has NOT_STARTED. With `gpus`, as
    CUDA_VISIBLE_DEVICES names them, every process sees one of them, and they are shared out evenly. A cell that becomes
    `unwanted` is asked to stop, or not begun, and keeps the others from nothing.
    """
    codes: dict[str, int | None] = {cell.name: NOT_STARTED for cell in cells}
    waiting = list(cells)
    running: dict[str, subprocess.Popen[str]] = {}
    places: dict[str, int] = {}  # of each running cell, below `jobs`; a place that is free again goes to the next
    passing: list[threading.Thread] = []
    asked: set[str] = set()  # to stop, as they are unwanted
    stopping = False

    def stop(number: int, frame: object) -> None:
        nonlocal stopping
        stopping = True

    before = {s: signal.signal(s, stop) for s in STOP_SIGNALS}
    try:
        while running or (waiting and not stopping):
            while waiting and len(running) < jobs and not stopping:
                cell = waiting.pop(0)
                if unwanted(cell.name):
                    continue
                place = places[cell.name] = min({*range(jobs)} - {*places.values()})
                running[cell.name] = process = _start(cell, gpus[place % len(gpus)] if gpus else None)
                passing.append(threading.Thread(target=_pass_on, args=(process,), daemon=True))
                passing[-1].start()
            if stopping:
                _stop(list(running.values()))
            for name, process in list(running.items()):
                if process.poll() is not None:
                    codes[name] = process.returncode
                    del running[name], places[name]
                elif name not in asked and unwanted(name):
                    asked.add(name)
                    process.terminate()
            time.sleep(0.1)
    finally:
        for s, handler in before.items():
            signal.signal(s, handler)
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
