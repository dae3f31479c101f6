"""What `bench run` does: all cells resolved first, then trained one by one here, side by side, or on a cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from algos.settings import SettingError
from suite.experiment.experiment import Experiment
from suite.experiment.request import Request
from suite.experiment.requirements import check_means
from suite.experiment.resolve import check_used, resolve_all
from suite.launch import slurm
from suite.launch.mirrored import mirrored
from suite.launch.side_by_side import run_side_by_side
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
    *,
    jobs: int | None = None,
    slurm_options: Sequence[str] = (),
    dry_run: bool = False,
    mirror: str | None = None,
) -> int:
    """Resolve every cell first, so that a bad name trains nothing; then run them. Returns the exit code.

    `mirror` names where records are passed on to while they are made.
    """
    experiments = resolve_all(request)
    for message in check_used(request, experiments):
        say(message)
    cluster = slurm.parse_options(slurm_options)
    if not cluster:  # a cluster has other devices than this machine
        means.hardware.torch_device()
    if dry_run:
        say(MEASURING)
        for experiment in experiments:
            _show_plan(experiment, means)
        return 0
    for experiment in experiments:
        check_means(experiment)
    if cluster and mirror:
        raise SettingError("--mirror watches what this machine runs; for a cluster: `bench mirror --every 60`")
    with mirrored([run_folder(e, means.out) for e in experiments], mirror):
        return _run(experiments, means, jobs, cluster)


def _run(experiments: Sequence[Experiment], means: Means, jobs: int | None, cluster: Mapping[str, str]) -> int:
    if cluster or ((jobs or 1) > 1 and len(experiments) > 1):
        return run_side_by_side(experiments, means, jobs=jobs, cluster=cluster)
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


def _show_plan(experiment: Experiment, means: Means) -> None:
    """Print what `--dry-run` says of one cell."""
    seeds = ", ".join(map(str, experiment.seeds))
    show(f"# {experiment.cell}, seeds {seeds}, profile {experiment.profile}, preset {experiment.preset}")
    for name, setting in experiment.settings.items():
        show(f"{name} = {setting['value']}    ({setting['source']})")
    show(f"folder: {run_folder(experiment, means.out)}")
    show(f"estimate: {estimate(experiment, means.hardware).text}\n")
