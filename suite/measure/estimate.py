"""Cost of a run before it starts: time from a short probe, memory and disk from its sizes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from envs import tasks
from envs.stepping.vector import VectorEnv, default_workers
from suite.experiment.experiment import Experiment
from suite.experiment.requirements import (
    compiles,
    disk_bytes,
    lanes,
    memory_bytes,
    offline_rows,
    offline_updates,
    online_steps,
)
from suite.measure.probe import BURN_IN, learner_on_made_up_rows, rate, updates_per_second
from suite.measure.work import floor_of, work_per_update
from suite.train.hardware import Hardware, prepare
from suite.train.progress import duration

__all__ = ["MEASURING", "Cost", "busy", "estimate"]

MEASURING = "measuring for some seconds how fast this machine is ..."  # to be said before `estimate` is called
_BUSY = 0.5  # load per core beyond which others take part of what is measured

_COMPILED_SHARE = 0.6  # of the arithmetic floor (benchmarks/README.md)


@dataclass(frozen=True)
class Cost:
    """Time that a run will take, and a line that tells it with memory and disk."""

    seconds: float
    text: str  # for people, with the rates that were measured


def estimate(experiment: Experiment, hardware: Hardware) -> Cost:
    """Estimate what a run takes, from a probe of a few seconds on made-up rows; nothing is written."""
    e, p, others = experiment, experiment.protocol, busy()
    device = hardware.torch_device()
    prepare(hardware.thread_count(), e.learner.tf32)
    update_rate = _probe_updates(e, device)
    offline, online = offline_updates(e), online_steps(e)
    evaluations = (2 + offline // p.eval_every_offline + online // p.eval_every_online) * p.eval_episodes
    env_steps = len(e.seeds) * (online + evaluations * e.task.horizon)
    env_rate = _probe_env(e.task.id, len(e.seeds) * lanes(e), hardware.worker_count())
    seconds = (offline + online * p.updates_per_step) / update_rate + env_steps / env_rate
    beside = ", without the dataset's rows, which are not here yet" if offline_rows(e) is None else ""
    together = f"{len(e.seeds)} seeds together" if len(e.seeds) > 1 else "1 seed"
    return Cost(
        seconds,
        f"about {duration(seconds)} on {device.type} ({update_rate:,.0f} updates/s, {env_rate:,.0f} steps/s "
        f"for {together}), {memory_bytes(e) / 1e6:,.0f} MB for replay and networks{beside}, "
        f"up to {disk_bytes(e) / 1e6:,.0f} MB on disk{others}",
    )


def busy() -> str:
    """Say that other processes have slowed a measurement down, where they have; empty where the machine is idle."""
    if not hasattr(os, "getloadavg"):
        return ""
    load, cores = os.getloadavg()[0], default_workers()
    if load <= _BUSY * cores:
        return ""
    return f"; measured on a busy machine (load {load:.1f} on {cores} cores): on an idle one it takes less"


def _probe_updates(experiment: Experiment, device: torch.device) -> float:
    """Updates per second: of uncompiled ones measured, of compiled ones what their arithmetic says, if that is more."""
    learner = learner_on_made_up_rows(experiment, device)
    learner.run(BURN_IN)
    measured = updates_per_second(learner, device, 1.5)
    gflop = work_per_update(learner).flop / 1e9
    if not gflop or not compiles(experiment, device.type):
        return measured
    floor = floor_of(experiment, device)
    return max(measured, _COMPILED_SHARE * rate(floor.work, device, 0.3) * floor.gflop / gflop)


@lru_cache  # the cells of a grid share their tasks
def _probe_env(task_id: str, count: int, workers: int) -> float:
    action_dim = tasks.get(task_id).action_dim
    with VectorEnv(task_id, count, workers) as env:
        env.reset(range(count))
        action = np.zeros((count, action_dim), np.float32)
        return count * rate(lambda: env.step(action), torch.device("cpu"), 1.0)
