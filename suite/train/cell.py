"""One cell of a comparison, from a resolved experiment to a finished run folder."""

from __future__ import annotations

import datetime
import math
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from importlib import resources
from pathlib import Path
from typing import Any

from algos.settings import SettingError
from disk.lock import Held, lock
from disk.trouble import unwritten
from envs.data.datasets import Dataset
from envs.stepping.vector import VectorEnv
from suite.experiment.experiment import Experiment, task_of
from suite.experiment.requirements import check_space, compiles, lanes, online_steps
from suite.recipes import build as recipes
from suite.record.folders import LOCK, Run, check_results, kept_steps, policy_folder, read_columns, read_facts
from suite.record.rows import RecordError
from suite.record.writer import RunWriter
from suite.train.checkpoint import CHECKPOINT, drop_chunks
from suite.train.hardware import Engine, Hardware, prepare, versions
from suite.train.means import Means
from suite.train.progress import Progress
from suite.train.protocol import Runner
from suite.train.recorder import Recorder

__all__ = ["run_cell", "run_folder"]


def run_folder(experiment: Experiment, out: Path) -> Path:
    """Path of the run folder, <out>/<task>/<algo>/<name>-<hash>."""
    return out / experiment.task.id / experiment.algo / f"{experiment.name}-{experiment.hash}"


def run_cell(experiment: Experiment, means: Means) -> Path:
    """Train and record one cell, or go on where it stopped; a finished one is left alone.

    Raises `SettingError`, `DatasetError` or `RecordError` before anything is trained where the trouble can be known,
    and `stop.Stopped` after a clean stop.
    """
    folder, hardware = run_folder(experiment, means.out), means.hardware
    progress = Progress(experiment.cell)
    with progress, _locked(folder, progress):
        known = _known(folder, experiment)
        if known is not None and known.finished and _is_whole(known, experiment, progress):
            drop_chunks(folder / CHECKPOINT)  # still there where it was killed just after it had finished
            progress.say(f"finished already: {folder}")
            if means.keep_policies and not kept_steps(folder):
                progress.say("--keep-policies has no effect: evaluations keep them, and all have been made without")
            return folder
        engine = _engine(experiment, hardware, known.run if known else None)
        prepare(engine.threads, experiment.learner.tf32)
        if known is None:
            check_space(experiment, means.out)
        data = _data(experiment, hardware, progress)
        writer = RunWriter(folder, experiment.objective.metrics)
        if known is None:
            with _disk_errors(writer):
                writer.create(_run_json(experiment, data, engine, means.command))
        elif known.run["dataset"].get("fingerprint") != (data.info.fingerprint if data else None):
            raise RecordError(
                f"{folder} was trained on data with fingerprint {known.run['dataset']['fingerprint']}, but the dataset "
                f"is now {data.info.fingerprint if data else None}; restore it, or delete the folder to start again"
            )
        _train(experiment, data, means, engine, writer, progress)
    return folder


def _train(
    experiment: Experiment,
    data: Dataset | None,
    means: Means,
    engine: Engine,
    writer: RunWriter,
    progress: Progress,
) -> None:
    count = len(experiment.seeds) * lanes(experiment)
    with VectorEnv(experiment.task.id, count, means.hardware.worker_count()) as env, _disk_errors(writer):
        writer.log(f"started with {engine.threads} threads on {engine.device}")
        recorder = Recorder(experiment, writer, progress, keep_policies=means.keep_policies)
        transitions = data.transitions if data else None
        Runner(experiment, data=transitions, env=env, recorder=recorder, engine=engine).run()


@contextmanager
def _disk_errors(writer: RunWriter) -> Iterator[None]:
    """Turn errors of a full or failing disk into one that the user can fix; the run resumes at its last checkpoint."""
    try:
        yield
    except OSError as error:
        raise RecordError(
            f"{writer.path}: {error.strerror or error}; make room and run the same command again"
        ) from error


def _known(folder: Path, experiment: Experiment) -> Run | None:
    """The run that was begun in the folder, if any; raises `RecordError` when the record is another run's."""
    if not (folder / "run.json").exists():
        return None
    known = read_facts(folder)
    whole = {"dataset", "settings"} <= known.run.keys() and {"kind", "threads"} <= known.run.get("device", {}).keys()
    if known.run.get("hash") != experiment.hash or not whole:
        raise RecordError(
            f"{folder / 'run.json'} is not the record of this run (hash {known.run.get('hash')}, not "
            f"{experiment.hash}); delete {folder} to start again"
        )
    recorded = {name: setting["value"] for name, setting in known.run["settings"].items()}
    wanted = {name: setting["value"] for name, setting in experiment.settings.items()}
    if list(known.seeds) != list(experiment.seeds) or recorded != wanted:
        raise RecordError(
            f"{folder / 'run.json'}: its seeds or settings are not those of its hash; bring it back from a copy, or "
            f"delete {folder} to start again"
        )
    return known


