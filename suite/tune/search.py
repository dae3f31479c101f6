"""Round after round of trials until every method has used up its budget; resumed from the run folders alone.

The trials of a round are chosen together, from those of the rounds before: what is tried does not depend on how many
run side by side, on where a search was stopped, or on how many more it is asked for later.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from algos.settings import spell
from suite.experiment.experiment import Experiment
from suite.launch.processes import shell_code
from suite.launch.side_by_side import run_processes
from suite.launch.spread import Spread
from suite.measure.estimate import estimate
from suite.output import say, show
from suite.record.folders import RecordError, read_run
from suite.record.trials import Search, Trial, best
from suite.train.cell import run_folder
from suite.train.means import Means
from suite.train.progress import duration
from suite.tune import sampler
from suite.tune.choice import PRESET, preset_of, words
from suite.tune.plan import Plan

__all__ = ["tune"]

Trials = dict[str, list[Trial]]  # of each algorithm
Cells = dict[str, tuple[Experiment, int]]  # run folder -> what is run there, for which trial


def tune(plan: Plan, means: Means, name: str | None, spread: Spread, *, dry_run: bool = False) -> int:
    """Carry out a search, or what is left of it, below `means.out`, and write its preset file.

    Returns the exit code: the worst of a run's where one was stopped or failed, and the same command goes on.
    """
    sampler.check()
    if not spread.elsewhere:
        means.hardware.torch_device()
    folder = means.out / (name or plan.name)
    if dry_run:
        _show_plan(plan, folder, means, spread.jobs or 1)
        return 0
    search = plan.begin(folder)
    means = dataclasses.replace(means, out=folder)
    for first in range(0, plan.trials, plan.round):
        code = _round(plan, search, range(first, min(first + plan.round, plan.trials)), means, spread)
        if code:
            return code
    return _finish(plan, search)


def _round(plan: Plan, search: Search, numbers: range, means: Means, spread: Spread) -> int:
    """Run what is left of a round's trials; returns the exit code."""
    trials = _read(search)
    if all(_done(trials[algo], numbers) for algo in plan.spaces):
        return 0
    left: Cells = {}
    for algo, own in trials.items():
        known = {trial.number: trial for trial in own}
        for number, values in _chosen(plan, algo, own, numbers).items():
            if number not in known or not known[number].done:
                left |= _cells(plan, algo, number, values, known.get(number), means)
    watch = _Watch(search, trials, left)
    codes = run_processes([cell for cell, _ in left.values()], means, spread, watch)
    trials = _read(search)
    _tell(plan, trials)
    failed = {
        folder: code
        for folder, (cell, number) in left.items()
        if (code := codes.get(folder)) != 0 and not _done(trials[cell.algo], range(number, number + 1))
    }
    for folder, code in failed.items():
        say(f"{folder}: {'not started' if code is None else f'ended with exit code {code}'}")
    if failed:
        say("the same command goes on from here")
    return max(map(shell_code, failed.values()), default=0)


def _read(search: Search) -> Trials:
    return {algo: search.trials(algo) for algo in search.algos}


def _done(trials: Sequence[Trial], numbers: range) -> bool:
    return {t.number for t in trials if t.done} >= set(numbers)


