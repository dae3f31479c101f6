"""A recorded run as a `Request` that makes it again, even where defaults have changed since."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import algos
from algos.settings import SettingError, spell
from suite.experiment.effect import without_effect
from suite.experiment.experiment import Experiment
from suite.experiment.preset_file import PresetFile
from suite.experiment.request import Override, Request, parse_seeds
from suite.experiment.resolve import resolve, setting_owners
from suite.record.folders import read_facts
from suite.record.rows import RecordError
from suite.record.shapes import BY_HAND

__all__ = ["repeat"]

_NEEDED = {"settings", "profile", "preset", "name", "dataset", "threads"}  # entries of run.json
_ITS_OWN = ("algo", "env", "profile", "preset", "dataset")  # options that the record answers


def repeat(
    folder: Path, given: Collection[str] = (), *, seeds: str = "", name: str | None = None, set_: Sequence[str] = ()
) -> tuple[Request, int]:
    """Read from a run folder the request that makes it again, and its threads, on which rounding on a CPU depends.

    Settings that were set by hand, or whose defaults have changed since, become overrides. `given` are the options of
    the command line that were written out: of them `seeds`, `name` and `set_` change a part of what is run. Raises
    `RecordError` where it is no run folder, `SettingError` where this version lacks one of its settings, or where
    another option that is given would make it another run.
    """
    for option in _ITS_OWN:
        if option in given:
            raise SettingError(f"--like says what a run's --{option} is: leave one of them out")
    run = read_facts(folder)
    if lacking := sorted(_NEEDED - {*run.run, *run.run.get("device", {})}):
        raise RecordError(
            f"--like {folder}: run.json says nothing of {', '.join(lacking)}; it cannot be run again by it"
        )
    facts, recorded = run.run, run.run["settings"]
    known = setting_owners(algos.load(run.algo))
    for key, setting in recorded.items():
        if key not in known:
            raise SettingError(
                f"--like {folder}: was run with {key}={spell(setting['value'])}, a setting that is no more"
            )
    file = facts.get("preset_file")
    by_hand = {key: _override(key, setting) for key, setting in recorded.items() if _set_by_hand(setting)}
    request = Request(
        algos=(run.algo,),
        tasks=(run.task,),
        seeds=run.seeds,
        profile=facts["profile"],
        preset=facts["preset"],
        name=facts["name"],
        dataset=facts["dataset"].get("asked"),
        overrides=tuple(by_hand.values()),
        preset_file=file and PresetFile.of(file["path"], file["content"]),
    )
    others = {key: setting for key, setting in recorded.items() if key not in by_hand}
    now = resolve(request)
    moved = _moved(now, others, folder.name)
    again = dataclasses.replace(
        request,
        seeds=parse_seeds(seeds) if "seeds" in given else request.seeds,
        name=name or request.name,
        overrides=(*_kept(request.overrides, now, folder.name), *moved, *map(Override.parse, set_)),
    )
    return again, facts["device"]["threads"]


def _set_by_hand(setting: Mapping[str, Any]) -> bool:
    return str(setting["source"]).startswith(BY_HAND)


def _override(name: str, setting: Mapping[str, Any]) -> Override:
    """Override that repeats what was set by hand, with its reason."""
    reason = setting["source"].removeprefix(BY_HAND).removeprefix(":").strip()
    return Override(name, spell(setting["value"]), reason=reason)


def _kept(overrides: Sequence[Override], now: Experiment, run: str) -> list[Override]:
    """The overrides of a record, with a reason where they have no effect: without one, they would be refused."""
    idle = without_effect(now)
    return [
        dataclasses.replace(one, reason=f"as in {run}") if one.name in idle and not one.reason else one
        for one in overrides
    ]


def _moved(now: Experiment, recorded: Mapping[str, Mapping[str, Any]], run: str) -> list[Override]:
    """Overrides for recorded values that today's defaults would change; what follows from stages needs none."""
    today = {name: setting["value"] for name, setting in now.settings.items()}
    return [
        Override(name, spell(setting["value"]), reason=f"as in {run}: {setting['source']}")
        for name, setting in recorded.items()
        if (name not in today or today[name] != setting["value"]) and not now.sources[name].startswith("stages")
    ]
