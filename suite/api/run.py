"""One cell from Python: trained, or gone on with, and its record read."""

from __future__ import annotations

import dataclasses
import multiprocessing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from algos.settings import SettingError, spell
from suite.api.policy import Policy
from suite.experiment.experiment import Experiment
from suite.experiment.request import Override, Request, spell_seeds
from suite.experiment.requirements import check_means
from suite.experiment.resolve import resolve_all
from suite.experiment.used import check_used
from suite.output import say
from suite.record.folders import find_runs, policy_folder, policy_path, read_columns, read_facts, read_status
from suite.record.rows import RecordError
from suite.train.cell import run_cell
from suite.train.hardware import Hardware
from suite.train.means import Means

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Run", "load", "means_of", "train"]


@dataclass(frozen=True)
class Run:
    """A run folder: what was trained, with which settings, what it scored, and its policies."""

    folder: Path
    algo: str
    task: str  # id
    seeds: tuple[int, ...]
    settings: Mapping[str, Any]  # name -> value, every one
    sources: Mapping[str, str]  # name -> where the value comes from
    facts: Mapping[str, Any]  # run.json as a whole: versions, device, data, command

    @property
    def finished(self) -> bool:
        """Whether the whole protocol has run."""
        return read_status(self.folder).get("state") == "finished"

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """What was recorded until now, a row for each value, with the columns of `reports.load`.

        They are task, algorithm, seed, phase, step (of the environment, per seed; negative: updates left before the
        switch), metric and value. Raises `RecordError` where metrics.csv is damaged.
        """
        import pandas as pd

        columns = read_columns(self.folder, self.finished)
        asked = dict(self.facts.get("dataset") or {}).get("asked")
        return pd.DataFrame(
            {
                "task": f"{self.task} ({asked})" if asked else self.task,
                "algorithm": self.algo,
                "seed": np.asarray(columns.seed),
                "phase": list(columns.phase),
                "step": np.asarray(columns.env_step),
                "metric": list(columns.metric),
                "value": np.asarray(columns.value),
            }
        )

    def policy(self, seed: int | None = None) -> Policy:
        """The final policy of a seed (None: the first of the run); raises `RecordError` where there is none."""
        seed = self.seeds[0] if seed is None else seed
        if seed not in self.seeds:
            raise RecordError(f"{self.folder} has no seed {seed}; it has {', '.join(map(str, self.seeds))}")
        path = policy_path(policy_folder(self.folder), seed)
        if not path.is_file():
            why = "the seed diverged" if self.finished else f"the run is {read_status(self.folder).get('state')}"
            raise RecordError(f"{self.folder}: no policy of seed {seed}: {why}")
        return Policy(path)

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r})"


def train(
    algo: str,
    env: str,
    *,
    seeds: int | Iterable[int],
    profile: str,
    preset: str,
    settings: Mapping[str, object],
    dataset: str | None,
    name: str | None,
    means: Means,
) -> Run:
    """Carry out `suite.run`."""
    _check_not_a_worker()
    request = dataclasses.replace(
        Request.parse(
            algo=algo, env=env, seeds=_seeds(seeds), profile=profile, preset=preset, name=name, dataset=dataset
        ),
        overrides=tuple(Override.parse(f"{key}={spell(value)}") for key, value in settings.items()),
    )
    experiment = _only(request)
    means.hardware.torch_device()
    check_means(experiment)
    told = ("bench", *experiment.request.words(), *means.words())
    return load(run_cell(experiment, dataclasses.replace(means, command=told)))


def load(folder: str | Path) -> Run:
    """Carry out `suite.load`."""
    place = Path(folder)
    if not (place / "run.json").exists() and place.is_dir() and len(found := find_runs(place)) == 1:
        place = found[0]  # a folder that holds a single run leaves no doubt
    run = read_facts(place)
    recorded: Mapping[str, Mapping[str, Any]] = run.run.get("settings", {})
    return Run(
        place,
        run.algo,
        run.task,
        run.seeds,
        {key: setting["value"] for key, setting in recorded.items()},
        {key: setting["source"] for key, setting in recorded.items()},
        run.run,
    )


def means_of(out: str | Path, device: str, threads: int | None, workers: int | None, keep_policies: bool) -> Means:
    """What a run is carried out with; raises `SettingError` for numbers that cannot be."""
    for word, number, least in (("threads", threads, 1), ("workers", workers, 0)):
        if number is not None and number < least:
            raise SettingError(f"{word}={number}: give {least} or more")
    return Means(Path(out), Hardware(device, threads, workers), keep_policies)


def _only(request: Request) -> Experiment:
    """The one cell of a request."""
    if len(request.algos) * len(request.tasks) > 1:
        raise SettingError("suite.run trains one algorithm on one task; call it once for each")
    experiments = resolve_all(request)
    for message in check_used(request, experiments):
        say(message)
    return experiments[0]


def _seeds(seeds: int | Iterable[int]) -> str:
    if isinstance(seeds, int):
        return str(seeds)
    numbers: Sequence[int] = tuple(seeds)
    if not numbers:
        raise SettingError("seeds=[]: names no seed; give a number of seeds or a list of them")
    return spell_seeds(numbers)


def _check_not_a_worker() -> None:
    """Refuse to train where a worker process has begun to run the user's script a second time."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise RuntimeError(
            "a worker process is running this script again from its beginning: an environment that only this script "
            'registers is looked for in it. Put what trains below `if __name__ == "__main__":`, or pass workers=0'
        )
