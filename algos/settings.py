"""Settings: frozen dataclasses whose every field says what it means, where its value comes from, and what it may be.

`bench explain` prints what is written here, `--set name=value` is parsed by the types declared here, a number outside
the interval declared here is refused, and an unknown name is answered with the nearest right one. Imports no torch.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from algos.conditions import Only, in_words

__all__ = [
    "AT_LEAST_ONE",
    "BELOW_ONE",
    "FINITE",
    "FRACTION",
    "LIMITS",
    "NOT_NEGATIVE",
    "POSITIVE",
    "POSITIVE_OR_INF",
    "Interval",
    "Preset",
    "Schedule",
    "SettingError",
    "Settings",
    "Value",
    "allowed",
    "check_range",
    "closest",
    "describe",
    "nearest",
    "parse",
    "schedules",
    "setting",
    "spell",
    "with_values",
]

Value = bool | int | float | str | None | tuple[int, ...] | tuple[float, ...] | tuple[str, ...]
C = TypeVar("C")

UP_TO_INF = ", up to inf"  # ends an interval's words where infinity is allowed; left out where a number is refused


class SettingError(ValueError):
    """A name or value the user gave that cannot be used; the message says what would be right."""


@dataclass(frozen=True)
class Interval:
    """The numbers that a setting may have. An end in square brackets belongs to them, infinity like any other.

    `ends` are the brackets in mathematical notation; `note` is added to the refusal of a number.
    """

    low: float
    high: float = math.inf
    ends: Literal["[]", "[)", "(]", "()"] = "[)"
    note: str = ""

    def __contains__(self, number: Any) -> bool:  # NaN is in none, nor are words
        if number is None or isinstance(number, str):
            return False
        above = number >= self.low if self.ends[0] == "[" else number > self.low
        return bool(above and (number <= self.high if self.ends[1] == "]" else number < self.high))

    def __str__(self) -> str:
        if self.high < math.inf:
            return f"in {self.ends[0]}{self.low:g}, {self.high:g}{self.ends[1]}"
        if self.low == -math.inf:
            return "a number"
        least = f"{'at least' if self.ends[0] == '[' else 'above'} {self.low:g}"
        return f"{least}{UP_TO_INF}" if self.ends[1] == "]" else least


POSITIVE = Interval(0, math.inf, "()")
POSITIVE_OR_INF = Interval(0, math.inf, "(]")  # where infinity says something: no cap, or plain cloning
NOT_NEGATIVE = Interval(0)
AT_LEAST_ONE = Interval(1)
FRACTION = Interval(0, 1, "[]")
BELOW_ONE = Interval(0, 1, "[)")
FINITE = Interval(-math.inf, math.inf, "()")


@dataclass(frozen=True)
class Settings:
    """Base of every class of settings: numbers outside the interval of their field are refused.

    A `__post_init__` of its own, for what concerns several fields, begins with `super().__post_init__()`.
    """

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            check_range(type(self), field.name, getattr(self, field.name))


# What authors' code does and the skeleton has no setting for, by the names that presets use.
LIMITS: Mapping[str, str] = {
    "widths": "layers of the policy and of the critics that differ: `hidden` is one",
    "activations": "activations other than ReLU and tanh",
    "norm-after": "hidden layers normalised after their activation",
    "dropout": "dropout between layers",
    "initialisation": "its initial weights: ours are uniform in +-1/sqrt(inputs), the policy's last layer in +-1e-3",
    "batches": "batches of another size offline than online: `batch_size` is one",
    "optimiser": "its schedules of step sizes, Adam's epsilon",
    "rewards": "rewards scaled, shifted or clipped",
    "observations": "running statistics of observations, or clipped ones: ours are those of the offline data, frozen",
    "linear-mean": "a policy whose mean is not bounded by tanh, with samples clipped to the bounds",
    "alpha": "an entropy temperature learned as itself, with a step size of its own: ours is learned as its logarithm",
    "data": "a part of the data held out or left out",
    "no-offline-phase": "no offline phase: its code learns online only, and what the protocol does before is ours",
    "targets-period": "targets copied once in so many updates: ours move a little with each",
    "n-step": "returns over several steps",
}


@dataclass(frozen=True)
class Preset:
    """Settings from one source other than AWAC's comparison, of the method, the learner and the protocol alike.

    It holds departures only, and nothing of how a run is scored.
    """

    source: str  # whose code or table, and where in it
    settings: Mapping[str, Value]
    cannot: tuple[str, ...] = ()  # what the source does and no setting expresses: of `LIMITS`, or in words

    def __post_init__(self) -> None:
        if unknown := [name for name in self.cannot if " " not in name and name not in LIMITS]:
            raise ValueError(f"preset of {self.source}: no limit is called {', '.join(unknown)}")

    @property
    def limits(self) -> tuple[str, ...]:
        """What the source does and this preset cannot, in words."""
        return tuple(LIMITS.get(name, name) for name in self.cannot)


Schedule = Literal["offline_updates", "online_updates", "online_steps", "iterations"]


def setting(
    default: Any,
    meaning: str,
    source: str = "",
    within: Interval | None = None,
    *,
    schedule: Schedule | None = None,
    only: Only | None = None,
) -> Any:
    """A field of a settings class: its meaning, and the source of its default (paper and place, or 'ours: reason').

    A number, alone, in a tuple or beside none or words, lies `within` an interval. A `schedule` keeps its share of its
    phase where a profile makes that shorter: it counts updates or steps of the phase, or is a factor per iteration.
    One that is read under some values of others `only` says which (`algos.conditions`): set by hand where it is not
    read, it is refused.
    """
    facts = {"meaning": meaning, "source": source, "within": within, "schedule": schedule, "only": only}
    return dataclasses.field(default=default, metadata=facts)


def schedules(config: type[Any]) -> dict[str, Schedule]:
    """Field name -> what it counts, of the fields that are schedules."""
    return {f.name: f.metadata["schedule"] for f in dataclasses.fields(config) if f.metadata.get("schedule")}


def describe(config: type[Any]) -> dict[str, tuple[str, str]]:
    """Field name -> (meaning, source) of a settings class; the meaning says which values of others it is read with."""
    return {f.name: (_meaning(f), f.metadata.get("source", "")) for f in dataclasses.fields(config)}


def _meaning(field: dataclasses.Field[Any]) -> str:
    meaning, only = field.metadata.get("meaning", ""), field.metadata.get("only")
    return str(meaning) if only is None else f"{meaning}; {in_words(only)}"


def allowed(config: type[Any]) -> dict[str, str]:
    """Field name -> the values it may have, in words."""
    declared = get_type_hints(config)
    return {f.name: _in_words(declared[f.name], f.metadata.get("within")) for f in dataclasses.fields(config)}


def closest(word: str, known: Iterable[str], cutoff: float = 0.55) -> str | None:
    """The known word that is most similar to `word`, by at least `cutoff` of 1."""
    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=cutoff)), None)


def nearest(word: str, known: Iterable[str]) -> str:
    """Hint 'did you mean X?' with the closest known word, or the whole list where nothing is close."""
    names = sorted(known)
    close = closest(word, names)
    return f"did you mean {close!r}?" if close else f"known: {', '.join(names)}"


def parse(config: type[Any], name: str, text: str) -> Any:
    """Read the text of `--set name=text` by the declared type of the field.

    Raises `SettingError` with the accepted form when the text does not fit.
    """
    declared = get_type_hints(config)[name]
    try:
        return _read(declared, text.strip())
    except ValueError:
        within = next(f for f in dataclasses.fields(config) if f.name == name).metadata.get("within")
        number = "a number" if within is None else "a number or inf" if math.inf in within else "a finite number"
        raise SettingError(f"--set {name}={text}: expected {_in_words(declared, number=number)}") from None


def spell(value: Any) -> str:
    """Write a value as `parse` reads it; tuples may be lists, as JSON and TOML hold them."""
    if isinstance(value, list | tuple):
        return ",".join(map(spell, value))
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def check_range(config: type[Any], name: str, value: Any) -> None:
    """Raise `SettingError` for a value of a field with a number outside the field's interval."""
    within = next(f for f in dataclasses.fields(config) if f.name == name).metadata.get("within")
    if within is None or value is None or isinstance(value, str):
        return
    for number in value if isinstance(value, Iterable) else (value,):
        if number not in within:
            raise SettingError(_refusal(config, name, value, number, within))


