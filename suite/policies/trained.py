"""Policies that runs have left, found and loaded: what `bench eval`, `video` and `export` work on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from algos.learner.actors import load_actor
from algos.networks.policy_file import read_policy
from algos.settings import SettingError, nearest
from envs import tasks
from envs.errors import TaskPluginError, UnknownTaskError
from envs.task import Task
from suite.experiment.request import parse_list, seed_list
from suite.output import say
from suite.record.folders import Run, find_runs, kept_steps, policy_folder, policy_path, read_facts
from suite.record.rows import RecordError
from suite.train.in_turn import Act

__all__ = ["FINAL", "Trained", "act_of", "find", "found"]

FINAL = "final"
EVERY = "all"


@dataclass(frozen=True)
class Trained:
    """Policies of one run at one evaluation, or one policy from a file of its own, stacked by seed."""

    where: Path  # the run's folder, or the file
    algo: str
    task: Task
    at: str  # "final", or the step of the evaluation after which `bench run --keep-policies` kept them
    seeds: tuple[int, ...]
    files: tuple[Path, ...]
    actor: nn.Module  # obs [S, B, O] -> a distribution with `mode` and `sample`
    metas: tuple[dict[str, Any], ...]  # one per file, with the scores of its own evaluation
    run: Run | None = None

    @property
    def name(self) -> str:
        """Name of the run folder, or of the file."""
        return self.where.stem if self.run is None else self.where.name

    @property
    def action_chunk(self) -> int:
        """How many actions it decides at once."""
        return int(self.metas[0].get("action_chunk", 1))

    def alone(self, k: int) -> nn.Module:
        """The policy of seed number k by itself."""
        return load_actor([self.files[k]])[0]


def find(
    places: Sequence[Path],
    at: str = FINAL,
    seeds: Sequence[int] | None = None,
    first_only: bool = False,
    left_out: Callable[[Exception], object] | None = None,
) -> list[Trained]:
    """Find the policies of every run below `places`, and of policy files among them.

    `at` are steps, "final" or "all". `seeds` chooses seeds (None: all that a run has), `first_only` the first of them.

    Unfinished runs and diverged seeds have no policies, and are named on stderr. The error of a run folder that cannot
    be read is handed to `left_out` (None: raised). Raises `RecordError` when nothing is left, `SettingError` when a
    file holds no policy, or when seeds or steps are to be chosen from a file.
    """
    found: list[Trained] = []
    broken: list[Exception] = []
    for place in places:
        if place.suffix == ".npz":
            _check_whole(place, at, seeds)
            found.append(_file(place))
            continue
        for folder in find_runs(place):
            try:
                found += _of_run(read_facts(folder), at, seeds, first_only)
            except (RecordError, UnknownTaskError, TaskPluginError) as error:
                broken.append(error)
    if broken and (left_out is None or not found):
        raise broken[0]
    if not found:
        raise RecordError(f"{', '.join(map(str, places))}: no policies; a run leaves them when it has finished")
    if left_out is not None:
        for why in broken:
            left_out(why)
    return found


def _check_whole(path: Path, at: str, seeds: Sequence[int] | None) -> None:
    """Refuse to choose from a file, which holds one policy."""
    chosen = ["--seeds"] * (seeds is not None) + ["--at"] * (at != FINAL)
    if chosen:
        raise SettingError(
            f"{' and '.join(chosen)}: {path} is a file of one policy; leave that out, or name the folders of runs alone"
        )


def _file(path: Path) -> Trained:
    actor, meta = load_actor([path])
    task = tasks.get(str(meta.get("task")))
    seed = int(meta.get("seed", 0))
    return Trained(path, str(meta.get("algo", path.stem)), task, FINAL, (seed,), (path,), actor, (meta,))


def _of_run(run: Run, at: str, wanted: Sequence[int] | None, first_only: bool) -> list[Trained]:
    task = tasks.get(run.task)
    rule = run.run.get("success_rule", task.success_rule)
    if rule != task.success_rule:
        raise RecordError(f"{run.path}: was judged by the rule {rule!r}, and {task.id} now has {task.success_rule!r}")
    seeds = [s for s in run.seeds if wanted is None or s in wanted]
    if not seeds:
        say(f"{run.path}: none of these seeds; it has {', '.join(map(str, run.seeds))}")
        return []
    out = []
    for moment, folder in _moments(run, at):
        files = {seed: policy_path(folder, seed) for seed in seeds}
        here = {seed: path for seed, path in files.items() if path.is_file()}
        if absent := sorted(files.keys() - here.keys()):
            why = "diverged" if here or run.finished else f"no policy yet, the run is {run.status.get('state')}"
            say(f"{run.path}, {moment}: seed {', '.join(map(str, absent))}: {why}")
        if first_only:
            here = dict(list(here.items())[:1])
        if here:
            actor, metas = _loaded([*here.values()])
            out.append(Trained(run.path, run.algo, task, moment, tuple(here), tuple(here.values()), actor, metas, run))
    return out


def _loaded(files: Sequence[Path]) -> tuple[nn.Module, tuple[dict[str, Any], ...]]:
    """Policies of a run and each one's meta; raises `RecordError` where one cannot be read: the run is damaged."""
    try:
        return load_actor(files)[0], tuple(read_policy(path)[0] for path in files)
    except SettingError as error:
        raise RecordError(str(error)) from error


def _moments(run: Run, at: str) -> list[tuple[str, Path]]:
    """Names and folders of the evaluations asked for; "all" are those kept, the final one among them."""
    kept = {str(step): policy_folder(run.path, step) for step in kept_steps(run.path)}
    places = {**kept, FINAL: policy_folder(run.path)}
    names = ([*kept] or [FINAL]) if at == EVERY else [part.removeprefix("+") for part in parse_list(at)]
    for name in names:
        if name not in places:
            more = "" if kept else " (`bench run --keep-policies` keeps those of every evaluation)"
            raise SettingError(f"--at {name}: {run.path} has no policies of that step; {nearest(name, places)}{more}")
    return [(name, places[name]) for name in names]


def found(runs: Sequence[Path], at: str, seeds: str | None, first_only: bool = False) -> tuple[list[Trained], int]:
    """The policies that a command works on, and its exit code: 1 where a run folder cannot be read, as stderr says."""
    broken: list[Exception] = []
    policies = find(runs, at, None if seeds is None else seed_list(seeds), first_only, broken.append)
    for why in broken:
        say(f"left out: {why}")
    return policies, int(bool(broken))


def act_of(actor: nn.Module) -> Act:
    """Make a function like `ActorCritic.act`: obs [S, n, O], noise [S, n, A] (None: modes) -> actions [S, n, A]."""

    @torch.no_grad()
    def act(obs: NDArray[np.float32], noise: NDArray[np.float32] | None) -> NDArray[np.float32]:
        dist = actor(torch.from_numpy(obs))
        action = dist.mode if noise is None else dist.sample(torch.from_numpy(noise))[0]
        return np.asarray(action.numpy())

    return act
