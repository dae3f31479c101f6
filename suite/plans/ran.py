"""What of a plan has been run: in which profile, and with which seeds, whatever was planned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from suite.experiment.experiment import Experiment
from suite.experiment.preset_file import PresetFile
from suite.experiment.profiles import PROFILES, QUICK
from suite.plans.cells import planned
from suite.plans.read import Plan
from suite.record.folders import Run, find_runs, read_facts
from suite.record.rows import RecordError

__all__ = ["best_profile", "readable", "runs_by_profile", "runs_of"]


def readable(roots: Sequence[Path]) -> list[Run]:
    """Every run below these folders that can be read, without its metrics; who works on the others names them."""
    runs = []
    for folder in (folder for root in roots if root.is_dir() for folder in find_runs(root)):
        try:
            runs.append(read_facts(folder))
        except (RecordError, OSError):
            continue
    return runs


def runs_of(experiment: Experiment, runs: Sequence[Run]) -> list[Run]:
    """The runs of a cell, whatever their seeds and their names: same method, task, data asked for, and settings."""
    e = experiment
    wanted = {name: setting["value"] for name, setting in e.settings.items()}
    return [run for run in runs if (run.algo, run.task) == (e.algo, e.task.id) and _same(run.run, e.dataset, wanted)]


def _same(facts: Mapping[str, object], dataset: str | None, wanted: Mapping[str, object]) -> bool:
    data, settings = facts.get("dataset"), facts.get("settings")
    if not isinstance(data, Mapping) or not isinstance(settings, Mapping) or data.get("asked") != dataset:
        return False
    return {name: setting["value"] for name, setting in settings.items()} == wanted


def runs_by_profile(plan: Plan, runs: Sequence[Run], file: PresetFile | None = None) -> dict[str, int]:
    """How many of the plan's cells have a run, for each profile in which any has."""
    known = {run.run.get("profile") for run in runs}
    counts = {}
    for profile in (p for p in PROFILES if p in known):
        cells = planned(plan, profile, (0,), file=file)
        counts[profile] = sum(bool(cell.experiment and runs_of(cell.experiment, runs)) for cell in cells)
    return {profile: count for profile, count in counts.items() if count}


def best_profile(counts: Mapping[str, int]) -> str:
    """The profile in which most cells were run; quick where it is as good as any."""
    return max(counts, key=lambda profile: (counts[profile], profile == QUICK), default=QUICK)
