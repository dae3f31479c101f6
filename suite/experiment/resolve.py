"""Requests resolved into experiments: every setting's value, and where it came from.

Layers, later ones win: the field's default, the task's facts, the registry entry, what the task sets for this method
alone, the preset, the profile, what the profile sets for this task alone and for this entry alone, a preset file,
`--set`. A preset says what a method does, a profile how large a run is: so sizes of the profile override those of the
preset; a file's values were chosen at a profile's sizes. Schedules keep their share of a phase that became shorter.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import algos
from algos.contract import LearnerConfig, Objective
from algos.settings import Preset, Schedule, SettingError, describe, nearest, parse, schedules
from envs import tasks
from envs.task import Task
from suite.experiment.contradictions import check
from suite.experiment.effect import without_effect
from suite.experiment.experiment import Experiment, Protocol, task_of
from suite.experiment.presets import PAPER, chosen
from suite.experiment.profiles import PROFILES
from suite.experiment.request import Override, Request
from suite.record.shapes import BY_HAND

__all__ = ["resolve", "resolve_all", "setting_owners", "sized"]

C = TypeVar("C")


def sized(task: Task, profile: str) -> Task:
    """The task with its datasets at the sizes of a profile."""
    return task_of(resolve(Request(("bc",), (task.id,), (0,), profile)))


def setting_owners(objective: Objective) -> dict[str, type[Any]]:
    """The class that declares each setting of an algorithm, by the setting's name."""
    out: dict[str, type[Any]] = {}
    for config in (Protocol, LearnerConfig, objective.Config):
        for name in describe(config):
            if name in out:
                raise SettingError(f"algorithm {objective.name!r} declares {name!r}, which {out[name].__name__} has")
            out[name] = config
    return out


def resolve_all(request: Request) -> list[Experiment]:
    """Resolve every cell of a request before any is run, so that a bad name trains nothing.

    Each is left with those overrides of the request that have an effect on it, so that what a method ignores makes no
    second run of it; `suite.experiment.used.check_used` says so. One that gives a reason stays, as those of suites and
    trials do: they are part of a record.
    """
    return [_resolve_used(cell) for cell in request.cells()]


def _resolve_used(cell: Request) -> Experiment:
    experiment = resolve(cell)
    idle = without_effect(experiment)
    used = tuple(one for one in experiment.overrides if one.reason or one.name not in idle)
    if used == experiment.overrides:
        return experiment
    return resolve(dataclasses.replace(cell, overrides=used))


def resolve(cell: Request) -> Experiment:
    """Lay defaults, task, registry entry, preset, profile and overrides over each other, for one algorithm on one task.

    An algorithm without this preset keeps its defaults where others have it, so that lists can share one.
    Raises `SettingError` or an unknown task's error naming the nearest right word, or the contradiction.
    """
    (algo,), (env,), name = cell.algos, cell.tasks, cell.name
    task = tasks.get(env)
    objective = algos.load(algo)
    if cell.profile not in PROFILES:
        raise SettingError(f"unknown profile {cell.profile!r}; {nearest(cell.profile, PROFILES)}")
    if name and Path(name).name != name:
        raise SettingError(f"--name {name}: it begins the name of a folder and cannot hold a path")
    layers = _Layers(algo, objective)
    moved = chosen(objective, cell.preset, layers.owners, cell.preset_file)
    preset = PAPER if moved is None else cell.preset
    file = None if moved is None or cell.preset_file is None else cell.preset_file.only(algo)
    own = _own(cell.overrides, algo, layers.prefixes, layers.owners)
    _lay_all(layers, task, cell.profile, preset, moved, file is not None, own)
    experiment = Experiment(
        algo=algo,
        task=task,
        seeds=cell.seeds,
        profile=cell.profile,
        preset=preset,
        preset_file=file,
        name=name or (cell.profile if preset == PAPER else f"{cell.profile}-{preset}"),
        dataset=cell.dataset or task.given or None,
        overrides=own,
        objective=objective,
        cfg=layers.build(objective.Config),
        learner=layers.build(LearnerConfig),
        protocol=layers.build(Protocol),
        sources=layers.sources,
    )
    experiment = _without_statistics(_with_own_updates(experiment))
    check(experiment)
    return experiment if experiment.needs.offline_data else dataclasses.replace(experiment, dataset=None)


