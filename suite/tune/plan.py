"""A search: which settings are tried of which methods, on what, by which criterion and how often.

Written as tune.json of its folder. The same command goes on with it, and may ask for more trials.
"""

from __future__ import annotations

import dataclasses
import datetime
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from algos.settings import SettingError
from algos.space import Space
from envs import tasks
from envs.task import Task
from suite.experiment.experiment import Experiment
from suite.experiment.request import Override, Request, parse_seeds, seed_list, spell_seeds
from suite.experiment.requirements import check_means, offline_updates
from suite.experiment.resolve import resolve_all
from suite.experiment.used import check_used
from suite.output import say
from suite.record.files import writable
from suite.record.metrics import SCORE_UNITS
from suite.record.trials import FORMAT, SEARCH, Search, trial_name
from suite.record.writer import write_json
from suite.tune.space import Searched, check_known, space_of

__all__ = ["FIRST_SEED", "Plan", "tuning_seeds"]

FIRST_SEED = 1000  # of those that tuning takes: reports begin at 0
_MAY_CHANGE = ("trials", "command", "created")
_SAMPLERS = ("tpe", "random")


def tuning_seeds(text: str) -> tuple[int, ...]:
    """Read a count ('3': 1000 to 1002), a list ('1003,1004') or a range, which are taken as they are."""
    if text.strip().isdecimal():
        return tuple(FIRST_SEED + seed for seed in parse_seeds(text))
    return seed_list(text, "a count (3: seeds 1000 to 1002), a list (1003,1007) or a range (1003-1005)")


