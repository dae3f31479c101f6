"""Tables of a search: what was chosen of each method, and every trial."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from reports.numbers.budget import expected_best, scores_of
from reports.tables.table import Table, Value, number
from suite.record.trials import Trial, best

__all__ = ["tuning_tables"]


def tuning_tables(trials: Mapping[str, Sequence[Trial]], budget: int, digits: int) -> list[Table]:
    """What was chosen, and the trials, of each algorithm."""
    return [_chosen(trials, budget, digits), _all(trials, digits)]


def _chosen(trials: Mapping[str, Sequence[Trial]], budget: int, digits: int) -> Table:
    header = [
        "algorithm",
        "best",
        "one trial, expected",
        "defaults",
        "trials",
        "given up",
        "diverged",
        "settings of the best",
    ]
    rows, records = [], []
    for algo, own in trials.items():
        found, scores = best(own), scores_of(own)
        values = [
            None if found is None else found.score,
            float(expected_best(scores)[0]) if scores else None,
            next((trial.score for trial in own if trial.number == 0), None),
        ]
        counts = [sum(t.done for t in own), *(sum(t.state == s for t in own) for s in ("given up", "diverged"))]
        shown = "–" if found is None else _settings(found)
        rows.append(
            [algo, *(_text(v, digits) for v in values), f"{counts[0]} of {budget}", *map(str, counts[1:]), shown]
        )
        records.append([algo, *values, *counts, shown])
    columns = ["algorithm", "best", "expected_of_one", "defaults", "trials", "given_up", "diverged", "settings"]
    return Table("chosen", "What was chosen.", header, rows, columns, records)


def _all(trials: Mapping[str, Sequence[Trial]], digits: int) -> Table:
    header = ["algorithm", "trial", "state", "score", "settings"]
    rows, records = [], []
    for trial in (trial for own in trials.values() for trial in own):
        settings = _settings(trial)
        record: list[Value] = [trial.algo, trial.number, trial.state, trial.score, settings]
        records.append(record)
        rows.append([trial.algo, str(trial.number), trial.state, _text(trial.score, digits), settings])
    return Table("trials", "Every trial.", header, rows, header, records)


def _settings(trial: Trial) -> str:
    values = ", ".join(
        f"{name} {value if isinstance(value, str) else json.dumps(value)}" for name, value in trial.values.items()
    )
    return values if trial.number else f"defaults: {values}"


def _text(value: float | None, digits: int) -> str:
    return "–" if value is None else number(value, digits)
