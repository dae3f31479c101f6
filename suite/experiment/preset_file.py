"""Preset files: settings of methods in TOML, as `bench tune` writes them and `--preset FILE` takes them.

    name = "tuned"                      # of the preset, in records and reports; left out: the file's
    source = "20 trials, ..."           # where the values come from, in words

    [methods.awac]                      # departures of a method; with none, its defaults are what was chosen
    temperature = 0.52

    [tune]                              # how `bench tune` chose them; not in a file written by hand
    seeds = [1000, 1001, 1002]

They were chosen at the sizes of a profile, and stand over those. What a run takes from a file is in its record.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import algos
from algos.settings import Preset, SettingError, check_range, nearest, parse, spell
from disk.replace import replacing
from suite.record.files import writable

__all__ = ["PresetFile", "is_file"]

_KEYS: dict[str, type] = {"name": str, "source": str, "methods": dict, "tune": dict}
_TUNE: dict[str, type] = {"profile": str, "tasks": list, "seeds": list}  # what is read of the table tune
_KINDS: dict[type, str] = {str: "text", list: "list", dict: "table"}


def is_file(preset: str) -> bool:
    """Whether a `--preset` means a file, and not a preset by its name."""
    return preset.endswith(".toml")


@dataclass(frozen=True)
class PresetFile:
    """The content of a preset file: departures of each method, and how they were chosen."""

    path: str  # where it was read from
    name: str
    source: str
    methods: Mapping[str, Mapping[str, Any]]  # algorithm -> setting -> value
    tune: Mapping[str, Any] = field(default_factory=dict)  # what `bench tune` did; empty: written by hand

    @classmethod
    def read(cls, path: str) -> PresetFile:
        """Read a file; raises `SettingError` with what is wrong in it."""
        if not Path(path).is_file():
            raise SettingError(f"--preset {path}: no such file; `bench tune` writes one")
        try:
            content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise SettingError(f"--preset {path}: not readable as TOML ({error})") from None
        return cls.of(path, content)

    @classmethod
    def of(cls, path: str, content: Mapping[str, Any]) -> PresetFile:
        """Take a file's content; raises `SettingError` where it is not as the head of this module says."""
        if unknown := [key for key in content if key not in _KEYS]:
            raise SettingError(f"--preset {path}: unknown key {unknown[0]!r}; {nearest(unknown[0], _KEYS)}")
        _check_kinds(path, content, _KEYS)
        _check_kinds(path, content.get("tune", {}), _TUNE)
        methods = content.get("methods", {})
        if not methods or "source" not in content:
            raise SettingError(f"--preset {path}: give a source and at least one table [methods.NAME] of settings")
        for algo, settings in methods.items():
            try:
                algos.get(algo)
            except SettingError as error:
                raise SettingError(f"--preset {path}: {error}") from None
            if not isinstance(settings, dict):
                raise SettingError(f"--preset {path}: methods.{algo} must be a table of settings")
        name = content.get("name", Path(path).stem)
        if Path(name).name != name:
            raise SettingError(f"--preset {path}: name {name!r} becomes part of a folder's name and cannot be a path")
        return cls(path, name, content["source"], methods, content.get("tune", {}))

    @property
    def content(self) -> dict[str, Any]:
        """What `of` takes."""
        tune = {"tune": dict(self.tune)} if self.tune else {}
        return {"name": self.name, "source": self.source, "methods": dict(self.methods), **tune}

    def only(self, algo: str) -> PresetFile:
        """The file as it would be for one algorithm alone."""
        return dataclasses.replace(self, methods={algo: self.methods[algo]})

    def preset(self, algo: str, owners: Mapping[str, type[Any]]) -> Preset | None:
        """The preset of an algorithm, whose settings have these owners; None where the file has no table of it.

        Raises `SettingError` for a setting that it does not have and for a value that cannot be.
        """
        if algo not in self.methods:
            return None
        values = {}
        for name, value in self.methods[algo].items():
            where = f"--preset {self.path}: methods.{algo}."
            if name not in owners:
                raise SettingError(f"{where}{name}: unknown setting; {nearest(name, owners)}")
            try:
                values[name] = parse(owners[name], name, spell(value))
                check_range(owners[name], name, values[name])
            except SettingError as error:
                raise SettingError(where + str(error).removeprefix("--set ")) from None
        return Preset(self.source, values)

    def cautions(self, profile: str, tasks: Sequence[str], seeds: Sequence[int]) -> list[str]:
        """Lines on what a run has otherwise than the search that chose the values, and on seeds that it shares."""
        lines, said = [], f"preset {self.name}: chosen"
        if (own := self.tune.get("profile", profile)) != profile:
            lines.append(f"{said} at profile {own}, here it is {profile}")
        if others := sorted({*tasks} - {*self.tune.get("tasks", tasks)}):
            lines.append(f"{said} on {', '.join(self.tune['tasks'])}, not on {', '.join(others)}")
        if same := sorted({*seeds} & {*self.tune.get("seeds", ())}):
            lines.append(f"{said} on seed {', '.join(map(str, same))}: scores of these are too good, report others")
        return lines

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all; raises `SettingError` where it cannot be."""
        with writable(path), replacing(path) as new:
            new.write_text(self._toml(), encoding="utf-8")

    def kept(self, out: Path) -> PresetFile:
        """Copy it below `out`, under a name that stands for its content, for processes that start later."""
        digest = hashlib.sha256(self._toml().encode()).hexdigest()[:8]
        path = out / "presets" / f"{self.name}-{digest}.toml"
        if not path.exists():
            self.write(path)
        return dataclasses.replace(self, path=str(path))

    def _toml(self) -> str:
        lines = [f"name = {_toml(self.name)}", f"source = {_toml(self.source)}"]
        tables = {f"methods.{_key(algo)}": settings for algo, settings in self.methods.items()}
        for table, values in {**tables, **({"tune": self.tune} if self.tune else {})}.items():
            lines += ["", f"[{table}]", *(f"{_key(name)} = {_toml(value)}" for name, value in values.items())]
        return "\n".join(lines) + "\n"


def _check_kinds(path: str, content: Mapping[str, Any], kinds: Mapping[str, type]) -> None:
    for key, kind in kinds.items():
        if key in content and not isinstance(content[key], kind):
            raise SettingError(f"--preset {path}: {key} must be a {_KINDS[kind]}")


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _toml(name)


def _toml(value: Any) -> str:
    """A value in TOML, which has no null: that is the word none, as `--set` takes it."""
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{_key(k)} = {_toml(v)}' for k, v in value.items())} }}" if value else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if value is None or isinstance(value, bool):
        return spell(value) if value is not None else '"none"'
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f") if isinstance(value, str) else repr(value)
