"""Kill a real run with SIGKILL again and again, and compare what it leaves with an uninterrupted run.

    python benchmarks/kill.py [--kills 12] [--seed 0] [--env TASK] [--dataset ID] [--compile] [--out FOLDER]

AWAC with two seeds on door-binary, or another task, first by the plain command, then by the same command killed at
chosen kinds of moments: in updates, while collecting, in an evaluation, while a file is being written. Between two
kills the run goes on for a random time. The killed processes also checkpoint every half second, not every two minutes.
With `--compile` updates are compiled code, and kills meet the compiler, too. Prints a table; exit status 1 where
metrics.csv or a policy differs by a byte, or fewer than ten kills found a running process.
"""

from __future__ import annotations

import argparse
import functools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

SETTINGS = {
    "hidden": "64,64",
    "batch_size": 128,
    "offline_updates": 1000,
    "eval_every_offline": 250,
    "steps_per_iteration": 400,
    "online_steps": 2400,
    "eval_every_online": 800,
    "eval_episodes": 4,
    "updates_per_step": 0.5,
    "buffer_size": 1000,
}
CHECKPOINT_SECONDS = 0.5
NAME_BYTES = 16
PATIENCE = 60.0  # seconds without the moment that is waited for, after which any moment will do
STARTING, IDLE = "starting", "between"

# in the order in which a run comes to them; each is a name of `watched`
MOMENTS = (
    "update",
    "evaluate",
    "write state",
    "append metrics",
    "switch",
    "collect",
    "write chunk",
    "update",
    "evaluate",
    "write status",
    "collect",
    "write policy",
)
# seconds into a moment at which it may end; elsewhere as long as a small write takes
WITHIN = {"update": 0.2, "evaluate": 0.5, "collect": 0.2, "compile": 5.0}
WRITING = 0.003
COMPILING = ("compile", "compile")  # moments more with --compile: as it begins, and at the switch
LINGER = {"switch": 0.01}  # is over too soon to be hit


class Kill(NamedTuple):
    """What one SIGKILL met."""

    wanted: str
    met: str
    rows: int  # of metrics.csv at that moment
    last: str  # line of log.txt
    seconds: float  # that the process lived


def watched() -> list[tuple[Any, str, str]]:
    """(owner, function, name of the moment) of everything a kill can aim at."""
    from algos.learner.actor_critic import ActorCritic
    from algos.learner.compiled import Compiled
    from suite.record.writer import RunWriter
    from suite.train import protocol, recorder
    from suite.train.checkpoint import Checkpoints
    from suite.train.protocol import Runner

    return [
        (ActorCritic, "run", "update"), (Runner, "_collect", "collect"), (protocol, "evaluate", "evaluate"),
        (Runner, "_switch", "switch"), (RunWriter, "append", "append metrics"), (RunWriter, "status", "write status"),
        (Checkpoints, "save", "write state"), (Checkpoints, "write_chunk", "write chunk"),
        (recorder, "save_policy", "write policy"), (Compiled, "_prepare", "compile"),
    ]  # fmt: skip


def child(now: str, arguments: Sequence[str]) -> None:
    """`bench` with the given arguments, saying in the file `now` what it is doing at every moment."""
    from suite import cli
    from suite.train import protocol

    handle = os.open(now, os.O_WRONLY)

    def say(name: str) -> None:
        os.pwrite(handle, name.ljust(NAME_BYTES).encode(), 0)

    def told(real: Callable[..., Any], name: str) -> Callable[..., Any]:
        @functools.wraps(real)
        def call(*values: Any, **named: Any) -> Any:
            say(name)
            time.sleep(LINGER.get(name, 0.0))
            out = real(*values, **named)
            say(IDLE)
            return out

        return call

    for owner, function, name in watched():
        setattr(owner, function, told(getattr(owner, function), name))
    protocol.CHECKPOINT_SECONDS = CHECKPOINT_SECONDS
    sys.argv = ["bench", *arguments]
    cli.main()


def bench(out: Path, given: argparse.Namespace) -> list[str]:
    """The arguments of `bench`."""
    command = ["run", "--algo", "awac", "--env", given.env, "--seeds", "2", "--device", "cpu"]
    command += ["--threads", "1", "--workers", "1", "--out", str(out), "--name", "kill"]
    command += ["--dataset", given.dataset] if given.dataset else []
    settings = {**SETTINGS, "compile": str(given.compile).lower()}
    return command + [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]


