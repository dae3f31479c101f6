"""`bench run`: all cells resolved first, then one after the other here, side by side, or on a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from algos.settings import SettingError
from envs import tasks
from envs.task import DEFAULT
from suite.experiment.experiment import Experiment
from suite.experiment.request import parse_list, parse_seeds
from suite.experiment.requirements import check_means
from suite.experiment.resolve import check_options, own_overrides, resolve
from suite.launch import slurm
from suite.launch.side_by_side import run_side_by_side
from suite.measure.estimate import estimate
from suite.output import say, show
from suite.run.cell import run_cell, run_folder
from suite.run.hardware import Hardware
from suite.run.protocol import Diverged
from suite.run.stop import Stopped

__all__ = ["run"]


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
