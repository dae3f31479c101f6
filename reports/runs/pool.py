"""From sources to cells: what may be one cell, and what the cells of one algorithm are called.

Run folders are pooled into one cell only if they are equal in everything that can move a score (settings,
profile, data, success rule) and share no seed; what differs becomes an entry of its own with a tag:
`awac [quick-1a2b3c4d]`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from reports.runs.cells import Cell, Source
from suite.record.folders import RecordError

__all__ = ["external_cells", "own_cells"]


def own_cells(sources: Sequence[Source]) -> list[Cell]:
    """The cells of run folders; what has not finished is a cell by itself.

    But a run of which every seed diverged is one with those of other seeds that finished, or its failure would count
    nowhere.
    """
    groups: dict[tuple[str, str, str], list[Source]] = {}
    for source in sources:
        groups.setdefault((source.algo, source.task, _condition(source)), []).append(source)
    apart: list[list[Source]] = []
    for group in groups.values():
        seeds = [s for source in group for s in source.seeds]
        # a seed that was run twice is not two seeds
        apart += [group] if len(set(seeds)) == len(seeds) else [[source] for source in group]
    mixed = len({source.profile for source in sources}) > 1
    cells = []
    for algo in sorted({source.algo for source in sources}):
        own = [group for group in apart if group[0].algo == algo]
        for group, tag in zip(own, _tags(own, mixed), strict=True):
            label = f"{algo} [{tag}]" if tag else algo
            done, rest = ([s for s in group if s.finished is finished] for finished in (True, False))
            if done:
                done += [s for s in rest if s.all_diverged]
                rest = [s for s in rest if not s.all_diverged]
            # unfinished runs have come differently far: each stays by itself
            parts = [tuple(done), *((s,) for s in rest)]
            cells += [Cell(part[0].task, label, part) for part in parts if part]
    return cells


def _condition(source: Source) -> str:
    """Everything that can move a score, except the seeds, as text to compare."""
    run = source.run
    values = {k: v["value"] for k, v in run["settings"].items()}
    data = dict(run.get("dataset") or {}).get("fingerprint")
    return json.dumps([values, run["profile"], data, run.get("success_rule"), run.get("offline_only")], sort_keys=True)


def _tags(groups: Sequence[Sequence[Source]], mixed: bool) -> list[str]:
    """The shortest kind of tag that tells an algorithm's groups apart on every task."""

    def with_profile(source: Source, text: str) -> str:
        words = [source.profile] if mixed and source.profile not in text else []
        preset = str(source.run["preset"]) if source.run.get("preset_file") else ""
        return " ".join([*words, *([preset] if preset not in text else []), *([text] if text else [])])

    firsts = [group[0] for group in groups]
    for kind in ("", "{name}", "{name}-{hash}"):
        tags = [with_profile(s, kind.format(name=s.run["name"], hash=s.run["hash"])) for s in firsts]
        if len({(s.task, tag) for s, tag in zip(firsts, tags, strict=True)}) == len(firsts):
            return tags
    return [with_profile(s, s.where) for s in firsts]


def external_cells(sources: Sequence[Source], beside: bool) -> list[Cell]:
    """The cells of imported results; raises `RecordError` where two of them are the same cell.

    A label says that it is external only where it has to be told apart: `beside` runs of our own, or the same in
    another file.
    """
    cells = []
    for source in sources:
        name = source.algo.removesuffix(" (external)")
        twins = [s for s in sources if (s.algo.removesuffix(" (external)"), s.task) == (name, source.task)]
        tag = f" (external: {source.where})" if len(twins) > 1 else " (external)" if beside else ""
        cells.append(Cell(source.task, name + tag, (source,)))
    doubled = [c for c in cells if sum((o.task, o.label) == (c.task, c.label) for o in cells) > 1]
    if doubled:
        raise RecordError(f"{doubled[0].label} on {doubled[0].task} was given twice by --input; leave one out")
    return cells
