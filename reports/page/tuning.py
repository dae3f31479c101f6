"""The page of `bench report` on a folder of `bench tune`: score against tuning budget, and every trial."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from reports.numbers.budget import scores_of
from reports.page.build import mark, render
from reports.page.folder import refuse_foreign, swapped_into
from reports.page.runs import shown_runs
from reports.pictures.budget import budget_panel
from reports.pictures.embed import shown
from reports.pictures.styles import styles
from reports.tables.table import decimals
from reports.tables.tuning import tuning_tables
from suite.record.folders import RecordError
from suite.record.trials import Search

__all__ = ["build"]


def build(root: Path, out: Path, looks: Mapping[str, str]) -> Path:
    """Write the page; the arguments are those of `reports.build_tuning`."""
    out = out.resolve()
    refuse_foreign(out)
    search = Search.read(root)
    trials = {algo: search.trials(algo) for algo in search.algos}
    scores = {algo: found for algo, own in trials.items() if (found := scores_of(own))}
    if not scores:
        raise RecordError(f"{root}: no trial is complete yet; `bench tune` goes on with it")
    metrics = list(dict.fromkeys(search.metrics.values()))
    alone = len(search.metrics) == 1
    digits = decimals(metrics[0] if alone else "success", [x for own in scores.values() for x in own])
    criterion = f"{' and '.join(metrics)}{'' if alone else ', mean over tasks'}"
    with swapped_into(out) as folder:
        tables = tuning_tables(trials, search.budget, digits)
        for table in tables:
            table.write(folder / "tables")
        title = "Score on the tuning seeds against the number of trials; line: expected best of k, marks: best so far"
        figure = budget_panel(scores, styles(list(scores), looks), criterion)
        content = {
            "name": root.name,
            "facts": _facts(search, criterion),
            "notes": _notes(search, {algo: sum(t.done for t in own) for algo, own in trials.items()}),
            "figure": shown(folder, "budget", title, f"Expected best {criterion} of {', '.join(scores)}.", figure),
            "tables": tables,
            "runs": shown_runs([]),
        }
        (folder / "index.html").write_text(render("tuning.html", content), encoding="utf-8")
        mark(folder, {"headline": criterion, "tuning": str(root)})
    return out / "index.html"


def _facts(search: Search, criterion: str) -> str:
    facts = search.facts
    where = "at the switch" if facts["at"] == "switch" else "over the last evaluations"
    seeds = ", ".join(map(str, facts["seeds"]))
    return (
        f"{facts['trials']} trials of each algorithm on {', '.join(search.metrics)}, profile {facts['profile']}, seeds "
        f"{seeds}, judged by {criterion} {where}; {facts['sampler']} sampler, rounds of {facts['round']}."
    )


def _notes(search: Search, done: Mapping[str, int]) -> list[str]:
    notes = [
        "These scores chose the settings and are too good for them: report what they give on other seeds.",
        "Expected best of k: of k trials drawn from these with replacement (Dodge et al. 2019). Trials that were given "
        "up or diverged count as the worst complete one.",
    ]
    if search.facts["sampler"] != "random":
        notes.append("Later trials were chosen by earlier ones, so that the first few were worse than the line says.")
    if short := [f"{algo} {count}" for algo, count in done.items() if count < search.budget]:
        notes.append(f"Not finished, trials done so far: {', '.join(short)} of {search.budget} each.")
    return notes
