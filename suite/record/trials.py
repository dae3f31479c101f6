"""Trials of `bench tune`: what is written of a search, and its trials as their run folders tell them. No torch.

    tune/<name>/
        tune.json                                what is searched, on what, by which criterion, how many trials
        preset.toml                              the settings that were chosen, for `--preset`
        <task>/<algo>/trial-<number>-<hash>/     run folders: each trial has one per task

Nothing is kept of a trial beside its run folders: a state or score follows from them, and from those of earlier rounds.
"""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from suite.record.folders import RecordError, Run, read_run
from suite.record.metrics import SCORE_UNITS

__all__ = [
    "FORMAT",
    "LAST",
    "SEARCH",
    "Judged",
    "Search",
    "State",
    "Trial",
    "best",
    "given_up_at",
    "judged",
    "search_of",
    "trial_name",
]

SEARCH = "tune.json"
FORMAT = 1
LAST = 3  # evaluations whose mean is the score at the end
_UNITS = {"share": 1.0, "percent": 100.0}  # of scores that may be averaged over tasks
_NEEDED = {"spaces", "metrics", "at", "trials", "seeds", "profile", "prune", "round", "sampler"}
_NAME = re.compile(r"trial-(\d+)-[0-9a-f]+")
At = Literal["end", "switch"]
State = Literal["complete", "given up", "diverged", "open"]


@dataclass(frozen=True)
class Judged:
    """What a criterion sees of a trial so far, mean over seeds and tasks; larger is better."""

    rungs: tuple[float, ...] = ()  # at each evaluation before the last one, as far as all its runs have come
    score: float | None = None  # where all of them have finished
    diverged: bool = False  # whether a seed of one of them has


@dataclass(frozen=True)
class Trial:
    """One choice of settings of an algorithm, `values` of those that are searched; number 0 is its defaults."""

    algo: str
    number: int
    values: Mapping[str, Any]
    folders: Mapping[str, Path]  # task -> run folder, of those that were begun
    rungs: tuple[float, ...] = ()  # up to where it was given up
    score: float | None = None  # of a complete one
    state: State = "open"

    @property
    def done(self) -> bool:
        """Whether nothing of it is left to run."""
        return self.state != "open"


