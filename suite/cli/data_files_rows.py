"""What the `bench data` commands about files do: import, convert, bundle, add."""

from __future__ import annotations

import dataclasses
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from envs import tasks
from envs.data import bundle, datasets, formats, imports, minari_store
from envs.data.formats import write
from envs.data.minari_store import OWN
from envs.errors import DatasetError
from envs.task import Task
from suite.output import say, show

__all__ = ["add", "convert", "import_", "pack"]


def import_(
    source: str,
    env: str,
    dataset_id: str | None,
    format: str | None,
    demos: str | None,
    limit: int | None,
    offline: bool,
) -> list[dict[str, Any]]:
    """Import a file or a D4RL name; the row that `bench data info` prints of it."""
    done = imports.import_data(
        tasks.get(env), source, dataset_id, format=format, demos=demos, limit=limit, offline=offline,
        command=shlex.join(["bench", *sys.argv[1:]]), say=say,
    )  # fmt: skip
    for note in done.notes:
        say(note)
    say(f"{done.info.id} is {'stored' if done.new else 'there already'}")
    return [dataclasses.asdict(done.info)]


def convert(
    source: str, target: Path, env: str | None, format: str | None, demos: str | None, limit: int | None
) -> None:
    """Write a stored dataset, or a file of a task, as D4RL's HDF5 or npz."""
    path = Path(source)
    if path.exists():
        if env is None:
            raise DatasetError(f"{source}: --env says which task a file is of")
        task = tasks.get(env)
        found = imports.Source(path, path.name, format or formats.detect(path), demos, limit)
        episodes, notes = imports.episodes_of(task, found)
        for note in notes:
            say(note)
    else:
        task = tasks.get(env) if env is not None else _task_of(source)
        episodes = datasets.load_episodes(task, source, infos=True)
    write.write(task, episodes, target)
    show(str(target))


def pack(ids: Sequence[str], out: Path) -> None:
    """Put stored datasets into one zip."""
    size = bundle.write(ids, out)
    show(f"{out}  {size / 1e6:.1f} MB")


def add(path: Path) -> None:
    """Store the datasets of such a zip."""
    for dataset_id, new in bundle.add(path).items():
        show(f"{dataset_id}  {'stored' if new else 'there already'}")


def _task_of(dataset_id: str) -> Task:
    """The task that a stored dataset says it is of."""
    if not datasets.exists(dataset_id):
        raise DatasetError(f"{dataset_id} is neither a file nor a dataset in {minari_store.root()}")
    named = minari_store.metadata(dataset_id).get(OWN, {}).get("task")
    if named is None:
        raise DatasetError(f"{dataset_id} does not say which task it is of; --env does")
    return tasks.get(named)
