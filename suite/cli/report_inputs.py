"""What `bench report` hands to reports, which know nothing of settings and methods: a suite's cells, and looks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import algos
from envs import tasks
from envs.errors import TaskPluginError, UnknownTaskError
from reports.runs.wanted import Suite, Wanted

if TYPE_CHECKING:
    from suite.plans.cells import Planned

__all__ = ["looks", "picked", "profile_of", "roots_of", "suite_of"]


def looks() -> dict[str, str]:
    """Method -> the colour and dashes in which every figure shows it, of those that have their own."""
    return {name: entry.look for name, entry in algos.names().items() if entry.look}


def suite_of(name: str, profile: str, preset: str | None = None) -> Suite:
    """The cells of a named suite at the sizes of a profile, for a report to look for; seeds do not matter.

    `preset` is the preset file with which they were run, if any.
    """
    from suite.experiment.preset_file import PresetFile
    from suite.plans import read as plans  # late: a report without a suite needs neither plans nor torch
    from suite.plans.cells import planned

    plan = plans.load(name)
    file = None if preset is None else PresetFile.read(preset)
    notes = [*plan.why, f"Planned with {plan.seeds} seeds; source of that: {plan.seeds_source}."]
    cells = [_wanted(cell) for cell in planned(plan, profile, (0,), file=file)]
    return Suite(plan.name, plan.title, plan.place, plan.about.strip(), plan.metric, notes, cells)


def profile_of(name: str, runs: Sequence[Path], preset: str | None, say: Callable[[str], object]) -> str:
    """The profile in which most of a suite's cells were run; says so where there are others as well."""
    from suite.experiment.preset_file import PresetFile
    from suite.plans import read as plans  # late: see `suite_of`
    from suite.plans.ran import best_profile, readable, runs_by_profile

    counts = runs_by_profile(plans.load(name), readable(runs), None if preset is None else PresetFile.read(preset))
    best = best_profile(counts)
    for other in counts.keys() - {best}:
        say(f"reporting profile {best}; {counts[other]} cells of {name} were run with --profile {other}")
    return best


def picked(only: Sequence[str]) -> tuple[set[str], set[str]]:
    """The algorithms and tasks that `--only` names, as `reports.build` takes them; raises `SettingError`."""
    if not only:
        return set(), set()
    from suite.plans.cells import parse_only  # late: see `suite_of`

    found = parse_only(only, ("algo", "env"))
    return found.get("algo", set()), found.get("env", set())


def roots_of(inputs: Sequence[Path], beside: str | None) -> list[Path]:
    """The folders of runs where none was named: runs, or none where other results are and it is not there."""
    runs = Path("runs")
    return [] if inputs or (beside is not None and not runs.is_dir()) else [runs]


def _wanted(cell: Planned) -> Wanted:
    e, entry = cell.experiment, cell.entry
    if e is None:
        return Wanted(entry.algo, _task_id(entry.env), entry.dataset, entry.name, "", None, cell.why_not)
    values = {name: s["value"] for name, s in e.settings.items()}
    return Wanted(e.algo, e.task.id, e.dataset, entry.name, e.name, values)


def _task_id(env: str) -> str:
    try:
        return tasks.get(env).id
    except (UnknownTaskError, TaskPluginError):
        return env