def _is_whole(known: Run, experiment: Experiment, progress: Progress) -> bool:
    """Whether a run that is marked finished has the results of one; says what is missing where it has not.

    Raises `RecordError` where they are there and not what the run wrote.
    """
    end, policies = online_steps(experiment), policy_folder(known.path) / "policy.json"
    kept = [path for path in policy_folder(known.path).rglob("*") if path.is_file()]
    check_results(known.path, [known.path / "metrics.csv", *kept])
    last = max(read_columns(known.path, finished=True).env_step, default=None)
    if last == end and policies.exists():
        return True
    missing = f"metrics.csv ends at step {last}, not {end}" if last != end else f"there is no {policies}"
    progress.say(f"marked finished, but {missing}: going on from the last checkpoint")
    return False


def _data(experiment: Experiment, hardware: Hardware, progress: Progress) -> Dataset | None:
    """The offline data, built or loaded; None for an algorithm that never sees any."""
    needs, seed = experiment.needs, experiment.protocol.dataset_seed
    if not needs.offline_data:
        return None
    data = recipes.dataset(task_of(experiment), experiment.dataset, seed, hardware.worker_count(), progress.say)
    if needs.demos and not data.info.demos:
        raise SettingError(f"{experiment.algo} learns from demonstrations, but dataset {data.info.id} marks none")
    if needs.demo_batch and needs.demo_rows == "marked or all" and not data.info.demos:
        progress.say(f"dataset {data.info.id} marks no demonstrations: all of its rows count as such")
    return data


def _engine(experiment: Experiment, hardware: Hardware, known: Mapping[str, Any] | None) -> Engine:
    """What to compute with: what the run began with, where it did."""
    device = hardware.torch_device()
    if known is None:
        return Engine(device, hardware.thread_count(), compiles(experiment, device.type))
    began = known["device"]
    if began["kind"] != device.type:
        raise SettingError(
            f"this run began on {began['kind']} and cannot go on on {device.type}: pass --device {began['kind']}"
        )
    return Engine(device, began["threads"], began.get("compiled", experiment.learner.compile is True))


def _run_json(
    experiment: Experiment, data: Dataset | None, engine: Engine, command: Sequence[str] | None
) -> dict[str, Any]:
    e = experiment
    info = data.info if data else None
    return {
        **e.facts,
        "horizon": e.task.horizon,
        "reward_range": [bound if math.isfinite(bound) else None for bound in e.task.reward_range],
        "metrics": dict(e.objective.metrics),
        "dataset": {
            "asked": e.dataset,
            "id": info.id if info else None,
            "fingerprint": info.fingerprint if info else None,
            "episodes": info.episodes if info else 0,
            "steps": info.steps if info else 0,
        },
        "versions": versions(),
        "device": engine.record(),
        "command": list(command or ("bench", *sys.argv[1:])),
        "revision": _revision(),
        "created": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
    }


def _revision() -> str | None:
    """The source revision, where the package runs from a git checkout; '+' marks uncommitted changes."""
    here = Path(str(resources.files("suite"))).resolve().parent  # wherever this module stands in it
    if not (here / ".git").exists():
        return None
    try:
        described = subprocess.run(
            ["git", "-C", str(here), "describe", "--always", "--dirty=+", "--abbrev=12"],
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return described.stdout.strip() or None


@contextmanager
def _locked(folder: Path, progress: Progress) -> Iterator[None]:
    """Hold the run folder for this process, where the file system has locks."""
    missing = [part for part in (folder, *folder.parents) if not part.exists()]
    with ExitStack() as held:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            unlocked = held.enter_context(lock(folder / LOCK))
        except Held:
            raise RecordError(f"{folder} is being run by another process") from None
        except OSError as error:
            raise RecordError(unwritten(f"to {folder}", error, "name another folder with --out")) from None
        if unlocked:
            progress.say(f"no locks in {folder} ({unlocked}): start no other process with this folder")
        held.enter_context(_traceless(folder, missing))
        yield


@contextmanager
def _traceless(folder: Path, missing: Sequence[Path]) -> Iterator[None]:
    """Remove the run folder and what was made for it in the end, where nothing was begun in it."""
    try:
        yield
    finally:
        if not (folder / "run.json").exists():
            (folder / LOCK).unlink(missing_ok=True)
            with suppress(OSError):  # not empty: others have begun runs beside this one
                for part in dict.fromkeys((folder, folder.parent, folder.parent.parent, *missing)):
                    part.rmdir()
