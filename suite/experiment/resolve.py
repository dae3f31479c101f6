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
from algos.settings import Schedule, SettingError, describe, nearest, parse, schedules
from envs import tasks
from envs.task import Task
from suite.experiment.experiment import Experiment, Protocol, task_of, without_meaning
from suite.experiment.presets import PAPER, chosen
from suite.experiment.profiles import PROFILES
from suite.experiment.request import Override, Request
from suite.record.shapes import BY_HAND

__all__ = ["check_used", "resolve", "resolve_all", "setting_owners", "sized"]

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
    """Resolve every cell of a request before any is run, so that a bad name trains nothing."""
    return [resolve(cell) for cell in request.cells()]


def resolve(cell: Request) -> Experiment:
    """Lay defaults, task, registry entry, preset, profile and overrides over each other, for one algorithm on one task.

    An algorithm without this preset keeps its defaults where others have it, so that lists can share one.
    Raises `SettingError` or an unknown task's error naming the nearest right word, or the contradiction.
    """
    (algo,), (env,), profile = cell.algos, cell.tasks, cell.profile
    task = tasks.get(env)
    objective = algos.load(algo)
    if profile not in PROFILES:
        raise SettingError(f"unknown profile {profile!r}; {nearest(profile, PROFILES)}")
    owners = setting_owners(objective)
    entry = algos.get(algo)
    moved = chosen(objective, cell.preset, owners, cell.preset_file)
    preset = PAPER if moved is None else cell.preset
    file = None if moved is None or cell.preset_file is None else cell.preset_file.only(algo)
    prefixes = ("", algo, entry.module.rpartition(".")[2])
    values: dict[str, Any] = {}
    classes = dict.fromkeys(owners.values())
    described = {n: source for owner in classes for n, (_, source) in describe(owner).items()}
    sources = {n: f"default: {source}" if source else "default" for n, source in described.items()}
    defaults = {f.name: f.default for owner in classes for f in dataclasses.fields(owner)}

    def lay(layer: Mapping[str, Any], source: str) -> None:
        for key, value in layer.items():
            prefix, _, short = key.rpartition(".")
            if prefix in prefixes and short in owners:
                values[short] = value
                sources[short] = source

    for key in (key for key in task.settings if "." not in key):
        lay({key: task.settings[key]}, _of_task(task, key))
    lay({**objective.settings, **entry.protocol}, f"registry entry {algo}")
    for key in (key for key in task.settings if "." in key):  # of one method alone
        lay({key: task.settings[key]}, _of_task(task, key))
    if moved is not None and file is None:
        lay(moved.settings, f"preset {preset}: {moved.source}")
        lay(task.presets.get(preset, {}), f"preset {preset} on {task.id}: {moved.source}")
    unscaled, as_published = {**defaults, **values}, dict(sources)
    lay(PROFILES[profile], f"profile {profile}")
    lay(task.profiles.get(profile, {}), f"profile {profile} of {task.id}")
    lay(entry.profiles.get(profile, {}), f"profile {profile} of {algo}")
    if moved is not None and file is not None:
        lay(moved.settings, f"preset {preset}: {moved.source}")
    own = _own(cell.overrides, algo, prefixes, owners)
    for override in own:
        value = parse(owners[override.name], override.name, override.value)
        lay({override.name: value}, f"{BY_HAND}: {override.reason}" if override.reason else BY_HAND)
    for key, (value, how) in _scaled_schedules(owners, unscaled, {**defaults, **values}).items():
        if sources[key] == as_published[key]:  # else it was set for these sizes
            lay({key: value}, f"{sources[key]}; {how}")

    def build(config: type[C]) -> C:
        return config(**{n: v for n, v in values.items() if owners[n] is config})

    name = cell.name
    if name and Path(name).name != name:
        raise SettingError(f"--name {name}: it begins the name of a folder and cannot hold a path")
    experiment = Experiment(
        algo=algo,
        task=task,
        seeds=cell.seeds,
        profile=profile,
        preset=preset,
        preset_file=file,
        name=name or (profile if preset == PAPER else f"{profile}-{preset}"),
        dataset=cell.dataset,
        overrides=own,
        objective=objective,
        cfg=build(objective.Config),
        learner=build(LearnerConfig),
        protocol=build(Protocol),
        sources=sources,
    )
    experiment = _without_statistics(_with_own_updates(experiment))
    _check(experiment)
    return experiment if experiment.needs.offline_data else dataclasses.replace(experiment, dataset=None)


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
    return any(name in describe(algos.load(other).Config) for other in algos.names())


def check_used(request: Request, experiments: Sequence[Experiment]) -> list[str]:
    """Lines naming options of the request that only some of its experiments use.

    Raises `SettingError` for one that none uses.
    """
    messages = []
    for override in request.overrides:
        text, key = f"--set {override}", override.name
        using = [e for e in experiments if e.sources.get(key, "").startswith(BY_HAND)]
        if not using:
            told = [
                f"; it follows from the {s}" for e in experiments if (s := e.sources.get(key, "")).startswith("stages")
            ]
            raise SettingError(f"{text}: none of the chosen algorithms uses {key!r}{''.join(told[:1])}")
        messages += _applies_to(text, using, experiments)
    if request.dataset is not None:
        using = [e for e in experiments if e.dataset is not None]
        if not using:
            raise SettingError(f"--dataset {request.dataset}: {experiments[0].algo} never sees offline data")
        messages += _applies_to("--dataset", using, experiments)
    messages += _without_preset(experiments, request)
    file = request.preset_file
    return messages if file is None else [*messages, *file.cautions(request.profile, request.tasks, request.seeds)]


