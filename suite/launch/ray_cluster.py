"""Cells as tasks of a Ray cluster: each is a `bench run` on whichever node has room, its run folder in shared storage.

`OUT/ray/` holds what they say, a file each, which this process passes on.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from algos.settings import SettingError
from suite.launch.processes import NOT_STARTED, REFUSED, TERM_SECONDS, Command, StopSignals, Tries
from suite.launch.ray_log import Log, log_path
from suite.launch.ray_task import ended
from suite.output import say
from suite.train.hardware import Hardware

__all__ = ["Cluster", "Share", "connect", "parse_address", "run_all"]

LOCAL = "local"
LOST = -signal.SIGKILL  # code of a cell whose node is gone
_ANSWER_SECONDS = 10.0
_SLACK = 10.0  # seconds for a cancellation to arrive and an exit code to come back
_MOST_LOST = 20  # times that one cell may lose its node: something else is wrong by then
_LOCK_SECONDS = 30.0  # between tries of a cell whose folder a lost node seems to hold: locks over a network end late
_LOCK_TRIES = 5
_ROOM_SECONDS = 15.0  # after which a cell that has not begun is told of: Ray starts a process on the node first
_STORE_BYTES = 80 * 2**20  # of a local cluster's object store, which nothing is put into; Ray's minimum is 75 MiB
# what a process elsewhere is told of this one's environment: where code and data lie, and how it draws
_PASSED_ON = ("PYTHONPATH", "MINARI_DATASETS_PATH", "BENCH_MOTIONS", "MUJOCO_GL", "XDG_CACHE_HOME")


def parse_address(text: str) -> str:
    """Read `--ray`; raises `SettingError` where there is no Ray."""
    if find_spec("ray") is None:
        raise SettingError("--ray needs Ray: pip install 'awac-bench[ray]'")
    if not text.strip():
        raise SettingError("--ray: give a cluster's address (HOST:PORT), auto, or local")
    return text.strip()


def _amount(cores: int, gpus: float) -> str:
    """Cores and GPUs in words, those that there are."""
    parts = [(cores, "core"), (gpus, "GPU")]
    return " and ".join(f"{n:g} {word}{'' if n <= 1 else 's'}" for n, word in parts if n or word == "core")


@dataclass(frozen=True)
class Share:
    """What one cell gets of a cluster."""

    cores: int
    gpu: float = 0.0

    def __str__(self) -> str:
        return _amount(self.cores, self.gpu)

    def hardware(self, asked: Hardware) -> Hardware:
        """The same, as options of `bench run`."""
        return Hardware(asked.device, self.cores, asked.worker_count(self.cores))


@dataclass(frozen=True)
class Cluster:
    """Cores and GPUs of each node."""

    nodes: Sequence[tuple[int, int]]

    def share(self, cells: int, jobs: int | None, per_gpu: int, hardware: Hardware) -> Share:
        """What each of so many cells gets, `jobs` of them at a time: where there are GPUs, a `per_gpu`-th of one.

        Cores are shared out evenly. Raises `SettingError` where no node has what was asked for.
        """
        gpus = 0 if hardware.device == "cpu" else sum(gpu for _, gpu in self.nodes)
        if hardware.device == "cuda" and not gpus:
            raise SettingError("--device cuda: no node of the Ray cluster has a GPU")
        cores = [core for core, gpu in self.nodes if gpu or not gpus]
        if (asked := hardware.threads or 1) > max(cores, default=0):
            raise SettingError(
                f"--ray: a cell needs {asked} cores, and no node of the cluster has more than {max(cores, default=0)}"
            )
        places = min(cells, jobs or cells, gpus * per_gpu or cells)
        even = next((n for n in range(max(cores), 1, -1) if sum(core // n for core in cores) >= places), 1)
        return Share(hardware.threads or even, 1 / per_gpu if gpus else 0.0)


def connect(address: str) -> Cluster:
    """Join the cluster at an address, or start one here; raises `SettingError` where there is none."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # else it reports to its makers
    os.environ.setdefault("RAY_DEDUP_LOGS", "0")  # which holds lines back until others come
    os.environ.setdefault("RAY_worker_niceness", "0")  # as processes of --jobs have it; Ray's default is 15
    import ray

    _check_reachable(address)
    if not ray.is_initialized():
        own: dict[str, Any] = {"include_dashboard": False, "object_store_memory": _STORE_BYTES}
        try:
            ray.init(address, log_to_driver=False, logging_level="ERROR", **(own if address == LOCAL else {}))
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            raise SettingError(f"--ray {address}: {str(error).strip().splitlines()[0]}") from None
    return Cluster([(cores, gpus) for _, cores, gpus in _nodes()])


def _nodes() -> list[tuple[str, int, int]]:
    """Name, cores and GPUs of every node of the cluster that is there."""
    import ray

    alive = [(node["NodeManagerHostname"], node["Resources"]) for node in ray.nodes() if node["Alive"]]
    return [(name, int(each.get("CPU", 0)), int(each.get("GPU", 0))) for name, each in alive]


