"""What the `bench data` commands do, as functions that return rows."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from algos.settings import SettingError
from envs import datasets, tasks
from suite import recipes
from suite.config import parse_list
from suite.hardware import Hardware
from suite.lines import about, say, show

if TYPE_CHECKING:
    from envs.task import Task
    from envs.verify import Report

__all__ = ["build", "distill", "info", "verify"]


def build(env: str, seed: int, workers: int | None) -> None:
    """Build the default datasets of several tasks."""
    for task in [tasks.get(name) for name in parse_list(env)]:
        info = recipes.dataset(task, None, seed, Hardware(workers=workers).worker_count(), about(task)).info
        show(f"{info.id}  {info.episodes} episodes, {info.steps} steps, fingerprint {info.fingerprint}")


def info(env: str, dataset: str | None, seed: int) -> list[dict[str, Any]]:
    """One row that describes a dataset; the default one must have been built."""
    task = tasks.get(env)
    name = dataset or _default(task, seed)
    return [dataclasses.asdict(datasets.load(task, name).info)]


def distill(env: str, rollouts: Path, out: Path, seed: int, updates: int, normalise: bool) -> dict[str, Any]:
    """Distil an expert from recorded rollouts; returns what its file says of it."""
    return recipes.distill(tasks.get(env), rollouts, out, updates, seed, normalise=normalise, progress=say)


def verify(env: str, dataset: str | None, seed: int, episodes: str) -> Report:
    """What running a dataset again in its task's environment says of it."""
    from envs import verify as checks  # it loads the simulator

    task = tasks.get(env)
    if episodes not in ("auto", "all") and (not episodes.isdecimal() or int(episodes) < 1):
        raise SettingError(f"--episodes {episodes}: give a number from 1 on, or all")
    name = dataset or _default(task, seed)
    count = None if episodes == "auto" else sys.maxsize if episodes == "all" else int(episodes)
    return checks.verify(task, name, count, about(task))


def _default(task: Task, seed: int) -> str:
    name = recipes.default_id(task, seed)
    if not datasets.exists(name):
        raise SettingError(
            f"the default dataset of {task.id} is not built yet: `bench data build --env {task.short_name}`"
        )
    return name
