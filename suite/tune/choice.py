"""The best trial of each method, as a preset file that says how it was chosen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from algos.settings import spell
from suite.experiment.experiment import Experiment, Protocol
from suite.experiment.preset_file import PresetFile
from suite.experiment.resolve import setting_owners
from suite.record.folders import RecordError, read_facts
from suite.record.shapes import BY_HAND
from suite.record.trials import Search, Trial, best
from suite.tune.plan import Plan

__all__ = ["PRESET", "preset_of", "words"]

PRESET = "preset.toml"


def preset_of(plan: Plan, search: Search, trials: Mapping[str, list[Trial]]) -> PresetFile:
    """The preset file of a search that is through: each method's best trial, and how it was found.

    A method is not in it where no trial is complete. What `--set` fixed of a method and its learner was part of every
    trial and is part of the preset; what it fixed of the protocol, such as lengths of phases, is not. Raises
    `RecordError` where trials ran on different data.
    """
    chosen = {algo: found for algo, own in trials.items() if (found := best(own)) is not None}
    methods = {}
    for algo, trial in chosen.items():
        fixed = _fixed(plan.cells(algo, 0, {}))
        methods[algo] = fixed | (dict(trial.values) if trial.number else {})
    facts = search.facts
    many = "each " if len(methods) > 1 else ""
    return PresetFile(
        str(search.folder / PRESET),
        "tuned",
        f"{plan.trials} trials {many}on seeds {plan.seeds}, {', '.join(plan.metrics)}, profile {plan.request.profile}",
        methods,
        {
            "criterion": plan.criterion,
            "tasks": list(plan.metrics),
            "metrics": dict(plan.metrics),
            "profile": facts["profile"],
            "seeds": facts["seeds"],
            "trials": facts["trials"],
            "best": {algo: {"trial": trial.number, "score": trial.score} for algo, trial in chosen.items()},
            "sampler": f"{facts['sampler']}, seed {facts['sampler_seed']}, rounds of {facts['round']}",
            "prune": facts["prune"],
            "set": facts["set"],
            "data": _data(trials),
            "space": {algo: {n: str(d) for n, d in space.items()} for algo, space in plan.spaces.items()},
            "command": facts["command"],
        },
    )


def words(trial: Trial) -> str:
    """The settings of a trial in words."""
    if not trial.number:
        return "its defaults"
    return ", ".join(f"{name}={spell(value)}" for name, value in trial.values.items())


def _fixed(cells: list[Experiment]) -> dict[str, Any]:
    """What `--set` fixes of the method and its learner."""
    first = cells[0]
    owners = setting_owners(first.objective)
    return {
        name: setting["value"]
        for name, setting in first.settings.items()
        if setting["source"].startswith(BY_HAND) and owners[name] is not Protocol
    }


def _data(trials: Mapping[str, list[Trial]]) -> dict[str, str]:
    """Task -> fingerprint of the data that trials were run on; none where only methods were tuned that see no data."""
    found: dict[str, str] = {}
    for trial in (trial for own in trials.values() for trial in own):
        for task, folder in trial.folders.items():
            fingerprint = read_facts(folder).run["dataset"]["fingerprint"]
            if fingerprint and found.setdefault(task, fingerprint) != fingerprint:
                raise RecordError(
                    f"{folder}: trained on data with fingerprint {fingerprint}, other trials on {found[task]}: they "
                    "cannot be compared; delete its folder to run it again"
                )
    return found
