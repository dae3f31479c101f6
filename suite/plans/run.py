"""Commands of `bench suite`, as functions that return rows or an exit code."""

from __future__ import annotations

import dataclasses
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from algos.settings import SettingError
from suite.experiment.experiment import Experiment
from suite.experiment.preset_file import PresetFile
from suite.experiment.request import parse_seeds
from suite.launch import slurm
from suite.launch.side_by_side import run_side_by_side
from suite.launch.spread import Spread
from suite.measure.estimate import MEASURING, estimate
from suite.output import say, show
from suite.plans import read as plans
from suite.plans.cells import Planned, planned
from suite.plans.ran import best_profile, readable, runs_by_profile, runs_of
from suite.plans.read import Departure, Plan
from suite.record.claims import claims
from suite.record.folders import Run, read_status
from suite.record.rows import RecordError
from suite.train.cell import run_folder
from suite.train.means import Means
from suite.train.progress import duration

__all__ = ["run", "show_plan", "status"]


def show_plan(name: str) -> list[dict[str, Any]]:
    """One row per cell of a suite, with its departures from the defaults and why; says what the suite is about."""
    plan = plans.load(name)
    say(f"{plan.title} ({plan.place})" if plan.place else plan.title)
    for line in (plan.about.strip(), f"{plan.seeds} seeds: {plan.seeds_source}", *plan.why):
        say(line)
    for claim in claims(plan.name):
        say(f"decides {claim.name}: {claim.says}")
    return [
        {
            "algo": e.algo,
            "env": e.env,
            "data": e.dataset or "default",
            "name": e.name or "-",
            "preset": e.preset,
            "departures": "; ".join(map(_departure, e.departures)) or "-",
        }
        for e in plan.entries
    ]


def _departure(departure: Departure) -> str:
    override = departure.override
    return f"{dataclasses.replace(override, reason='')} ({override.reason})"


def run(
    name: str,
    profile: str,
    seeds: str | None,
    only: Sequence[str],
    means: Means,
    spread: Spread,
    *,
    dry_run: bool = False,
    preset: str | None = None,
) -> int:
    """Run what is not finished yet, a process per cell; returns the worst exit code.

    `dry_run` prints the commands, each with its estimated time, and runs nothing. Methods in the file `preset` take
    their settings from it.
    """
    plan, cells = _cells(name, profile, seeds, only, preset)
    if not spread.elsewhere:
        means.hardware.torch_device()
    for cell in cells:
        if cell.experiment is None:
            say(f"left out, {cell.entry.cell}: {cell.why_not}")
    possible = [cell.experiment for cell in cells if cell.experiment is not None]
    if not possible:
        raise SettingError(f"none of the {len(cells)} cells of {plan.name} is possible here; the lines above say why")
    left = [e for e in possible if _status(run_folder(e, means.out)).get("state") != "finished"]
    say(f"{plan.name}: {len(possible)} cells, {len(possible) - len(left)} finished, {len(left)} to run")
    if dry_run:
        _dry_run(left, means, spread.jobs or 1)
        return 0
    return run_side_by_side(left, means, spread) if left else 0


def _dry_run(left: Sequence[Experiment], means: Means, jobs: int) -> None:
    total = 0.0
    say(MEASURING)
    for e in left:
        cost = estimate(e, means.hardware)
        total += cost.seconds
        show(f"# {cost.text}")
        show(shlex.join(["bench", *e.request.words(), *means.words()]))
    if left:
        beside = f"; {jobs} side by side share the cores" if jobs > 1 else ""
        say(f"together about {duration(total)}, datasets not counted{beside}")


