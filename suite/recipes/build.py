"""Datasets built here, without a download.

Default ones are the AWAC paper's (sections 3 and 6.1): demonstrations by an expert, a policy cloned from them, rollouts
of the clone, with a hampered expert in place of the human one on the hand. Others mix policies as D4RL does. A dataset
is built on first use and then lies in the Minari store under an id that holds a hash of all it was made from.
Experts and the clones of the default datasets come with the package (`suite.recipes.policies`).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from typing import Any, TypeAlias

from algos.networks.policy_file import load_policy
from algos.settings import SettingError, nearest
from envs.data import datasets
from envs.data.datasets import Dataset, DatasetInfo, Episode
from envs.stepping.vector import default_workers
from envs.task import (
    DEFAULT,
    AnyRecipe,
    DemoRecipe,
    MazeRecipe,
    MixRecipe,
    NavigateRecipe,
    NoiseRecipe,
    PlayRecipe,
    Recipe,
    Task,
)
from envs.tasks import TASKS
from suite.recipes.clones import always_the_same_numbers, clone
from suite.recipes.demonstrator import demonstrations
from suite.recipes.known import differs
from suite.recipes.mazes import maze_episodes
from suite.recipes.oracle import joined, played
from suite.recipes.play import Progress, mixture, noise, rollouts
from suite.recipes.policies import digest, expert_file, policy_file, shipped_clone

__all__ = [
    "build",
    "build_several",
    "built_id",
    "dataset",
    "id_of",
    "sources",
    "stored_id",
]

# versions of recipes: count up when the same recipe gives other data
_FORMAT = 2  # 2: policies in double precision, and what an arm is told in single
_FORMATS: dict[type, int] = {NoiseRecipe: 1}  # no policy plays


def dataset(
    task: Task, name: str | None = None, seed: int = 0, workers: int | None = None, progress: Progress | None = None
) -> Dataset:
    """The dataset of that id or short name, or the task's default one where `name` is None; built if need be."""
    name = name or task.given or None
    if name is None or name in task.recipes:
        return build(task, seed, workers, progress, name or DEFAULT)
    data = datasets.load(task, name)
    if data.info.changes and progress is not None:
        progress(f"{data.info.id}: {data.info.changes}")
    return data


def build(
    task: Task, seed: int = 0, workers: int | None = None, progress: Progress | None = None, name: str = DEFAULT
) -> Dataset:
    """A dataset that the task has a recipe for, from the store or newly generated.

    `workers` processes step the environments (None: one per core); the data do not depend on their number.
    Raises `DatasetError` when it cannot be made or stored.
    """
    dataset_id = built_id(task, seed, name)
    if datasets.exists(dataset_id):
        return datasets.load(task, dataset_id)
    count = default_workers() if workers is None else workers
    recipe = task.recipe_of(name)
    with always_the_same_numbers():
        episodes, about = _MAKERS[type(recipe)](task, recipe, seed, count, progress)
    description = f"{about} in {task.id}{f'; success: {task.success_rule}' if task.success_rule else ''}"
    data = datasets.store(task, dataset_id, episodes, _provenance(task, seed, recipe), description)
    if progress is not None and (line := differs(data.info)) is not None:
        progress(line)
    return data


def build_several(
    wanted: Sequence[tuple[Task, str]],
    steps: int | None = None,
    seed: int = 0,
    workers: int | None = None,
    progress_of: Callable[[Task], Progress] | None = None,
) -> Iterator[DatasetInfo]:
    """Build datasets by (task, name), one after another; yields what each holds.

    `steps` is the size per policy, for recipes that count steps. Raises `SettingError` before the first one is built
    where a task has no such recipe.
    """
    sized = [(task if steps is None else _with_steps(task, name, steps), name) for task, name in wanted]
    for task, name in sized:
        _recipe(task, name)
    for task, name in sized:
        yield build(task, seed, workers, None if progress_of is None else progress_of(task), name).info