def with_values(config: C, values: Mapping[str, Any]) -> C:
    """A copy of a settings object with some fields replaced; its own `__post_init__` checks it again."""
    return dataclasses.replace(config, **values)  # type: ignore[type-var]


def _refusal(config: type[Any], name: str, value: Any, number: float, within: Interval) -> str:
    finite = "" if math.isfinite(number) or math.inf in within else ", and finite"
    note = f"; {within.note}" if within.note else ""
    return f"{name}={value}: must be {allowed(config)[name].replace(UP_TO_INF, '')}{finite}{note}"


def _read(declared: Any, text: str) -> Any:
    origin, args = get_origin(declared), get_args(declared)
    if origin in (Union, types.UnionType):
        for option in args:
            try:
                return _read(option, text)
            except ValueError:
                continue
        raise ValueError(text)
    if origin is Literal:
        for choice in args:
            if text == str(choice):
                return choice
        raise ValueError(text)
    if origin is tuple:
        parts = [p for p in text.strip("()").split(",") if p.strip()]
        return tuple(_read(args[0], p.strip()) for p in parts)
    if declared is type(None):
        if text.lower() in ("none", "null"):
            return None
        raise ValueError(text)
    if declared is bool:
        if text.lower() in ("true", "yes", "on", "1"):
            return True
        if text.lower() in ("false", "no", "off", "0"):
            return False
        raise ValueError(text)
    if declared is int:
        return int(text.replace("_", ""))
    if declared is float:
        number = float(text.replace("_", ""))
        if number != number:
            raise ValueError(text)
        return number
    if declared is str:
        return text
    raise TypeError(f"settings of type {declared} cannot be read from the command line")


def _in_words(declared: Any, within: Interval | None = None, number: str = "a number") -> str:
    """The values of a declared type: of numbers those `within`, or else what `number` calls them."""
    origin, args = get_origin(declared), get_args(declared)
    if origin in (Union, types.UnionType):
        return " or ".join(_in_words(a, within, number) for a in args)
    if origin is Literal:
        return " | ".join(str(a) for a in args)
    if origin is tuple:
        several = {int: "whole numbers", float: "numbers", str: "words"}.get(args[0]) or _in_words(args[0])
        return f"{within} in every entry" if within else f"a comma-separated list of {several}"
    if within and declared in (int, float):
        return str(within)
    names = {type(None): "none", bool: "true | false", int: "a whole number", float: number, str: "a word"}
    return names[declared]
