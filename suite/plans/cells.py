"""Cells of a plan: every entry resolved for a profile and seeds, or the reason why it cannot be run here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import algos
from algos.settings import SettingError, nearest
from envs import tasks
from envs.errors import EnvsError
from suite.experiment.experiment import Experiment
from suite.experiment.preset_file import PresetFile
from suite.experiment.profiles import PROFILES
from suite.experiment.request import Request
from suite.experiment.requirements import check_means
from suite.experiment.resolve import resolve
from suite.plans.read import Entry, Plan

__all__ = ["Planned", "parse_only", "planned"]

KEYS = ("algo", "env", "data", "name")  # keys that `--only` knows


@dataclass(frozen=True)
class Planned:
    """One entry: its experiment, or why it is not possible here."""

    entry: Entry
    experiment: Experiment | None
    why_not: str = ""


def planned(
    plan: Plan, profile: str, seeds: Sequence[int], only: Sequence[str] = (), file: PresetFile | None = None
) -> list[Planned]:
    """Resolve every cell of the plan that `only` ("algo=awac,sac,env=pen-binary") selects.

    Methods in a preset file take their settings from it, whatever preset the plan gives them. Raises `SettingError` for
    a profile or an `only` that names nothing here.
    """
    if profile not in PROFILES:
        raise SettingError(f"unknown profile {profile!r}; {nearest(profile, PROFILES)}")
    return [_resolved(entry, profile, seeds, file) for entry in _chosen(plan, only)]


def _resolved(entry: Entry, profile: str, seeds: Sequence[int], file: PresetFile | None) -> Planned:
    file = None if file is None or entry.algo not in file.methods else file
    try:
        sizes = _sizes(entry, profile)
        experiment = resolve(
            Request(
                algos=(entry.algo,),
                tasks=(entry.env,),
                seeds=tuple(seeds),
                profile=profile,
                preset=entry.preset if file is None else file.name,
                preset_file=file,
                name=entry.name,
                dataset=entry.dataset,
                overrides=tuple(d.override for d in entry.departures if d.always or d.override.name not in sizes),
            )
        )
        _check_dataset(experiment)
        check_means(experiment)
    except (SettingError, EnvsError) as error:
        return Planned(entry, None, why_not=str(error))
    return Planned(entry, experiment)


def _sizes(entry: Entry, profile: str) -> set[str]:
    """Names of the settings that the profile sets, for all or for this task or algorithm."""
    own = algos.get(entry.algo).profiles.get(profile, {})
    return {
        key.rpartition(".")[2] for key in (*PROFILES[profile], *tasks.get(entry.env).profiles.get(profile, {}), *own)
    }


def _check_dataset(experiment: Experiment) -> None:
    """Raise `SettingError` for a short name that the task has no recipe for; an id of Minari's holds a slash."""
    name, task = experiment.dataset, experiment.task
    if name is not None and "/" not in name and name not in task.datasets:
        raise SettingError(f"{task.short_name} has no {name!r} data to build here; it has {', '.join(task.datasets)}")


def _chosen(plan: Plan, only: Sequence[str]) -> list[Entry]:
    wanted = parse_only(only)
    have = {key: {value for e in plan.entries if (value := _facts(e)[key])} for key in KEYS}
    for key, values in wanted.items():
        for value in values - have[key]:
            raise SettingError(f"--only {key}={value}: not in {plan.name}; {nearest(value, have[key])}")
    return [e for e in plan.entries if all(_facts(e)[key] in values for key, values in wanted.items())]


def _facts(entry: Entry) -> dict[str, str | None]:
    return {"algo": entry.algo, "env": entry.env, "data": entry.dataset or "default", "name": entry.name}


def parse_only(only: Sequence[str], keys: Sequence[str] = KEYS) -> dict[str, set[str]]:
    """Read 'algo=awac,sac,env=pen-binary' as {algo: {awac, sac}, env: {pen-binary}}."""
    out: dict[str, set[str]] = {}
    key = ""
    for word in (w.strip() for text in only for w in text.split(",") if w.strip()):
        name, equals, value = word.partition("=")
        if equals:
            key = name.strip()
        if key not in keys:
            raise SettingError(f"--only {word}: write key=value with a key of {', '.join(keys)}")
        out.setdefault(key, set()).add((value if equals else word).strip())
    return out
