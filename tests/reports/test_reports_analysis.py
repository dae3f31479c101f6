"""What the numbers of a report say, by hand, from cells made in memory."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
from cells import cell
from rliable import metrics

from reports.numbers import coverage, stats
from reports.numbers.aggregates import aggregates
from reports.numbers.before_after import before_after
from reports.numbers.coverage import coverage_note
from reports.numbers.grid import common, efficiency
from reports.numbers.notes import warnings
from reports.numbers.online import Times, area, dip, online
from reports.numbers.pairs import finals, over_tasks, per_task
from reports.tables.differences import pairs_table
from reports.tables.online import online_table
from reports.tables.scores import finals_table
from reports.tables.table import number
from suite.record.folders import RecordError

FALLS = {
    0: (0.2, 0.6, 0.3, 0.5, 0.6, 0.8),  # falls by 0.3, back at step 300
    1: (0.2, 0.4, 0.5, 0.6, 0.7, 0.9),  # never falls
    2: (0.2, 0.5, 0.1, 0.2, 0.3, 0.4),  # falls by 0.4, never back
}


def test_the_final_score_three_ways():
    scores = {seed: (0.0, value) for seed, value in enumerate((0.1, 0.5, 0.6, 0.7, 0.9, 1.0, 0.2, 0.4))}
    rows, gaps = before_after([cell("pen", "awac", scores, (0, 100))], "success", 0)
    final = rows[0].final
    assert not gaps
    assert final.mean.point == pytest.approx(0.55)
    assert final.median.point == pytest.approx(0.55)
    assert final.iqm.point == pytest.approx((0.4 + 0.5 + 0.6 + 0.7) / 4)  # 2 of 8 cut off at each end
    for one in (final.mean, final.median, final.iqm):
        assert one.low < one.point < one.high
    record = dict(zip(*(lambda t: (t.columns, t.records[0]))(finals_table(rows, "success")), strict=True))
    assert (record["mean"], record["iqm_low"], record["median_high"]) == (
        final.mean.point,
        final.iqm.low,
        final.median.high,
    )


def test_fine_tuning_by_hand():
    (row,), gaps = online([cell("pen", "awac", FALLS)], "success", 0)
    assert not gaps
    assert (row.window, row.threshold, row.fell) == (100, 0.5, 2)
    assert row.dip.mean.point == pytest.approx(-0.7 / 3)
    assert row.regained.steps == (300, np.inf)
    assert (row.regained.happened, row.regained.median) == (1, np.inf)
    areas = [(0.3 + 0.3 + 0.5 + 0.6 + 0.4) / 4, (0.2 + 0.5 + 0.6 + 0.7 + 0.45) / 4, (0.25 + 0.1 + 0.2 + 0.3 + 0.2) / 4]
    assert row.area.mean.point == pytest.approx(np.mean(areas))
    assert row.regret.mean.point == pytest.approx(1 - np.mean(areas))
    assert row.regret.mean.low == pytest.approx(1 - row.area.mean.high)
    assert row.reached.steps == (0, 100, 0)
    table = online_table([row], "success")
    assert "(k = 100)" in table.rows[0][3]
    assert table.rows[0][4] == "1 of 2 regained it, median not reached (1 never fell)"
    assert table.rows[0][7] == "3 of 3 reached, median 0 steps (threshold 0.5)"


def test_the_window_and_the_threshold_are_the_readers():
    late = {0: (0.5, 0.5, 0.4, 0.2, 0.6)}
    cells = [cell("pen", "awac", late)]
    (row,), _ = online(cells, "success", 0, window=300, threshold=0.55)
    assert row.dip.iqm.point == pytest.approx(-0.3)
    assert row.regained.steps == row.reached.steps == (400,)
    (row,), _ = online(cells, "success", 0, window=100)
    assert row.dip.iqm.point == 0
    assert row.fell == 0
    assert "none of 1 fell" in online_table([row], "success").rows[0]
    _, (gap,) = online(cells, "success", 0, window=50)
    assert gap.reason == "no evaluation within 50 steps of the switch: the first is at 100"
    for wrong in ({"window": 0}, {"threshold": np.nan}):
        with pytest.raises(RecordError, match="give a"):
            online(cells, "success", 0, **wrong)


def test_raw_returns_have_an_area_but_no_regret_and_no_threshold_of_their_own():
    (row,), _ = online([cell("cheetah", "awac", {0: (1000, 2000, 3000)}, (0, 50, 100), "return")], "return", 0)
    assert (row.regret, row.reached, row.area.iqm.point) == (None, None, 2000)
    assert online_table([row], "return").rows[0][-2:] == ["–", "–"]


def test_what_has_no_online_phase_or_no_switch_is_passed_over_or_named():
    offline = cell("pen", "bc", {0: (0.1, 0.2)}, (-100, 0), run={"offline_only": True})
    unswitched = cell("pen", "sac", {0: (0.1, 0.2)}, (100, 200))
    rows, (gap,) = online([offline, unswitched], "success", 0)
    assert not rows
    assert (gap.label, gap.reason) == ("sac", "no evaluation at the switch: dip and area need it")


def test_the_area_weighs_uneven_steps():
    assert area(np.array([0.0, 10, 40]), np.array([[0.0, 1, 1]])) == pytest.approx([(5 + 30) / 40])


def test_a_dip_is_the_lowest_point_of_the_window_and_regaining_comes_after_it():
    steps, values = np.array([0.0, 1, 2, 3, 4]), np.array([[0.5, 0.4, 0.6, 0.3, 0.5]])
    assert [float(x[0]) for x in dip(steps, values, 1)] == pytest.approx([-0.1, 2])
    assert [float(x[0]) for x in dip(steps, values, 3)] == pytest.approx([-0.2, 4])


@pytest.mark.parametrize(
    ("steps", "median"), [((1, 2, 9), 2), ((1, 2, np.inf), 2), ((1, np.inf, np.inf), np.inf), ((2, 4), 3)]
)
def test_seeds_that_never_get_there_count_as_the_latest(steps, median):
    assert Times(steps).median == median
    assert np.isnan(Times(()).median)


def grid_of(*cells):
    return common(cells, "success"), cells


def test_efficiency_is_rliables_iqm_at_every_shared_step():
    rng = np.random.default_rng(0)
    scores = {(t, a): rng.random((4, 3)) for t in ("pen", "door") for a in ("awac", "sac")}
    grid, cells = grid_of(*(cell(t, a, dict(enumerate(v)), (0, 50, 100)) for (t, a), v in scores.items()))
    curves, name = efficiency(grid, cells, "success", 0)
    assert name == "environment steps"
    x, point, low, high = curves["sac"]
    np.testing.assert_array_equal(x, [0, 50, 100])
    for i in range(3):
        runs = np.stack([scores["door", "sac"][:, i], scores["pen", "sac"][:, i]], axis=1)
        assert point[i] == pytest.approx(metrics.aggregate_iqm(runs))
    last = aggregates(grid.scores["sac"], 0, grid.bounds["sac"])["IQM"]
    assert (low[-1], high[-1]) == pytest.approx((last.low, last.high))


def test_efficiency_over_different_calendars_is_over_shares_of_the_online_phase():
    grid, cells = grid_of(
        cell("pen", "awac", {0: (0.0, 0.5, 1.0)}, (0, 500, 1000)),
        cell("door", "awac", {0: (0.0, 0.1, 0.2, 0.3, 0.4)}, (0, 10, 20, 30, 40)),
        cell("pen", "bc", {0: (0.1, 0.3)}, (-100, 0), run={"offline_only": True}),
        cell("door", "bc", {0: (0.1, 0.5)}, (-100, 0), run={"offline_only": True}),
    )
    curves, name = efficiency(grid, cells, "success", 0)
    assert name == "share of the online phase"
    np.testing.assert_allclose(curves["awac"][0], [0, 0.5, 1])
    np.testing.assert_allclose(curves["awac"][1], [0, (0.5 + 0.2) / 2, (1.0 + 0.4) / 2])
    np.testing.assert_allclose(curves["bc"][1], [0.4, 0.4, 0.4])
    assert np.isnan(curves["bc"][2]).all()  # a single seed has no interval


def test_efficiency_ends_where_the_shortest_run_of_a_task_does():
    grid, cells = grid_of(
        cell("pen", "awac", {0: (0.0, 0.5, 1.0)}, (0, 50, 100)), cell("pen", "sac", {0: (0.2, 0.3)}, (0, 50))
    )
    curves, name = efficiency(grid, cells, "success", 0)
    assert name == "environment steps"
    np.testing.assert_allclose(curves["awac"][:2], [[0, 50], [0, 0.5]])
    offline = cell("pen", "bc", {0: (0.1, 0.3)}, (-100, 0), run={"offline_only": True})
    assert efficiency(*grid_of(offline), "success", 0) == ({}, "")


def test_efficiency_begins_where_all_have_been_evaluated():
    grid, cells = grid_of(
        cell("pen", "awac", {0: (0.0, 0.5, 1.0)}, (0, 50, 100)), cell("pen", "sac", {0: (0.2, 0.3)}, (50, 100))
    )
    curves, _ = efficiency(grid, cells, "success", 0)
    np.testing.assert_allclose(curves["sac"][1], [0.2, 0.3])
    assert len(curves["sac"][0]) == 2


def test_pairs_of_a_task_are_paired_by_seed_and_corrected_within_it():
    last = {"awac": (0.9, 0.8, 0.85, 0.95), "sac": (0.2, 0.1, 0.2, 0.22), "cql": (0.9, 0.7, 0.9, 0.9)}
    cells = [cell("pen", a, {i: (0, v) for i, v in enumerate(values)}, (0, 9)) for a, values in last.items()]
    pairs = {(p.ahead, p.behind): p for p in per_task(finals(cells, "success"), "success")["pen"]}
    one = pairs["awac", "sac"]
    diff = np.subtract(last["awac"], last["sac"])
    assert one.difference.interval.point == pytest.approx(diff.mean())
    expected = stats.t_interval(diff)
    assert (one.difference.interval.low, one.difference.interval.high) == pytest.approx((expected.low, expected.high))
    ordered = sorted(pairs.values(), key=lambda p: p.difference.p)
    assert ordered[0].adjusted == pytest.approx(3 * ordered[0].difference.p)
    assert (one.seeds, one.paired, one.told_apart) == ("4 pairs", True, True)
    table = pairs_table(list(pairs.values()), "success")
    verdicts = {(row[1], row[2]): row[5] for row in table.rows}
    assert verdicts["awac", "sac"] == "awac higher"
    assert verdicts["awac", "cql"] == "not told apart"


def test_what_cannot_be_paired_is_said():
    same, other = {0: (0.1, 0.5), 1: (0.1, 0.7), 2: (0.1, 0.9)}, {7: (0.1, 0.5), 8: (0.1, 0.7)}

    def pair_of(*cells):
        return per_task(finals(cells, "success"), "success")["pen"][0]

    pair = pair_of(cell("pen", "a", same), cell("pen", "b", other))
    assert (pair.paired, pair.seeds) == (False, "3 and 2 seeds, unpaired: not the same seeds")
    pair = pair_of(cell("pen", "a", same), cell("pen", "b", same, external=True))
    assert (pair.paired, pair.seeds.partition(": ")[2][:8]) == (False, "imported")
    pair = pair_of(cell("pen", "a", same), cell("pen", "b", {**same, 5: (0.1, 0.2)}))
    assert pair.seeds == "3 and 4 seeds, unpaired: not the same seeds"  # none of them is dropped
    pair = pair_of(cell("pen", "a", same), cell("pen", "b", same, run={"dataset": {"id": "d", "fingerprint": "g"}}))
    assert pair.seeds == "3 and 3 seeds, unpaired: not the same data"
    fewer = {"settings": {"eval_episodes": {"value": 5}}}
    pair = pair_of(cell("pen", "a", same), cell("pen", "b", same, run=fewer))
    assert pair.seeds == "3 and 3 seeds, unpaired: not the same initial states"
    pair = pair_of(cell("pen", "a", {0: (0, 1)}), cell("pen", "b", {0: (0, 0.5)}))
    assert pairs_table([pair], "success").rows[0][5] == "no interval from a single seed"


def test_pairs_over_tasks_average_the_tasks_differences():
    cells = [
        cell(task, label, {s: (0.0, base + 0.01 * s) for s in range(3)}, (0, 9))
        for task, label, base in (("pen", "a", 0.8), ("pen", "b", 0.5), ("door", "a", 0.4), ("door", "b", 0.5))
    ]
    by_key = finals(cells, "success")
    (pair,) = over_tasks(common(cells, "success"), by_key, "success")
    assert pair.difference.interval.point == pytest.approx((0.3 - 0.1) / 2)
    assert pair.task == ""
    assert over_tasks(common(cells, "success"), by_key, "return") == []


@pytest.mark.parametrize(("seeds", "paired"), [(9, False), (10, True)])
def test_few_pairs_are_not_paired_over_tasks(seeds: int, paired: bool) -> None:
    cells = [
        cell(task, label, {s: (0.0, base + 0.01 * s) for s in range(seeds)}, (0, 9))
        for task, label, base in (("pen", "a", 0.8), ("pen", "b", 0.5), ("door", "a", 0.4), ("door", "b", 0.5))
    ]
    by_key = finals(cells, "success")
    (pair,) = over_tasks(common(cells, "success"), by_key, "success")
    assert pair.paired == paired
    assert pair.seeds == f"{seeds} pairs{'' if paired else ', unpaired: over tasks from 10 pairs on'}"
    assert all(p.paired for own in per_task(by_key, "success").values() for p in own), "on one task they are"


@pytest.mark.parametrize("large", [np.inf, -np.inf, 1e308, -1e101])
def test_infinite_scores_and_evaluations_that_not_all_seeds_have_are_named(large):
    scores = {0: (0.1, 0.2, 0.3), 1: (0.1, np.nan, 0.4), 2: (0.1, 0.2, large)}
    (row,), gaps = before_after([cell("pen", "awac", scores, (0, 50, 100))], "success", 0)
    assert row.seeds == 2
    assert [gap.reason for gap in gaps] == [
        "1 of 3 evaluations not used (step 50): not every seed has them",
        "seed 2 has a 'success' that is infinite or beyond 1e+100",
    ]


def test_the_gain_is_each_seeds_own_difference_from_the_switch():
    """Against scipy: a paired t-test's interval, narrower than the scores' own where seeds differ more than gains."""
    scores = {0: (0.0, 10.0, 15.0), 1: (0.0, 30.0, 34.0), 2: (0.0, 50.0, 56.0), 3: (0.0, 70.0, 75.0)}
    (row,), _ = before_after([cell("walker", "awac", scores, (-10, 0, 100), metric="return")], "return", 0)
    interval = scipy.stats.ttest_rel([15, 34, 56, 75], [10, 30, 50, 70]).confidence_interval()
    assert row.gain is not None
    assert (row.gain.mean.point, row.gain.mean.low, row.gain.mean.high) == pytest.approx((5, *interval))
    (offline,), _ = before_after(
        [cell("walker", "bc", {0: (0.0, 1.0), 1: (0.0, 2.0)}, (-10, 0), metric="return")], "return", 0
    )
    assert offline.gain is None, "nothing was trained online"
    (row,), _ = before_after([cell("pen", "sac", {0: (1.0, 0.0), 1: (1.0, 0.0)}, (0, 100))], "success", 0)
    assert row.gain is not None
    assert row.gain.mean.low >= -1, "a success rate can lose no more than all"


def test_unequal_calendars_and_single_seeds_are_warned_of():
    cells = [cell("pen", "a", {0: (0, 0, 0)}, (0, 50, 100)), cell("pen", "b", {0: (0, 0)}, (0, 100))]
    rows, _ = before_after(cells, "success", 0)
    found = "\n".join(warnings(cells, rows))
    assert "pen: not the same evaluation points for all (every 100, 0 to 100: b; every 50, 0 to 100: a)." in found
    assert "final step" not in found
    assert "no interval for a on pen, b on pen" in found
    assert rows[0].final.iqm.point == 0
    assert np.isnan(rows[0].final.median.low)


@pytest.mark.parametrize(("seeds", "few"), [(4, True), (5, True), (6, False)])
def test_students_intervals_are_warned_of_wherever_they_stand(seeds, few):
    scores = {seed: (0.0, value) for seed, value in enumerate((1.0, 0.0, 0.0, 0.0, 1.0, 0.9)[:seeds])}
    cells = [cell("pen", "a", scores)]
    rows, _ = before_after(cells, "success", 0)
    assert rows[0].final.iqm.low >= 0
    assert (
        any(f"rest on {seeds} seeds: up to 5 seeds intervals are Student's" in w for w in warnings(cells, rows)) == few
    )


def test_an_interval_without_width_is_warned_of():
    cells = [cell("pen", "a", {0: (0, 1), 1: (0, 1)}), cell("pen", "b", {0: (0, 1), 1: (0, 0.9)})]
    rows, _ = before_after(cells, "success", 0)
    (found,) = [w for w in warnings(cells, rows) if "no width" in w]
    assert found.endswith(": a on pen.")


def test_a_method_missing_on_a_task_is_named_and_not_averaged():
    scores = {0: (0.1, 0.5), 1: (0.1, 0.6)}
    names = [("pen", "a"), ("pen", "b"), ("door", "a"), ("door", "b"), ("hammer", "a")]
    grid = common([cell(t, a, scores) for t, a in names], "success")
    assert grid.tasks == ("door", "pen")
    assert [(g.task, g.label, g.reason) for g in grid.left_out] == [
        ("hammer", "a", "the task is left out: not completed by b")
    ]


def test_the_measured_coverage_is_what_the_benchmark_found():
    path = Path(__file__).parents[2] / "benchmarks/results/coverage.json"
    measured = json.loads(path.read_text())
    found = measured["short"]
    false = {(row["seeds"], row["tasks"], row["test"]): {row["kind"]: row["false"]} for row in measured["false"]}
    assert false == coverage.FALSE
    table: dict[tuple[str, int, int], dict[str, int]] = {}
    for row in found:
        table.setdefault((row["statistic"], row["seeds"], row["tasks"]), {})[row["kind"]] = row["coverage"]
    assert table == coverage.MEASURED


def test_the_coverage_note_speaks_of_the_nearest_number_of_seeds(monkeypatch):
    table = {
        ("mean of a task", 3, 1): {"skewed": 92, "two modes": 72},
        ("mean of a task", 10, 1): {"skewed": 91},
        ("aggregate median", 3, 12): {"success rates": 90},
        ("profile", 3, 1): {"success rates": 89},
    }
    monkeypatch.setattr(coverage, "MEASURED", table)
    monkeypatch.setattr(coverage, "FALSE", {(3, 10, "paired"): {"noisy task": 14}})
    assert "apart at most 7 times in a hundred, except: paired tests of 3 seeds 14 for ten tasks" in coverage_note(
        [3], 5
    )
    assert "Verdicts" not in coverage_note([3], 1)
    assert "mean of a task with 3 seeds 92 % for skewed scores, 72 % for scores in two modes" in coverage_note([4])
    assert "91 %" not in coverage_note([4])
    assert "aggregate" not in coverage_note([4])
    assert "91 %" in coverage_note([4, 20])
    assert "aggregate median with 3 seeds 90 %" in coverage_note([3], 5)
    assert "profile" not in coverage_note([3], 5)
    assert "profile with 3 seeds 89 %" in coverage_note([3], 1)
    assert coverage_note([1]) == ""


def test_one_score_computed_in_two_ways_is_one_number() -> None:
    below, above = 0.475, 0.47500000000000003
    assert f"{below:.2f}" != f"{above:.2f}"
    assert number(below, 2) == number(above, 2)
    assert number(-0.001, 2) == "0.00"
