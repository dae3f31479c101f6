"""What `bench run` does: all cells resolved first, then trained one by one here, side by side, or on a cluster."""

from __future__ import annotations

from collections.abc import Sequence

from algos.settings import SettingError
from suite.experiment.experiment import Experiment
from suite.experiment.request import Request
from suite.experiment.requirements import check_means
from suite.experiment.resolve import resolve_all
from suite.experiment.used import check_used
from suite.launch.mirrored import mirrored
from suite.launch.side_by_side import build_data, run_side_by_side, submit_data
from suite.launch.spread import Spread
from suite.measure.estimate import MEASURING, estimate
from suite.output import say, show
from suite.train.cell import run_cell, run_folder
from suite.train.means import Means
from suite.train.protocol import Diverged
from suite.train.stop import Stopped

__all__ = ["run"]


def run(
    request: Request,
    means: Means,
    spread: Spread,
    *,
    dry_run: bool = False,
    data_only: bool = False,
    mirror: str | None = None,
) -> int:
    """Resolve every cell first, so that a bad name trains nothing; then run them. Returns the exit code.

    `data_only` builds their datasets and trains nothing. `mirror` names where records go as they are made.
    """
    experiments = resolve_all(request)
    for message in check_used(request, experiments):
        say(message)
    if not spread.elsewhere:
        means.hardware.torch_device()
    if dry_run:
        say(MEASURING)
        for experiment in experiments:
            _show_plan(experiment, means)
        return 0
    for experiment in experiments:
        check_means(experiment)
    if spread.slurm and mirror:
        raise SettingError("--mirror watches what this machine runs; for SLURM's jobs: `bench mirror --every 60`")
    if data_only:
        return _data_only(experiments, means, spread)
    with mirrored([run_folder(e, means.out) for e in experiments], mirror):
        return _run(experiments, means, spread)


def _run(experiments: Sequence[Experiment], means: Means, spread: Spread) -> int:
    if spread.in_processes(len(experiments)):
        return run_side_by_side(experiments, means, spread)
    code = 0
    for experiment in experiments:
        try:
            show(str(run_cell(experiment, means)))
        except Stopped as stop:
            say(str(stop))
            return stop.code
        except Diverged as error:
            say(str(error))
            code = 1
    return code


def _data_only(experiments: Sequence[Experiment], means: Means, spread: Spread) -> int:
    """Have the cells' datasets in the store, or submit jobs that build them; returns the exit code."""
    if spread.ray is not None:
        raise SettingError("--data-only builds here, or as jobs of --slurm; with --ray, cells build what they need")
    if not spread.slurm:
        return build_data(experiments, means, spread)
    if not submit_data(experiments, means, spread):
        say("every dataset that can be built is there already")
    return 0


def _show_plan(experiment: Experiment, means: Means) -> None:
    """Print what `--dry-run` says of one cell."""
    seeds = ", ".join(map(str, experiment.seeds))
    show(f"# {experiment.cell}, seeds {seeds}, profile {experiment.profile}, preset {experiment.preset}")
    for name, setting in experiment.settings.items():
        show(f"{name} = {setting['value']}    ({setting['source']})")
    show(f"folder: {run_folder(experiment, means.out)}")
    show(f"estimate: {estimate(experiment, means.hardware).text}\n")