def _recipe(task: Task, name: str) -> AnyRecipe:
    """The task's recipe of that name; raises `SettingError` where it has none."""
    if name == DEFAULT and task.given:
        raise SettingError(
            f"{task.id} has no recipe: its data are {task.given}, which "
            f"`bench data import {task.given} --env {task.short_name}` finds or fetches"
        )
    if name not in (known := [DEFAULT, *task.recipes]):
        raise SettingError(f"{task.id} has no recipe for a dataset {name!r}; {nearest(name, known)}")
    return task.recipe_of(name)


def _with_steps(task: Task, name: str, steps: int) -> Task:
    """Copy of the task with another size of one of its datasets."""
    recipe = _recipe(task, name)
    if not isinstance(recipe, MixRecipe):
        raise SettingError(f"--steps: the {name} dataset of {task.id} is counted in episodes; leave it out")
    return dataclasses.replace(task, recipes={**task.recipes, name: dataclasses.replace(recipe, steps=steps)})


def stored_id(task: Task, name: str | None, seed: int = 0, options: str = "") -> str:
    """The id of a dataset that is named, or of one that this suite builds and has built.

    Raises `SettingError` with the command that builds it, where it has not been built; `options` belong to it.
    """
    name = name or task.given or None
    if name is not None and name not in (DEFAULT, *task.recipes):
        return name
    dataset_id = built_id(task, seed, name or DEFAULT)
    if not datasets.exists(dataset_id):
        command = f"bench data build --env {task.short_name}" + (f" --dataset {name}" if name else "") + options
        raise SettingError(f"the {name or DEFAULT} dataset of {task.id} is not built yet: `{command}`")
    return dataset_id


def _cloned_data(
    task: Task, recipe: Recipe, seed: int, workers: int, progress: Progress | None
) -> tuple[list[Episode], str]:
    """Demonstrations and rollouts of their clone, and a description."""
    expert, _ = load_policy([expert_file(task)])
    demos = demonstrations(task, recipe, expert, seed, workers, progress)
    shipped = shipped_clone(task, recipe, seed)
    policy = clone(task, recipe, demos, [seed], progress) if shipped is None else load_policy([shipped])[0]
    played = rollouts(task, policy, recipe.rollouts, seed, workers, progress=progress)
    about = f"{len(demos)} demonstrations by {recipe.demonstrator} and {len(played)} rollouts of their clone"
    return [*demos, *played], about


def _mixed_data(
    task: Task, recipe: MixRecipe, seed: int, workers: int, progress: Progress | None
) -> tuple[list[Episode], str]:
    """Episodes of several policies, and a description."""
    policies = [
        None if name == recipe.RANDOM else load_policy([policy_file(task, name)])[0] for name, _ in recipe.parts
    ]
    episodes = mixture(task, recipe, policies, seed, workers, progress)
    names = ", ".join(name or "random actions" for name, _ in recipe.parts)
    return episodes, f"{sum(len(e.action) for e in episodes)} steps of {names}"


def _noise_data(
    task: Task, recipe: NoiseRecipe, seed: int, workers: int, progress: Progress | None
) -> tuple[list[Episode], str]:
    """Episodes of noise, and a description."""
    episodes = noise(task, recipe, seed, workers, progress)
    return episodes, f"{len(episodes)} rollouts of Ornstein-Uhlenbeck noise"


def _maze_data(
    task: Task, recipe: MazeRecipe, seed: int, workers: int, progress: Progress | None
) -> tuple[list[Episode], str]:
    """Demonstrations and rollouts of a steered runner, and a description."""
    expert, _ = load_policy([expert_file(task)])
    episodes = maze_episodes(task, recipe, expert, seed, workers, progress)
    demos = sum(e.demo for e in episodes)
    others = f"{len(episodes) - demos} rollouts of the same, noisy and from anywhere to anywhere,"
    return episodes, f"{demos} demonstrations by {recipe.demonstrator} and {others}"


