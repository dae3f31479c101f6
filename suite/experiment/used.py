"""What of a request its experiments use: an option that none does is an error, one that some do is said.

A setting is used where it has an effect. One that gives a reason, as suites and trials do, is never refused.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from algos.settings import SettingError
from suite.experiment.effect import without_effect
from suite.experiment.experiment import Experiment, Protocol
from suite.experiment.request import Override, Request
from suite.record.shapes import BY_HAND

__all__ = ["check_used"]


# Settings of the protocol, which scripts give to one method after another: what has no use for one is said.
_CALENDAR = frozenset(field.name for field in dataclasses.fields(Protocol))


def check_used(request: Request, experiments: Sequence[Experiment]) -> list[str]:
    """Lines naming options of the request that only some of its experiments use.

    Raises `SettingError` for one that none uses, unless it is the protocol's and only has no effect here.
    """
    messages = []
    for override in request.overrides:
        text, key = f"--set {override}", override.name
        using = [e for e in experiments if e.sources.get(key, "").startswith(BY_HAND)]
        ignoring = _ignoring(override, experiments)
        if not using:
            told = [
                f"; it follows from the {s}" for e in experiments if (s := e.sources.get(key, "")).startswith("stages")
            ]
            whys = "".join(told[:1]) or _because(ignoring)
            if ignoring and not told and override.name in _CALENDAR:
                messages.append(f"{text} has no effect{whys}")
                continue
            raise SettingError(f"{text}: none of the chosen algorithms uses {key!r}{whys}")
        messages += _applies_to(text, using, experiments, ignoring)
    if request.dataset is not None:
        using = [e for e in experiments if e.dataset is not None]
        if not using:
            raise SettingError(f"--dataset {request.dataset}: {experiments[0].algo} never sees offline data")
        messages += _applies_to("--dataset", using, experiments, {})
    messages += [*_without_preset(experiments, request), *_cut_off(experiments)]
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


def _cut_off(experiments: Sequence[Experiment]) -> list[str]:
    """What iterations mean that were set by hand to less than an episode."""
    lines = {}
    for e in experiments:
        steps, horizon = e.protocol.steps_per_iteration, e.task.horizon
        if steps < horizon and e.sources["steps_per_iteration"].startswith(BY_HAND):
            lines[e.task.id] = (
                f"--set steps_per_iteration={steps}: every iteration begins with new episodes, so that none of "
                f"{e.task.short_name} is collected beyond that; whole ones have {horizon} steps"
            )
    return list(lines.values())


def _ignoring(override: Override, experiments: Sequence[Experiment]) -> dict[str, str]:
    """Algorithms that have a setting without effect on them, and why."""
    return {
        e.algo: why
        for e in experiments
        if not e.sources.get(override.name, "").startswith(BY_HAND) and (why := without_effect(e).get(override.name))
    }


def _applies_to(
    text: str, using: Sequence[Experiment], experiments: Sequence[Experiment], ignoring: Mapping[str, str]
) -> list[str]:
    """What says that not all use an option, and why some of them have no use for it."""
    used = list(dict.fromkeys(e.algo for e in using))
    if len(used) == len({e.algo for e in experiments}):
        return []
    whys = _because({algo: why for algo, why in ignoring.items() if algo not in used})
    return [f"{text} applies to {', '.join(used)} only{whys}"]


def _because(ignoring: Mapping[str, str]) -> str:
    """Why algorithms ignore a setting, each named."""
    return "".join(f"; {why if algo in why else f'{algo}: {why}'}" for algo, why in ignoring.items())
