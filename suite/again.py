"""A run once more: what its record says as options of `bench run`, whatever has become of the defaults since."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from algos.settings import SettingError
from suite.config import SET, resolve, setting_owners
from suite.experiment import Experiment
from suite.record import read_facts

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
    facts = run.run
    seeds = ",".join(map(str, run.seeds)) if len(run.seeds) > 1 else f"{run.seeds[0]}-{run.seeds[0]}"
    dataset = facts["dataset"]["asked"]
    now = resolve(run.algo, run.task, run.seeds, facts["profile"], (), facts["name"], dataset, facts["preset"])
    moved = tuple(_moved(now, facts["settings"], folder))
    return Repeat(
        run.algo, run.task, seeds, facts["profile"], facts["preset"], facts["name"], dataset, moved,
        facts["device"]["threads"],
    )  # fmt: skip


def _moved(now: Experiment, recorded: dict[str, dict[str, Any]], folder: Path) -> list[str]:
    out = []
    today = now.settings
    for name, setting in recorded.items():
        value, source = setting["value"], setting["source"]
        if name not in setting_owners(now.objective):
            raise SettingError(f"--like {folder}: was run with {name}={_text(value)}, a setting that is no more")
        by_hand = source.startswith(SET)
        if now.sources[name].startswith("stages"):  # follows from other settings
            continue
        if by_hand or name not in today or today[name]["value"] != value:
            why = source.removeprefix(SET).removeprefix(":").strip() if by_hand else f"as in {folder.name}: {source}"
            out.append(f"{name}={_text(value)}" + (f" # {why}" if why else ""))
    return out


def _text(value: Any) -> str:
    """As `--set` reads it."""
    if isinstance(value, list):
        return ",".join(map(_text, value))
    if value is None or isinstance(value, bool):
        return {None: "none", True: "true", False: "false"}[value]
    return "inf" if isinstance(value, float) and math.isinf(value) else str(value)
