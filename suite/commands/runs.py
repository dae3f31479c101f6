"""What the commands do, as functions that return rows or an exit code."""

from __future__ import annotations

import datetime
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from algos.settings import SettingError, allowed, describe
from envs import tasks
from envs.task import DEFAULT
from suite.cell import run_cell, run_folder
from suite.config import check_options, own_overrides, parse_list, parse_seeds, resolve, setting_owners
from suite.estimate import estimate
from suite.experiment import Experiment
from suite.hardware import Hardware, device_name, versions
from suite.launch import slurm
from suite.launch.side_by_side import check_means, run_side_by_side
from suite.lines import say, show
from suite.mirror import mirror as pass_on
from suite.outputs import check_writable
from suite.protocol import Diverged
from suite.record import find_runs, read_status, write_json
from suite.speed import measure
from suite.stop import Stopped

__all__ = ["explain", "mirror", "run", "speed"]


def run(
    algo: str, env: str, seeds: str, profile: str, preset: str, overrides: Sequence[str], out: Path, name: str | None,
    dataset: str | None, device: str, threads: int | None, workers: int | None, jobs: int | None, dry_run: bool,
    keep_policies: bool = False, slurm_options: Sequence[str] = (),
) -> int:  # fmt: skip
    """Resolve every cell first, so that a bad name trains nothing; then run them. Returns the exit code."""
    dataset = None if dataset == DEFAULT else dataset  # said or left out, it is the same run
    experiments = [
        resolve(a, e, parse_seeds(seeds), profile, overrides, name, dataset, preset)
        for e in dict.fromkeys(tasks.get(t).id for t in parse_list(env)) for a in parse_list(algo)
    ]  # fmt: skip
    if not experiments:
        raise SettingError("--algo and --env must each name at least one")
    for message in check_options(experiments, overrides, dataset, preset):
        say(message)
    cluster = slurm.parse_options(slurm_options)
    hardware = Hardware(device, threads, workers)
    if not cluster:  # whose machines are not this one
        hardware.torch_device()
    if dry_run:
        for experiment in experiments:
            _show_plan(experiment, out, hardware)
        return 0
    for experiment in experiments:
        check_means(experiment)
    if cluster or ((jobs or 1) > 1 and len(experiments) > 1):
        sets = [own_overrides(e, overrides) for e in experiments]
        return run_side_by_side(experiments, sets, out, hardware, jobs, keep_policies, cluster)
    code = 0
    for experiment in experiments:
        try:
            show(str(run_cell(experiment, out, hardware, keep_policies)))
        except Stopped as stop:
            say(str(stop))
            return stop.code
        except Diverged as error:
            say(str(error))
            code = 1
    return code


def _show_plan(experiment: Experiment, out: Path, hardware: Hardware) -> None:
    """What `--dry-run` prints about one cell."""
    seeds = ", ".join(map(str, experiment.seeds))
    show(f"# {experiment.cell}, seeds {seeds}, profile {experiment.profile}, preset {experiment.preset}")
    for name, setting in experiment.settings.items():
        show(f"{name} = {setting['value']}    ({setting['source']})")
    show(f"folder: {run_folder(experiment, out)}")
    show(f"estimate: {estimate(experiment, hardware).text}\n")


def speed(
    algo: str, env: str, profile: str, packs: str, overrides: Sequence[str], device: str, threads: int | None,
    workers: int | None, rounds: int, seconds: float, eager: bool, out: Path | None,
) -> list[dict[str, Any]]:  # fmt: skip
    """One row per algorithm, task and number of packed seeds; all are resolved before any is measured."""
    experiments = [
        resolve(a, e, range(n), profile, overrides)
        for e in parse_list(env) for a in parse_list(algo) for n in _counts("--packs", packs)
    ]  # fmt: skip
    if not experiments:
        raise SettingError("--algo and --env must each name at least one")
    check_options(experiments, overrides)  # for the error: rows show who uses what
    hardware = Hardware(device, threads, workers)
    facts = {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "kind": hardware.torch_device().type, "device": device_name(hardware.torch_device()),
        "cores": os.cpu_count(), "threads": hardware.thread_count(),
        "workers": hardware.worker_count(), "load_before": round(os.getloadavg()[0], 2), "versions": versions(),
    }  # fmt: skip
    if out is not None:
        check_writable(out)
    rows = []
    for e in experiments:
        say(f"{e.cell}, {len(e.seeds)} packed seeds, profile {profile}")
        rows.append(measure(e, hardware, rounds, seconds, capture=not eager))
    if out is not None:
        write_json(out, {**facts, "overrides": list(overrides), "rounds": rounds, "seconds": seconds, "rows": rows})
    return rows


def mirror(runs: Sequence[Path], to: str, out: Path, project: str, every: float | None) -> list[dict[str, Any]]:
    """Pass on records once, or `every` so many seconds as long as a run is going on; the rows of the last time."""
    while True:
        # states before records: what a run writes as it finishes is then fetched by one more look
        folders = [] if every is None else [folder for place in runs for folder in find_runs(place)]
        states = [read_status(folder).get("state") for folder in folders]
        rows = pass_on(runs, to, out, project)
        if every is None or "running" not in states:
            return rows
        say(f"{sum(row['new'] for row in rows)} new evaluations; runs going on: {states.count('running')}")
        time.sleep(every)


def _counts(option: str, text: str) -> list[int]:
    """'1,3,5' -> [1, 3, 5]."""
    try:
        counts = [int(part) for part in parse_list(text)]
    except ValueError:
        counts = []
    if not counts or min(counts) < 1:
        raise SettingError(f"{option} {text}: give positive numbers, e.g. 1,3,5")
    return counts


def explain(algo: str, env: str, profile: str, preset: str, overrides: Sequence[str]) -> list[dict[str, Any]]:
    """Every setting with value, what else it may be, meaning and source."""
    experiment = resolve(algo, env, (0,), profile, overrides, preset=preset)
    check_options([experiment], overrides, preset=preset)  # for the error: a single one uses all or none
    classes = list(dict.fromkeys(setting_owners(experiment.objective).values()))
    meanings = {name: meaning for owner in classes for name, (meaning, _) in describe(owner).items()}
    values = {name: words for owner in classes for name, words in allowed(owner).items()}
    return [
        {"setting": n, "value": s["value"], "allowed": values[n], "meaning": meanings[n], "source": s["source"]}
        for n, s in experiment.settings.items()
    ]
