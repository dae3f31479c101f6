"""What is tried of a method's settings: shared ones and its own, but for those that are set or mean nothing here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import algos
from algos.conditions import read_with
from algos.contract import Objective
from algos.settings import SettingError, check_range, nearest, parse
from algos.space import SHARED, Choice, Domain, Space, Span
from suite.experiment.effect import without_effect
from suite.experiment.experiment import Experiment
from suite.experiment.resolve import setting_owners
from suite.record.shapes import BY_HAND

__all__ = ["Searched", "check_known", "space_of"]

_LOG = "log"  # ends a span that is drawn evenly in its logarithm


@dataclass(frozen=True)
class Searched:
    """One `--search`: a setting, and perhaps what is tried of it in place of what its method declares."""

    name: str
    domain: str = ""  # LOW..HIGH, LOW..HIGH:log or A,B,C; "": as declared
    owner: str = ""  # an algorithm; "": whoever declares the setting, or has it where a domain is given

    @classmethod
    def parse(cls, text: str) -> Searched:
        """Read `name`, `algo.name` or either with `=domain` behind it; raises `SettingError` where it is neither."""
        key, _, domain = text.partition("=")
        owner, _, name = key.strip().rpartition(".")
        if not name or ("=" in text and not domain.strip()):
            raise SettingError(f"--search {text}: write name, name=0.1..10:log, name=0..1 or name=a,b,c")
        if owner:
            algos.get(owner)
        return cls(name, domain.strip(), owner)

    def __str__(self) -> str:
        key = f"{self.owner}.{self.name}" if self.owner else self.name
        return f"{key}={self.domain}" if self.domain else key

    def read(self, owner: type[Any]) -> Domain:
        """The domain that is written, with values of the class that declares the setting."""
        try:
            domain = self._read(owner)
            ends = (domain.low, domain.high) if isinstance(domain, Span) else domain.values
            for value in ends:
                check_range(owner, self.name, value)
        except SettingError as error:
            raise SettingError(f"--search {self}: {str(error).removeprefix('--set ')}") from None
        return domain

    def _read(self, owner: type[Any]) -> Domain:
        ends, colon, how = self.domain.partition(":")
        low, dots, high = ends.partition("..")
        if not dots:
            return Choice(tuple(parse(owner, self.name, word) for word in self.domain.split(",")))
        if colon and how.strip() != _LOG:
            raise SettingError(f"a span ends in :{_LOG} or in nothing")
        least, most = (parse(owner, self.name, end) for end in (low, high))
        if not isinstance(least, float) or not isinstance(most, float):
            raise SettingError("a span is of a number with a fraction; name the values, e.g. 1,2,4")
        return Span(least, most, log=bool(colon))


def check_known(searched: Sequence[Searched], objectives: Sequence[Objective]) -> None:
    """Raise `SettingError` for a `--search` of what none of the methods has to search."""
    for one in searched:
        own = [objective for objective in objectives if one.owner in ("", objective.name)]
        known = {name for objective in own for name in _known(objective, one)}
        if one.name not in known:
            raise SettingError(f"--search {one}: {nearest(one.name, known) if known else f'{one.owner} is not tuned'}")


def _known(objective: Objective, one: Searched) -> Iterable[str]:
    """Settings that may be searched: the declared ones, and all where what is tried of them is said."""
    return setting_owners(objective) if one.domain else {**SHARED, **objective.space}


def space_of(experiments: Sequence[Experiment], searched: Sequence[Searched]) -> Space:
    """What is tried of a method, given its cells without any trial's settings, one per task.

    Settings that `--set` fixes, or that mean nothing to it on one of the tasks, are left out. With `searched`, it is
    these alone. Raises `SettingError` where nothing is left, and for a method whose space names what it does not have.
    """
    first = experiments[0]
    owners = setting_owners(first.objective)
    declared = {**SHARED, **first.objective.space}
    if unknown := [name for name in declared if name not in owners]:
        raise SettingError(f"SPACE of {first.algo} names unknown {unknown[0]!r}; {nearest(unknown[0], owners)}")
    space = _chosen(first.algo, declared, searched, owners) if searched else declared
    idle = {name for e in experiments for name in without_effect(e) if not _may_be_read(e, name, space)}
    space = {n: d for n, d in space.items() if n not in idle and not any(_set(e, n) for e in experiments)}
    if not space:
        raise SettingError(f"nothing is left to search of {first.algo}: give it other --search, or fewer --set")
    return space


def _may_be_read(experiment: Experiment, name: str, space: Space) -> bool:
    """Whether a setting without effect has one in trials that give other values to what it is read with."""
    return bool(read_with(experiment.cfg, name) & space.keys())


def _set(experiment: Experiment, name: str) -> bool:
    return experiment.sources[name].startswith(BY_HAND)


def _chosen(algo: str, declared: Space, searched: Sequence[Searched], owners: dict[str, type[Any]]) -> Space:
    space = {}
    for one in searched:
        if one.owner not in ("", algo):
            continue
        if one.domain and one.name in owners:
            space[one.name] = one.read(owners[one.name])
        elif not one.domain and one.name in declared:
            space[one.name] = declared[one.name]
    return space
