"""From what the user typed to one resolved experiment: every setting's value, and where it came from.

Layers, later ones win: the field's default, the task's facts, the registry entry, the preset, the profile, what the
profile sets for this task alone and for this entry alone, `--set`. A preset says what a method does, a profile how much
of it a machine can bear: so sizes of the profile stand over those of the preset.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import algos
from algos.contract import LearnerConfig, Objective
from algos.settings import SettingError, describe, nearest, parse
from envs import tasks
from suite.experiment.experiment import Experiment, Protocol, without_meaning
from suite.experiment.presets import PAPER, chosen
from suite.experiment.profiles import PROFILES

__all__ = [
    "SET",
    "check_options",
    "own_overrides",
    "resolve",
    "setting_owners",
]

C = TypeVar("C")

SET = "--set"  # the source of what the user set by hand; a reason given with it follows a colon


def setting_owners(objective: Objective) -> dict[str, type[Any]]:
    """Setting name -> the class that declares it, for one algorithm."""
    out: dict[str, type[Any]] = {}
    for config in (Protocol, LearnerConfig, objective.Config):
        for name in describe(config):
            if name in out:
                raise SettingError(f"algorithm {objective.name!r} declares {name!r}, which {out[name].__name__} has")
            out[name] = config
    return out


def resolve(
    algo: str, env: str, seeds: Sequence[int], profile: str = "quick", overrides: Iterable[str] = (),
    name: str | None = None, dataset: str | None = None, preset: str = PAPER,
) -> Experiment:  # fmt: skip
    """Lay defaults, task, registry entry, preset, profile and `--set` over each other.

    An algorithm without this preset keeps its defaults where others have it, so that lists can share one.
    Raises `SettingError` or `UnknownTaskError` naming the nearest right word, or the contradiction.
    """
    task = tasks.get(env)
    objective = algos.load(algo)
    if profile not in PROFILES:
        raise SettingError(f"unknown profile {profile!r}; {nearest(profile, PROFILES)}")
    owners = setting_owners(objective)
    entry = algos.get(algo)
    moved = chosen(objective, preset, owners)
    preset = PAPER if moved is None else preset
    module = entry.module.rpartition(".")[2]
    values: dict[str, Any] = {}
    sources = {
        n: f"default: {source}" if (source := describe(owner)[n][1]) else "default" for n, owner in owners.items()
    }

    def lay(layer: Mapping[str, Any], source: str) -> None:
        for key, value in layer.items():
            prefix, _, short = key.rpartition(".")
            if prefix in ("", algo, module) and short in owners:
                values[short] = value
                sources[short] = source

    lay(task.settings, f"task {task.id}")
    lay({**objective.settings, **entry.protocol}, f"registry entry {algo}")
    if moved is not None:
        lay(moved.settings, f"preset {preset}: {moved.source}")
        lay(task.presets.get(preset, {}), f"preset {preset} on {task.id}: {moved.source}")
    lay(PROFILES[profile], f"profile {profile}")
    lay(task.profiles.get(profile, {}), f"profile {profile} of {task.id}")
    lay(entry.profiles.get(profile, {}), f"profile {profile} of {algo}")
    for key, (value, why) in _overrides(overrides, algo, module, owners).items():
        lay({key: value}, f"{SET}: {why}" if why else SET)

    def build(config: type[C]) -> C:
        return config(**{n: v for n, v in values.items() if owners[n] is config})

    if name and Path(name).name != name:
        raise SettingError(f"--name {name}: it begins the name of a folder and cannot hold a path")
    experiment = Experiment(
        algo, task, tuple(seeds), profile, preset, name or (profile if preset == PAPER else f"{profile}-{preset}"),
        dataset, objective,
        build(objective.Config), build(LearnerConfig), build(Protocol), sources,
    )  # fmt: skip
    experiment = _with_own_updates(experiment)
    _check(experiment)
    return experiment if experiment.needs.offline_data else dataclasses.replace(experiment, dataset=None)


def _with_own_updates(experiment: Experiment) -> Experiment:
    """An algorithm whose iterations have stages says itself how many updates belong to one."""
    objective, protocol = experiment.objective, experiment.protocol
    cfg, steps = objective.on_phase(experiment.cfg, "online"), protocol.steps_per_iteration
    stages = objective.stages(cfg, "online", steps, experiment.learner)
    if not stages:
        return experiment
    total = sum(stage.updates for stage in stages)
    parts = " + ".join(f"{stage.updates} {stage.name}" for stage in stages)
    return dataclasses.replace(
        experiment, protocol=dataclasses.replace(protocol, updates_per_step=total / steps),
        sources={**experiment.sources, "updates_per_step": f"stages of {experiment.algo}: {parts}"},
    )  # fmt: skip


def _overrides(
    texts: Iterable[str], algo: str, module: str, owners: Mapping[str, type[Any]]
) -> dict[str, tuple[Any, str]]:
    """Setting -> its value and why, from `name=value` or `algo.name=value`, either with ` # why` behind it.

    An unknown name is an error unless another algorithm has it.
    """
    out: dict[str, tuple[Any, str]] = {}
    for text in texts:
        said, _, why = text.partition(" # ")
        key, equals, value = said.partition("=")
        prefix, _, short = key.strip().rpartition(".")
        if not equals:
            raise SettingError(f"--set {text}: write name=value")
        if prefix:
            algos.get(prefix)
            if prefix not in (algo, module):
                continue
        if short in owners:
            out[short] = parse(owners[short], short, value), why.strip()
        elif prefix or not _elsewhere(short):
            raise SettingError(f"unknown setting {short!r} of {algo}; {nearest(short, owners)}")
    return out


def _elsewhere(name: str) -> bool:
    """Whether any registered algorithm has a setting of this name, so that lists of algorithms can share `--set`."""
    return any(name in describe(algos.load(other).Config) for other in algos.names())


def own_overrides(experiment: Experiment, overrides: Sequence[str]) -> list[str]:
    """Those of the `--set` texts that say something to this experiment, for a command that runs it alone."""
    module = algos.get(experiment.algo).module.rpartition(".")[2]
    owners = setting_owners(experiment.objective)
    return [text for text in overrides if _overrides([text], experiment.algo, module, owners)]


def check_options(
    experiments: Sequence[Experiment], overrides: Sequence[str], dataset: str | None = None, preset: str = PAPER
) -> list[str]:
    """Messages naming options that only some of the experiments use. Raises `SettingError` for one that none uses."""
    texts = {f"--set {text}": text.partition("=")[0].strip().rpartition(".")[2] for text in overrides}
    messages = []
    for text, key in texts.items():
        using = [e for e in experiments if e.sources.get(key, "").startswith(SET)]
        if not using:
            told = [
                f"; it follows from the {s}" for e in experiments if (s := e.sources.get(key, "")).startswith("stages")
            ]
            raise SettingError(f"{text}: none of the chosen algorithms uses {key!r}{''.join(told[:1])}")
        messages += _applies_to(text, using, experiments)
    if dataset is not None:
        using = [e for e in experiments if e.dataset is not None]
        if not using:
            raise SettingError(f"--dataset {dataset}: {experiments[0].algo} never sees offline data")
        messages += _applies_to("--dataset", using, experiments)
    return messages + _without_preset(experiments, preset)


def _without_preset(experiments: Sequence[Experiment], preset: str) -> list[str]:
    having = list(dict.fromkeys(e.algo for e in experiments if e.preset == preset))
    lacking = list(dict.fromkeys(e.algo for e in experiments if e.preset != preset))
    several = len(lacking) > 1
    if lacking and not having:
        names = f"{', '.join(lacking)} {'have' if several else 'has'} none"
        raise SettingError(f"preset {preset}: {names}; `bench list presets` shows who does")
    keep = "keep their defaults" if several else "keeps its defaults"
    return [f"preset {preset}: {', '.join(having)} only; {', '.join(lacking)} {keep}"] if lacking else []


def _applies_to(text: str, using: Sequence[Experiment], experiments: Sequence[Experiment]) -> list[str]:
    used = list(dict.fromkeys(e.algo for e in using))
    return [f"{text} applies to {', '.join(used)} only"] if len(used) < len({e.algo for e in experiments}) else []


def _check_actions(experiment: Experiment) -> None:
    """Raises `SettingError` where the task's actions are choices and a loss differentiates through actions."""
    task, algo = experiment.task, experiment.algo
    if not task.discrete or experiment.needs.actions == "any":
        return
    able = [name for name in algos.names() if algos.load(name).default_needs.actions == "any"]
    others = f"{', '.join(name for name in able if name != algo)} can"
    mend = f"with its own settings {algo} does without" if algo in able else others
    raise SettingError(
        f"{algo}{' so set' if algo in able else ''} needs continuous actions and {task.short_name} has "
        f"{task.action_dim} choices; {mend}"
    )


def _check_from_scratch(experiment: Experiment) -> None:
    """Raises `SettingError` where there are no prior data and a method or setting cannot do without."""
    needs = experiment.needs
    if experiment.protocol.prior_data:
        if experiment.learner.normalise_obs and not needs.offline_data:
            raise SettingError(f"normalise_obs contradicts {experiment.algo}, which never sees offline data")
        return
    if needs.offline_only or needs.demo_batch or needs.demos:
        what = "demonstrations" if needs.demos else "offline data"
        raise SettingError(f"prior_data=false contradicts {experiment.algo}, which cannot do without {what}")
    if experiment.learner.normalise_obs:
        raise SettingError(
            "prior_data=false contradicts normalise_obs, whose statistics are those of the offline data; "
            "set normalise_obs=false as well"
        )


def _check(experiment: Experiment) -> None:
    """Contradictions between parts that no single part can see."""
    for name, why in without_meaning(experiment).items():
        if experiment.sources[name].startswith(SET):
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
