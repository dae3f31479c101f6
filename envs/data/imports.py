"""Files and D4RL's names into the Minari store: whole or not at all, and the same content only once."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from disk import sums
from envs.data import d4rl_names, formats, minari_store, ogbench_names, stored
from envs.data.episodes import Episode
from envs.errors import DatasetError
from envs.task import Task

__all__ = ["Imported", "Source", "default_id", "episodes_of", "import_data"]


@dataclass(frozen=True)
class Imported:
    """A dataset that is now in the store."""

    info: stored.DatasetInfo
    new: bool  # whether it was not there before
    notes: tuple[str, ...]  # what was dropped from the file or assumed about it


@dataclass(frozen=True)
class Source:
    """A file and how it is to be read."""

    path: Path
    name: str  # of the file, or D4RL's
    format: str | None = None
    demos: str | None = None  # all, none or a number; None: as the file says
    limit: int | None = None  # steps after which episodes were cut off, where the file does not say


def default_id(task: Task, source: str) -> str:
    """Id of an import that is given none: a publisher's; for a file one like imported/door-binary/door-v0_demos-v0."""
    if source in d4rl_names.FILES:
        return source
    if _is_ogbenchs(source):
        return ogbench_names.id_of(task, source)
    stem = re.sub(r"[^A-Za-z0-9_]+", "-", Path(source).stem).strip("-") or "data"
    return f"imported/{task.short_name}/{stem}-v0"


def import_data(
    task: Task,
    source: str,
    dataset_id: str | None = None,
    *,
    format: str | None = None,
    demos: str | None = None,
    limit: int | None = None,
    offline: bool = False,
    command: str = "",
    say: Callable[[str], None] = lambda _: None,
) -> Imported:
    """Store a file, or one of D4RL's or OGBench's datasets by name, as a Minari dataset of a task.

    `demos` says which episodes are demonstrations: all, none, or the first so many; by default all of a human's and
    otherwise what the file itself marks. Raises `DatasetError` where the file does not fit, or where the id holds other
    content; nothing is stored then.
    """
    target = dataset_id or default_id(task, source)
    minari_store.check_id(target)
    _check_demos(demos)
    found = _source(task, source, format, demos, limit, offline, say)
    recipe: dict[str, Any] = {
        "source": found.name,
        "sha256": sums.of_file(found.path),
        "format": found.format,
        "demos": found.demos or "as read",
        "limit": found.limit,
        "command": command,
    }
    if minari_store.exists(target) and _same_recipe(target, task, recipe):
        return Imported(stored.describe(task, target), False, ())
    content = formats.read(task, found.path, found.format, found.limit)
    episodes, ended = stored.ended_at_success(task, _marked(content, found))
    notes = (*content.notes, *([ended] if ended else []))
    recipe |= {"notes": list(notes), "clipped": content.clipped, "agreement": content.agreement}
    del content
    new = not minari_store.exists(target)
    if new:
        stored.write(task, target, episodes, recipe, f"{found.name}, imported for {task.id}")
    fingerprint = None if new else stored.content(task, target, episodes)
    del episodes  # freed first: `describe` reads the whole dataset back
    there = minari_store.metadata(target).get(minari_store.OWN, {}).get("fingerprint")
    if fingerprint not in (None, there):
        raise DatasetError(
            f"{target} is in the store already with other content; --as gives another id, or delete "
            f"{minari_store.folder(target)}"
        )
    return Imported(stored.describe(task, target), new, notes)


def episodes_of(task: Task, source: Source) -> tuple[list[Episode], tuple[str, ...]]:
    """Read the episodes of a file, with demonstrations marked, and notes on what was dropped or assumed."""
    content = formats.read(task, source.path, source.format, source.limit)
    return _marked(content, source), content.notes


def _marked(content: formats.Content, source: Source) -> list[Episode]:
    """Episodes of a file with the demonstrations marked that its source says."""
    count, chosen = len(content.episodes), source.demos
    if chosen is None and content.demos is None:
        return content.episodes
    chosen = chosen or ("all" if content.demos else "none")
    first = int(chosen) if chosen.isdigit() else count if chosen == "all" else 0
    if first > count:
        raise DatasetError(f"{source.path}: --demos {chosen}, but it holds {count} episodes")
    return [dataclasses.replace(e, demo=i < first) for i, e in enumerate(content.episodes)]


def _source(
    task: Task,
    source: str,
    format: str | None,
    demos: str | None,
    limit: int | None,
    offline: bool,
    say: Callable[[str], None],
) -> Source:
    """Find the file that was named, or the one behind a name of D4RL's or OGBench's."""
    path = Path(source)
    if _is_ogbenchs(source):
        dataset_id = ogbench_names.id_of(task, source)
        return Source(ogbench_names.find(dataset_id, say, offline), dataset_id, format or "ogbench", demos, limit)
    if source.startswith(d4rl_names.PREFIX) and not path.exists():
        file = d4rl_names.get(source)
        path, limit = d4rl_names.find(source, say, offline), limit or file.limit
        demos = demos or ("all" if file.demos else None)
    if not path.exists():
        raise DatasetError(
            f"{source}: no such file; name a file, or one of D4RL's datasets, e.g. d4rl/door-human-v1, or OGBench's"
        )
    name = source if source.startswith(d4rl_names.PREFIX) else path.name
    return Source(path, name, format or formats.detect(path), demos, limit)


def _is_ogbenchs(source: str) -> bool:
    return source.startswith(ogbench_names.PREFIX) and not Path(source).exists()


def _check_demos(demos: str | None) -> None:
    if demos not in (None, "all", "none") and not (demos.isdigit() and int(demos) > 0):
        raise DatasetError(f"--demos {demos}: give all, none, or how many of the first episodes are demonstrations")


def _same_recipe(dataset_id: str, task: Task, recipe: dict[str, Any]) -> bool:
    """Whether the dataset of that id was imported from the same bytes in the same way."""
    own = minari_store.metadata(dataset_id).get(minari_store.OWN, {})
    before = own.get("recipe", {})
    return own.get("task") == task.id and all(
        before.get(k) == v for k, v in recipe.items() if k not in ("command", "source")
    )
