"""Trials as their run folders tell them: scores, when one is given up, and whose a run folder is."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from asked import resolve
from searched import facts, write_run

from suite.record.folders import RecordError, read_run
from suite.record.rows import Row
from suite.record.trials import FORMAT, SEARCH, Search, Trial, best, given_up_at, judged, search_of
from suite.record.writer import RunWriter

SPACE = {"temperature": {"low": 0.1, "high": 10, "log": True}}


def search(folder: Path, **more: Any) -> Search:
    facts = {"format": FORMAT, "spaces": {"awac": SPACE}, "metrics": {"door-binary-v0": "success"}, "trials": 9}
    facts |= {"seeds": [1000, 1001], "profile": "smoke", "sampler": "tpe", "at": "end", "prune": True, "round": 2}
    folder.mkdir(exist_ok=True)
    (folder / SEARCH).write_text(json.dumps({**facts, **more}))
    return Search.read(folder)


def trial(
    root: Path, number: int, temperature: float, task: str = "door-binary", algo: str = "awac", **how: Any
) -> Path:
    e = resolve(algo, task, (1000, 1001), "smoke", [f"temperature={temperature}"], f"trial-{number:03d}")
    folder = root / e.task.id / algo / f"{e.name}-{e.hash}"
    write_run(e, folder, **how)
    return folder


def run_of(folder: Path, rows: list[Row], finished: bool = True, **more: Any) -> Any:
    e = resolve("awac", "door-binary", (0, 1), "smoke")
    writer = RunWriter(folder)
    writer.create({**facts(e), **more})
    writer.append(rows)
    writer.status({"state": "finished" if finished else "stopped", "env_step": 120})
    return read_run(folder)


def rows(values: dict[int, tuple[float, ...]]) -> list[Row]:
    return [Row(k, "online", step, 0, "success", v) for step, own in values.items() for k, v in enumerate(own)]


def test_a_score_is_the_mean_of_the_last_three_evaluations_over_seeds(tmp_path: Path) -> None:
    values = {-20: (9.0, 9.0), 0: (9.0, 9.0), 10: (5.0, 7.0), 20: (1.0, 2.0), 30: (3.0, 4.0), 40: (5.0, 6.0)}
    found = judged(run_of(tmp_path / "a", rows(values)), "success", "end")
    assert found.score == (1 + 2 + 3 + 4 + 5 + 6) / 6
    assert found.rungs == (6.0, 1.5, 3.5), "none before the switch, and not the last"
    at_switch = judged(run_of(tmp_path / "b", rows(values)), "success", "switch")
    assert (at_switch.rungs, at_switch.score) == ((9.0,), 9.0)


def test_a_method_that_learns_offline_is_judged_at_the_switch(tmp_path: Path) -> None:
    values = rows({-20: (0.0, 0.0), -10: (0.1, 0.3), 0: (0.4, 0.6)})
    found = judged(run_of(tmp_path, values, offline_only=True), "success", "end")
    assert (found.rungs, found.score) == ((0.0, 0.2), 0.5)


def test_what_is_not_whole_has_no_score(tmp_path: Path) -> None:
    values = rows({10: (0.0, 0.0), 20: (0.5, 0.5), 30: (0.9,)})
    found = judged(run_of(tmp_path / "a", values, finished=False), "success", "end")
    assert (found.rungs, found.score) == ((0.0, 0.5), None), "the last evaluation is half-written"
    diverged = [*rows({10: (0.0, 0.0)}), Row(0, "online", 20, 0, "diverged", 1.0), *rows({20: (0.5,)})]
    found = judged(run_of(tmp_path / "b", diverged), "success", "end")
    assert (found.rungs, found.score, found.diverged) == ((0.0,), None, True)


def test_the_median_rule_is_that_of_optuna() -> None:
    optuna = pytest.importorskip("optuna", reason="the extra tune is not installed")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    draw = np.random.default_rng(0)
    ended = 0
    for _ in range(300):
        count, least, length = draw.integers(0, 7), int(draw.integers(1, 6)), int(draw.integers(1, 6))
        # eighths, whose means are exact: at a tie, rounding would decide
        complete = [tuple((draw.integers(-9, 9, draw.integers(1, 6)) / 8).tolist()) for _ in range(count)]
        rungs = tuple((draw.integers(-9, 9, length) / 8).tolist())
        study = optuna.create_study(
            direction="maximize", pruner=optuna.pruners.MedianPruner(n_startup_trials=least, n_warmup_steps=0)
        )
        for other in complete:
            study.add_trial(optuna.trial.create_trial(value=0.0, intermediate_values=dict(enumerate(other))))
        asked = study.ask()
        expected = None
        for n, value in enumerate(rungs):
            asked.report(value, n)
            if asked.should_prune():
                expected = n
                break
        assert given_up_at(rungs, complete, least) == expected
        ended += expected is not None
    assert ended > 50


def test_trials_are_read_from_their_run_folders(tmp_path: Path) -> None:
    found = search(tmp_path / "s", round=3)
    for number, temperature in enumerate((1.0, 2.0, 4.0)):
        trial(found.folder, number, temperature)
    first, second, third = found.trials("awac")
    assert [t.values for t in (first, second, third)] == [{"temperature": v} for v in (1.0, 2.0, 4.0)]
    assert [t.state for t in (first, second, third)] == ["complete"] * 3
    assert second.score == pytest.approx(2 / 3), "mean over 40, 80 and 120 of 120 steps"
    assert best([first, second, third]) == second
    assert best([first, dataclasses.replace(first, number=3)]) == first
    assert best([]) is None


def test_a_trial_is_given_up_wherever_it_was_stopped(tmp_path: Path) -> None:
    """Evaluations after the one that ended it, which it may have or not, say nothing."""
    states = []
    for until in (40, 80, 120):
        found = search(tmp_path / str(until))
        for number, temperature in enumerate((2.0, 2.0)):
            trial(found.folder, number, temperature)
        trial(found.folder, 2, 0.1, until=until)
        states.append(dataclasses.replace(found.trials("awac")[2], folders={}))
    assert states[0].state == "given up"
    assert states[0].score is None
    assert len(states[0].rungs) == 1
    assert states[0] == states[1] == states[2]


def test_trials_of_the_same_round_end_none_of_it(tmp_path: Path) -> None:
    found = search(tmp_path / "s", round=3)
    for number, temperature in enumerate((2.0, 2.0, 0.1)):
        trial(found.folder, number, temperature)
    assert found.trials("awac")[2].state == "complete"
    assert search(tmp_path / "s", prune=False, round=2).trials("awac")[2].state == "complete"


def test_a_diverged_trial_is_done_and_has_no_score(tmp_path: Path) -> None:
    found = search(tmp_path / "s")
    trial(found.folder, 0, 2.0, diverged=True, until=80)
    (one,) = found.trials("awac")
    assert (one.state, one.score, one.done) == ("diverged", None, True)


def test_several_tasks_count_alike(tmp_path: Path) -> None:
    metrics = {"door-binary-v0": "success", "walker2d-v0": "normalized_score"}
    found = search(tmp_path / "s", metrics=metrics)
    trial(found.folder, 0, 2.0)
    assert found.trials("awac")[0].state == "open", "a task is not begun"
    e = resolve("awac", "walker2d", (1000, 1001), "smoke", ["temperature=2.0"], "trial-000")
    folder = found.folder / "walker2d-v0" / "awac" / f"{e.name}-{e.hash}"
    write_run(e, folder, lambda values, seed: 50.0, metric="normalized_score", until=40)
    assert found.trials("awac")[0].state == "open"
    assert found.trials("awac")[0].rungs == pytest.approx([(1 / 3 + 0.5 / 3) / 2])
    write_run(e, folder, lambda values, seed: 50.0, metric="normalized_score")
    assert found.trials("awac")[0].score == pytest.approx((2 / 3 + 2 / 3 * 0.5) / 2), "percent become shares"


def test_trials_beyond_the_budget_are_not_counted(tmp_path: Path) -> None:
    found = search(tmp_path / "s", trials=1)
    for number in (0, 1):
        trial(found.folder, number, 1.0 + number)
    assert [t.number for t in found.trials("awac")] == [0]


def test_a_trial_has_one_folder_per_task(tmp_path: Path) -> None:
    found = search(tmp_path / "s")
    trial(found.folder, 0, 1.0)
    trial(found.folder, 0, 2.0)
    with pytest.raises(RecordError, match="are of one trial: delete the older one"):
        found.trials("awac")


def test_whose_trial_a_run_folder_is(tmp_path: Path) -> None:
    found = search(tmp_path / "s")
    assert search_of(trial(found.folder, 0, 1.0)) == found.folder
    assert search_of(trial(tmp_path / "elsewhere", 0, 1.0)) is None
    assert search_of(found.folder / "door-binary-v0" / "awac" / "quick-1a2b3c4d") is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 99}', f'{{"format": {FORMAT}}}'])
def test_a_folder_that_is_no_search(tmp_path: Path, text: str) -> None:
    (tmp_path / SEARCH).write_text(text)
    with pytest.raises(RecordError, match=SEARCH):
        Search.read(tmp_path)


def test_a_trial_is_open_until_it_is_done() -> None:
    assert not Trial("awac", 0, {}, {}).done