class _Layers:
    """The settings of one algorithm while layer is laid over layer, and where each value came from."""

    def __init__(self, algo: str, objective: Objective) -> None:
        self.algo, self.objective, self.entry = algo, objective, algos.get(algo)
        self.owners = setting_owners(objective)
        self.prefixes = ("", algo, self.entry.module.rpartition(".")[2])
        classes = dict.fromkeys(self.owners.values())
        self._defaults = {f.name: f.default for owner in classes for f in dataclasses.fields(owner)}
        self._laid: dict[str, Any] = {}
        described = {n: source for owner in classes for n, (_, source) in describe(owner).items()}
        self.sources = {n: f"default: {source}" if source else "default" for n, source in described.items()}

    @property
    def values(self) -> dict[str, Any]:
        """Every setting as it stands now."""
        return {**self._defaults, **self._laid}

    def lay(self, layer: Mapping[str, Any], source: str) -> None:
        """Lay values over what is there, those for other algorithms left out."""
        for key, value in layer.items():
            prefix, _, short = key.rpartition(".")
            if prefix in self.prefixes and short in self.owners:
                self._laid[short] = value
                self.sources[short] = source

    def build(self, config: type[C]) -> C:
        """One part of the experiment; raises `SettingError` where its settings contradict each other."""
        return config(**{n: v for n, v in self._laid.items() if self.owners[n] is config})


def _lay_all(
    layers: _Layers,
    task: Task,
    profile: str,
    preset: str,
    moved: Preset | None,
    from_file: bool,
    overrides: Sequence[Override],
) -> None:
    """Lay everything that says something of an algorithm on a task, in the order of this module's head."""
    for key in (key for key in task.settings if "." not in key):
        layers.lay({key: task.settings[key]}, _of_task(task, key))
    layers.lay({**layers.objective.settings, **layers.entry.protocol}, f"registry entry {layers.algo}")
    for key in (key for key in task.settings if "." in key):  # of one method alone
        layers.lay({key: task.settings[key]}, _of_task(task, key))
    if moved is not None and not from_file:
        layers.lay(moved.settings, f"preset {preset}: {moved.source}")
        layers.lay(task.presets.get(preset, {}), f"preset {preset} on {task.id}: {moved.source}")
    unscaled, as_published = layers.values, dict(layers.sources)
    layers.lay(PROFILES[profile], f"profile {profile}")
    layers.lay(task.profiles.get(profile, {}), f"profile {profile} of {task.id}")
    layers.lay(layers.entry.profiles.get(profile, {}), f"profile {profile} of {layers.algo}")
    if moved is not None and from_file:
        layers.lay(moved.settings, f"preset {preset}: {moved.source}")
    for override in overrides:
        value = parse(layers.owners[override.name], override.name, override.value)
        layers.lay({override.name: value}, f"{BY_HAND}: {override.reason}" if override.reason else BY_HAND)
    for key, value in _in_whole_episodes(layers, task.horizon, profile).items():
        layers.lay({key: value}, f"{layers.sources[key]}; whole episodes of {task.horizon} steps")
    for key, (value, how) in _scaled_schedules(layers.owners, unscaled, layers.values).items():
        if layers.sources[key] == as_published[key]:  # else it was set for these sizes
            layers.lay({key: value}, f"{layers.sources[key]}; {how}")


