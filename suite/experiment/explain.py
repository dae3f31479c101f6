"""Every setting of a cell in words."""

from __future__ import annotations

from typing import Any

import algos
from algos.settings import SettingError, allowed, describe
from suite.experiment.effect import without_effect
from suite.experiment.request import Request
from suite.experiment.resolve import resolve_all, setting_owners
from suite.experiment.used import check_used

__all__ = ["explained", "limits"]


def limits(request: Request) -> list[str]:
    """What the source of the request's preset does and the preset cannot, a line each."""
    (algo,) = request.algos
    preset = None if request.preset_file else algos.load(algo).presets.get(request.preset)
    return [] if preset is None else list(preset.limits)


def explained(request: Request) -> list[dict[str, Any]]:
    """One row per setting of the request's one cell: value, what else it may be, meaning, source of the value.

    The meaning says what a setting is read with, and whether it has no effect here.
    """
    experiments = resolve_all(request)
    if len(experiments) > 1:
        raise SettingError("name one algorithm and one task to explain")
    (experiment,) = experiments
    check_used(request, experiments)  # for the error: a single one uses all or none
    classes = list(dict.fromkeys(setting_owners(experiment.objective).values()))
    meanings = {name: meaning for owner in classes for name, (meaning, _) in describe(owner).items()}
    for name, why in without_effect(experiment).items():
        said = why in meanings[name]  # as what it is read with
        meanings[name] += " (no effect here)" if said else f" (no effect here: {why})"
    values = {name: words for owner in classes for name, words in allowed(owner).items()}
    return [
        {"setting": n, "value": s["value"], "allowed": values[n], "meaning": meanings[n], "source": s["source"]}
        for n, s in experiment.settings.items()
    ]