def status(
    name: str, profile: str | None, seeds: str | None, only: Sequence[str], out: Path, preset: str | None = None
) -> list[dict[str, Any]]:
    """One row per cell with its state; says how many cells are in each.

    Without a `profile` it is the one of which most was run. Without `seeds` a cell counts as what was run of it, also
    with others than the plan's; how many seeds have finished is said.
    """
    runs = readable([out])
    others: dict[str, int] = {}
    if profile is None:
        others = runs_by_profile(plans.load(name), runs, None if preset is None else PresetFile.read(preset))
        profile = best_profile(others)
    plan, cells = _cells(name, profile, seeds, only, preset)
    waiting = slurm.queued(out)
    rows = [_state(cell, out, waiting, runs if seeds is None else []) for cell in cells]
    counts = Counter(row["state"].partition(":")[0] for row in rows)
    parts = ", ".join(f"{count} {state}" for state, count in counts.items())
    fewer = sum(row["seeds"].startswith(tuple(f"{n} of" for n in range(1, plan.seeds))) for row in rows)
    parts += f"; {fewer} with fewer seeds than planned so far" if seeds is None and fewer else ""
    say(f"{plan.name}, profile {profile}, seeds {seeds or plan.seeds}: {parts}")
    for other in others.keys() - {profile}:
        say(f"{others[other]} cells were run with --profile {other}")
    return rows


def _state(cell: Planned, out: Path, waiting: Mapping[str, str], runs: Sequence[Run]) -> dict[str, Any]:
    """The row of a cell: of the run that was planned, or where there is none of `runs` with other seeds."""
    entry, e = cell.entry, cell.experiment
    row = {"algo": entry.algo, "env": entry.env, "data": entry.dataset or "default", "name": entry.name or "-"}
    if e is None:
        return {**row, "state": f"not possible: {cell.why_not}", "seeds": "-", "step": "-", "folder": "-"}
    own = run_folder(e, out)
    also = [run for run in runs_of(e, runs) if run.run.get("name") == e.name]
    finished = {seed for run in also if run.finished for seed in run.seeds} | {
        seed for seed in e.seeds if _status(own).get("state") == "finished"
    }
    row["seeds"] = f"{len(finished)} of {len(e.seeds)}"
    # the least far of those that are there: a cell has finished when nothing of it is left
    folder = own if _status(own) or not also else min(also, key=lambda run: (run.finished, run.path)).path
    found = _status(folder)
    message = f": {found['message']}" if found.get("message") else ""
    state = found.get("state", "missing") + message
    if str(folder) in waiting and found.get("state") != "running":
        state = f"queued: job {waiting[str(folder)]}"
    at = found.get("env_step" if found.get("phase") == "online" else "update", "-")
    step = f"{at:,} {'steps' if found.get('phase') == 'online' else 'updates'}" if isinstance(at, int) else "-"
    return {**row, "state": state, "step": step, "folder": str(folder)}


def _status(folder: Path) -> dict[str, Any]:
    """Status of a cell; of one that cannot be read its reason, so that it does not stop the others."""
    try:
        return read_status(folder)
    except RecordError as error:
        return {"state": "broken", "message": str(error)}


def _cells(
    name: str, profile: str, seeds: str | None, only: Sequence[str], preset: str | None
) -> tuple[Plan, list[Planned]]:
    plan = plans.load(name)
    file = None if preset is None else PresetFile.read(preset)
    numbers = parse_seeds(seeds or str(plan.seeds))
    cells = planned(plan, profile, numbers, only, file)
    if file is not None:
        for line in _about(file, [cell.experiment for cell in cells if cell.experiment], profile, numbers):
            say(line)
    return plan, cells


def _about(file: PresetFile, cells: Sequence[Experiment], profile: str, seeds: Sequence[int]) -> list[str]:
    """Lines on which cells a preset file is for; raises `SettingError` where it is for none."""
    having = [e for e in cells if e.preset_file is not None]
    if not having:
        raise SettingError(
            f"--preset {file.path}: none of the suite's methods is in it; in it are {', '.join(file.methods)}"
        )
    others = ", ".join(dict.fromkeys(e.algo for e in cells if e.preset_file is None))
    only = [f"preset {file.name}: not for {others}, which stay as the suite has them"] if others else []
    return only + file.cautions(profile, [e.task.id for e in having], seeds)
