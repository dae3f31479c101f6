"""Tuned cells: which ones are, by how much, and what in a comparison speaks for them unduly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reports.runs.cells import Cell, Source

__all__ = ["tuned_notes"]


def tuned_notes(cells: Sequence[Cell]) -> list[str]:
    """Notes on cells whose settings were chosen by `bench tune`; none where there are no such cells."""
    pairs = [(cell, source) for cell in cells for source in cell.sources if not source.external]
    tuned = [(cell, source) for cell, source in pairs if _tune(source)]
    if not tuned:
        return []
    groups: dict[str, set[str]] = {}
    for cell, source in tuned:
        groups.setdefault(str(source.run["preset_file"]["content"]["source"]), set()).add(cell.label)
    notes = [f"Tuned: {', '.join(sorted(labels))} ({source})." for source, labels in sorted(groups.items())]
    labels = {cell.label for cell, _ in tuned}
    if others := sorted({cell.label for cell, _ in pairs} - labels):
        notes.append(f"Not tuned, beside entries that are: {', '.join(others)}.")
    if len(budgets := {_budget(source) for _, source in tuned}) > 1:
        notes.append(f"Tuned with unequal budgets: {', '.join(sorted(budgets))}.")
    for cell, source in tuned:
        if shared := sorted({*source.seeds} & {*_tune(source).get("seeds", ())}):
            seeds = ", ".join(map(str, shared))
            notes.append(
                f"{cell.label} on {cell.task}: seed {seeds} chose its settings, so its scores are too good: report "
                "others."
            )
    return notes


def _tune(source: Source) -> Mapping[str, Any]:
    """How the settings of a run were chosen; empty where they were not."""
    file = source.run.get("preset_file") or {}
    return dict(file.get("content", {}).get("tune", {}))


def _budget(source: Source) -> str:
    tune = _tune(source)
    return f"{tune.get('trials')} trials on {len(tune.get('seeds', ()))} seeds"
