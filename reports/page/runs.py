"""The runs that a page lists: every setting once per algorithm, and of each run the settings that differ."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reports.runs.cells import Cell, Source
from reports.tables.cost import duration
from reports.tables.table import Table

__all__ = ["Runs", "settings_table", "shown_runs"]


@dataclass(frozen=True)
class Runs:
    """What the page says about runs; `links` and `folders` lead from a cell and a run folder to its place there."""

    usual: dict[str, list[dict[str, Any]]]  # algorithm -> its settings, the commonest value of each
    counts: dict[str, int]  # runs of each algorithm
    views: list[dict[str, Any]]
    links: dict[tuple[str, str], str] = field(default_factory=dict)  # (task, label) -> its first run
    folders: dict[str, str] = field(default_factory=dict)


def shown_runs(cells: Sequence[Cell]) -> Runs:
    """The run folders of all cells; imported results have none."""
    pairs = [(cell, source) for cell in cells for source in cell.sources if not source.external]
    algos = sorted({source.algo for _, source in pairs})
    own = {algo: [source for _, source in pairs if source.algo == algo] for algo in algos}
    usual = {algo: _usual(sources) for algo, sources in own.items()}
    runs = Runs(usual, {algo: len(sources) for algo, sources in own.items()}, [])
    for number, (cell, source) in enumerate(pairs, start=1):
        anchor = f"run-{number}"
        runs.links.setdefault((cell.task, cell.label), anchor)
        runs.folders[source.where] = anchor
        runs.views.append({"id": anchor, "task": cell.task, "label": cell.label, **_view(source, usual[source.algo])})
    return runs


def settings_table(cells: Sequence[Cell]) -> Table:
    """Every setting of every run, tidy; for computing, not for the page."""
    columns = ["where", "algorithm", "task", "setting", "value", "source"]
    records = [
        [source.where, source.algo, source.task, name, _plain(entry["value"]), str(entry.get("source") or "")]
        for cell in cells
        for source in cell.sources
        if not source.external
        for name, entry in source.run["settings"].items()
    ]
    return Table("settings", "Every setting of every run.", columns, [], columns, records)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _usual(sources: Sequence[Source]) -> list[dict[str, Any]]:
    """Each setting with its commonest value, the first one met where several are as common."""
    names = {name: None for source in sources for name in source.run["settings"]}
    out = []
    for name in names:
        entries = [source.run["settings"][name] for source in sources if name in source.run["settings"]]
        counts = Counter(_plain(entry["value"]) for entry in entries)
        chosen = next(e for e in entries if counts[_plain(e["value"])] == max(counts.values()))
        source = str(chosen.get("source") or "")
        out.append({"name": name, "value": chosen["value"], "source": source, "values": len(counts)})
    return out


def _view(source: Source, usual: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    run, status = source.run, source.status
    settings = run["settings"]
    other = []
    for entry in usual:
        mine = settings.get(entry["name"])
        if mine is None:
            other.append({**entry, "value": "not set", "source": "", "usual": entry["value"]})
        elif _plain(mine["value"]) != _plain(entry["value"]):
            source_of = str(mine.get("source") or "")
            other.append({"name": entry["name"], "value": mine["value"], "source": source_of, "usual": entry["value"]})
    seconds = status.get("seconds")
    spent = sum(v for v in seconds.values() if isinstance(v, int | float)) if isinstance(seconds, dict) else 0
    return {
        "where": source.where,
        "algo": source.algo,
        "profile": source.profile,
        "seeds": ", ".join(map(str, source.seeds)),
        "state": status.get("state", "unknown"),
        "time": duration(spent) if spent else "",
        "settings": other,
        "facts": {
            "command": " ".join(map(str, run.get("command") or ())),
            "preset": _preset(run),
            "created": run.get("created"),
            "revision": run.get("revision"),
            "success rule": run.get("success_rule"),
            "dataset": _pairs(run.get("dataset")),
            "device": _pairs(run.get("device")),
            "versions": _pairs(run.get("versions")),
            "seconds": _pairs(status.get("seconds")),
            "updates per second": status.get("updates_per_second"),
        },
    }


def _preset(run: Mapping[str, Any]) -> str:
    """The preset of a run, and what a preset file says of its source."""
    file = run.get("preset_file")
    return f"{run['preset']}: {file['content']['source']}" if file else str(run.get("preset") or "")


def _pairs(content: Any) -> str:
    """A small JSON object on one line."""
    if not isinstance(content, dict):
        return str(content or "")
    return ", ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in content.items())
