"""Verdicts: each from one test, the same on the first screen and in the tables below; and the power of those tests."""

from __future__ import annotations

import re

import numpy as np
import pytest
from cells import cell
from scipy.stats import ttest_ind, ttest_rel
from test_reports import records, write

import reports
from reports.numbers.before_after import before_after
from reports.numbers.bounds import Bounds, bounds_of
from reports.numbers.differences import Sides, difference, holm
from reports.numbers.grid import common
from reports.numbers.pairs import finals
from reports.numbers.power import power, seeds_needed, seeds_note
from reports.numbers.results import Results
from reports.numbers.verdict import verdict_over_tasks, verdicts_per_task
from reports.page.summary import facts, no_ranking, verdict_sentences
from reports.tables.differences import pairs_table
from reports.tables.ranking import leaders_table, ranking_table
from reports.tables.table import p_text


def cells_of(task, **finals):
    """One cell per algorithm; `finals` are the final scores of seeds 0, 1, ..."""
    return [cell(task, a, {i: (0.0, v) for i, v in enumerate(values)}, (0, 9)) for a, values in finals.items()]


def verdict_of(cells, metric="success"):
    (found,) = verdicts_per_task(finals(cells, metric), metric, 0)
    return found


CLOSE = {"awac": (0.9, 0.8, 0.85, 0.95), "cql": (0.9, 0.7, 0.9, 0.9), "sac": (0.2, 0.1, 0.2, 0.22)}


def test_a_verdict_is_the_paired_test_with_holms_correction():
    found = verdict_of(cells_of("pen", **CLOSE))
    assert [one.label for one in found.standings] == ["awac", "cql", "sac"]
    assert (found.together, found.lower, found.untested) == (["cql"], ["sac"], [])
    p = {pair: ttest_rel(CLOSE[pair[0]], CLOSE[pair[1]]).pvalue for pair in found.wins}
    assert {(q.ahead, q.behind): q.adjusted for q in found.pairs} == pytest.approx(
        dict(zip(p, holm(list(p.values())), strict=True))
    )
    first, second = verdict_sentences(found, "success")
    assert first.startswith("On pen, awac has the highest mean final success, 0.88 [")
    assert "cql cannot be told apart from it; sac is lower (3 tests paired by seed, 5 % level" in first
    assert second == "Mean, median, IQM and P(X > Y) all put awac first." or "disagree" in second


def test_intervals_that_overlap_do_not_decide():
    """Two entries whose intervals overlap though every seed of one is better, and paired seeds tell them apart."""
    low = (0.1, 0.5, 0.9, 0.3, 0.7)
    cells = cells_of("pen", a=[x + 0.05 + 0.001 * i for i, x in enumerate(low)], b=low)
    found = verdict_of(cells)
    a, b = found.standings
    assert b.mean.high > a.mean.low
    assert found.lower == ["b"]
    assert ranking_table(found, "success").rows[1][-2:] == ["< 0.001", "lower"]


def test_the_first_screen_and_the_tables_below_cannot_contradict():
    rng = np.random.default_rng(0)
    cells = []
    for task in ("door", "pen", "relocate"):
        cells += cells_of(
            task, **{f"m{i}": np.clip(0.3 + 0.15 * i + 0.1 * rng.standard_normal(4), 0, 1) for i in range(4)}
        )
    by_key, grid = finals(cells, "success"), common(cells, "success")
    verdicts = [*verdicts_per_task(by_key, "success", 0), verdict_over_tasks(grid, by_key, "success", 0)]
    told = {True: 0, False: 0}
    for found in verdicts:
        below = {frozenset(row[-6:-4]): row[-2] for row in pairs_table(found.pairs, "success").rows}
        for row in ranking_table(found, "success").rows[1:]:
            word = below[frozenset((found.best.label, row[1]))]
            assert word == {"lower": f"{found.best.label} higher", "not told apart": "not told apart"}[row[-1]]
            told[row[-1] == "lower"] += 1
        assert sorted([*found.lower, *found.together, found.best.label]) == sorted(s.label for s in found.standings)
    assert min(told.values()) > 0
    rows = {row[0]: row for row in leaders_table(verdicts[:-1], "success").rows}
    assert rows["pen"][4] == "; ".join(verdicts[1].lower)


