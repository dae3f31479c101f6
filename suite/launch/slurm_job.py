"""The inside of a SLURM job: commands side by side, queued again where the job has to leave before they are done."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from disk.lock import is_held
from suite.launch.processes import Command, StopSignals, run_all, shell_code, stopped
from suite.output import say
from suite.record.folders import LOCK

__all__ = ["Job"]

_LOOK = 1.0  # seconds between looks at a lock


class Job:
    """Commands of one job, as submitit carries them out: a callable that can be pickled, and queued again.

    SLURM asks a job to leave by SIGUSR2, some time before its time is up, and by SIGTERM where another job needs its
    place. Either way the commands stop cleanly, and the job returns to the queue with those that are not done. One that
    was cancelled does not return. `goes_on` is false where a command would begin anew each time: it is not queued again
    when its time is up, as that would never end.
    """

    def __init__(self, commands: Sequence[Command], retries: int = 0, goes_on: bool = True) -> None:
        self.commands = list(commands)
        self.retries = retries
        self.goes_on = goes_on
        self.failed: dict[str, int | None] = {}  # name -> exit code of those that are not tried again

    def __call__(self) -> None:
        """Run the commands to their ends; an exit code other than 0 fails the job."""
        signals = StopSignals()
        if os.environ.get("SLURM_RESTART_COUNT", "0") != "0":
            self._wait(signals)
        visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
        gpus = visible if len(visible) > 1 and len(self.commands) > 1 else []
        codes = run_all(self.commands, len(self.commands), gpus, retries=self.retries, signals=signals)
        self.failed |= {name: code for name, code in codes.items() if code != 0 and not stopped(code)}
        self.commands = [command for command in self.commands if stopped(codes[command.name])]
        if self.commands:  # perhaps the signal has reached them alone so far
            self._leave(signals.number)
        if self.commands or self.failed:
            ends = {**self.failed, **{command.name: codes[command.name] for command in self.commands}}
            told = "; ".join(f"{name}: exit code {shell_code(code)}" for name, code in ends.items())
            raise RuntimeError(f"{told}; the last lines say why")

    def checkpoint(self) -> Any:
        """What is to be queued: the commands that are left, which go on from their checkpoints."""
        import submitit

        return submitit.helpers.DelayedSubmission(self)

    def _wait(self, signals: StopSignals) -> None:
        """Wait while processes of an earlier start train these cells, until a stop signal comes.

        They go on where SLURM has given up a node that is alive, as it could not reach it: refused by their locks, the
        cells would fail here, and be lost if the others were ended later.
        """
        told: set[str] = set()
        with signals:
            while signals.number is None and (busy := [c.name for c in self.commands if is_held(Path(c.name) / LOCK)]):
                for name in sorted({*busy} - told):
                    say(f"{name}: waiting, as a process of this job's earlier start still runs it")
                told |= {*busy}
                time.sleep(_LOOK)

    def _leave(self, number: int | None) -> None:
        """Have submitit queue the job again and end it; returns where it is to end for good."""
        from submitit.core.job_environment import JobEnvironment

        warning = getattr(signal, f"SIG{JobEnvironment.USR_SIG}")
        if number == warning and not self.goes_on:
            raise RuntimeError("the time was too short: give --slurm time=... more; what is not done begins anew")
        if _is_running(JobEnvironment().job_id):
            signal.raise_signal(warning)  # submitit's handler saves what `checkpoint` returns, requeues and exits


def _is_running(job: str) -> bool:
    """Whether SLURM still counts a job as running: one that was cancelled is not, while its processes come to an end.

    `job` of an array is spelled 12_1: by its bare number the last one stands for all of them.
    Where it does not answer, yes: an attempt to queue it again says more.
    """
    asked = subprocess.run(["squeue", "--noheader", "--format=%T", f"--jobs={job}"], capture_output=True, text=True)
    return bool(asked.returncode) or asked.stdout.split() == ["RUNNING"]
