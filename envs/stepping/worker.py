"""The inside of a worker process of `envs.stepping.vector`: its share of the environments, stepped on command.

Results travel through arrays in shared memory. Commands and replies are one byte each over a pipe; a longer
reply is the traceback of what went wrong. A worker whose parent is gone reads end-of-file and exits.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import traceback
import types
from collections.abc import Iterator, Mapping
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envs import plugins
from envs.discrete import boxed

__all__ = [
    "DONE",
    "RESET",
    "STEP",
    "STOP_SIGNALS",
    "Layout",
    "Share",
    "carve",
    "episode_seed",
    "layout",
    "main_left_out",
    "size",
    "starting",
    "work",
]

Layout = Mapping[str, tuple[tuple[int, ...], str]]  # name -> shape, dtype

RESET, STEP, DONE = b"r", b"s", b"."
# Asking a run to stop: Ctrl-C, a shutdown, and the warning that a cluster gives before a job's time is up.
STOP_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1", "SIGUSR2") if hasattr(signal, name)
)
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def episode_seed(reset_seed: int, episode: int) -> int:
    """Seed of the `episode`-th episode after the one that was reset with `reset_seed` (episode 0)."""
    if episode == 0:
        return reset_seed
    return int(np.random.SeedSequence((reset_seed, episode)).generate_state(1)[0])


class Share:
    """Some of the environments and their rows of the shared arrays."""

    def __init__(
        self, env_id: str, arrays: Mapping[str, NDArray[Any]], rows: slice, max_episode_steps: int | None = None
    ) -> None:
        self._arrays = {name: array[rows] for name, array in arrays.items()}
        self._envs = [
            boxed(plugins.make(env_id, max_episode_steps=max_episode_steps, disable_env_checker=True))
            for _ in range(rows.start, rows.stop)
        ]
        self._seeds = [0] * len(self._envs)  # of the last reset command
        self._episodes = [0] * len(self._envs)  # ended since then

    def do(self, command: bytes) -> None:
        """Reset all environments with the seeds in the arrays, or step all with the actions in them."""
        for i in range(len(self._envs)):
            if command == RESET:
                self._seeds[i], self._episodes[i] = int(self._arrays["seed"][i]), 0
                self._reset(i)
            else:
                self._step(i)

    def close(self) -> None:
        """Close the environments."""
        for env in self._envs:
            env.close()

    def _reset(self, i: int) -> None:
        self._arrays["obs"][i], _ = self._envs[i].reset(seed=episode_seed(self._seeds[i], self._episodes[i]))

    def _step(self, i: int) -> None:
        a = self._arrays
        obs, reward, terminated, truncated, info = self._envs[i].step(a["action"][i].copy())
        a["obs"][i] = a["next_obs"][i] = obs
        a["reward"][i], a["terminated"][i], a["truncated"][i] = reward, terminated, truncated
        a["success"][i] = info.get("success", False)
        if terminated or truncated:
            self._episodes[i] += 1
            self._reset(i)


def work(
    pipe: Connection, env_id: str, memory: Any, shapes: Layout, rows: slice, max_episode_steps: int | None = None
) -> None:
    """Run a worker: make the environments, report, then carry out commands until the pipe closes."""
    for number in STOP_SIGNALS:  # they reach every process of a group, but are for the parent, which closes the pipe
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(EOFError, OSError):  # the parent has closed the pipe or is gone
        try:
            share = Share(env_id, carve(memory, shapes), rows, max_episode_steps)
        except Exception:
            return pipe.send_bytes(traceback.format_exc().encode())
        pipe.send_bytes(DONE)
        while True:
            command = pipe.recv_bytes()
            try:
                share.do(command)
            except Exception:
                return pipe.send_bytes(traceback.format_exc().encode())
            pipe.send_bytes(DONE)


@contextlib.contextmanager
def starting() -> Iterator[None]:
    """Have processes started in the block compute in one thread, and ignore stop signals from their first moment."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))  # here, as numpy reads them on import
    try:
        with _interrupt_later(), _stops_blocked():
            yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def main_left_out(wanted: bool) -> Iterator[None]:
    """Have processes started in the block not run the program's main module again, unless that is not `wanted`.

    So a script needs no guard, and what is typed at a prompt or in a notebook can start them.
    """
    main = sys.modules["__main__"]
    if wanted:
        sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextlib.contextmanager
def _interrupt_later() -> Iterator[None]:
    """Keep a Ctrl-C for the end: a child whose parent stops halfway into its start prints a traceback."""
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or handler is None:
        yield  # not the thread that is interrupted, or not Python that handles it
        return
    held: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: held.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
    if held:
        signal.raise_signal(signal.SIGINT)


@contextlib.contextmanager
def _stops_blocked() -> Iterator[None]:
    """Block stop signals in this thread, and so in the processes it starts."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # otherwise the first start() starts it, and that unblocks SIGINT
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def layout(count: int, obs_dim: int, action_dim: int) -> Layout:
    """Shapes and dtypes of the shared arrays; wider types come first, so that all are aligned."""
    return {
        "seed": ((count,), "uint64"),
        "action": ((count, action_dim), "float32"),
        "obs": ((count, obs_dim), "float32"),
        "next_obs": ((count, obs_dim), "float32"),
        "reward": ((count,), "float32"),
        "terminated": ((count,), "bool"),
        "truncated": ((count,), "bool"),
        "success": ((count,), "bool"),
    }


def size(shapes: Layout) -> int:
    """Number of bytes that the arrays need."""
    return sum(int(np.prod(shape)) * np.dtype(kind).itemsize for shape, kind in shapes.values())


def carve(memory: Any, shapes: Layout) -> dict[str, NDArray[Any]]:
    """Lay the arrays one after the other in a block of memory."""
    arrays, offset = {}, 0
    for name, (shape, kind) in shapes.items():
        arrays[name] = np.ndarray(shape, np.dtype(kind), buffer=memory, offset=offset)
        offset += arrays[name].nbytes
    return arrays
