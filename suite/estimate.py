"""What a run will cost: time from a short probe, memory and disk from its sizes."""

from __future__ import annotations

import itertools
import shutil
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from algos.settings import SettingError
from envs import tasks
from envs.data import minari_store
from envs.data.minari_store import DatasetError
from envs.stepping.vector import VectorEnv
from suite.data import recipes
from suite.experiment import Experiment, task_of
from suite.hardware import Hardware, prepare
from suite.progress import duration
from suite.protocol import lanes, online_capacity
from suite.speed import BURN_IN, learner_on_made_up_rows, rate, updates_per_second

__all__ = ["Cost", "check_space", "disk_bytes", "estimate", "memory_bytes"]

_BYTES = 4  # per float


def disk_bytes(experiment: Experiment) -> int:
    """The most a run writes: online chunks, two checkpoints, metrics."""
    e = experiment
    return len(e.seeds) * (_online_steps(e) * e.layout.width + 2 * 4 * _parameters(e)) * _BYTES + 10_000_000


def memory_bytes(experiment: Experiment) -> int:
    """Replay with the dataset's rows, which the seeds share, and networks with gradients and optimisers."""
    e = experiment
    per_seed = online_capacity(e) * e.layout.width + 4 * _parameters(e)
    return ((_offline_rows(e) or 0) * e.layout.width + len(e.seeds) * per_seed) * _BYTES


def _offline_rows(experiment: Experiment) -> int | None:
    """Of the dataset; None where it is not in the store yet."""
    e = experiment
    if not e.needs.offline_data:
        return 0
    try:
        found = recipes.id_of(task_of(e), e.dataset, e.protocol.dataset_seed)
        return int(minari_store.metadata(found)["total_steps"])
    except DatasetError:
        return None


def _online_steps(experiment: Experiment) -> int:
    return 0 if experiment.needs.offline_only else experiment.protocol.online_steps


def _parameters(experiment: Experiment) -> int:
    """Parameters of one seed's policy and critics with targets, roughly."""
    e = experiment
    hidden = e.learner.hidden
    inner = sum(a * b for a, b in itertools.pairwise(hidden))
    policy = e.task.obs_dim * hidden[0] + inner + hidden[-1] * e.task.action_dim
    critic = (e.task.obs_dim + e.task.action_dim) * hidden[0] + inner + hidden[-1]
    return policy + 2 * e.needs.critics * critic


def check_space(experiment: Experiment, out: Path) -> None:
    """Raises `SettingError` where the disk holds less than the run may write."""
    need = disk_bytes(experiment)
    free = shutil.disk_usage(out).free
    if free < need:
        raise SettingError(
            f"{experiment.cell} may write {need / 1e6:,.0f} MB below {out}, where {free / 1e6:,.0f} MB are free; "
            "free some space, choose another --out, or fewer --seeds"
        )


@dataclass(frozen=True)
class Cost:
    """What a run will take."""

    seconds: float
    text: str  # for people, with the rates that were measured


def estimate(experiment: Experiment, hardware: Hardware) -> Cost:
    """Time and memory of a run, from a probe of a few seconds on made-up rows; nothing is written."""
    e, p = experiment, experiment.protocol
    device = hardware.torch_device()
    prepare(hardware.thread_count(), e.learner.tf32)
    update_rate = _probe_updates(e, device)
    offline = p.offline_updates if e.needs.offline_data and e.needs.offline_phase else 0
    online = _online_steps(e)
    evaluations = (2 + offline // p.eval_every_offline + online // p.eval_every_online) * p.eval_episodes
    env_steps = len(e.seeds) * (online + evaluations * e.task.horizon)
    env_rate = _probe_env(e.task.id, len(e.seeds) * lanes(e), hardware.worker_count())
    seconds = (offline + online * p.updates_per_step) / update_rate + env_steps / env_rate
    beside = ", without the dataset's rows, which are not here yet" if _offline_rows(e) is None else ""
    together = f"{len(e.seeds)} seeds together" if len(e.seeds) > 1 else "1 seed"
    return Cost(
        seconds,
        f"about {duration(seconds)} on {device.type} ({update_rate:,.0f} updates/s, {env_rate:,.0f} steps/s "
        f"for {together}), {memory_bytes(e) / 1e6:,.0f} MB for replay and networks{beside}, "
        f"up to {disk_bytes(e) / 1e6:,.0f} MB on disk",
    )


def _probe_updates(experiment: Experiment, device: torch.device) -> float:
    learner = learner_on_made_up_rows(experiment, device)
    learner.run(BURN_IN)
    return updates_per_second(learner, device, 1.5)


@lru_cache  # the cells of a grid share their tasks
def _probe_env(task_id: str, count: int, workers: int) -> float:
    action_dim = tasks.get(task_id).action_dim
    with VectorEnv(task_id, count, workers) as env:
        env.reset(range(count))
        action = np.zeros((count, action_dim), np.float32)
        return count * rate(lambda: env.step(action), torch.device("cpu"), 1.0)
