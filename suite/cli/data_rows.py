"""What the `bench data` commands do, as functions that return rows."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import suite.measure.worth
import suite.recipes.experts
from algos.settings import SettingError, nearest
from envs import tasks
from envs.data import datasets
from envs.task import DEFAULT, AnyRecipe, MixRecipe, Task
from suite.experiment.request import parse_list, parse_seeds
from suite.output import about, say, show
from suite.recipes import build as recipes
from suite.run.hardware import Hardware

if TYPE_CHECKING:
    from envs.verify import Report

__all__ = ["adopt", "build", "distill", "info", "verify", "worth"]


def build(env: str, dataset: str, steps: int | None, seed: int, workers: int | None) -> None:
    """Build datasets that several tasks have recipes for; `steps` per policy where that is what a recipe counts."""
    names = parse_list(dataset)
    wanted = [(task, name) for task in map(tasks.get, parse_list(env)) for name in names]
    for task, name in wanted:
        _recipe(task, name)
    for task, name in wanted:
        sized = task if steps is None else _with_steps(task, name, steps)
        info = recipes.build(sized, seed, Hardware(workers=workers).worker_count(), about(task), name).info
        show(f"{info.id}  {info.episodes} episodes, {info.steps} steps, fingerprint {info.fingerprint}")


def _recipe(task: Task, name: str) -> AnyRecipe:
    """The task's recipe of that name; raises `SettingError` where it has none."""
    if name not in (known := [DEFAULT, *task.recipes]):
        raise SettingError(f"{task.id} has no recipe for a dataset {name!r}; {nearest(name, known)}")
    return task.recipe_of(name)


def _with_steps(task: Task, name: str, steps: int) -> Task:
    """The task with another size of one of its datasets."""
    recipe = _recipe(task, name)
    if not isinstance(recipe, MixRecipe):
        raise SettingError(f"--steps: the {name} dataset of {task.id} is counted in episodes; leave it out")
    return dataclasses.replace(task, recipes={**task.recipes, name: dataclasses.replace(recipe, steps=steps)})


def info(env: str, dataset: str | None, seed: int) -> list[dict[str, Any]]:
    """One row that describes a dataset; the default one must have been built."""
    task = tasks.get(env)
    return [dataclasses.asdict(datasets.describe(task, _name(task, dataset, seed)))]


def distill(env: str, rollouts: Path, out: Path, seed: int, updates: int, normalise: bool) -> dict[str, Any]:
    """Distil an expert from recorded rollouts; returns what its file says of it."""
    return suite.recipes.experts.distill(
        tasks.get(env), rollouts, out, updates, seed, normalise=normalise, progress=say
    )


def worth(
    env: str, profile: str, seeds: str, episodes: int, out: Path, threads: int | None, workers: int | None
) -> list[dict[str, Any]]:
    """Random actions, the expert, and clones of the default data, beside the paper's Table 3."""
    chosen = [tasks.get(name) for name in parse_list(env)]
    return suite.measure.worth.table(
        chosen, profile, parse_seeds(seeds), episodes, out, Hardware("auto", threads, workers), say
    )


def adopt(env: str, policy: Path, out: Path, seed: int) -> dict[str, Any]:
    """Store a run's policy among the experts; returns what its file says of it."""
    return suite.recipes.experts.adopt(tasks.get(env), policy, out, seed=seed)


def verify(env: str, dataset: str | None, seed: int, episodes: str) -> Report:
    """What running a dataset again in its task's environment says of it."""
    from envs import verify as checks  # it loads the simulator

    task = tasks.get(env)
    if episodes not in ("auto", "all") and (not episodes.isdecimal() or int(episodes) < 1):
        raise SettingError(f"--episodes {episodes}: give auto, all, or a number from 1 on")
    name = _name(task, dataset, seed)
    count = None if episodes == "auto" else sys.maxsize if episodes == "all" else int(episodes)
    return checks.verify(task, name, count, about(task))


def _name(task: Task, dataset: str | None, seed: int) -> str:
    """The id of a dataset that is named, or of one that this suite builds and has built."""
    if dataset is not None and dataset not in (DEFAULT, *task.recipes):
        return dataset
    name = recipes.built_id(task, seed, dataset or DEFAULT)
    if not datasets.exists(name):
        command = f"bench data build --env {task.short_name}" + (f" --dataset {dataset}" if dataset else "")
        raise SettingError(f"the {dataset or DEFAULT} dataset of {task.id} is not built yet: `{command}`")
    return name
