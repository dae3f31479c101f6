"""What an experiment needs of the machine it runs on: simulator, data, environments, memory, disk."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

from algos.contract import Phase
from algos.learner.compiled import compiler
from algos.settings import SettingError
from envs.data import minari_store
from envs.errors import DatasetError
from envs.task import DEFAULT, AnyRecipe, Task
from suite.experiment.experiment import Experiment, task_of
from suite.recipes import build as recipes

__all__ = [
    "LONG",
    "MOST_LANES",
    "built_here",
    "built_id",
    "check_means",
    "check_space",
    "compiles",
    "dataset_name",
    "disk_bytes",
    "lanes",
    "memory_bytes",
    "most_online_rows",
    "offline_rows",
    "offline_updates",
    "online_capacity",
    "online_steps",
    "recipe_of",
]

LONG = 10_000  # updates of each kind from which on compiling them pays: it takes up to half a minute per kind and phase
MOST_LANES = 20  # environments per seed: each takes memory of its own
_BYTES = 4  # per float


def lanes(experiment: Experiment) -> int:
    """Environments per seed: one per episode of an iteration, or equal shares of many episodes."""
    episodes = max(1, experiment.protocol.steps_per_iteration // experiment.task.horizon)
    return max(n for n in range(1, min(episodes, MOST_LANES) + 1) if episodes % n == 0)


def online_capacity(experiment: Experiment) -> int:
    """Rows of the online ring buffer per seed: no more than the run can fill."""
    return min(experiment.protocol.buffer_size, most_online_rows(experiment))


def most_online_rows(experiment: Experiment) -> int:
    """Online rows per seed that a run can learn from, whatever the size of its buffer."""
    steps, window = experiment.protocol.steps_per_iteration, experiment.needs.window
    collected = online_steps(experiment)
    newest = steps if window == "iteration" else window or collected
    return min(collected, max(newest, steps))


def compiles(experiment: Experiment, device: str) -> bool:
    """Whether updates on this kind of device are compiled, as the setting `compile` says.

    What `auto` means depends on the experiment and on whether there is a compiler, never on time measured, so that the
    same command gives the same numbers.
    """
    asked = experiment.learner.compile
    if asked != "auto":
        return asked
    return device == "cpu" and _fewest_updates(experiment) >= LONG and compiler() is not None


def _fewest_updates(experiment: Experiment) -> int:
    """Updates in the whole run; with stages: of the shortest stage, for each is compiled by itself."""
    e, p = experiment, experiment.protocol
    phase: Phase = "offline" if e.needs.offline_only else "online"
    stages = e.objective.stages(e.objective.on_phase(e.cfg, phase), phase, p.steps_per_iteration, e.learner)
    iterations = online_steps(e) // p.steps_per_iteration
    if stages:
        return min(stage.updates for stage in stages) * iterations
    return offline_updates(e) + int(online_steps(e) * p.updates_per_step)


def check_means(experiment: Experiment) -> None:
    """Raise what a user can fix, before anything is built: no simulator, no expert, no demonstrations in the data."""
    experiment.task.check_simulator()
    if built_here(experiment):
        if experiment.needs.demos and not hasattr(recipe_of(experiment.task, experiment), "demonstrations"):
            raise SettingError(
                f"{experiment.algo} learns from demonstrations, and the {dataset_name(experiment)} data of "
                f"{experiment.task.short_name} hold none{_other_way(experiment)}"
            )
        recipes.sources(experiment.task, recipe_of(experiment.task, experiment))


def built_here(experiment: Experiment) -> bool:
    """Whether the experiment's dataset is one that this suite makes."""
    e = experiment
    return e.needs.offline_data and (e.dataset is None or e.dataset in e.task.recipes)


def _other_way(experiment: Experiment) -> str:
    return "; --set clone=data clones everything" if hasattr(experiment.cfg, "clone") else ""


def dataset_name(experiment: Experiment) -> str:
    """Name of the experiment's dataset among those of the task."""
    return experiment.dataset or DEFAULT


def built_id(experiment: Experiment) -> str:
    """Id of the experiment's dataset, where this suite makes it."""
    return recipes.built_id(task_of(experiment), experiment.protocol.dataset_seed, dataset_name(experiment))


def recipe_of(task: Task, experiment: Experiment) -> AnyRecipe:
    """Recipe of the experiment's dataset, at the sizes of `task`."""
    return task.recipe_of(dataset_name(experiment))


def disk_bytes(experiment: Experiment) -> int:
    """Most bytes that a run writes: online chunks, two checkpoints, metrics."""
    e = experiment
    return len(e.seeds) * (online_steps(e) * e.layout.width + 2 * 4 * _parameters(e)) * _BYTES + 10_000_000


def memory_bytes(experiment: Experiment) -> int:
    """Bytes of the replay with the dataset's rows, which the seeds share, and of networks, gradients and optimisers."""
    e = experiment
    per_seed = online_capacity(e) * e.layout.width + 4 * _parameters(e)
    return ((offline_rows(e) or 0) * e.layout.width + len(e.seeds) * per_seed) * _BYTES


def offline_rows(experiment: Experiment) -> int | None:
    """Rows of the experiment's dataset; None where it is not in the store yet."""
    e = experiment
    if not e.needs.offline_data:
        return 0
    try:
        found = recipes.id_of(task_of(e), e.dataset, e.protocol.dataset_seed)
        return int(minari_store.metadata(found)["total_steps"])
    except DatasetError:
        return None


def offline_updates(experiment: Experiment) -> int:
    """Updates before the switch; none for a method without an offline phase."""
    needs = experiment.needs
    return experiment.protocol.offline_updates if needs.offline_data and needs.offline_phase else 0


def online_steps(experiment: Experiment) -> int:
    """Environment steps per seed after the switch; none for a method that does not learn online."""
    return 0 if experiment.needs.offline_only else experiment.protocol.online_steps


def _parameters(experiment: Experiment) -> int:
    """Rough number of parameters of one seed's policy and critics with targets."""
    e = experiment
    hidden = e.learner.hidden
    inner = sum(a * b for a, b in itertools.pairwise(hidden))
    action_dim = e.protocol.action_chunk * e.task.action_dim
    policy = e.task.obs_dim * hidden[0] + inner + hidden[-1] * action_dim
    critic = (e.task.obs_dim + action_dim) * hidden[0] + inner + hidden[-1]
    return policy + 2 * e.needs.critics * critic


def check_space(experiment: Experiment, out: Path) -> None:
    """Raise `SettingError` where the disk holds less than the run may write."""
    need = disk_bytes(experiment)
    free = shutil.disk_usage(out).free
    if free < need:
        raise SettingError(
            f"{experiment.cell} may write {need / 1e6:,.0f} MB below {out}, where {free / 1e6:,.0f} MB are free; "
            "free some space, choose another --out, or fewer --seeds"
        )
