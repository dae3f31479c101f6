"""Runs packed as reference results, with the commands that make them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from algos.settings import SettingError
from suite.experiment.again import repeat
from suite.output import say
from suite.record.folders import RecordError, Run, find_runs, read_run
from suite.record.reference import Packed, pack, read
from suite.record.trials import search_of
from suite.reference.again import outdated

__all__ = ["update"]


def update(roots: Sequence[Path], folder: Path, anew: bool = False) -> list[Path]:
    """Pack all finished runs below `roots` into a folder of reference results, beside those that are there.

    Runs that are there already stay as they are, unless they differ: then `RecordError` is raised or, with `anew`, the
    new ones take their place. With `anew` those go whose data or defaults the suite has changed since. Of runs that
    differ in their seeds alone the one with more of them stands for those whose seeds it has. Says what is left out:
    that, what has not finished, and trials of `bench tune`. Returns the files that were written.
    """
    before = {one.key: one for one in (read(folder) if any(folder.glob("*.json.gz")) else [])}
    if anew:
        before = {key: one for key, one in before.items() if not _outdated(one)}
    known, replaced = dict(before), 0
    for path in [path for root in roots for path in find_runs(root)]:
        if (one := _packed(path)) is None or (anew and _outdated(one)):
            continue
        there = known.get(one.key)
        if there is not None and there.run.columns != one.run.columns:
            if not anew:
                raise RecordError(
                    f"{path}: its results are not those of the reference for the same settings and seeds; "
                    "--anew puts them in their place"
                )
            replaced += 1
        elif there is not None:
            continue
        known[one.key] = one
    for one in [one for one in known.values() if any(_holds(other, one) for other in known.values())]:
        say(f"left out: {'/'.join(one.key)} has seeds that another run has as well, and more")
        del known[one.key]
    if not known:
        raise RecordError(f"no finished runs below {', '.join(map(str, roots))}")
    written, new = pack(list(known.values()), folder), len(known.keys() - before.keys())
    say(f"{len(known)} runs: {len(known) - new} were there, {replaced} of them replaced, {new} new")
    return written


def _holds(other: Packed, one: Packed) -> bool:
    """Whether another run is the same but for seeds, and has all of this one's and more."""
    alike = ("task", "algo", "profile", "preset", "preset_file", "name", "settings")
    data = [(run.run.run.get("dataset") or {}).get("id") for run in (one, other)]
    same = data[0] == data[1] and all(one.run.run.get(fact) == other.run.run.get(fact) for fact in alike)
    return same and {*one.run.seeds} < {*other.run.seeds}


def _outdated(one: Packed) -> bool:
    """Whether the suite would make another run of it now, which is said."""
    if reason := outdated(one):
        say(f"left out: {'/'.join(one.key)} {reason}")
    return bool(reason)


def _packed(path: Path) -> Packed | None:
    """A run folder as it is packed; None where it is none of the results, which is said."""
    if search_of(path) is not None:
        say(f"left out: {path} is a trial of `bench tune`")
        return None
    run = read_run(path)
    if not run.finished:
        say(f"left out: {path} is {run.status.get('state', 'unfinished')}")
        return None
    try:
        request, threads = repeat(path)
    except SettingError as error:
        raise RecordError(f"{path} cannot be run again: {error}") from None
    words = ["bench", *request.words(), "--threads", str(threads)]
    return Packed(_named(run), shlex.join(words))


def _named(run: Run) -> Run:
    """The run under the name that it has among reference results."""
    return replace(run, path=Path(run.run["profile"]) / run.task / run.algo / run.path.name)
