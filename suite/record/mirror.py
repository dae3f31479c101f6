"""Records of runs passed on to TensorBoard or Weights & Biases, for those who watch their runs there.

The run folder stays the record: it can be read at any time and as often as one likes; only what is new is passed on.
What has been passed on is counted in `passed-on.json`, in the folder that is written to.
"""

from __future__ import annotations

import itertools
import json
import logging
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from algos.settings import SettingError
from disk.lock import Held, lock
from disk.reading import read_file
from disk.room import reserve
from disk.shapes import ShapeError, mapping, parse_json, whole
from disk.trouble import unwritten
from suite.record import events
from suite.record.files import writable
from suite.record.folders import Run, find_runs, read_run, read_status
from suite.record.rows import RecordError
from suite.record.writer import write_json

__all__ = ["check_target", "mirror", "pass_on"]

LEDGER = "passed-on.json"
# what Weights & Biases writes of an evaluation, as multiples of its JSON, and beside it: logs and facts of the session
_BYTES_PER_BYTE, _BYTES_BESIDE = 4, 1 << 20
_A_BIT = 1 << 14  # bytes; a disk without them is full
WAIT = 60.0  # seconds for another process that passes on into the same folder


@dataclass(frozen=True)
class Moment:
    """Everything that a run recorded of one seed at one evaluation; offline steps are negative, the switch is 0."""

    env_step: int
    update: int
    phase: str
    values: Mapping[str, float]  # metric -> value


@dataclass(frozen=True)
class Curve:
    """One seed of a run."""

    run: Run
    seed: int

    @property
    def name(self) -> str:
        """Name of the curve, <task>/<algo>/<name>-<hash>/seed-<k>, whichever folder the run lies in."""
        return f"{self.run.task}/{self.run.algo}/{self.run.path.name}/seed-{self.seed}"

    @property
    def settings(self) -> dict[str, Any]:
        """Value of every setting, and the other facts that tell runs apart."""
        facts = {name: self.run.run.get(name) for name in ("algo", "task", "profile", "preset", "hash", "versions")}
        return {**facts, "seed": self.seed, **{n: s["value"] for n, s in self.run.run.get("settings", {}).items()}}

    def moments(self) -> Iterator[Moment]:
        """Yield what was recorded at each evaluation, in that order."""
        own = (row for row in self.run.rows if row.seed == self.seed)
        for (phase, step, update), rows in itertools.groupby(own, key=lambda r: (r.phase, r.env_step, r.update)):
            yield Moment(step, update, phase, {row.metric: row.value for row in rows})


Send = Callable[[Curve, Sequence[Moment]], None]


def mirror(
    runs: Sequence[Path],
    to: str,
    out: Path,
    project: str,
    every: float | None,
    say: Callable[[str], object] = lambda line: None,
) -> list[dict[str, Any]]:
    """Pass on records once, or `every` so many seconds while a run is going on; returns the rows of the last time."""
    while True:
        # states before records: what a run writes as it finishes is then fetched by one more look
        folders = [] if every is None else [folder for place in runs for folder in find_runs(place)]
        states = [_state(folder) for folder in folders]
        rows = pass_on(runs, to, out, project, say)
        if every is None or "running" not in states:
            return rows
        say(f"{sum(row['new'] for row in rows)} new evaluations; runs going on: {states.count('running')}")
        time.sleep(every)


def _state(folder: Path) -> str | None:
    try:
        state: str | None = read_status(folder).get("state")
    except RecordError:  # said when its record is read
        return None
    return state


def pass_on(
    runs: Sequence[Path], to: str, out: Path, project: str, say: Callable[[str], object] = lambda line: None
) -> list[dict[str, Any]]:
    """Pass on what is new in all runs below these folders; one row per seed with what was.

    A run folder that cannot be read is named, and the others go on. Raises `SettingError` where the target is unknown,
    its package is missing or what has been passed on cannot be read, `RecordError` where no run can be read.
    """
    if to not in TARGETS:
        raise SettingError(f"--to {to}: choose {' or '.join(TARGETS)}")
    curves = _curves([folder for place in runs for folder in find_runs(place)], say)
    send = TARGETS[to](out, project)
    with _alone(out):
        return [_sent(curve, send, out) for curve in curves]


