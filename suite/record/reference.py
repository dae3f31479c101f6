"""Reference results: finished runs without their policies, packed into two files per profile.

    <folder>/<profile>.csv.gz    all that was recorded, tidy: algo, env, cell and the columns of metrics.csv
    <folder>/<profile>.json.gz   of each cell what run.json and status.json said, and the command that makes it

`cell` is the name of the run folder, "quick-1a2b3c4d". Equal cells give equal bytes. Both files have checksums: the
facts of a cell its own, the table that of its bytes, which the other file holds. Some come with the package (SHIPPED).
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any

from disk import sums
from disk.reading import read_file
from disk.replace import folder_for, replacing_all
from disk.shapes import ShapeError, anything, listing, mapping, parse_json, table, text
from disk.trouble import unwritten
from suite.record.folders import FORMAT, Run, facts_checksum
from suite.record.rows import COLUMNS, Columns, RecordError, parse_rows
from suite.record.shapes import RUN, STATUS, by_hand

__all__ = ["SHIPPED", "Packed", "pack", "read"]

SHIPPED = Path(str(resources.files("suite") / "record" / "shipped"))
HEADER = ("algo", "env", "cell", *COLUMNS)
_KEPT = ("state", "env_step", "update", "seconds", "updates_per_second")  # of status.json
_LEFT_OUT = ("command",)  # of run.json: it names folders of another machine
_MOST = 1 << 30  # bytes of a table
_CONTENT = table({"table": text, "cells": listing(mapping(anything))})
_CELL = table({"run": mapping(anything), "status": mapping(anything), "command": text})
# what every packed run says of itself
_RUN = table({"profile": text, "preset": text, "name": text, "hash": text, "settings": anything, "checksum": text})


@dataclass(frozen=True)
class Packed:
    """One run of the reference results. Its folder is a name only: `<profile>/<task>/<algo>/<cell>`."""

    run: Run = field(repr=False)
    command: str  # makes it again

    @property
    def key(self) -> tuple[str, str, str]:
        """Task, algorithm and name of the run folder, by which packed runs are ordered and told apart."""
        return self.run.task, self.run.algo, self.run.path.name

    @property
    def profile(self) -> str:
        """Sizes it was run with."""
        return str(self.run.run["profile"])

    @property
    def departures(self) -> list[str]:
        """Preset, data and settings that are not the comparison's own, each in words."""
        run = self.run.run
        preset = [] if run["preset"] == "paper" else [f"preset {run['preset']}"]
        asked = (run.get("dataset") or {}).get("asked")
        changed = [f"{name}={value}" for name, value in by_hand(run["settings"]).items()]
        return preset + ([f"data {asked}"] if asked else []) + changed

    @property
    def seconds(self) -> float:
        """Wall time of training, collecting and evaluating, in seconds."""
        return float(sum(self.run.status.get("seconds", {}).values()))


def read(folder: Path = SHIPPED) -> list[Packed]:
    """All packed runs in a folder, by profile, task and algorithm.

    Raises `RecordError` where there are none, or a file is not as `pack` has written it.
    """
    files = sorted(folder.glob("*.json.gz"))
    if not files:
        raise RecordError(f"{folder} holds no reference results (PROFILE.json.gz); `bench reference update` packs some")
    return [one for file in files for one in _read(file)]