def kill_once(command: Sequence[str], now: Path, out: Path, wanted: str, rng: np.random.Generator) -> Kill | None:
    """Start the command, let it run for a while, kill it at a moment of that kind; None if it finished before."""
    now.write_text(STARTING.ljust(NAME_BYTES))
    begun = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, __file__, "--child", str(now), *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    handle = os.open(now, os.O_RDONLY)
    training: float | None = None
    wait = rng.uniform(0, 1.5)
    try:
        while process.poll() is None:
            doing, at = os.pread(handle, NAME_BYTES, 0).decode().strip(), time.monotonic()
            if training is None and doing != STARTING:
                training = at
            due = training is not None and at - training > wait
            if due and (doing == wanted or at - (training or at) > PATIENCE):
                time.sleep(rng.uniform(0, WITHIN.get(doing, WRITING)))  # not always at its start
                doing = os.pread(handle, NAME_BYTES, 0).decode().strip()
                process.kill()
                process.wait()
                return Kill(wanted, doing, *where(out), time.monotonic() - begun)
            time.sleep(0.0002)
    finally:
        os.close(handle)
    if process.returncode:
        raise SystemExit(f"the run ended by itself with exit code {process.returncode}: {' '.join(command)}")
    return None


def folder_of(out: Path) -> Path:
    """The only run folder below `out`."""
    return next(out.rglob("run.json")).parent


def where(out: Path) -> tuple[int, str]:
    """Rows of metrics.csv, and the last line of the log without its time."""
    folder = folder_of(out)
    last = (folder / "log.txt").read_text().splitlines()[-1:]
    return (folder / "metrics.csv").read_bytes().count(b"\n") - 1, (last or [" "])[0].partition(" ")[2]


def differences(one: Path, other: Path) -> list[str]:
    """Names of the result files that are not equal byte for byte."""
    names = ["metrics.csv", *sorted(f"policy/{p.name}" for p in (one / "policy").iterdir())]
    return [n for n in names if not (other / n).exists() or (one / n).read_bytes() != (other / n).read_bytes()]


def main() -> None:
    """Run once whole, then in pieces, and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0, help="of the random moments")
    parser.add_argument("--env", default="door-binary")
    parser.add_argument("--compile", action="store_true", help="compile the updates")
    parser.add_argument("--dataset", default=None, help="a Minari dataset of the task (default: its own)")
    parser.add_argument("--out", type=Path, default=None, help="keep the run folders here (default: removed)")
    given = parser.parse_args()
    root = given.out or Path(tempfile.mkdtemp(prefix="bench-kill-"))
    rng = np.random.default_rng(given.seed)
    whole, pieces = root / "whole", root / "pieces"
    begun = time.monotonic()
    subprocess.run([sys.executable, "-m", "suite.cli", *bench(whole, given)], check=True)
    print(f"uninterrupted: {time.monotonic() - begun:.0f} s, {where(whole)[0]} rows\n", flush=True)
    moments = (COMPILING[0], *MOMENTS[:5], COMPILING[1], *MOMENTS[5:]) if given.compile else MOMENTS
    every, more = divmod(given.kills, len(moments))
    chosen = [*np.repeat(range(len(moments)), every), *rng.choice(len(moments), more, replace=False)]
    targets = [moments[i] for i in sorted(chosen)]
    print(f"{'kill':>4}  {'aimed at':14}  {'met':14}  {'rows':>5}  {'lived':>6}  last line of the log")
    command, kills = bench(pieces, given), 0
    for kills, wanted in enumerate(targets, start=1):
        met = kill_once(command, root / "now", pieces, wanted, rng)
        if met is None:
            kills -= 1
            break
        print(f"{kills:4}  {met.wanted:14}  {met.met:14}  {met.rows:5}  {met.seconds:5.1f}s  {met.last}", flush=True)
    subprocess.run([sys.executable, "-m", "suite.cli", *command], check=True, stdout=subprocess.DEVNULL)
    wrong = differences(folder_of(whole), folder_of(pieces))
    rows = where(pieces)[0]
    print(
        f"\n{kills} kills, then finished with {rows} rows: " + (f"DIFFERENT: {', '.join(wrong)}" if wrong else "equal")
    )
    if given.out is None:
        shutil.rmtree(root)
    sys.exit(1 if wrong or kills < 10 else 0)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], sys.argv[3:])
    else:
        main()