def check_target(to: str) -> None:
    """Raise `SettingError` where a target is unknown or its package is missing."""
    if to not in TARGETS:
        raise SettingError(f"--mirror {to}: choose {' or '.join(TARGETS)}")
    if find_spec(to) is None:
        raise SettingError(f"--mirror {to} needs its package: pip install 'awac-bench[{to}]'")


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Hold the folder that is written to: two that pass on at once would lose count of what they have."""
    until = time.monotonic() + WAIT
    while True:
        with ExitStack() as held:
            try:
                held.enter_context(writable(out / LEDGER))
                held.enter_context(lock(out / ".lock", passing=True))
            except (Held, FileNotFoundError):  # the other has taken an empty folder away as well
                if time.monotonic() > until:
                    raise SettingError(f"--out {out}: another process is passing on records into it") from None
            else:
                yield
                return
        time.sleep(0.1)


def _sent(curve: Curve, send: Send, out: Path) -> dict[str, Any]:
    """Pass on what is new of one curve, and note it."""
    ledger = out / LEDGER
    passed = _passed(ledger)
    moments = list(curve.moments())
    new = moments[passed.get(curve.name, 0) :]
    if new:
        try:
            send(curve, new)
            write_json(ledger, {**passed, curve.name: len(moments)})
        except OSError as error:
            why = unwritten(out, error, "name another folder with --out")
            raise SettingError(f"{why}; what is new is passed on by the same command again") from None
    return {"curve": curve.name, "evaluations": len(moments), "new": len(new)}


def _curves(folders: Sequence[Path], say: Callable[[str], object]) -> list[Curve]:
    """All seeds of the runs that can be read; raises `RecordError` where there are runs and none can be."""
    curves, broken = [], []
    for folder in folders:
        try:
            run = read_run(folder)
            curves += [Curve(run, seed) for seed in run.seeds]
        except RecordError as error:
            broken.append(error)
    if broken and not curves:
        raise broken[0]
    for why in broken:
        say(f"left out: {why}")
    return curves


def _passed(ledger: Path) -> dict[str, int]:
    """Number of evaluations that have been passed on, by curve."""
    if not ledger.exists():
        return {}
    try:
        passed: dict[str, int] = parse_json(read_file(ledger), mapping(whole(0)))
    except (ShapeError, OSError):
        raise SettingError(f"{ledger} cannot be read; delete it, and everything is passed on anew") from None
    return passed


def _tensorboard(out: Path, project: str) -> Send:
    try:
        events.check_installed()
    except ImportError:
        raise SettingError("--to tensorboard needs its package: pip install 'awac-bench[tensorboard]'") from None

    def send(curve: Curve, moments: Sequence[Moment]) -> None:
        # a file of its own each time, which TensorBoard reads beside the earlier ones
        texts, start = {}, moments[0]
        if start.update == 0:
            table = "\n".join(f"| {name} | {value} |" for name, value in curve.settings.items())
            texts["settings"] = f"| setting | value |\n|---|---|\n{table}"
        scalars = [(moment.env_step, moment.values) for moment in moments]
        events.write_events(out / curve.name, scalars, texts, start.env_step)

    return send


def _wandb(out: Path, project: str) -> Send:
    try:
        import wandb
    except ImportError:
        raise SettingError("--to wandb needs its package: pip install 'awac-bench[wandb]'") from None

    def send(curve: Curve, moments: Sequence[Moment]) -> None:
        logged = [
            {**m.values, "env_step": m.env_step, "update": m.update, "online": float(m.phase == "online")}
            for m in moments
        ]
        with _whole_session(out / "wandb"):
            reserve(out, _BYTES_PER_BYTE * sum(len(json.dumps(values)) for values in logged) + _BYTES_BESIDE)
            run = wandb.init(
                project=project,
                id=f"{curve.run.run['hash']}-{curve.seed}",
                resume="allow",
                dir=str(out),
                group=f"{curve.run.task} {curve.run.algo} {curve.run.path.name}",
                name=curve.name,
                config=curve.settings,
                settings=wandb.Settings(silent=True, console="off", x_disable_stats=True, save_code=False),
            )
            run.define_metric("*", step_metric="env_step")
            for values in logged:
                run.log(values)
            run.finish()
            reserve(out, _A_BIT)  # it keeps to itself that another process has filled the disk meanwhile

    return send


@contextmanager
def _whole_session(folder: Path) -> Iterator[None]:
    """Have a session of Weights & Biases leave nothing in its folder where it fails, and say why in one line.

    Raises `OSError` where the disk is full, `SettingError` where it failed otherwise: its account, its network.
    """
    before = set(folder.iterdir()) if folder.is_dir() else None
    said, logging.raiseExceptions = logging.raiseExceptions, False  # it prints a traceback per line it cannot log
    try:
        yield
    except BaseException as error:
        for path in set(folder.glob("*")) - (before or set()):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        if before is None and folder.is_dir():
            with suppress(OSError):
                folder.rmdir()
        if isinstance(error, OSError) or not isinstance(error, Exception):
            raise
        why = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise SettingError(f"--to wandb: {why}; what is new is passed on by the same command again") from None
    finally:
        logging.raiseExceptions = said


TARGETS: dict[str, Callable[[Path, str], Send]] = {"tensorboard": _tensorboard, "wandb": _wandb}
