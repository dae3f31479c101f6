"""The inside of a Ray task: one command on whichever node has room for it."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from suite.launch.processes import TERM_SECONDS

__all__ = ["ended"]


def ended(command: Sequence[str], folder: str, environment: Mapping[str, str], log: str, name: str) -> int:
    """Run a command of this Python to its end, its lines added to the file `log`; returns its exit code.

    The first of them says on which node `name` is. `folder` is where it runs. Where Ray cancels the task, the command
    is asked to stop, and ends with its own code.
    """
    cancelled = False

    def note(number: int, frame: object) -> None:
        nonlocal cancelled
        cancelled = True

    # what a cancellation is in a worker; a worker of a cluster that was started in the background would ignore it
    before = signal.signal(signal.SIGINT, note)
    try:
        process = _start(command, folder, environment, Path(folder, log), f"{name}: on node {platform.node()}\n")
        deadline = None
        while process.poll() is None:
            if cancelled and deadline is None:
                deadline = time.monotonic() + TERM_SECONDS
                process.terminate()
            if deadline is not None and time.monotonic() > deadline:
                process.kill()
            time.sleep(0.1)
        return process.returncode
    finally:
        signal.signal(signal.SIGINT, before)


def _start(
    command: Sequence[str], folder: str, environment: Mapping[str, str], log: Path, first: str
) -> subprocess.Popen[bytes]:
    """Start a command that dies with this process; `first` is a line of its log before its own."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as lines:
        lines.write(first.encode())
        lines.flush()
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "suite.launch.tied", str(os.getpid()), sys.executable, *command],
            cwd=folder,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=lines,
            start_new_session=True,
        )
