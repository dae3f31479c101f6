"""A run once more: what its record says as options of `bench run`, whatever has become of the defaults since."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import algos
from algos.settings import SettingError, spell
from suite.experiment.experiment import Experiment
from suite.experiment.request import spell_seeds
from suite.experiment.resolve import SET, resolve, setting_owners
from suite.record.folders import read_facts

__all__ = ["Repeat", "repeat"]

_ITS_OWN = ("algo", "env", "profile", "preset", "dataset")  # options


@dataclass(frozen=True)
class Repeat:
    """The options that make a run what it was."""

    algo: str
    env: str
    seeds: str
    profile: str
    preset: str
    name: str
    dataset: str | None
    overrides: tuple[str, ...]
    threads: int  # on a CPU, another number of them rounds otherwise


def repeat(folder: Path, given: Collection[str] = ()) -> Repeat:
    """Read a run folder. Settings that were set by hand, or whose defaults have changed since, become overrides.

    Raises `RecordError` where it is no run folder, `SettingError` where this version lacks one of its settings, or
    where an option that is `given` beside it would make it another run.
    """
    for option in _ITS_OWN:
        if option in given:
            raise SettingError(f"--like says what a run's --{option} is: leave one of them out")
    run = read_facts(folder)
    facts, recorded = run.run, run.run["settings"]
    known = setting_owners(algos.load(run.algo))
    for name, setting in recorded.items():
        if name not in known:
            raise SettingError(
                f"--like {folder}: was run with {name}={spell(setting['value'])}, a setting that is no more"
            )
    profile, name, dataset, preset = facts["profile"], facts["name"], facts["dataset"]["asked"], facts["preset"]
    by_hand = {
        name: _override(name, setting) for name, setting in recorded.items() if setting["source"].startswith(SET)
    }
    now = resolve(run.algo, run.task, run.seeds, profile, by_hand.values(), name, dataset, preset)
    moved = _moved(now, {name: setting for name, setting in recorded.items() if name not in by_hand}, folder.name)
    return Repeat(
        run.algo, run.task, spell_seeds(run.seeds), profile, preset, name, dataset, (*by_hand.values(), *moved),
        facts["device"]["threads"],
    )  # fmt: skip


def _override(name: str, setting: Mapping[str, Any]) -> str:
    """The `--set` text of what was set by hand, with its reason."""
    why = setting["source"].removeprefix(SET).removeprefix(":").strip()
    return f"{name}={spell(setting['value'])}" + (f" # {why}" if why else "")


def _moved(now: Experiment, recorded: Mapping[str, Mapping[str, Any]], run: str) -> list[str]:
    """`--set` texts for recorded values that today's defaults would change; skips settings derived from stages."""
    today = {name: setting["value"] for name, setting in now.settings.items()}
    return [
        f"{name}={spell(setting['value'])} # as in {run}: {setting['source']}"
        for name, setting in recorded.items()
        if (name not in today or today[name] != setting["value"]) and not now.sources[name].startswith("stages")
    ]
