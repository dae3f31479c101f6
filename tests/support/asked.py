"""Cells asked for in one line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from envs import tasks
from suite.experiment import resolve as resolving
from suite.experiment.experiment import Experiment
from suite.experiment.request import Override, Request

__all__ = ["request", "resolve"]


def request(
    algo: str | Sequence[str],
    env: str,
    seeds: Iterable[int] = (0,),
    profile: str = "quick",
    overrides: Iterable[str] = (),
    name: str | None = None,
    dataset: str | None = None,
    preset: str = "paper",
) -> Request:
    """One or several algorithms on a task; `overrides` are texts of `--set`."""
    algos = (algo,) if isinstance(algo, str) else tuple(algo)
    sets = tuple(map(Override.parse, overrides))
    return Request(algos, (tasks.get(env).id,), tuple(seeds), profile, preset, name, dataset, sets)


def resolve(
    algo: str,
    env: str,
    seeds: Iterable[int] = (0,),
    profile: str = "quick",
    overrides: Iterable[str] = (),
    name: str | None = None,
    dataset: str | None = None,
    preset: str = "paper",
) -> Experiment:
    """The experiment of one cell."""
    return resolving.resolve(request(algo, env, seeds, profile, overrides, name, dataset, preset))
