"""The experiment: offline then online, recorded so that it can be resumed and reported.

    output      lines for people, and files that a command writes
    record      run folders, metrics, printed results: all that reports may read
    recipes     datasets and experts that are made here
    experiment  a request -> experiments: every setting with its source
    train       one experiment -> one run folder: the protocol, its recorder, its checkpoints
    policies    what runs leave behind: found, scored once more, filmed, exported
    measure     speed, cost of a run, worth of data, health of the installation
    launch      several cells at once, here or on a cluster
    plans       the papers' figures and tables as grids of cells
    reference   results that come with the package: packed, run again
    tune        settings chosen by trials, the same number for every method
    new         packages of the user's own, from templates
    api         what this package offers to scripts and notebooks
    cli         one file per command or group: parses, calls one function, prints

A room imports only from those above it.
Importing this package loads nothing heavy; its functions do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from suite.api.run import Run

__all__ = ["algorithms", "load", "run", "tasks"]


def run(
    algo: str,
    env: str,
    *,
    seeds: int | Iterable[int] = 3,
    profile: str = "quick",
    preset: str = "paper",
    settings: Mapping[str, object] = MappingProxyType({}),
    dataset: str | None = None,
    name: str | None = None,
    out: str | Path = "runs",
    device: str = "auto",
    threads: int | None = None,
    workers: int | None = None,
    keep_policies: bool = False,
) -> Run:
    """Train one algorithm on one task, offline then online, as `bench run` does, and return its record.

    The same call goes on where an earlier one stopped, and leaves a finished run alone. `seeds` is a number of them (5:
    seeds 0 to 4) or the seeds themselves; all train at once. `settings` overrides settings by name, of the protocol,
    the learner or the method: `{"temperature": 0.5}`. The other arguments are the options of `bench run`. Sets torch's
    number of threads, and while it trains stop signals and Ctrl-C ask for a stop at the next checkpoint.

    Raises `algos.settings.SettingError`, `envs.errors.EnvsError` or `suite.record.rows.RecordError` with what would be
    right, `suite.train.stop.Stopped` after a clean stop, `suite.train.protocol.Diverged` where no seed is left.
    """
    from suite.api.run import means_of, train

    means = means_of(out, device, threads, workers, keep_policies)
    return train(
        algo,
        env,
        seeds=seeds,
        profile=profile,
        preset=preset,
        settings=settings,
        dataset=dataset,
        name=name,
        means=means,
    )


def load(folder: str | Path) -> Run:
    """Read the record of a run from its folder, or from a folder with a single run in it.

    Raises `suite.record.rows.RecordError` where there is none or it is damaged.
    """
    from suite.api.run import load as read

    return read(folder)


def algorithms() -> pd.DataFrame:
    """The algorithms by name, ours and those of installed packages, as `bench list algos` has them."""
    import pandas as pd

    from suite.api.lists import algorithm_rows

    return pd.DataFrame(algorithm_rows()).set_index("algo")


def tasks() -> pd.DataFrame:
    """The tasks by id, ours and those of installed packages, as `bench list envs` has them."""
    import pandas as pd

    from suite.api.lists import task_rows

    return pd.DataFrame(task_rows()).set_index("env")
