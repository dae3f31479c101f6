"""Searches whose runs take no time: run folders with made-up scores, as `bench tune` would find them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from suite.experiment.experiment import Experiment
from suite.record.rows import Row
from suite.record.writer import RunWriter
from suite.train.cell import run_folder
from suite.train.means import Means

STEPS = (-20, -10, 0, 40, 80, 120)  # of an evaluation; the score grows from 0 at the switch to its full height
Score = Callable[[Mapping[str, Any], int], float]  # settings, seed -> success at the end


def peak(values: Mapping[str, Any], seed: int = 0) -> float:
    """1 at temperature 2, falling with the square of the distance in decades; another algorithm's is at 0.5."""
    return 1 - math.log10(values.get("temperature", 2 * values.get("inverse_temperature", 1)) / 2) ** 2


def write_run(
    e: Experiment,
    folder: Path,
    score: Score = peak,
    *,
    metric: str = "success",
    until: int = STEPS[-1],
    diverged: bool = False,
    unwanted: Callable[[str], bool] = lambda name: False,
) -> int:
    """Record a run up to the evaluation at step `until`; the exit code of its process: 143 once it is `unwanted`."""
    values = {name: setting["value"] for name, setting in e.settings.items()}
    offline = e.needs.offline_only or not e.protocol.online_steps
    writer = RunWriter(folder)
    writer.create(facts(e))
    steps = [step for step in STEPS if step <= min(until, 0 if offline else until)]
    for step in steps:
        share = 1 + step / 20 if offline else max(step, 0) / STEPS[-1]
        rows = [
            Row(s, "offline" if step <= 0 else "online", step, 0, metric, share * score(values, s)) for s in e.seeds
        ]
        if diverged and step == steps[-1]:
            rows = [Row(e.seeds[0], "online", step, 0, "diverged", 1.0), *rows[1:]]
        writer.append(rows)
        if unwanted(str(folder)):
            writer.status({"state": "stopped"})
            return 143
    whole = steps[-1] == (0 if offline else STEPS[-1])
    writer.status({"state": "finished", "env_step": steps[-1]} if whole else {"state": "stopped"})
    return 0 if whole else 143


def facts(e: Experiment) -> dict[str, Any]:
    """What run.json holds of a run."""
    return {
        **e.facts,
        "dataset": {"asked": e.dataset, "id": "d", "fingerprint": "f"},
        "device": {"kind": "cpu", "threads": 1},
    }


class Runner:
    """Stands in for the processes of a search; remembers what it ran, and may stop before the run of a number."""

    def __init__(self, score: Score = peak, *, stop_before: int | None = None, **how: Any) -> None:
        self.score, self.stop_before, self.how = score, stop_before, how
        self.ran: list[Experiment] = []

    def __call__(
        self, experiments: Sequence[Experiment], means: Means, jobs: int, unwanted: Callable[[str], bool]
    ) -> dict[str, int | None]:
        codes: dict[str, int | None] = {}
        for e in experiments:
            folder = run_folder(e, means.out)
            if len(self.ran) == self.stop_before:
                codes[str(folder)] = None
                continue
            self.ran.append(e)
            codes[str(folder)] = write_run(e, folder, self.score, unwanted=unwanted, **self.how)
        return codes

    def put_in(self, monkeypatch: pytest.MonkeyPatch) -> Runner:
        """Take the place of the processes."""
        monkeypatch.setattr("suite.tune.search.run_processes", self)
        return self
