"""One cell of a comparison, from a resolved experiment to a finished run folder."""

from __future__ import annotations

import dataclasses
import datetime
import fcntl
import itertools
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from algos.settings import SettingError
from envs.datasets import Dataset
from envs.tasks import Task
from envs.vector import VectorEnv, default_workers
from suite import recipes
from suite.config import Experiment
from suite.progress import Progress, duration
from suite.protocol import Runner, lanes, online_capacity
from suite.record import LOCK, RecordError, Run, RunWriter, read_run

__all__ = ["Hardware", "estimate", "run_cell", "run_folder", "task_of", "versions"]

_PACKAGES = ("awac-bench", "torch", "numpy", "gymnasium", "gymnasium-robotics", "mujoco", "minari")
_ROW_BYTES = 4


@dataclass(frozen=True)
class Hardware:
    """Where a run computes; recorded, but no part of what names it."""

    device: str = "auto"  # auto | cpu | cuda
    threads: int | None = None  # of torch; None: all cores
    workers: int | None = None  # environment processes; None: one per core, 0: none

    def torch_device(self) -> torch.device:
        """The device to train on; raises `SettingError` when CUDA is asked for and absent."""
        if self.device not in ("auto", "cpu", "cuda"):
            raise SettingError(f"--device {self.device}: auto, cpu or cuda")
        if self.device == "cuda" and not torch.cuda.is_available():
            raise SettingError("--device cuda: torch sees no CUDA device; `bench doctor` says more")
        return torch.device("cuda" if self.device != "cpu" and torch.cuda.is_available() else "cpu")

    def worker_count(self) -> int:
        """Environment processes: the recorded choice, else one per core where there are several."""
        if self.workers is not None:
            return self.workers
        return cores if (cores := default_workers()) > 1 else 0


def versions() -> dict[str, str]:
    """Versions of the packages that decide results."""
    out = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            out[package] = version(package)
        except PackageNotFoundError:
            out[package] = "not installed"
    return out


def task_of(experiment: Experiment) -> Task:
    """The task with the dataset sizes the protocol asks for."""
    task, p = experiment.task, experiment.protocol
    return dataclasses.replace(
        task, recipe=dataclasses.replace(task.recipe, demonstrations=p.demonstrations, rollouts=p.rollouts)
    )


def run_folder(experiment: Experiment, out: Path) -> Path:
    """runs/<task>/<algo>/<name>-<hash>."""
    return out / experiment.task.id / experiment.algo / f"{experiment.name}-{experiment.hash}"


def run_cell(experiment: Experiment, out: Path, hardware: Hardware) -> Path:
    """Train and record one cell, or go on where it stopped; a finished one is left alone.

    Raises `SettingError`, `DatasetError` or `RecordError` before anything is trained where the trouble can be known,
    and `stop.Stopped` after a clean stop.
    """
    folder = run_folder(experiment, out)
    progress = Progress(experiment.cell)
    with progress, _locked(folder):
        known = _known(folder, experiment)
        if known is not None and known.finished:
            progress.say(f"finished already: {folder}")
            return folder
        device, threads = _device_and_threads(hardware, known.run if known else None)
        torch.set_num_threads(threads)
        torch.set_flush_denormal(True)
        torch.backends.cuda.matmul.allow_tf32 = experiment.learner.tf32
        if known is None:
            _check_space(experiment, out)
        data = _data(experiment, hardware, progress)
        writer = RunWriter(folder, experiment.objective.metrics)
        if known is None:
            with _disk_errors(writer):
                writer.create(_run_json(experiment, data, device, threads))
        elif known.run["dataset"]["fingerprint"] != (data.info.fingerprint if data else None):
            raise RecordError(
                f"{folder} was trained on data with fingerprint {known.run['dataset']['fingerprint']}, but the dataset "
                f"is now {data.info.fingerprint if data else None}; restore it, or delete the folder to start again"
            )
        _train(experiment, data, hardware, device, writer, progress)
    return folder


