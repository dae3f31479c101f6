"""What the `bench data` commands do, as functions that return rows."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from algos.settings import SettingError
from envs import datasets, tasks
from suite import recipes
from suite.config import parse_list
from suite.hardware import Hardware
from suite.lines import about, say, show

__all__ = ["build", "distill", "info"]


def build(env: str, seed: int, workers: int | None) -> None:
    """Build the default datasets of several tasks."""
    for task in [tasks.get(name) for name in parse_list(env)]:
        info = recipes.dataset(task, None, seed, Hardware(workers=workers).worker_count(), about(task)).info
        show(f"{info.id}  {info.episodes} episodes, {info.steps} steps, fingerprint {info.fingerprint}")


def info(env: str, dataset: str | None, seed: int) -> list[dict[str, Any]]:
    """One row that describes a dataset; the default one must have been built."""
    task = tasks.get(env)
    name = dataset or recipes.default_id(task, seed)
    if dataset is None and not datasets.exists(name):
        raise SettingError(f"the default dataset of {task.id} is not built yet: `bench data build --env {env}`")
    return [dataclasses.asdict(datasets.describe(task, name))]


def distill(env: str, rollouts: Path, out: Path, seed: int, updates: int, normalise: bool) -> dict[str, Any]:
    """Distil an expert from recorded rollouts; returns what its file says of it."""
    return recipes.distill(tasks.get(env), rollouts, out, updates, seed, normalise=normalise, progress=say)
