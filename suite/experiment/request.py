"""What a command line asks for, read once: a `Request`, and every `--set` of it as an `Override`.

Both can be spelled again as words of a command line, which is how a process or a job of its own is given a cell.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import algos
from algos.settings import SettingError
from envs import tasks
from envs.task import DEFAULT
from suite.experiment.preset_file import PresetFile, is_file
from suite.experiment.presets import PAPER
from suite.experiment.profiles import QUICK

__all__ = ["Override", "Request", "parse_list", "parse_seeds", "seed_list", "spell_seeds"]

MOST_SEEDS = 1000  # of one run: a larger count is likely meant as the number of one seed
SEEDS_END = 2**32  # generators elsewhere take 32 bits
_REASON = " # "  # between an override and its reason


@dataclass(frozen=True)
class Override:
    """One setting's value, set by hand: for every algorithm that has the setting, or for one."""

    name: str
    value: str  # as `algos.settings.parse` reads it
    owner: str = ""  # an algorithm; "": whoever has the setting
    reason: str = ""

    @classmethod
    def parse(cls, text: str) -> Override:
        """Read `name=value` or `algo.name=value`, either with ` # reason` behind it.

        Raises `SettingError` for another form and for an algorithm that is none.
        """
        said, _, reason = text.partition(_REASON)
        key, equals, value = said.partition("=")
        owner, _, name = key.strip().rpartition(".")
        if not equals:
            raise SettingError(f"--set {text}: write name=value")
        if owner:
            algos.get(owner)
        return cls(name, value.strip(), owner, reason.strip())

    def __str__(self) -> str:
        key = f"{self.owner}.{self.name}" if self.owner else self.name
        return f"{key}={self.value}" + (f"{_REASON}{self.reason}" if self.reason else "")


@dataclass(frozen=True)
class Request:
    """What is to be run: every algorithm on every task, with the same seeds, sizes, data and overrides."""

    algos: tuple[str, ...]
    tasks: tuple[str, ...]  # ids
    seeds: tuple[int, ...]
    profile: str = QUICK
    preset: str = PAPER
    name: str | None = None  # of the run folders; None: the profile's, and the preset's where it is not the paper's
    dataset: str | None = None  # None: each task's own
    overrides: tuple[Override, ...] = ()
    preset_file: PresetFile | None = None  # where `preset` is not one by name

    @classmethod
    def parse(
        cls,
        *,
        algo: str,
        env: str,
        seeds: str,
        profile: str = QUICK,
        preset: str = PAPER,
        name: str | None = None,
        dataset: str | None = None,
        set_: Sequence[str] = (),
    ) -> Request:
        """Read the options of `bench run`; raises `SettingError`, or an unknown task's error, with what is right."""
        named = tuple(parse_list(algo)), tuple(dict.fromkeys(tasks.get(task).id for task in parse_list(env)))
        if not all(named):
            raise SettingError("--algo and --env must each name at least one")
        dataset = None if dataset == DEFAULT else dataset  # named or left out, it is the same run
        file = PresetFile.read(preset) if is_file(preset) else None
        overrides = tuple(map(Override.parse, set_))
        preset = preset if file is None else file.name
        return cls(*named, parse_seeds(seeds), profile, preset, name, dataset, overrides, file)

    def cells(self) -> Iterator[Request]:
        """Requests of one cell each, task after task."""
        for task in self.tasks:
            for algo in self.algos:
                yield dataclasses.replace(self, algos=(algo,), tasks=(task,))

    def kept(self, folder: Path) -> Request:
        """The same request, with a copy of its preset file that nobody changes before a process reads it."""
        if self.preset_file is None:
            return self
        return dataclasses.replace(self, preset_file=self.preset_file.kept(folder))

    def words(self) -> list[str]:
        """Words after `bench` that ask for the same again, as `parse` reads them."""
        short = [tasks.get(task).short_name for task in self.tasks]
        words = ["run", "--algo", ",".join(self.algos), "--env", ",".join(short), "--seeds", spell_seeds(self.seeds)]
        preset = self.preset if self.preset_file is None else self.preset_file.path
        words += ["--profile", self.profile, "--preset", preset]
        words += ["--name", self.name] if self.name else []
        words += ["--dataset", self.dataset] if self.dataset else []
        for override in self.overrides:
            words += ["--set", str(override)]
        return words


def parse_list(text: str) -> list[str]:
    """Read 'awac, sac' as ['awac', 'sac'], without repeats."""
    return list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def parse_seeds(text: str) -> tuple[int, ...]:
    """Read a count ('5': 0 to 4), a list ('3,7,9') or a range ('4-6').

    Raises `SettingError` where it is none of them, names a seed twice, too many of them or too large a one.
    """
    forms = "a count (5), a list (3,7,9) or a range (4-6)"
    try:
        count = int(text)
    except ValueError:
        return seed_list(text, forms)
    if count < 1:
        raise SettingError(f"--seeds {text}: names no seed; give {forms}")
    _check_number(text, count, f"; did you mean --seeds {count}-{count} for the one seed {count}?")
    return tuple(range(count))


def seed_list(text: str, forms: str = "a seed (3), a list (3,7,9) or a range (4-6)") -> tuple[int, ...]:
    """Read seeds that are named one by one: '3' is that one, '3,7,9' are those, '4-6' are 4, 5 and 6.

    `forms` are what the option takes, for its refusal.
    """
    try:
        ranges = [_range(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise SettingError(f"--seeds {text}: give {forms}") from None
    if not ranges or not all(ranges):
        raise SettingError(f"--seeds {text}: {'a range that falls' if ranges else 'names no seed'}; give {forms}")
    if (largest := max(part[-1] for part in ranges)) >= SEEDS_END:
        raise SettingError(f"--seeds {text}: seed {largest} is too large; the largest is {SEEDS_END - 1}")
    _check_number(text, sum(map(len, ranges)))
    seeds = [seed for part in ranges for seed in part]
    if len(set(seeds)) != len(seeds):
        raise SettingError(f"--seeds {text}: names a seed twice")
    return tuple(seeds)


def _range(text: str) -> range:
    """Read '4-6' as 4, 5, 6 and '3' as that one; raises `ValueError` for what is neither."""
    first, dash, last = text.partition("-")
    return range(int(first), int(last if dash else first) + 1)


def _check_number(text: str, count: int, hint: str = "") -> None:
    if count > MOST_SEEDS:
        raise SettingError(f"--seeds {text}: {count:,} seeds; {MOST_SEEDS:,} are the most{hint * (count < SEEDS_END)}")


def spell_seeds(seeds: Sequence[int]) -> str:
    """Spell seeds as `parse_seeds` reads them: 5 for 0 to 4, and a list for others."""
    if list(seeds) == list(range(len(seeds))):
        return str(len(seeds))
    return f"{seeds[0]}-{seeds[0]}" if len(seeds) == 1 else ",".join(map(str, seeds))