def _in_whole_episodes(layers: _Layers, horizon: int, profile: str) -> dict[str, int]:
    """Sizes of the online phase for a task whose episodes do not fit into an iteration a whole number of times.

    Iterations become so many episodes, and the rest so many iterations. What was set by hand stays, and is judged as it
    is; the smallest profile means to cut episodes off.
    """
    values, steps = layers.values, layers.values["steps_per_iteration"]
    by_hand = {name for name, source in layers.sources.items() if source.startswith(BY_HAND)}
    if steps % horizon == 0 or "steps_per_iteration" in by_hand:
        return {}
    if steps < horizon and "steps_per_iteration" in PROFILES[profile]:
        return {}
    steps = max(1, round(steps / horizon)) * horizon
    rest = {name: max(1, round(values[name] / steps)) * steps for name in ("eval_every_online", "online_steps")}
    return {"steps_per_iteration": steps, **{name: value for name, value in rest.items() if name not in by_hand}}


def _with_own_updates(experiment: Experiment) -> Experiment:
    """Take the updates per step from the stages, for an algorithm whose iterations have stages."""
    objective, protocol = experiment.objective, experiment.protocol
    cfg, steps = objective.on_phase(experiment.cfg, "online"), protocol.steps_per_iteration
    stages = objective.stages(cfg, "online", steps, experiment.learner)
    if not stages:
        return experiment
    total = sum(stage.updates for stage in stages)
    parts = " + ".join(f"{stage.updates} {stage.name}" for stage in stages)
    return dataclasses.replace(
        experiment,
        protocol=dataclasses.replace(protocol, updates_per_step=total / steps),
        sources={**experiment.sources, "updates_per_step": f"stages of {experiment.algo}: {parts}"},
    )


def _without_statistics(experiment: Experiment) -> Experiment:
    """Leave observations as they are where a task standardises them and no offline data say by what."""
    e, name = experiment, "normalise_obs"
    if e.needs.offline_data or not e.learner.normalise_obs or e.sources[name] != _of_task(e.task, name):
        return e
    learner = dataclasses.replace(e.learner, normalise_obs=False)
    sources = {**e.sources, name: "no offline data to take the statistics from"}
    return dataclasses.replace(e, learner=learner, sources=sources)


def _of_task(task: Task, key: str) -> str:
    """Source of a setting that the task sets."""
    return f"task {task.id}: {task.sources[key]}" if key in task.sources else f"task {task.id}"


def _scaled_schedules(
    owners: Mapping[str, type[Any]], before: Mapping[str, Any], now: Mapping[str, Any]
) -> dict[str, tuple[Any, str]]:
    """Values of schedules that keep their share of a phase whose length has changed, and how they came about.

    `before` are the values up to the preset, `now` those in force.
    """
    out: dict[str, tuple[Any, str]] = {}
    for owner in dict.fromkeys(owners.values()):
        for name, what in schedules(owner).items():
            value, was, length = before[name], _length(before, what), _length(now, what)
            if not value or was == length or not was or not length:
                continue
            if what == "iterations":
                out[name] = value ** (was / length), f"{value} in each of {was:,.0f} iterations, here {length:,.0f}"
            else:
                share = f"{value:,} of {was:,.0f} {what.replace('_', ' ')}, here of {length:,.0f}"
                out[name] = max(1, round(value * length / was)), share
    return out


def _length(values: Mapping[str, Any], what: Schedule) -> float:
    """How long a phase is, in what a schedule counts."""
    if what in ("offline_updates", "online_steps"):
        return float(values[what])
    if what == "online_updates":
        return float(values["online_steps"] * values["updates_per_step"])
    return float(values["online_steps"] / values["steps_per_iteration"])


def _own(
    overrides: Sequence[Override], algo: str, prefixes: Sequence[str], owners: Mapping[str, type[Any]]
) -> tuple[Override, ...]:
    """Overrides that apply to this algorithm.

    Raises `SettingError` for a name that is none of its settings, unless another algorithm has such a setting.
    """
    own = []
    for override in overrides:
        if override.owner not in prefixes:
            continue
        if override.name in owners:
            own.append(override)
        elif override.owner or not _elsewhere(override.name):
            raise SettingError(f"unknown setting {override.name!r} of {algo}; {nearest(override.name, owners)}")
    return tuple(own)


def _elsewhere(name: str) -> bool:
    """Whether any registered algorithm has a setting of this name, so that lists of algorithms can share `--set`."""
    return any(name in describe(other.Config) for other in algos.usable())