def _chosen(plan: Plan, algo: str, trials: Sequence[Trial], numbers: range) -> dict[int, dict[str, str]]:
    """Settings of a round's trials, as `--set` takes them; number 0 is the method as it stands.

    Those of a trial that was begun are the recorded ones, whatever the sampler would say today.
    """
    before = [trial for trial in trials if trial.number < numbers.start]
    count = plan.round if numbers.start else plan.round - 1
    seed = (plan.sampler_seed, numbers.start // plan.round)
    asked = sampler.propose(plan.spaces[algo], before, count, kind=plan.sampler, seed=seed) if count else []
    proposed = dict(enumerate(asked, start=max(1, numbers.start)))
    begun = {trial.number: trial.values for trial in trials}
    values = {number: begun.get(number, proposed.get(number, {})) if number else {} for number in numbers}
    return {number: {name: spell(value) for name, value in own.items()} for number, own in values.items()}


def _cells(plan: Plan, algo: str, number: int, values: Mapping[str, str], begun: Trial | None, means: Means) -> Cells:
    """The runs of a trial by run folder.

    Raises `RecordError` where one was begun and would now be another run, as defaults have changed since.
    """
    cells: Cells = {}
    for cell in plan.cells(algo, number, values):
        folder = run_folder(cell, means.out)
        old = folder if begun is None else begun.folders.get(cell.task.id, folder)
        if old != folder:
            raise RecordError(
                f"{old} was begun with other defaults and would now be {folder.name}: delete it, or start the search "
                "anew under another --name"
            )
        cells[str(folder)] = cell, number
    return cells


class _Watch:
    """Says of a running cell whether its trial is to be given up: asked often, it looks when there is something new."""

    def __init__(self, search: Search, trials: Trials, cells: Cells) -> None:
        self.search = search
        self.cells = cells
        self._before = trials
        self._size: dict[str, int] = {}
        self._ended: set[tuple[str, int]] = set()

    def __call__(self, folder: str) -> bool:
        cell, number = self.cells[folder]
        trial = cell.algo, number
        if trial not in self._ended and self._news(folder) and (why := self._end(*trial)):
            self._ended.add(trial)
            say(f"{folder}: given up, {why}")
        return trial in self._ended

    def _news(self, folder: str) -> bool:
        metrics = Path(folder) / "metrics.csv"
        size = metrics.stat().st_size if metrics.exists() else 0
        before, self._size[folder] = self._size.get(folder, 0), size
        return size > before

    def _end(self, algo: str, number: int) -> str:
        """Why a trial need not go on; empty where it is to."""
        own = {cell.task.id: Path(f) for f, (cell, n) in self.cells.items() if (cell.algo, n) == (algo, number)}
        try:
            runs = {task: read_run(path) for task, path in own.items() if (path / "run.json").exists()}
        except RecordError:  # its process, which is writing it, knows better
            return ""
        first = number - number % self.search.facts["round"]
        earlier = [trial for trial in self._before[algo] if trial.number < first]
        found = self.search.judged(runs)
        if self.search.give_up(found.rungs, earlier) is not None:
            return "below the median of the trials before it"
        return "a seed has diverged" if found.diverged else ""


def _tell(plan: Plan, trials: Trials) -> None:
    """Say how far each method is."""
    for algo, own in trials.items():
        found = best(own)
        so_far = "none complete" if found is None else f"best {found.score:.3g}, trial {found.number}: {words(found)}"
        ended = sum(trial.state in ("given up", "diverged") for trial in own)
        more = f", {ended} given up or diverged" if ended else ""
        say(f"{algo}: {sum(t.done for t in own)} of {plan.trials} trials{more}; {so_far}")


def _finish(plan: Plan, search: Search) -> int:
    """Write the preset file and show its path; returns the exit code."""
    trials = _read(search)
    for algo, own in trials.items():
        if best(own) is None:
            say(f"{algo}: no trial is complete, so that none can be chosen; it is not in the preset")
    file = preset_of(plan, search, trials)
    if not file.methods:
        return 1
    path = search.folder / PRESET
    file.write(path)
    for algo in file.methods:
        found = file.tune["best"][algo]
        say(f"{algo}: trial {found['trial']} of {plan.trials}, {plan.criterion}: {found['score']:.3g}")
    show(str(path))
    return 0


def _show_plan(plan: Plan, folder: Path, means: Means, jobs: int) -> None:
    """Print what `--dry-run` says: spaces, how many runs, and how long they take."""
    total = 0.0
    for algo, space in plan.spaces.items():
        cells = plan.cells(algo, 0, {})
        show(f"# {algo}, {plan.trials} trials on seeds {plan.seeds}, profile {plan.request.profile}")
        for name, domain in space.items():
            setting = cells[0].settings[name]
            show(f"{name} in {domain}    (default {spell(setting['value'])}: {setting['source']})")
        for cell in cells:
            cost = estimate(cell, means.hardware)
            total += plan.trials * cost.seconds
            show(f"each run on {cell.task.short_name}: {cost.text}")
    runs = plan.trials * len(plan.spaces) * len(plan.metrics)
    beside = f"; {jobs} side by side share the cores" if jobs > 1 else ""
    ended = "; those given up take less" if plan.prune else ""
    show(f"criterion: {plan.criterion}")
    show(f"folder: {folder}")
    show(f"estimate: {runs} runs, about {duration(total)} at the defaults, datasets not counted{beside}{ended}")
