"""Policies scored once more: over as many episodes as one likes, in states by which nothing was chosen."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from algos.settings import SettingError
from envs.stepping.vector import VectorEnv
from suite.experiment.requirements import MOST_LANES
from suite.output import replacing, say
from suite.policies.trained import FINAL, Trained, act_of, found
from suite.record.files import writable
from suite.record.folders import read_run
from suite.record.metrics import SCORE_UNITS, digits, shown
from suite.record.rows import COLUMNS, Row
from suite.train.evaluate import EVAL_SEED, FRESH_SEED, episode_scores
from suite.train.hardware import Hardware

__all__ = ["Rescored", "evaluate", "rescore", "table", "tidy"]


@dataclass(frozen=True)
class Rescored:
    """Policies with their scores [S, episodes] by name."""

    trained: Trained
    scores: dict[str, NDArray[np.float64]]
    sampled: bool


def evaluate(
    runs: Sequence[Path],
    episodes: int,
    seeds: str | None,
    at: str,
    sample: bool,
    own_states: bool,
    out: Path | None,
    workers: int | None,
) -> tuple[list[dict[str, Any]], int]:
    """Score policies once more: one row per policy, and the exit code.

    `out` gets the means as a CSV for `bench report --input`.
    """
    chosen, code = found(runs, at, seeds)
    if out is not None and (alone := [str(one.where) for one in chosen if one.run is None]):
        raise SettingError(f"--out: {alone[0]} is a file of its own, and only scores of runs have a step")
    with writable(out):
        count, done = Hardware(workers=workers).worker_count(), []
        for one in chosen:
            say(f"{one.algo} on {one.task.short_name}, {one.name}, {one.at}: {episodes} episodes")
            done.append(rescore(one, episodes, sample, own_states, count))
        if out is not None:
            tidy(out, done)
    return table(done), code


def rescore(trained: Trained, episodes: int, sample: bool, own_states: bool, workers: int) -> Rescored:
    """Play `episodes` from initial states of `bench eval`'s own, or from those of the run's evaluations.

    Every policy of a task sees the same states; neither their number nor `workers` changes an episode.
    """
    task, seeds = trained.task, len(trained.seeds)
    task.check_simulator()
    first = EVAL_SEED if own_states else FRESH_SEED
    with VectorEnv(task.id, seeds * min(episodes, MOST_LANES), workers) as env:
        act, chunk = act_of(trained.actor), trained.action_chunk
        scores = episode_scores(env, act, seeds, episodes, task, first, sample, chunk)
    return Rescored(trained, scores, sample)


def table(rescored: Sequence[Rescored]) -> list[dict[str, Any]]:
    """One row per policy: its headline score with a 95 % interval over episodes, and what its run recorded."""
    return [_row(one, k) for one in rescored for k in range(len(one.trained.seeds))]


def _row(one: Rescored, k: int) -> dict[str, Any]:
    trained, metric = one.trained, one.trained.task.headline
    values = one.scores[metric][k]
    spread = float(values.std(ddof=min(1, len(values) - 1)))
    score, interval = shown(metric, float(values.mean()), spread, len(values))
    recorded = trained.metas[k].get(metric)
    row = {
        "task": trained.task.short_name,
        "algo": trained.algo,
        "run": trained.name,
        "seed": trained.seeds[k],
        "at": trained.at,
        "actions": "sample" if one.sampled else "mode",
        "episodes": len(values),
        "metric": metric,
        "score": score,
        "95 %": interval,
        "recorded": "-" if recorded is None else round(recorded, digits(metric) + 1),
    }
    others = (name for name in SCORE_UNITS if name in one.scores and name != metric)
    return row | {name: round(float(one.scores[name][k].mean()), 3) for name in others}


def tidy(path: Path, rescored: Sequence[Rescored]) -> None:
    """Write the means as `bench report --input` reads them; policies must be of runs, which know the step.

    Runs of one algorithm on one task are told apart by their names.
    """
    runs: dict[tuple[str, str], set[Path]] = {}
    for one in rescored:
        runs.setdefault((one.trained.algo, one.trained.task.id), set()).add(one.trained.where)
    with replacing(path) as new, new.open("w", newline="", encoding="utf-8") as f:
        out = csv.writer(f, lineterminator="\n")
        out.writerow(("algo", "env", *COLUMNS))
        for one in rescored:
            trained = one.trained
            alone = len(runs[trained.algo, trained.task.id]) == 1
            label = trained.algo if alone else f"{trained.algo} [{trained.name}]"
            phase, env_step, update = _moment(trained)
            for k, seed in enumerate(trained.seeds):
                for name, values in one.scores.items():
                    row = Row(seed, phase, env_step, update, name, float(values[k].mean()))
                    out.writerow((label, trained.task.id, *row.line().rstrip().split(",")))


def _moment(trained: Trained) -> tuple[str, int, int]:
    """Phase, step and update of the evaluation that the policies are of."""
    assert trained.run is not None
    rows = read_run(trained.where).rows
    wanted = rows[-1].env_step if trained.at == FINAL else int(trained.at)
    return next((r.phase, r.env_step, r.update) for r in reversed(rows) if r.env_step == wanted)
