"""Many environments stepped in worker processes, with results that do not depend on the number of processes.

Each worker owns a contiguous run of environments and their rows of arrays in shared memory; a step costs one
byte to every worker and one byte back.
"""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import signal
import sys
from collections.abc import Sequence
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from multiprocessing.util import Finalize
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from numpy.typing import ArrayLike, NDArray

from envs import plugins
from envs.discrete import boxed
from envs.errors import WorkerError
from envs.stepping import worker

__all__ = ["VectorEnv", "VectorStep", "default_workers"]

JOIN_SECONDS = 5.0


class VectorStep(NamedTuple):
    """Result of one step of all environments. The arrays are the caller's to keep."""

    obs: NDArray[np.float32]  # [count, O] to act from next: the first of a new episode where one has just ended
    next_obs: NDArray[np.float32]  # [count, O] where the action led: belongs to the transition
    reward: NDArray[np.float32]  # [count]
    terminated: NDArray[np.bool_]  # [count]
    truncated: NDArray[np.bool_]  # [count]
    success: NDArray[np.bool_]  # [count] info["success"] in next_obs; False where a task has none


def default_workers() -> int:
    """Number of processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class VectorEnv:
    """Copies of one environment, `count` of them, stepped in `workers` processes, or in this one if `workers` is 0.

    Where actions are one of n choices, the largest of n numbers is taken: `action_space` is a box either way.
    An environment whose episode ends is reset at once, with a seed that follows from the one last given to it
    and the number of episodes since. Same seeds and actions give the same bytes for any number of workers.
    Workers are spawned. An environment that they cannot find by themselves, as the script that makes the VectorEnv
    registers it, is looked for in that script: it then needs the usual `if __name__ == "__main__"`.

    `max_episode_steps` replaces the registered time limit; None keeps it.

    Raises `WorkerError` when a worker dies or an environment in it raises; the VectorEnv is closed then.
    """

    def __init__(self, env_id: str, count: int, workers: int, max_episode_steps: int | None = None) -> None:
        if count < 1 or workers < 0:
            raise ValueError(f"count={count}, workers={workers}: need 1 environment or more, 0 workers or more")
        self.env_id = env_id
        self.count = count
        self.max_episode_steps = max_episode_steps
        self.workers = min(workers, count)
        self.observation_space, self.action_space = _spaces(env_id)  # of one environment
        self._ready = False  # between reset and close
        self._share: worker.Share | None = None
        self._pipes: list[Connection] = []
        self._processes: list[BaseProcess] = []
        self._rows: list[slice] = []  # of each worker
        layout = worker.layout(count, self.observation_space.shape[0], self.action_space.shape[0])
        memory = _shared(worker.size(layout)) if self.workers else None
        if memory is None:
            self.workers = 0
            self._arrays = worker.carve(bytearray(worker.size(layout)), layout)
            self._share = worker.Share(env_id, self._arrays, slice(0, count), max_episode_steps)
        else:
            self._arrays = worker.carve(memory, layout)
            self._start(memory, layout)

    def reset(self, seeds: Sequence[int]) -> NDArray[np.float32]:
        """Start new episodes, environment i with `seeds[i]` (not negative); returns obs [count, O]."""
        if len(seeds) != self.count:
            raise ValueError(f"{len(seeds)} seeds for {self.count} environments: need one for each")
        if min(seeds) < 0:
            raise ValueError(f"seed {min(seeds)}: seeds must not be negative")
        self._arrays["seed"][:] = seeds
        self._exchange(worker.RESET)
        self._ready = True
        return self._arrays["obs"].copy()

    def step(self, actions: ArrayLike) -> VectorStep:
        """Take one step everywhere with `actions` [count, A]; entries that are not finite count as 0."""
        given = np.asarray(actions, dtype=np.float32)
        if given.shape != self._arrays["action"].shape:
            raise ValueError(f"actions have shape {given.shape}, need {self._arrays['action'].shape}")
        if not self._ready:
            raise RuntimeError("step() needs a reset() before it and no close()")
        self._arrays["action"][:] = np.where(np.isfinite(given), given, 0)
        self._exchange(worker.STEP)
        # copies cost microseconds; views would change under a caller who keeps the last step
        return VectorStep(*(self._arrays[name].copy() for name in VectorStep._fields))

    def close(self) -> None:
        """End the workers; may be called again."""
        self._ready = False
        if self._share is not None:
            self._share.close()
            self._share = None
        _close_all(self._pipes)  # which tells the workers to go
        for process in self._processes:
            process.join(JOIN_SECONDS)
            if process.is_alive():
                process.kill()
                process.join()
        self._pipes, self._processes = [], []

    def __enter__(self) -> VectorEnv:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self, memory: Any, layout: worker.Layout) -> None:
        # at exit, before multiprocessing asks its processes to terminate, which workers do not hear, and waits for them
        Finalize(self, _close_all, (self._pipes,), exitpriority=1)
        bounds = [self.count * w // self.workers for w in range(self.workers + 1)]
        self._rows = [slice(first, last) for first, last in itertools.pairwise(bounds)]
        context = multiprocessing.get_context("spawn")
        try:
            with worker.starting(), worker.main_left_out(plugins.is_importable(self.env_id)):
                for rows in self._rows:
                    ours, theirs = context.Pipe()
                    self._pipes.append(ours)
                    arguments = (theirs, self.env_id, memory, layout, rows, self.max_episode_steps)
                    process = context.Process(target=worker.work, args=arguments, daemon=True)
                    process.start()
                    self._processes.append(process)
                    theirs.close()  # the worker's copy is then the only one, and closes when it dies
            self._await()
        except BaseException:
            self.close()
            raise

    def _exchange(self, command: bytes) -> None:
        """Have all environments carry out a command."""
        if self._share is not None:
            self._share.do(command)
            return
        if not self._pipes:
            raise RuntimeError("this VectorEnv is closed")
        try:
            for w, pipe in enumerate(self._pipes):
                try:
                    pipe.send_bytes(command)
                except OSError:
                    raise self._death(w) from None
            self._await()
        except BaseException:  # KeyboardInterrupt too: replies that nobody read would be taken for the next step's
            self.close()
            raise

    def _await(self) -> None:
        for w, pipe in enumerate(self._pipes):
            try:
                reply = pipe.recv_bytes()
            except (EOFError, OSError):
                raise self._death(w) from None
            if reply != worker.DONE:
                raise WorkerError(f"{self._name(w)} failed:\n{reply.decode()}")

    def _name(self, w: int) -> str:
        rows = self._rows[w]
        return f"the worker process of environments {rows.start} to {rows.stop - 1} of {self.env_id!r}"

    def _death(self, w: int) -> WorkerError:
        process = self._processes[w]
        process.join(JOIN_SECONDS)
        code = process.exitcode
        if code is not None and code < 0:
            how = f"was killed by {signal.Signals(-code).name}; if not by you, memory may have run out"
        else:
            how = f"ended with exit status {code}"
        return WorkerError(f"{self._name(w)} {how}")


def _shared(size: int) -> Any:
    """So many bytes that workers share; None, and a line on stderr, where the system has no room for them."""
    try:
        return multiprocessing.get_context("spawn").RawArray("b", size)
    except OSError as error:  # a read-only or a full /dev/shm
        with contextlib.suppress(OSError, ValueError):  # nobody reads stderr
            print(f"bench: no shared memory ({error}): environments step in this process", file=sys.stderr)
        return None


def _close_all(pipes: Sequence[Connection]) -> None:
    for pipe in pipes:
        pipe.close()


def _spaces(env_id: str) -> tuple[gymnasium.spaces.Box, gymnasium.spaces.Box]:
    """Observation and action space of one environment, as it is stepped."""
    env = boxed(plugins.make(env_id, disable_env_checker=True))
    env.close()
    observation, action = env.observation_space, env.action_space
    for name, space in (("observation", observation), ("action", action)):
        if not isinstance(space, gymnasium.spaces.Box) or len(space.shape) != 1:
            more = ", or choices" if space is action else ""
            raise ValueError(f"{env_id}: its {name} space is {space}, need a Box of one dimension{more}")
    assert isinstance(observation, gymnasium.spaces.Box)
    assert isinstance(action, gymnasium.spaces.Box)
    return observation, action