def _without_preset(experiments: Sequence[Experiment], request: Request) -> list[str]:
    preset, file = request.preset, request.preset_file
    having = list(dict.fromkeys(e.algo for e in experiments if e.preset == preset))
    lacking = list(dict.fromkeys(e.algo for e in experiments if e.preset != preset))
    several = len(lacking) > 1
    if lacking and not having:
        names = f"{', '.join(lacking)} {'have' if several else 'has'} none"
        if file is not None:
            raise SettingError(f"--preset {file.path}: {names}; in it are {', '.join(file.methods)}")
        raise SettingError(f"preset {preset}: {names}; `bench list presets` shows who does")
    keep = "keep their defaults" if several else "keeps its defaults"
    return [f"preset {preset}: {', '.join(having)} only; {', '.join(lacking)} {keep}"] if lacking else []


def _applies_to(text: str, using: Sequence[Experiment], experiments: Sequence[Experiment]) -> list[str]:
    used = list(dict.fromkeys(e.algo for e in using))
    return [f"{text} applies to {', '.join(used)} only"] if len(used) < len({e.algo for e in experiments}) else []


def _check_actions(experiment: Experiment) -> None:
    """Raise `SettingError` where the task's actions are choices and a loss differentiates through actions."""
    task, algo = experiment.task, experiment.algo
    if not task.discrete or experiment.needs.actions == "any":
        return
    able = [name for name in algos.names() if algos.load(name).default_needs.actions == "any"]
    others = f"{', '.join(name for name in able if name != algo)} can"
    fix = f"with its own settings {algo} does without" if algo in able else others
    raise SettingError(
        f"{algo}{' so set' if algo in able else ''} needs continuous actions and {task.short_name} has "
        f"{task.action_dim} choices; {fix}"
    )


def _check_from_scratch(experiment: Experiment) -> None:
    """Raise `SettingError` where there are no prior data and a method or setting cannot do without."""
    needs = experiment.needs
    if experiment.protocol.prior_data:
        if experiment.learner.normalise_obs and not needs.offline_data:
            raise SettingError(f"normalise_obs contradicts {experiment.algo}, which never sees offline data")
        return
    demonstrations = needs.demos or (needs.demo_batch > 0 and needs.demo_rows == "all")
    if needs.offline_only or needs.offline_fit or demonstrations:
        what = "demonstrations" if needs.demos else "offline data"
        raise SettingError(f"prior_data=false contradicts {experiment.algo}, which cannot do without {what}")
    if experiment.learner.normalise_obs:
        raise SettingError(
            "prior_data=false contradicts normalise_obs, whose statistics are those of the offline data; "
            "set normalise_obs=false as well"
        )


def _check_chunks(experiment: Experiment) -> None:
    """Raise `SettingError` where actions cannot be decided several at a time."""
    chunk, task = experiment.protocol.action_chunk, experiment.task
    if not experiment.needs.chunks:  # a list of algorithms may share what a plan or a preset sets
        raise SettingError(f"action_chunk={chunk} contradicts {experiment.algo}, which decides one action at a time")
    if experiment.hindsight is not None:
        raise SettingError(
            f"action_chunk={chunk} contradicts {task.short_name}, whose goals are exchanged step by step"
        )
    if chunk > task.horizon:
        raise SettingError(
            f"action_chunk={chunk} is longer than an episode of {task.short_name} ({task.horizon} steps)"
        )


def _check_warm_start(experiment: Experiment) -> None:
    """Raise `SettingError` where nothing would be warm, or offline rows would be sampled online after all."""
    algo, protocol = experiment.algo, experiment.protocol
    online = experiment.objective.needs(experiment.objective.on_phase(experiment.cfg, "online"))
    if online.offline_only:
        raise SettingError(f"prior_data=warm contradicts {algo}, which does not learn online")
    if not online.offline_phase:
        raise SettingError(f"prior_data=warm contradicts {algo}, which has no offline phase to start from")
    if online.demo_batch or online.source == "demos":
        raise SettingError(f"prior_data=warm contradicts {algo}, which learns from demonstrations online too")
    if not protocol.warmup_steps:
        raise SettingError(
            "prior_data=warm needs warmup_steps, which the policy collects before the first online update; WSRL: 5000"
        )
    if protocol.warmup_actions != "policy":
        raise SettingError("prior_data=warm contradicts warmup_actions=uniform: what warms up is the pretrained policy")


def _check(experiment: Experiment) -> None:
    """Raise `SettingError` for contradictions between parts, which no single part can see."""
    for name, why in without_meaning(experiment).items():
        if experiment.sources[name].startswith(BY_HAND):
            raise SettingError(f"--set {name}: {why}")
    protocol, horizon = experiment.protocol, experiment.task.horizon
    steps = protocol.steps_per_iteration
    _check_actions(experiment)
    if steps > horizon and steps % horizon:
        near = max(1, round(steps / horizon)) * horizon
        raise SettingError(
            f"steps_per_iteration={steps} is not a multiple of the horizon of {experiment.task.id} ({horizon}): "
            f"collection takes whole episodes; {near} would be right"
        )
    if not experiment.needs.offline_data and protocol.offline_fraction is not None:
        if not protocol.prior_data:
            raise SettingError("prior_data=false contradicts offline_fraction; set offline_fraction=none as well")
        raise SettingError(f"offline_fraction contradicts {experiment.algo}, which never sees offline data")
    _check_from_scratch(experiment)
    if protocol.action_chunk > 1:
        _check_chunks(experiment)
    if protocol.prior_data == "warm" and experiment.needs.offline_data:
        _check_warm_start(experiment)