@dataclass(frozen=True)
class Search:
    """A search as tune.json says it; `facts` is the file's content."""

    folder: Path
    facts: Mapping[str, Any] = field(repr=False)

    @classmethod
    def read(cls, folder: Path) -> Search:
        """Read a folder of `bench tune`; raises `RecordError` where it is none."""
        path = folder / SEARCH
        try:
            facts = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RecordError(f"{path} cannot be read ({error}); `bench tune --out` writes it") from None
        if not isinstance(facts, dict) or facts.get("format") != FORMAT or not facts.keys() >= _NEEDED:
            raise RecordError(f"{path}: not a search of this version of `bench tune`")
        return cls(folder, facts)

    @property
    def algos(self) -> tuple[str, ...]:
        """The algorithms, each with trials of its own."""
        return tuple(self.facts["spaces"])

    @property
    def metrics(self) -> Mapping[str, str]:
        """Task -> the metric by which its runs are judged."""
        return dict(self.facts["metrics"])

    @property
    def budget(self) -> int:
        """Trials of each algorithm."""
        return int(self.facts["trials"])

    def trials(self, algo: str) -> list[Trial]:
        """The trials of an algorithm within the budget that were begun, in their order.

        Raises `RecordError` where a run folder is damaged, or where a trial has two on one task.
        """
        begun: dict[int, dict[str, Path]] = {}
        for task in self.metrics:
            for path in sorted((self.folder / task / algo).glob("trial-*")):
                found = _NAME.fullmatch(path.name)
                if found is None or not (path / "run.json").exists():
                    continue
                if (other := begun.setdefault(int(found[1]), {}).setdefault(task, path)) != path:
                    raise RecordError(f"{path} and {other.name} are of one trial: delete the older one")
        trials: list[Trial] = []
        for number in sorted(number for number in begun if number < self.budget):
            earlier = [t for t in trials if t.number // self.facts["round"] < number // self.facts["round"]]
            trials.append(self._trial(algo, number, begun[number], earlier))
        return trials

    def _trial(self, algo: str, number: int, folders: Mapping[str, Path], earlier: Sequence[Trial]) -> Trial:
        runs = {task: read_run(path) for task, path in folders.items()}
        settings = next(iter(runs.values())).run["settings"]
        values = {name: _plain(settings[name]["value"]) for name in self.facts["spaces"][algo]}
        found = self.judged(runs)
        if (rung := self.give_up(found.rungs, earlier)) is not None:  # however far it came before it was stopped
            return Trial(algo, number, values, folders, found.rungs[: rung + 1], None, "given up")
        state: State = "diverged" if found.diverged else "open" if found.score is None else "complete"
        return Trial(algo, number, values, folders, found.rungs, found.score, state)

    def judged(self, runs: Mapping[str, Run]) -> Judged:
        """What the criterion sees of a trial, given its runs so far, by task."""
        parts = [judged(runs[task], metric, self.facts["at"]) for task, metric in self.metrics.items() if task in runs]
        diverged = any(part.diverged for part in parts)
        if len(parts) < len(self.metrics):
            return Judged(diverged=diverged)
        metrics = list(self.metrics.values())
        scales = [_UNITS[SCORE_UNITS[metric]] if len(metrics) > 1 else 1.0 for metric in metrics]
        scores = [part.score for part in parts if part.score is not None]
        rungs = zip(*(part.rungs for part in parts))  # noqa: B905 - as far as all have come
        score = _mean(scores, scales) if len(scores) == len(parts) and not diverged else None
        return Judged(tuple(_mean(rung, scales) for rung in rungs), score, diverged)

    def give_up(self, rungs: Sequence[float], earlier: Sequence[Trial]) -> int | None:
        """The rung at which a trial is given up, given the trials of earlier rounds; None: it is not."""
        if not self.facts["prune"]:
            return None
        return given_up_at(rungs, [trial.rungs for trial in earlier if trial.state == "complete"], self.facts["round"])


def best(trials: Sequence[Trial]) -> Trial | None:
    """The complete trial with the highest score, the earliest of equals; None where none is complete."""
    complete = [(trial.score, -trial.number, trial) for trial in trials if trial.score is not None]
    return max(complete, key=lambda found: found[:2])[2] if complete else None


def given_up_at(rungs: Sequence[float], complete: Sequence[Sequence[float]], least: int) -> int | None:
    """The first rung at which a trial's best so far is below the median of the complete ones there; None: at none.

    The median rule of Vizier (Golovin et al. 2017), as Optuna's MedianPruner has it. Fewer than `least` complete ones
    end no trial.
    """
    if len(complete) < least:
        return None
    for n in range(len(rungs)):
        there = [other[n] for other in complete if len(other) > n]
        if there and max(rungs[: n + 1]) < statistics.median(there):
            return n
    return None


def judged(run: Run, metric: str, at: At) -> Judged:
    """What the criterion sees of one run: means over its seeds, of a method that learns offline only at the switch."""
    seeds, diverged = len(run.seeds), False
    values: dict[int, list[float]] = {}
    for row in run.columns.rows({metric, "diverged"}):
        diverged |= row.metric == "diverged"  # from there on that seed has no scores
        if row.metric == metric:
            values.setdefault(row.env_step, []).append(row.value)
    offline = at == "switch" or run.run.get("offline_only") or run.run["settings"]["online_steps"]["value"] == 0
    steps = [step for step in sorted(values) if (step <= 0) == bool(offline) and len(values[step]) == seeds]
    means = [statistics.fmean(values[step]) for step in steps]
    if diverged or not run.finished:
        return Judged(tuple(means), None, diverged)
    if not means:
        raise RecordError(f"{run.path}: the run is marked finished, but has no {metric!r} {_where(at)}")
    return Judged(tuple(means[:-1]), statistics.fmean(means[-1:] if offline else means[-LAST:]))


def _where(at: At) -> str:
    return "at the switch" if at == "switch" else "after the switch"


def search_of(run: Path) -> Path | None:
    """The folder of the search whose trial a run folder is; None where it is nobody's."""
    parents = run.resolve().parents
    return parents[2] if _NAME.fullmatch(run.name) and len(parents) > 2 and (parents[2] / SEARCH).is_file() else None


def trial_name(number: int) -> str:
    """First part of the name of a trial's run folders."""
    return f"trial-{number:03d}"


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value  # as settings have them; JSON has lists


def _mean(scores: Sequence[float], scales: Sequence[float]) -> float:
    return statistics.fmean(score / scale for score, scale in zip(scores, scales, strict=True))
