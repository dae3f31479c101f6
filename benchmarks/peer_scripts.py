"""Carries out a peer's training script one step of its environment at a time.

The script runs unchanged, as `__main__`, in a thread of its own. Its environment is a gate: each step waits there until
the next iteration is asked for.
"""

from __future__ import annotations

import itertools
import runpy
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import gymnasium
import numpy as np
import torch
from numpy.typing import NDArray
from peer_stand_ins import ignore

__all__ = ["BURN_IN", "ENV_ID", "LEARNING_STARTS", "Gate", "cleanrl_words", "start"]

ENV_ID = "Free-v0"
LOGGERS = ("wandb", "torch.utils.tensorboard")
LEARNING_STARTS = 256  # random steps before the first update: with one batch of rows in the buffer
BURN_IN = 20  # iterations with updates before anything is timed: torch.compile does its work in the first ones


class Gate:
    """Stops a script at one point of its loop and lets it go on by one iteration when asked to."""

    def __init__(self) -> None:
        self._go: SimpleQueue[None] = SimpleQueue()
        self._back: SimpleQueue[BaseException | None] = SimpleQueue()  # why the script will not come back again

    def start(self, script: Callable[[], object]) -> None:
        """Run `script` in the background up to its first `arrive`."""
        threading.Thread(target=self._run, args=(script,), daemon=True).start()
        self._wait()

    def arrive(self) -> None:
        """The script is at the gate; returns when it may go on."""
        self._back.put(None)
        self._go.get()

    def work(self) -> None:
        """One iteration: the script goes on, and is back at the gate on return. Raises what ended the script."""
        self._go.put(None)
        self._wait()

    def _run(self, script: Callable[[], object]) -> None:
        try:
            script()
            self._back.put(RuntimeError("the script has ended"))
        except BaseException as error:  # a script that dislikes its options raises SystemExit
            self._back.put(error)

    def _wait(self) -> None:
        if error := self._back.get():
            raise error


class _Free(gymnasium.Env[NDArray[np.float32], NDArray[np.float32]]):
    """Goes through recorded rows, whatever the actions: a step costs nothing but its wait at the gate."""

    def __init__(self, gate: Gate, obs: NDArray[np.float32], reward: NDArray[np.float32], action_dim: int) -> None:
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, obs.shape[1:])
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (action_dim,))
        self._gate, self._start = gate, obs[0]
        self._rows = itertools.cycle(zip(obs, reward.tolist(), strict=True))

    def reset(self, **options: Any) -> tuple[NDArray[np.float32], dict[str, Any]]:
        return self._start, {}

    def step(self, action: NDArray[np.float32]) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        self._gate.arrive()
        obs, reward = next(self._rows)
        return obs, reward, False, False, {}


def cleanrl_words(data: dict[str, Any], batch: int) -> list[str]:
    """Command line of a CleanRL-style script for a run on the CPU that never ends."""
    options = {
        "env-id": ENV_ID,
        "batch-size": batch,
        "buffer-size": data["reward"].size,
        "learning-starts": LEARNING_STARTS,
        "total-timesteps": 10**9,
    }
    return ["--no-cuda", *(str(word) for name, value in options.items() for word in (f"--{name}", value))]


def start(script: Path, words: Sequence[str], data: dict[str, Any], threads: int, burn_in: int) -> Callable[[], None]:
    """Run a script with these words and make `burn_in` steps of its environment; returns one more step as a call."""
    ignore(*LOGGERS)
    gate = Gate()
    obs, reward = data["obs"].reshape(-1, data["obs"].shape[-1]), data["reward"].ravel()
    # a factory, because Gymnasium copies what is handed over as an option; without its own checks, which take time
    gymnasium.register(
        ENV_ID,
        entry_point=lambda **_: _Free(gate, obs, reward, data["action"].shape[-1]),
        disable_env_checker=True,
        order_enforce=False,
    )
    sys.path.insert(0, str(script.parent.parent))  # the checkout, for its own modules
    sys.argv = [str(script), *words]

    def run() -> None:
        torch.set_num_threads(threads)  # this and the next are settings of a thread, not of the process
        torch.set_flush_denormal(True)
        runpy.run_path(str(script), run_name="__main__")

    gate.start(run)
    for _ in range(burn_in):
        gate.work()
    return gate.work