def _check_reachable(address: str) -> None:
    """Raise `SettingError` where nothing answers at HOST:PORT: Ray itself would try for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdecimal():
        try:
            socket.create_connection((host, int(port)), timeout=_ANSWER_SECONDS).close()
        except (OSError, OverflowError) as error:
            raise SettingError(f"--ray {address}: no Ray cluster answers there ({error})") from None


def run_all(
    cells: Sequence[Command],
    *,
    share: Share,
    jobs: int | None,
    out: Path,
    retries: int = 0,
    unwanted: Callable[[str], bool] = lambda name: False,
) -> dict[str, int | None]:
    """Run every cell as a task, `jobs` at a time; exit codes, stop signals and `unwanted` as in `processes.run_all`.

    A cell whose node is lost goes on elsewhere from its last checkpoint, which is none of its `retries`.
    """
    return _Tasks(cells, share, jobs or len(cells), out, retries, unwanted).run()


class _Tasks:
    """Cells on a cluster until all have ended."""

    def __init__(
        self,
        cells: Sequence[Command],
        share: Share,
        jobs: int,
        out: Path,
        retries: int,
        unwanted: Callable[[str], bool],
    ) -> None:
        import ray

        self.cells = {cell.name: cell for cell in cells}
        self.codes: dict[str, int | None] = dict.fromkeys(self.cells, NOT_STARTED)
        self.jobs = jobs
        self.unwanted = unwanted
        self.share = share
        self.submitted: dict[str, float] = {}  # name -> when, by the clock
        self.told = ""  # what was last said of cells that wait for room
        self.task = ray.remote(ended).options(num_cpus=share.cores, num_gpus=share.gpu, max_retries=0)
        self.waiting = dict.fromkeys(self.cells, 0.0)  # name -> when it may begin, by the clock
        self.running: dict[str, Any] = {}  # name -> reference to the exit code
        self.asked: dict[str, float] = {}  # to stop -> until when a task may take for it, by the clock
        self.lost = Counter[str]()  # how often, with its node
        self.refused = Counter[str]()
        self.tries = Tries(retries)
        self.logs = {name: Log(log_path(name, out)) for name in self.cells}
        self.stop = StopSignals()

    def run(self) -> dict[str, int | None]:
        """Start, watch and start again; returns exit codes by name."""
        with self.stop, contextlib.redirect_stdout(sys.stderr):  # where Ray would say what befell its nodes
            while self.running or (self.waiting and self.stop.number is None):
                self._start()
                self._ask_to_stop()
                self._take_ended()
                self._tell_of_waiting()
                time.sleep(0.2)
        return self.codes

    def _start(self) -> None:
        for name, when in list(self.waiting.items()):
            if self.stop.number is not None or len(self.running) == self.jobs or time.monotonic() < when:
                continue
            del self.waiting[name]
            if not self.unwanted(name):
                _, *command = self.cells[name].command  # its Python is each node's own
                environment = {key: os.environ[key] for key in _PASSED_ON if key in os.environ}
                log = self.logs[name] = Log(self.logs[name].path)
                self.submitted[name] = time.monotonic()
                self.running[name] = self.task.remote(command, os.getcwd(), environment, str(log.path), name)

    def _ask_to_stop(self) -> None:
        import ray

        for name, reference in self.running.items():
            if name not in self.asked and (self.stop.number is not None or self.unwanted(name)):
                self.asked[name] = time.monotonic() + TERM_SECONDS + _SLACK
                ray.cancel(reference)
            elif self.asked.get(name, math.inf) < time.monotonic():
                ray.cancel(reference, force=True)

    def _take_ended(self) -> None:
        import ray

        for name, reference in list(self.running.items()):
            ended_now, _ = ray.wait([reference], timeout=0)
            self.logs[name].pass_on()
            if ended_now:
                del self.running[name]
                self.codes[name] = code = self._code(name, reference)
                if self.stop.number is None and name not in self.asked:
                    self._perhaps_again(name, code)

    def _tell_of_waiting(self) -> None:
        """Say once in one line which cells no node has room for, and again where the nodes are others."""
        late = time.monotonic() - _ROOM_SECONDS
        waiting = [name for name in self.running if not self.logs[name].begun and self.submitted[name] < late]
        if not waiting or self.stop.number is not None:
            return
        nodes = _nodes()
        fits = any(cores >= self.share.cores and gpus >= self.share.gpu for _, cores, gpus in nodes)
        why = "what they have is taken" if fits else "none of them has as much: they wait for one that joins"
        have = ", ".join(f"{name} has {_amount(cores, gpus)}" for name, cores, gpus in nodes) or "there is none"
        if (told := f"each asks for {self.share}; of the nodes {have}; {why}") != self.told:
            self.told = told
            which = ", ".join(waiting[:2]) + (", ..." if waiting[2:] else "")
            say(f"{len(waiting)} of {len(self.cells)} wait for room on the cluster ({which}): {told}")

    def _code(self, name: str, reference: Any) -> int | None:
        """Exit code of a cell's process; that of a kill where it went with its node."""
        import ray
        from ray.exceptions import RayError, RayTaskError, TaskCancelledError

        try:
            return int(ray.get(reference))
        except TaskCancelledError:
            return NOT_STARTED
        except RayTaskError as error:
            say(f"{name}: {error.cause!r}; is {os.getcwd()} shared with the cluster's nodes?")
            return 1
        except RayError as error:
            self.lost[name] += 1
            say(f"{name}: lost, {type(error).__name__}")
            return LOST

    def _perhaps_again(self, name: str, code: int | None) -> None:
        """Have a cell start once more that was lost, or has failed and is to be tried again."""
        if code == LOST and self.lost[name] <= _MOST_LOST:
            say(f"{name}: goes on from its last checkpoint, on another node")
            self.waiting[name] = 0.0
        elif code == REFUSED and self.lost[name] and self.refused[name] < _LOCK_TRIES:
            self.refused[name] += 1
            self.waiting[name] = time.monotonic() + _LOCK_SECONDS
        elif code != LOST and self.tries.again(name, code):
            self.waiting[name] = 0.0