@dataclass(frozen=True)
class Plan:
    """What `bench tune` is asked for; `request` is of the trials, without their own settings."""

    request: Request
    spaces: Mapping[str, Space]  # algorithm -> what is tried
    trials: int  # of each algorithm
    metrics: Mapping[str, str]  # task -> metric
    at: str
    prune: bool
    round: int  # trials of an algorithm that are chosen together
    sampler: str
    sampler_seed: int

    @classmethod
    def of(
        cls,
        request: Request,
        *,
        trials: int,
        at: str = "end",
        metric: str | None = None,
        search: Sequence[str] = (),
        prune: bool = True,
        round_: int = 4,
        sampler: str = "tpe",
        sampler_seed: int = 0,
    ) -> Plan:
        """Complete and check what was asked for, before anything is trained; raises `SettingError` for what is wrong.

        `--at switch` leaves out the online phase, of which its scores do not depend.
        """
        if at not in ("end", "switch"):
            raise SettingError(f"--at {at}: give end (the mean of the last evaluations) or switch")
        if sampler not in _SAMPLERS:
            raise SettingError(f"--sampler {sampler}: give {' or '.join(_SAMPLERS)}")
        if at == "switch" and not any(override.name == "online_steps" for override in request.overrides):
            offline = Override("online_steps", "0", reason="--at switch")
            request = dataclasses.replace(request, overrides=(*request.overrides, offline))
        experiments = resolve_all(request)
        for message in check_used(request, experiments):
            say(message)
        for experiment in experiments:
            check_means(experiment)
            if at == "switch" and not offline_updates(experiment):
                raise SettingError(f"--at switch: {experiment.algo} learns nothing before the switch")
        if low := [seed for seed in request.seeds if seed < FIRST_SEED]:
            say(f"not to be reported, as settings are chosen on them: seeds {', '.join(map(str, low))}")
        searched = [Searched.parse(text) for text in search]
        check_known(searched, [e.objective for e in experiments])
        own = {algo: [e for e in experiments if e.algo == algo] for algo in request.algos}
        spaces = {algo: space_of(cells, searched) for algo, cells in own.items()}
        for one in searched:
            if not any(one.name in space and one.owner in ("", algo) for algo, space in spaces.items()):
                raise SettingError(f"--search {one}: --set fixes it, or it means nothing here")
        return cls(request, spaces, trials, _metrics(request, metric), at, prune, round_, sampler, sampler_seed)

    @property
    def facts(self) -> dict[str, Any]:
        """What tune.json holds."""
        r = self.request
        return {
            "format": FORMAT,
            "spaces": {algo: {n: d.content for n, d in space.items()} for algo, space in self.spaces.items()},
            "metrics": dict(self.metrics),
            "at": self.at,
            "trials": self.trials,
            "seeds": list(r.seeds),
            "profile": r.profile,
            "dataset": r.dataset,
            "set": list(map(str, r.overrides)),
            "prune": self.prune,
            "round": self.round,
            "sampler": self.sampler,
            "sampler_seed": self.sampler_seed,
            "command": ["bench", *sys.argv[1:]],
            "created": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        }

    @property
    def criterion(self) -> str:
        """The criterion in words."""
        names = " and ".join(dict.fromkeys(self.metrics.values()))
        where = "at the switch" if self.at == "switch" else "over the last evaluations"
        return f"mean {names} {where}" + f", over {len(self.metrics)} tasks" * (len(self.metrics) > 1)

    @property
    def name(self) -> str:
        """Name of the search's folder where none is given."""
        short = "+".join(tasks.get(task).short_name for task in self.request.tasks)
        return f"{short}-{self.request.profile}"

    def cells(self, algo: str, number: int, values: Mapping[str, str]) -> list[Experiment]:
        """The runs of one trial, one per task; raises `SettingError` where its settings contradict each other."""
        own = tuple(Override(name, text, algo, reason=f"trial {number}") for name, text in values.items())
        request = dataclasses.replace(
            self.request, algos=(algo,), name=trial_name(number), overrides=(*self.request.overrides, *own)
        )
        try:
            return resolve_all(request)
        except SettingError as error:
            chosen = ", ".join(f"{name}={text}" for name, text in values.items())
            raise SettingError(f"trial {number} of {algo} ({chosen}): {error}; --search or --set keep it out") from None

    def begin(self, folder: Path) -> Search:
        """Write tune.json, or go on with what it says; raises `SettingError` where that is another search."""
        path = folder / SEARCH
        facts = self.facts
        if path.exists():
            known = Search.read(folder).facts
            for key, value in facts.items():
                if key not in _MAY_CHANGE and known.get(key) != value:
                    raise SettingError(
                        f"{folder} was begun with {key} {known.get(key)}, not {value}: give this search another --name"
                    )
            facts |= {"created": known["created"]}
        elif folder.exists() and any(folder.iterdir()):
            raise SettingError(f"{folder} exists and holds no {SEARCH}: give this search another --name")
        with writable(path):
            write_json(path, facts)
        return Search.read(folder)

    @property
    def seeds(self) -> str:
        """The seeds in words."""
        seeds = self.request.seeds
        whole = len(seeds) > 1 and list(seeds) == list(range(seeds[0], seeds[-1] + 1))
        return f"{seeds[0]}-{seeds[-1]}" if whole else spell_seeds(seeds)


def _metrics(request: Request, metric: str | None) -> dict[str, str]:
    """Task -> metric: the given one, or what reports show of it.

    Raises `SettingError` where a task has none of that name, and where scores of several tasks cannot be averaged.
    """
    metrics = {task: metric or _headline(tasks.get(task)) for task in request.tasks}
    for task, name in metrics.items():
        if name not in (known := _recorded(tasks.get(task))):
            raise SettingError(f"--metric {name}: not a score of {task}; it has {', '.join(known)}")
    raw = [task for task, name in metrics.items() if SCORE_UNITS[name] not in ("share", "percent")]
    if len(metrics) > 1 and raw:
        raise SettingError(
            f"{metrics[raw[0]]!r} of {raw[0]} cannot be averaged with that of other tasks: tune on it alone, or by "
            "--metric success or normalized_score"
        )
    return metrics


def _headline(task: Task) -> str:
    """The metric that reports show of a task."""
    return "normalized_score" if task.headline == "return" and task.anchors is not None else task.headline


def _recorded(task: Task) -> list[str]:
    """The scores that are recorded of a task."""
    lacking = {name for name in SCORE_UNITS if name.startswith("success")} if task.success is None else set()
    lacking |= {"normalized_score"} if task.anchors is None else set()
    lacking |= {"final_reward"} if task.goal is None else set()
    return [name for name in SCORE_UNITS if name not in lacking]
