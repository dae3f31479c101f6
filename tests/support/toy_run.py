"""A task whose runs take a fraction of a second, for the tests of the protocol: a point and a random dataset."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from asked import resolve
from toy_data import episode
from toy_env import HORIZON, POINT, point_success

import algos
from algos.contract import LearnerConfig
from algos.settings import with_values
from envs.data import datasets
from envs.tasks import TASKS, DemoRecipe, Task
from suite.experiment.experiment import Experiment
from suite.train.cell import run_cell
from suite.train.hardware import Hardware
from suite.train.means import Means

DATA = "toys/point-v0"
ONE_THREAD = Hardware("cpu", threads=1, workers=0)


TASK = Task(
    id=POINT,
    summary="toy",
    obs_dim=3,
    action_dim=2,
    success_rule="first entry above one half",
    success=point_success,
    expert="",
    recipe=DemoRecipe(),
    horizon=HORIZON,
    settings={"awac.temperature": 0.3},
)

SIZES: dict[str, Any] = {
    "hidden": "8,8",
    "batch_size": 8,
    "offline_updates": 7,
    "eval_every_offline": 4,
    "steps_per_iteration": 16,
    "online_steps": 64,
    "eval_every_online": 32,
    "eval_episodes": 3,
    "updates_per_step": 0.25,
}


@contextlib.contextmanager
def registered() -> Iterator[None]:
    """The toy task is in the task table and its dataset in the store; what a run sets in torch is undone."""
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TASKS, TASK.id, TASK)
        patch.setattr(os, "fsync", lambda handle: None)  # no test pulls the plug
        store(DATA)
        yield
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)


def store(dataset_id: str, seed: int = 0) -> None:
    """A random dataset of six episodes, the first two of them demonstrations; one that is there stays."""
    rng = np.random.default_rng(seed)
    datasets.store(TASK, dataset_id, [episode(rng, HORIZON, demo=i < 2) for i in range(6)], {"made": "by a test"})


def experiment(
    algo: str = "awac", seeds: Sequence[int] = (0, 1), data: str | None = DATA, **settings: Any
) -> Experiment:
    """One cell on the toy task; a method of stages counts its updates itself."""
    sizes = {k: v for k, v in SIZES.items() if k != "updates_per_step" or not counts_its_updates(algo)}
    texts = [f"{name}={value}" for name, value in (sizes | settings).items()]
    name = data if algo != "sac-scratch" else None
    return resolve(algo, TASK.id, seeds, "smoke", texts, "test", name)


def counts_its_updates(algo: str) -> bool:
    """Whether iterations of the algorithm have stages online."""
    objective = algos.load(algo)
    cfg = with_values(objective.Config(), objective.settings)
    return bool(objective.stages(cfg, "online", SIZES["steps_per_iteration"], LearnerConfig()))


def train(cell: Experiment, out: Path, hardware: Hardware = ONE_THREAD) -> dict[str, bytes]:
    """Run a cell to its end and return what it leaves that must not depend on when it was run."""
    return results(run_cell(cell, Means(out, hardware)))


def results(folder: Path) -> dict[str, bytes]:
    """metrics.csv and the policies of a finished run."""
    files = [folder / "metrics.csv", *sorted((folder / "policy").glob("*"))]
    return {f.name: f.read_bytes() for f in files}


def options(values: Mapping[str, Any]) -> list[str]:
    """Settings as a command line writes them."""
    return [part for name, value in values.items() for part in ("--set", f"{name}={value}")]