def _train(
    experiment: Experiment, data: Dataset | None, hardware: Hardware, device: torch.device,
    writer: RunWriter, progress: Progress,
) -> None:  # fmt: skip
    count = len(experiment.seeds) * lanes(experiment)
    with VectorEnv(experiment.task.id, count, hardware.worker_count()) as env, _disk_errors(writer):
        writer.log(f"started with {torch.get_num_threads()} threads on {device}")
        runner = Runner(experiment, data.transitions if data else None, env, device, writer, progress)
        runner.run()
        progress.say(runner.summary())
        writer.log(runner.summary())


@contextmanager
def _disk_errors(writer: RunWriter) -> Iterator[None]:
    """A full or failing disk as an error that the user can mend: the run goes on from its last checkpoint."""
    try:
        yield
    except OSError as error:
        raise RecordError(
            f"{writer.path}: {error.strerror or error}; make room and run the same command again"
        ) from error


def _known(folder: Path, experiment: Experiment) -> Run | None:
    """The run that was begun in the folder, if any; raises `RecordError` when it is another one's record."""
    if not (folder / "run.json").exists():
        return None
    known = read_run(folder)
    if known.run.get("hash") != experiment.hash or not {"device", "dataset"} <= known.run.keys():
        raise RecordError(
            f"{folder / 'run.json'} is not the record of this run (hash {known.run.get('hash')}, not "
            f"{experiment.hash}); delete {folder} to start again"
        )
    return known


def _data(experiment: Experiment, hardware: Hardware, progress: Progress) -> Dataset | None:
    """The offline data, built or loaded; None for an algorithm that never sees any."""
    needs, seed = experiment.needs, experiment.protocol.dataset_seed
    if not needs.offline_data:
        return None
    data = recipes.dataset(task_of(experiment), experiment.dataset, seed, hardware.worker_count(), progress.say)
    if (needs.demo_batch or needs.source == "demos") and not data.info.demos:
        raise SettingError(f"{experiment.algo} learns from demonstrations, but dataset {data.info.id} marks none")
    return data


def _device_and_threads(hardware: Hardware, known: Mapping[str, Any] | None) -> tuple[torch.device, int]:
    """The device and threads to use; a run goes on with those it began with, or its numbers would change."""
    device = hardware.torch_device()
    threads = hardware.threads or default_workers()
    if known is not None:
        began = known["device"]
        if began["kind"] != device.type:
            raise SettingError(
                f"this run began on {began['kind']} and cannot go on on {device.type}: pass --device {began['kind']}"
            )
        threads = began["threads"]
    return device, threads


def _run_json(experiment: Experiment, data: Dataset | None, device: torch.device, threads: int) -> dict[str, Any]:
    e = experiment
    needs = e.needs
    info = data.info if data else None
    return {
        "algo": e.algo, "task": e.task.id, "seeds": list(e.seeds), "profile": e.profile, "name": e.name, "hash": e.hash,
        "settings": e.settings,
        "success_rule": e.task.success_rule, "horizon": e.task.horizon, "reward_range": list(e.task.reward_range),
        "offline_only": needs.offline_only,
        "metrics": dict(e.objective.metrics),
        "dataset": {
            "id": info.id if info else None, "fingerprint": info.fingerprint if info else None,
            "episodes": info.episodes if info else 0, "steps": info.steps if info else 0,
        },
        "versions": versions(),
        "device": {"kind": device.type, "name": _device_name(device), "threads": threads},
        "command": ["bench", *sys.argv[1:]],
        "revision": _revision(),
        "created": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
    }  # fmt: skip


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()


