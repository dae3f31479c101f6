"""Presets, whose settings a run has: those of AWAC's comparison, a preset of the algorithm's module, or of a file."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import algos
from algos import Entry
from algos.settings import Preset, SettingError, nearest
from suite.experiment.preset_file import PresetFile

if TYPE_CHECKING:
    from algos.contract import Objective

__all__ = ["PAPER", "chosen", "departures"]

PAPER = "paper"  # AWAC's comparison: no departures


def chosen(
    objective: Objective, name: str, owners: Mapping[str, type[Any]], file: PresetFile | None = None
) -> Preset | None:
    """The objective's preset of this name, or in a file; None for the paper's, and where only others have one.

    Raises `SettingError` for a name that none has, and for a preset that sets what is not there.
    """
    if file is not None:
        if name == PAPER:
            raise SettingError(f"--preset {file.path}: {PAPER!r} is AWAC's comparison; give the file another name")
        return file.preset(objective.name, owners)
    if name == PAPER:
        return None
    preset = objective.presets.get(name)
    if preset is None:
        known = {PAPER, *(n for other in algos.usable() for n in other.presets)}
        if name not in known:
            raise SettingError(f"unknown preset {name!r}; {nearest(name, known)}")
        return None
    for key in preset.settings:
        if key not in owners:
            raise SettingError(f"preset {name!r} of {objective.name} sets unknown {key!r}; {nearest(key, owners)}")
    return preset


def departures(entry: Entry, owners: Mapping[str, type[Any]], preset: Preset) -> dict[str, Any]:
    """Settings that a preset changes: those whose values differ from the registry entry's own."""
    own = {f.name: f.default for owner in set(owners.values()) for f in dataclasses.fields(owner)}
    own |= {**entry.settings, **entry.protocol}
    return {name: value for name, value in preset.settings.items() if value != own.get(name)}
