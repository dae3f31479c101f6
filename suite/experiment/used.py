"""What of a request its experiments use: an option that none does is an error, one that some do is said."""

from __future__ import annotations

from collections.abc import Sequence

from algos.settings import SettingError
from suite.experiment.experiment import Experiment
from suite.experiment.request import Request
from suite.record.shapes import BY_HAND

__all__ = ["check_used"]


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


def _applies_to(text: str, using: Sequence[Experiment], experiments: Sequence[Experiment]) -> list[str]:
    used = list(dict.fromkeys(e.algo for e in using))
    return [f"{text} applies to {', '.join(used)} only"] if len(used) < len({e.algo for e in experiments}) else []
