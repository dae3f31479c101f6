"""Reports of searches: expected best of k, their page, and what tuned runs and trials do to an ordinary report."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from asked import resolve
from cells import cell
from command import Bench
from searched import write_run
from test_reports import PLAIN, write

import reports
from reports.numbers.budget import best_so_far, expected_best, scores_of
from reports.numbers.tuned import tuned_notes
from reports.runs.collect import collect
from suite.record.folders import RecordError
from suite.record.trials import FORMAT, SEARCH, Trial

TUNE = {"trials": 20, "seeds": [1000, 1001]}


@pytest.mark.parametrize(
    "scores", [(0.3,), (0.1, 0.9), (0.5, 0.5, 0.2), (0.0, -3.0, 7.5, 1.0), (1.0, 2.0, 3.0, 4.0, 9.0)]
)
def test_the_expected_best_of_k_is_the_mean_over_all_draws(scores: tuple[float, ...]) -> None:
    """Of k draws with replacement there are n^k, all as likely: take the best of each."""
    for k, expected in enumerate(expected_best(scores), start=1):
        brute = np.mean([max(draw) for draw in itertools.product(scores, repeat=k)])
        assert expected == pytest.approx(brute, abs=1e-12)


def test_the_expected_best_rises_from_the_mean_and_does_not_reach_the_best() -> None:
    scores = np.random.default_rng(0).normal(size=40)
    curve = expected_best(scores.tolist())
    assert curve[0] == pytest.approx(scores.mean())
    assert (np.diff(curve) > 0).all()
    assert curve[-1] < scores.max()
    assert best_so_far([1.0, 3.0, 2.0]).tolist() == [1.0, 3.0, 3.0]


def test_trials_without_a_score_count_as_the_worst() -> None:
    states: list[tuple[Any, float | None]] = [
        ("complete", 0.5), ("given up", None), ("complete", 0.2), ("diverged", None), ("open", None),
    ]  # fmt: skip
    trials = [Trial("awac", n, {}, {}, (), score, state) for n, (state, score) in enumerate(states)]
    assert scores_of(trials) == [0.5, 0.2, 0.2, 0.2]
    assert scores_of(trials[1:2]) == []


@pytest.fixture
def search(tmp_path: Path) -> Path:
    """Six of eight trials of two methods, one of them diverged."""
    root = tmp_path / "tune" / "door"
    root.mkdir(parents=True)
    space = {"low": 0.1, "high": 10, "log": True}
    spaces = {"awac": {"temperature": space}, "iql": {"inverse_temperature": space}}
    facts = {"format": FORMAT, "spaces": spaces, "metrics": {"door-binary-v0": "success"}, "trials": 8, "at": "end"}
    more = {"seeds": [1000], "profile": "smoke", "prune": True, "round": 8, "sampler": "tpe"}
    (root / SEARCH).write_text(json.dumps({**facts, **more}))
    for algo, own in spaces.items():
        for n in range(6):
            e = resolve(
                algo, "door-binary", (1000,), "smoke", [f"{next(iter(own))}={2.0 ** (n - 1)}"], f"trial-{n:03d}"
            )
            folder = root / "door-binary-v0" / algo / f"{e.name}-{e.hash}"
            write_run(e, folder, diverged=algo == "iql" and n == 5)
    return root


def test_a_search_has_a_page_of_its_own(search: Path, bench: Bench) -> None:
    said = bench("report", str(search), "--out", "report")
    assert (said.code, said.err) == (0, ""), said.err
    page = Path("report/index.html").read_text()
    for part in (
        "Tuning: door",
        "8 trials of each algorithm on door-binary-v0, profile smoke, seeds 1000, judged by success over the last",
        "These scores chose the settings",
        "trials done so far: awac 6, iql 6 of 8 each",
    ):
        assert part in page
    table = json.loads(Path("report/tables/chosen.json").read_text())["records"]
    assert [row["algorithm"] for row in table] == ["awac", "iql"]
    assert [row["diverged"] for row in table] == [0, 1]
    assert table[0]["best"] == pytest.approx(2 / 3)
    assert table[0]["settings"] == "temperature 2.0"
    trials = json.loads(Path("report/tables/trials.json").read_text())["records"]
    assert len(trials) == 12
    assert trials[0]["settings"].startswith("defaults: ")
    assert {Path("report/figures", f"budget.{kind}").is_file() for kind in ("png", "svg", "pdf")} == {True}


def test_the_same_search_gives_the_same_bytes(search: Path, tmp_path: Path) -> None:
    pages = [reports.build_tuning(search, tmp_path / name) for name in ("a", "b")]
    assert pages[0].read_bytes() == pages[1].read_bytes()


def test_a_search_without_a_complete_trial_has_no_page(tmp_path: Path, search: Path) -> None:
    for record in search.rglob("run.json"):
        record.unlink()
    with pytest.raises(RecordError, match="no trial is complete yet"):
        reports.build_tuning(search, tmp_path / "report")
    assert not (tmp_path / "report").exists()


@pytest.mark.parametrize("more", [("--metric", "success"), ("--suite", "awac-fig3-dexterous"), ("runs",)])
def test_a_search_is_reported_alone(search: Path, bench: Bench, more: tuple[str, ...]) -> None:
    said = bench("report", str(search), *more)
    assert said.code == 2
    assert "give it alone, with --out" in said.err


def test_trials_are_no_results(search: Path, tmp_path: Path) -> None:
    write(tmp_path, "pen", "awac", PLAIN)
    found = collect([tmp_path])
    assert [cell.task for cell in found.cells] == ["pen"]
    assert found.left_out() == [
        f"left out: {search}: 12 trials of `bench tune`, which a report on that folder alone shows",
        "1 of 13 run folders left out",
    ]
    with pytest.raises(RecordError, match="12 trials of `bench tune`"):
        collect([search / "door-binary-v0"])


def tuned(label: str, seeds: tuple[int, ...] = (0, 1), tune: dict[str, Any] | None = None, **over: Any) -> Any:
    tune = TUNE if tune is None else tune
    file = {"path": "p.toml", "content": {"source": f"{tune['trials']} trials", "tune": tune}}
    run = {"profile": "quick", "settings": {}, "preset": "tuned", "preset_file": file}
    return cell("door", label, dict.fromkeys(seeds, (0.1, 0.2)), run=run, **over)


def plain(label: str) -> Any:
    return cell("door", label, {0: (0.1, 0.2)})


def test_tuned_cells_are_named_and_so_are_those_beside_them() -> None:
    assert tuned_notes([plain("bc")]) == []
    assert tuned_notes([tuned("awac [tuned]"), tuned("iql [tuned]")]) == [
        "Tuned: awac [tuned], iql [tuned] (20 trials)."
    ]
    notes = tuned_notes([tuned("awac [tuned]"), plain("bc"), tuned("iql", tune={**TUNE, "trials": 5})])
    assert "Not tuned, beside entries that are: bc." in notes
    assert "Tuned with unequal budgets: 20 trials on 2 seeds, 5 trials on 2 seeds." in notes


def test_seeds_that_chose_the_settings_are_named() -> None:
    (_, note) = tuned_notes([tuned("awac", seeds=(999, 1000, 1001))])
    assert note == "awac on door: seed 1000, 1001 chose its settings, so its scores are too good: report others."


def test_the_label_of_a_tuned_cell_says_so(tmp_path: Path) -> None:
    file = {"path": "p.toml", "content": {"source": "20 trials", "tune": TUNE}}
    write(tmp_path, "pen", "awac", PLAIN, preset="tuned", preset_file=file, name="mine")
    write(tmp_path, "pen", "bc", PLAIN)
    assert [c.label for c in collect([tmp_path]).cells] == ["awac [tuned]", "bc"]
    write(tmp_path, "pen", "awac", PLAIN, name="quick", hash="0")
    assert [c.label for c in collect([tmp_path]).cells] == ["awac", "awac [tuned]", "bc"]
