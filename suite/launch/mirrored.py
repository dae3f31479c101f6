"""Records passed on while cells train: what `bench mirror --every` does, beside the training that it mirrors."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from algos.settings import SettingError
from suite.output import say
from suite.record.mirror import check_target, pass_on
from suite.record.rows import RecordError

__all__ = ["mirrored"]

OUT = Path("mirror")  # where `bench mirror` goes on with what was passed on
PROJECT = "awac-bench"
EVERY = 15.0  # seconds


@contextmanager
def mirrored(folders: Sequence[Path], to: str | None) -> Iterator[None]:
    """Pass on what is recorded in these run folders while the block lasts, and at its end; `to` None: nothing.

    Raises `SettingError` before, where the target is unknown or its package is missing. What fails later is said once,
    and keeps nobody from training.
    """
    if to is None:
        yield
        return
    check_target(to)
    over = threading.Event()
    thread = threading.Thread(target=_follow, args=(folders, to, over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _follow(folders: Sequence[Path], to: str, over: threading.Event) -> None:
    last = False
    while not last:
        last = over.wait(EVERY)
        begun = [folder for folder in folders if (folder / "run.json").exists()]
        try:
            if begun:
                pass_on(begun, to, OUT, PROJECT)
        except (SettingError, RecordError) as error:
            say(f"not mirrored any more: {error}; `bench mirror --to {to}` goes on with it")
            return
        except Exception as error:  # of the target's own package: its network, its account
            say(f"not mirrored any more: {type(error).__name__}: {error}; `bench mirror --to {to}` goes on with it")
            return