def test_the_ranking_over_tasks_is_in_units_of_the_metric_and_by_means():
    cells = [
        cell(task, label, {s: (0.0, base + s) for s in range(3)}, (0, 9), "normalized_score")
        for task, label, base in (("pen", "a", 80), ("pen", "b", 50), ("door", "a", 40), ("door", "b", 50))
    ]
    by_key = finals(cells, "normalized_score")
    found = verdict_over_tasks(common(cells, "normalized_score"), by_key, "normalized_score", 0)
    assert (found.best.label, found.best.mean.point) == ("a", pytest.approx(61))
    assert found.against_best["b"].difference.interval.point == pytest.approx(10)
    assert (
        "Over 2 tasks, a has the highest mean final normalized_score, 61.0 ["
        in verdict_sentences(found, "normalized_score")[0]
    )


def test_where_the_estimates_disagree_is_said():
    """One failed seed of four: mean lowest, median highest; b beats a in 8 of 16 pairs, c more often than not."""
    found = verdict_of(cells_of("pen", a=(0.96, 0.95, 0.98, 0.0), b=(0.8, 0.81, 0.82, 0.83)))
    assert found.first_by == {"mean": ["b"], "median": ["a"], "IQM": ["a"], "P(X > Y)": ["a"]}
    assert found.first_by_all == []
    assert verdict_sentences(found, "success")[1] == (
        "The estimates disagree on who is first: by mean b, by median a, by IQM a, by P(X > Y) a."
    )
    assert leaders_table([found], "success").rows[0][-1] == "median: a; IQM: a; P(X > Y): a"
    ring = {
        "a": (0.2, 0.2, 0.9),
        "b": (0.1, 0.7, 0.7),
        "c": (0.5, 0.5, 0.3),
    }  # a beats c beats b beats a? none beats all
    first = verdict_of(cells_of("pen", **ring)).first_by
    assert all(first["mean"])
    tied = verdict_of(cells_of("pen", a=(0.5, 0.5), b=(0.5, 0.5)))
    assert tied.first_by_all == ["a", "b"]
    assert tied.together == ["b"]


def test_raw_returns_are_ranked_on_each_task_and_not_over_them():
    cells = [cell(t, a, {0: (0.0, 10.0), 1: (0.0, 20.0)}, (0, 9), "return") for t in ("ant", "pen") for a in "ab"]
    results = Results(cells, "return")
    assert results.main is None
    assert [found.task for found in results.per_task] == ["ant", "pen"]
    assert no_ranking(results.per_task)[0].startswith("There is no ranking over tasks")
    assert no_ranking(results.per_task[:1]) == []


def test_a_single_seed_is_ranked_but_not_judged():
    found = verdict_of(cells_of("pen", a=(0.9,), b=(0.1, 0.2)))
    assert found.untested == ["b"]
    assert "nothing is known of b beside it, as a side has a single seed" in verdict_sentences(found, "success")[0]
    assert ranking_table(found, "success").rows[1][-2:] == ["–", "one seed, no test"]


def test_differences_of_shares_stay_between_minus_one_and_one():
    (pair,) = verdict_of(cells_of("pen", a=(1.0, 0.9, 0.0), b=(0.0, 0.0, 0.05))).pairs
    assert pair.difference.interval.high == 1
    theirs = ttest_rel((1.0, 0.9, 0.0), (0.0, 0.0, 0.05)).confidence_interval()
    assert theirs.high > 1
    assert pair.difference.interval.low == pytest.approx(theirs.low)


@pytest.mark.parametrize(("p", "shown"), [(0.0, "< 0.001"), (0.00049, "< 0.001"), (0.0006, "0.001"), (np.nan, "–")])
def test_no_p_is_printed_as_zero(p, shown):
    assert p_text(p) == shown


def test_the_episodes_of_a_share_are_the_settings_or_what_explains_all_values():
    own = cell("pen", "a", {0: (0.1, 0.5)}, run={"settings": {"eval_episodes": {"value": 40}}})
    assert bounds_of(own, "success") == Bounds(0, 1, 40)
    brought = cell("pen", "a", {0: (0.05, 0.5, 0.25), 1: (0.0, 1.0, 0.35)}, (0, 1, 2), external=True)
    assert bounds_of(brought, "success") == Bounds(0, 1, 20)
    odd = cell("pen", "a", {0: (1 / np.pi, 0.5)}, external=True)
    assert bounds_of(odd, "success") == Bounds(0, 1, None)
    assert bounds_of(cell("pen", "a", {0: (1.0, 2.0)}, metric="return"), "return") == Bounds()


