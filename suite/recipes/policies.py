"""Policies that come with the package, in `envs/experts`: experts, and clones of their demonstrations.

A clone's score hangs on the last updates of its training, and rounding alone makes others of them: of two half cheetahs
cloned by one recipe on two processors, one hardly moved and the other ran. The clones of the default datasets are
therefore kept as files, made by `bench data clone`.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from importlib import resources
from pathlib import Path
from typing import Any

from torch import nn

from algos.networks.policy_file import load_policy, read_policy
from envs.errors import DatasetError
from envs.task import MazeRecipe, Recipe, Task
from suite.recipes.mazes import Steered

__all__ = ["CLONES", "EXPERTS", "cloned_from", "digest", "expert_file", "expert_of", "policy_file", "shipped_clone"]

EXPERTS = Path(str(resources.files("envs"))) / "experts"
CLONES = EXPERTS / "clones"
_ROLLOUTS = "rollouts"  # the field of a recipe that a clone does not depend on


def expert_of(task: Task) -> nn.Module:
    """The task's expert as a policy of one seed, steered where the task is a maze.

    Raises `DatasetError` where the task has none.
    """
    policy, _ = load_policy([expert_file(task)])
    return Steered(policy, task.recipe.maze) if isinstance(task.recipe, MazeRecipe) else policy


def expert_file(task: Task) -> Path:
    """Path of the task's expert; raises `DatasetError` where it has none."""
    if not task.expert:
        raise DatasetError(
            f"{task.id} has no default dataset, as no expert of it is at hand: name one of yours with --dataset, or "
            "take a method that learns from scratch, such as sac-scratch, or ppo with --set start=scratch"
        )
    return policy_file(task, task.expert)


def policy_file(task: Task, name: str) -> Path:
    """Path of a policy that the task's data are made with; raises `DatasetError` where it is missing."""
    path = EXPERTS / f"{name}.npz"
    if not path.is_file():
        raise DatasetError(f"{task.id} has no expert {path.name} in {path.parent}, so this dataset cannot be built")
    return path


def shipped_clone(task: Task, recipe: Recipe, seed: int) -> Path | None:
    """Path of the clone of a recipe's demonstrations with that dataset seed, if one comes with the package."""
    path = CLONES / f"{task.short_name}.npz"
    if not path.is_file():
        return None
    return path if _made_from(path) == cloned_from(task, recipe, seed) else None


@functools.cache
def _made_from(path: Path) -> Any:
    """What a clone's file says that it was cloned from: ids of datasets are asked for often, the file is read once."""
    return read_policy(path)[0].get("cloned_from")


def cloned_from(task: Task, recipe: Recipe, seed: int) -> dict[str, Any]:
    """All that a clone depends on but the simulator's version, as JSON values."""
    facts = {name: value for name, value in dataclasses.asdict(recipe).items() if name != _ROLLOUTS}
    facts = {name: list(value) if isinstance(value, tuple) else value for name, value in facts.items()}
    return {"task": task.id, "dataset_seed": seed, "expert": digest(expert_file(task)), "recipe": facts}


def digest(path: Path) -> str:
    """First twelve digits of a file's SHA-256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