def pack(runs: Sequence[Packed], folder: Path) -> list[Path]:
    """Write packed runs into a folder, a pair of files for each profile; returns the files.

    They replace what there is of their profiles: hand in what is to stay as well. Raises `RecordError` where two runs
    have one name, or the folder cannot be written; what is there of that profile stays then.
    """
    written: list[Path] = []
    for profile in sorted({one.profile for one in runs}):
        own = sorted((one for one in runs if one.profile == profile), key=lambda one: one.key)
        doubled = [one.key for one, other in pairwise(own) if one.key == other.key]
        if doubled:
            raise RecordError(f"{' '.join(doubled[0])} is there twice, and would be one cell; leave one out")
        content = _table(own)
        facts = {"format": FORMAT, "table": sums.of_bytes(content), "cells": [_facts(one) for one in own]}
        # the table last: without it, or with one of other runs, the checksum says so
        packed = {folder / f"{profile}.json.gz": _json(facts), folder / f"{profile}.csv.gz": content}
        try:
            with folder_for(folder / profile), replacing_all(list(packed)) as passing:
                for new, data in zip(passing, packed.values(), strict=True):
                    new.write_bytes(gzip.compress(data, mtime=0))
        except OSError as error:
            raise RecordError(unwritten(folder, error, "name another folder with --folder")) from error
        written += packed
    return written


def _facts(one: Packed) -> dict[str, Any]:
    run = {name: value for name, value in one.run.run.items() if name not in _LEFT_OUT}
    status = {name: value for name, value in one.run.status.items() if name in _KEPT}
    return {"run": run, "status": status, "command": one.command}


def _json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()


def _table(runs: Sequence[Packed]) -> bytes:
    out = io.StringIO()
    out.write(",".join(HEADER) + "\n")
    for one in runs:
        task, algo, cell = one.key
        out.writelines(f"{algo},{task},{cell},{row.line()}" for row in one.run.columns.rows())
    return out.getvalue().encode()


def _read(file: Path) -> list[Packed]:
    again = "bring it back from a copy, or install the package anew"
    try:
        content = parse_json(_unpacked(file), _CONTENT)
        cells = [_checked(cell, file) for cell in content["cells"]]
    except ShapeError as error:
        raise RecordError(f"{file}: {error}; {again}") from None
    other = file.with_name(file.name.replace(".json.gz", ".csv.gz"))
    data = _unpacked(other)
    if sums.of_bytes(data) != content["table"]:
        raise RecordError(f"{other} is not the table that {file.name} describes (its checksum says); {again}")
    rows: dict[tuple[str, ...], list[list[str]]] = {}
    for line in csv.reader(io.StringIO(data.decode())):
        rows.setdefault((line[1], line[0], line[2]), []).append(line[3:])
    return [_packed(cell, file, rows) for cell in cells]


def _checked(cell: Any, file: Path) -> dict[str, Any]:
    """One cell of the JSON; raises `ShapeError` or `RecordError` where it is not what was written."""
    if wrong := _CELL(cell) or _RUN(cell["run"]) or RUN(cell["run"]) or STATUS(cell["status"]):
        raise ShapeError(wrong)
    run = cell["run"]
    if run.get("checksum") != facts_checksum(run):
        raise RecordError(f"{file}: facts of {run['algo']} on {run['task']} are not those of its run (checksum)")
    return dict(cell)


def _packed(cell: Mapping[str, Any], file: Path, rows: Mapping[tuple[str, ...], list[list[str]]]) -> Packed:
    run = cell["run"]
    name = f"{run['name']}-{run['hash']}"
    path = Path(run["profile"]) / run["task"] / run["algo"] / name
    lines = [",".join(fields) for fields in rows.get((run["task"], run["algo"], name), [])]
    return Packed(Run(path, run, cell["status"], parse_rows(lines, file) if lines else Columns.of([])), cell["command"])


def _unpacked(file: Path) -> bytes:
    """The content of a gzipped file, within bounds."""
    try:
        with gzip.open(io.BytesIO(read_file(file, most=_MOST))) as packed:
            data = packed.read(_MOST + 1)
    except FileNotFoundError:
        raise RecordError(f"{file} is missing beside its twin; bring both back from a copy") from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise RecordError(f"{file}: not gzip as it was written ({error}); bring it back from a copy") from None
    except OSError as error:
        raise RecordError(f"{file} cannot be read ({error.strerror or error})") from None
    if len(data) > _MOST:
        raise RecordError(f"{file}: holds more than {_MOST:,} bytes")
    return data