def _revision() -> str | None:
    """The source revision, where the package runs from a git checkout; '+' marks uncommitted changes."""
    here = Path(__file__).resolve().parent.parent
    if not (here / ".git").exists():
        return None
    try:
        described = subprocess.run(
            ["git", "-C", str(here), "describe", "--always", "--dirty=+", "--abbrev=12"],
            capture_output=True, text=True, timeout=10,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return described.stdout.strip() or None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the run folder for this process; the lock goes with the process, however it ends."""
    missing = [part for part in (folder, *folder.parents) if not part.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / LOCK, os.O_CREAT | os.O_RDWR, 0o644)
    except OSError as error:
        raise RecordError(f"cannot write to {folder}: {error.strerror}") from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RecordError(f"{folder} is being run by another process") from None
        try:
            yield
        finally:
            if not (folder / "run.json").exists():  # nothing was begun: leave no trace
                (folder / LOCK).unlink(missing_ok=True)
                with suppress(OSError):  # not empty: others have begun runs beside this one
                    for part in dict.fromkeys((folder, folder.parent, folder.parent.parent, *missing)):
                        part.rmdir()
    finally:
        os.close(handle)


def disk_bytes(experiment: Experiment) -> int:
    """The most a run writes: online chunks, two checkpoints, metrics."""
    e = experiment
    row = 2 * e.task.obs_dim + e.task.action_dim + 2
    online = 0 if e.needs.offline_only else e.protocol.online_steps
    return len(e.seeds) * (online * row * _ROW_BYTES + 2 * 4 * _parameters(e) * _ROW_BYTES) + 10_000_000


def _parameters(experiment: Experiment) -> int:
    """Parameters of one seed's policy and critics with targets, roughly."""
    e = experiment
    hidden = e.learner.hidden
    inner = sum(a * b for a, b in itertools.pairwise(hidden))
    policy = e.task.obs_dim * hidden[0] + inner + hidden[-1] * e.task.action_dim
    critic = (e.task.obs_dim + e.task.action_dim) * hidden[0] + inner + hidden[-1]
    return policy + 2 * e.needs.critics * critic


def _check_space(experiment: Experiment, out: Path) -> None:
    need = disk_bytes(experiment)
    free = shutil.disk_usage(out).free
    if free < need:
        raise SettingError(
            f"{experiment.cell} may write {need / 1e6:,.0f} MB below {out}, where {free / 1e6:,.0f} MB are free; "
            "free some space, choose another --out, or fewer --seeds"
        )


def estimate(experiment: Experiment, hardware: Hardware) -> str:
    """Time and memory of a run, from a probe of a few seconds on made-up rows; nothing is written."""
    e, p = experiment, experiment.protocol
    device = hardware.torch_device()
    torch.set_num_threads(hardware.threads or default_workers())
    torch.set_flush_denormal(True)
    needs = e.needs
    update_rate = _probe_updates(e, device)
    offline = p.offline_updates if needs.offline_data else 0
    online = 0 if needs.offline_only else p.online_steps
    evaluations = (2 + offline // p.eval_every_offline + online // p.eval_every_online) * p.eval_episodes
    env_steps = len(e.seeds) * (online + evaluations * e.task.horizon)
    env_rate = _probe_env(e, hardware.worker_count())
    seconds = (offline + online * p.updates_per_step) / update_rate + env_steps / env_rate
    row = 2 * e.task.obs_dim + e.task.action_dim + 2
    memory = len(e.seeds) * (online_capacity(e) * row + 4 * _parameters(e)) * _ROW_BYTES
    return (
        f"about {duration(seconds)} on {device.type} ({update_rate:,.0f} updates/s, {env_rate:,.0f} steps/s "
        f"for {len(e.seeds)} seeds together), {memory / 1e6:,.0f} MB for replay and networks, "
        f"up to {disk_bytes(e) / 1e6:,.0f} MB on disk"
    )


def _probe_updates(experiment: Experiment, device: torch.device) -> float:
    from algos.actor_critic import ActorCritic
    from algos.replay import Layout, Replay

    e = experiment
    layout = Layout(e.task.obs_dim, e.task.action_dim)
    rows = torch.zeros(4096, layout.width)
    replay = Replay(layout, rows, 1024, len(e.seeds), 0, device)
    learner = ActorCritic(e.objective, e.cfg, e.learner, e.seeds, layout, replay, 0.0, None, device)
    if not learner.needs.offline_only:
        learner.set_phase("online")
    learner.run(3)
    learner.read_metrics()
    start, done = time.perf_counter(), 0
    while time.perf_counter() - start < 1.5:
        learner.run(3)
        done += 3
    learner.read_metrics()  # waits for the device
    return done / (time.perf_counter() - start)


def _probe_env(experiment: Experiment, workers: int) -> float:
    count = len(experiment.seeds) * lanes(experiment)
    with VectorEnv(experiment.task.id, count, workers) as env:
        env.reset(range(count))
        action = np.zeros((count, experiment.task.action_dim), np.float32)
        start, done = time.perf_counter(), 0
        while time.perf_counter() - start < 1.0:
            env.step(action)
            done += count
        return done / (time.perf_counter() - start)