def _play_data(
    task: Task, recipe: PlayRecipe | NavigateRecipe, seed: int, workers: int, progress: Progress | None
) -> tuple[list[Episode], str]:
    """Play, taken from the data of a task that has the same, cut where this task is solved, and a description."""
    name = recipe.expert if isinstance(recipe, NavigateRecipe) else ""
    expert = policy_file(task, name) if name else None
    episodes = _same_play(task, recipe, seed) or played(task, recipe, expert, seed, workers, progress)
    cut = [piece for episode in episodes for piece in datasets.pieces(task, episode)]
    return cut, f"{recipe.rollouts} episodes of {recipe.player}, in {len(cut)} pieces between successes,"


def _same_play(task: Task, recipe: PlayRecipe | NavigateRecipe, seed: int) -> list[Episode] | None:
    """Episodes of play in the store that another task of the same scene was given, uncut; None where there are none."""
    for other in TASKS.values():
        if other.id == task.id or other.entry_point != task.entry_point:
            continue
        if all(other.options[name] == value for name, value in task.options.items() if name != "number"):
            dataset_id = built_id(dataclasses.replace(other, recipe=recipe), seed)
            if datasets.exists(dataset_id):
                return joined(datasets.load_episodes(other, dataset_id), recipe.length)
    return None


_Maker: TypeAlias = Callable[[Task, Any, int, int, "Progress | None"], tuple[list[Episode], str]]
_MAKERS: dict[type, _Maker] = {
    Recipe: _cloned_data,
    DemoRecipe: _cloned_data,
    MixRecipe: _mixed_data,
    NoiseRecipe: _noise_data,
    MazeRecipe: _maze_data,
    PlayRecipe: _play_data,
    NavigateRecipe: _play_data,
}


def id_of(task: Task, name: str | None = None, seed: int = 0) -> str:
    """Id of the dataset that `dataset` returns; raises `DatasetError` where there is none of that name."""
    name = name or task.given or None
    if name is None or name in task.recipes:
        return built_id(task, seed, name or DEFAULT)
    return datasets.resolve(task, name)


def built_id(task: Task, seed: int = 0, name: str = DEFAULT) -> str:
    """The id of a dataset that is built here, e.g. awac-bench/door-binary/default-s0-1a2b3c4d-v0.

    Changes with everything the data are made from: recipe, policies, dataset seed, simulator.
    """
    text = json.dumps(_provenance(task, seed, task.recipe_of(name)), sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"{datasets.NAMESPACE}{task.short_name}/{name}-s{seed}-{digest}-v0"


def _provenance(task: Task, seed: int, recipe: AnyRecipe) -> dict[str, Any]:
    """Everything that the data are made from, as JSON values."""
    task.check_simulator()
    return {
        "format": _FORMATS.get(type(recipe), _FORMAT),
        "task": task.id,
        "seed": seed,
        "recipe": dataclasses.asdict(recipe),
        "versions": {name: metadata.version(name) for name in task.simulator},
        **sources(task, recipe, seed),
    }


def sources(task: Task, recipe: AnyRecipe, seed: int = 0) -> dict[str, Any]:
    """Digests of the policies that a dataset is made with; raises `DatasetError` where one is missing."""
    if isinstance(recipe, MixRecipe):
        return {"policies": {n: digest(policy_file(task, n)) for n, _ in recipe.parts if n != recipe.RANDOM}}
    if isinstance(recipe, MazeRecipe):
        return {"expert": digest(expert_file(task))}
    if isinstance(recipe, NavigateRecipe) and recipe.expert:
        return {"expert": digest(policy_file(task, recipe.expert))}
    if not isinstance(recipe, Recipe):
        return {}
    clone = shipped_clone(task, recipe, seed)
    return {"expert": digest(expert_file(task))} | ({} if clone is None else {"clone": digest(clone)})