@pytest.mark.parametrize(("paired", "tests"), [(True, 1), (False, 1), (True, 6), (False, 6)])
def test_the_number_of_seeds_needed_is_right_for_the_reports_own_test(paired, tests):
    gap, spread = 0.3, 0.2
    n = seeds_needed(gap, spread, tests, paired)
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(1500):
        x, y = spread * rng.standard_normal((2, n)) / (np.sqrt(2) if paired else 1)
        found += difference([Sides(x + gap, y, paired)]).p * tests < 0.05
    assert 0.76 < found / 1500 < 0.9  # few seeds: one more is a good deal more power
    assert power(n - 1, gap, spread, tests, paired) < 0.8 <= power(n, gap, spread, tests, paired)


def test_the_seeds_needed_are_named_for_each_task_with_their_uncertainty():
    wild = {s: (0.1, 0.3 + 0.2 * s) for s in range(3)}
    cells = [cell("pen", a, wild) for a in "ab"] + [
        cell("door", "a", wild),
        cell("door", "b", {7: (0, 0.2), 8: (0, 0.6)}),
    ]
    rows, _ = before_after(cells, "success", 0)
    note = seeds_note(verdicts_per_task(finals(cells, "success"), "success", 0), rows, "success")
    spread = np.sqrt((2 * 0.04 + 1 * 0.08) / 3)  # of door: 3 seeds 0.2 apart, 2 seeds 0.4 apart
    low, high = (seeds_needed(0.1, s, 1, False) for s in spread * np.sqrt(3 / np.array([9.348404, 0.215795])))
    assert f"door: {seeds_needed(0.1, spread, 1, False)} ({low} to {high:,}, as the spread itself" in note
    assert "1 unpaired test, gap 0.1" in note
    assert "pen" not in note.partition("door")[2]  # equal runs have no difference to find
    assert ttest_ind(*np.random.default_rng(0).normal(size=(2, 5))).df == 8  # the degrees of freedom that `power` takes


def test_on_raw_returns_the_gap_is_a_tenth_of_the_tasks_range():
    made = {s: (1000.0, 3000.0 + 200 * s) for s in (0, 1, 2)}  # at the switch 1000, final 3200 on average
    cells = [
        cell("cheetah", "a", made, (0, 9), "return"),
        cell("cheetah", "b", {7: (1000, 2000), 8: (1000, 2200)}, (0, 9), "return"),
    ]
    rows, _ = before_after(cells, "return", 0)
    note = seeds_note(verdicts_per_task(finals(cells, "return"), "return", 0), rows, "return")
    assert "a tenth of the task's range" in note
    assert "gap 2.2e+02" in note


def test_the_first_sentence_says_that_seeds_share_their_initial_states():
    own = {"settings": {"eval_episodes": {"value": 20}}}
    cells = [cell("pen", "a", {0: (0.0, 0.5), 1: (0.0, 0.6)}, run=own)]
    assert "2 seed(s) per cell, all of them evaluated on the same initial states (20 episodes)" in facts(
        cells, "success"
    )
    brought = [cell("pen", "a", {0: (0.0, 0.5)}, external=True)]
    assert "initial states" not in facts(brought, "success")  # of which nothing is known


@pytest.mark.slow
def test_the_page_begins_with_the_verdict(tmp_path):
    for task in ("pen", "door"):
        for i, algo in enumerate(("awac", "sac")):
            write(tmp_path / "runs", task, algo, {s: (0, 0, 0, 0, 0.9 - 0.6 * i + 0.01 * s) for s in range(3)})
    html = reports.build(tmp_path / "runs", tmp_path / "out").read_text()
    (first, second) = re.findall(r'<p class="lead">([^<]*)', html)
    assert first.startswith("Over 2 tasks, awac has the highest mean final success")
    assert "sac is lower" in first
    assert "all put awac first" in second
    assert html.index("tables/ranking.csv") < html.index('id="curves"') < html.index("tables/leaders.csv")
    ranking = records(tmp_path / "out/tables/ranking.csv")
    assert [row["verdict"] for row in ranking] == ["highest mean", "lower"]
    assert "same initial states" in html
    assert "overlap" not in html.partition('id="method"')[0]
    assert (tmp_path / "out/tables/differences_over_tasks.csv").is_file()


@pytest.mark.slow
def test_a_page_of_imported_results_does_not_claim_to_know_their_versions(tmp_path):
    file = tmp_path / "theirs.csv"
    lines = [f"{a},pen,{s},online,{t},{t},success,{0.1 * s + 0.3}" for a in "ab" for s in range(3) for t in (0, 100)]
    file.write_text("\n".join(["algo,env,seed,phase,env_step,update,metric,value", *lines]) + "\n")
    html = reports.build(tmp_path / "none", tmp_path / "out", inputs=[file]).read_text()
    assert "are of one version" not in html
    assert "which versions made the imported results is not known" in html
