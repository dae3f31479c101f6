"""What `bench eval`, `video` and `export` do with the policies of runs."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from algos.settings import SettingError
from suite.config import seed_list
from suite.hardware import Hardware
from suite.lines import say
from suite.outputs import check_writable
from suite.policies import export as exporting
from suite.policies import film
from suite.policies import rescore as rescoring
from suite.policies.trained import Trained, find

__all__ = ["evaluate", "export", "video"]


def evaluate(
    runs: Sequence[Path], episodes: int, seeds: str | None, at: str, sample: bool, own_states: bool, out: Path | None,
    workers: int | None,
) -> tuple[list[dict[str, Any]], int]:  # fmt: skip
    """One row per policy, and the exit code; `out` gets the means as a CSV for `bench report --input`."""
    found, code = _found(runs, at, seeds)
    if out is not None:
        if alone := [str(one.where) for one in found if one.run is None]:
            raise SettingError(f"--out: {alone[0]} is a file of its own, and only scores of runs have a step")
        check_writable(out)
    count, done = Hardware(workers=workers).worker_count(), []
    for one in found:
        say(f"{one.algo} on {one.task.short_name}, {one.name}, {one.at}: {episodes} episodes")
        done.append(rescoring.rescore(one, episodes, sample, own_states, count))
    if out is not None:
        rescoring.tidy(out, done)
    return rescoring.table(done), code


def video(runs: Sequence[Path], episodes: int, seeds: str | None, at: str, out: Path) -> int:
    """Film policies side by side; of every run the first seed unless `seeds` are given. Returns the exit code."""
    if out.suffix not in film.FORMATS:
        raise SettingError(f"--out {out}: a video's name ends in {', '.join(film.FORMATS)}")
    if out.suffix == ".mp4" and find_spec("imageio_ffmpeg") is None:
        raise SettingError(f"--out {out}: mp4 needs ffmpeg: pip install 'awac-bench[video]', or name a .webp or .gif")
    check_writable(out)
    found, code = _found(runs, at, seeds, first_only=seeds is None)
    film.film(found, episodes, out)
    return code


def export(runs: Sequence[Path], kind: str, seeds: str | None, at: str, out: Path) -> tuple[list[dict[str, Any]], int]:
    """Write policies for other programs into the folder `out`; one row per file, and the exit code.

    What the format cannot hold is said, and the code is 1 then. Raises `SettingError` where that is all there is.
    """
    exporting.check_kind(kind)
    found, code = _found(runs, at, seeds)
    check_writable(out / "x")
    rows: list[dict[str, Any]] = []
    refused: list[str] = []
    for one in found:
        for k in range(len(one.seeds)):
            try:
                rows.append(exporting.export(one, k, kind, out))
            except SettingError as error:
                refused.append(str(error))
    if not rows:
        raise SettingError(refused[0])
    for why in refused:
        say(f"not exported: {why}")
    return rows, int(bool(refused or code))


def _found(runs: Sequence[Path], at: str, seeds: str | None, first_only: bool = False) -> tuple[list[Trained], int]:
    """The policies, and the exit code: 1 where a run folder cannot be read, which is said, as the others go on."""
    broken: list[Exception] = []
    found = find(runs, at, None if seeds is None else seed_list(seeds), first_only, broken.append)
    for why in broken:
        say(f"left out: {why}")
    return found, int(bool(broken))
