"""Seeds that diverged: failures wherever scores are compared, never seeds that were not run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from cells import cell
from scipy.stats import ttest_ind, ttest_rel
from test_reports import PLAIN, records, write
from test_reports_claims import CLAIM, HIGH, LOW, run, verdict

import reports
from reports.numbers.before_after import before_after
from reports.numbers.compare import compare
from reports.numbers.grid import common, improvements, unused, usable
from reports.numbers.pairs import finals, pair_of, side_by_side
from reports.numbers.results import Results
from reports.numbers.verdict import verdict_over_tasks, verdicts_per_task
from reports.page.summary import counted, notices_table, verdict_sentences
from reports.runs.collect import collect
from reports.runs.interpolate import interpolated
from reports.tables.beside import beside
from reports.tables.claims import words_of
from reports.tables.differences import compare_tables, pairs_table
from reports.tables.paper import paper_tables
from reports.tables.ranking import leaders_table, ranking_table
from suite.record.folders import read_run
from suite.record.papers import Printed
from suite.record.reference import Packed

AWAC = (0.55, 0.6, 0.58, 0.62, 0.55)  # mean 0.58
RISKY = (0.9, 0.85, 0.88, 0.87, 0.86)  # of which three diverge
GONE = {2: 100, 3: 200, 4: 400}
STEPS = (0, 100, 200, 400)


def ends(label, finals, metric="success", scale=1.0, task="pen", **over):
    """A cell whose seeds go evenly to these final scores; what diverged has no evaluation from then on."""
    gone = over.get("diverged", {})
    scores = {
        s: [scale * v * k / 3 if step < gone.get(s, np.inf) else np.nan for k, step in enumerate(STEPS)]
        for s, v in enumerate(finals)
    }
    return cell(task, label, scores, STEPS, metric, **over)


def both(metric="success", scale=1.0, task="pen"):
    return [
        ends("awac", AWAC, metric, scale, task),
        ends("risky", RISKY, metric, scale, task, diverged=GONE),
    ]


def verdict_of(cells, metric):
    (found,) = verdicts_per_task(finals(cells, metric), metric, 0)
    return found


# scores with a lowest value


def test_a_diverged_seed_counts_as_zero_success_from_then_on():
    curve, why = usable(both()[1], "success")
    assert why == unused(both()[1], "success") == []
    np.testing.assert_allclose(curve.values[:, -1], [0.9, 0.85, 0, 0, 0])
    np.testing.assert_allclose(curve.values[3], [0, 0.87 / 3, 0, 0])  # of what came before nothing is taken back
    lone = cell("pen", "a", {0: (0.5, 0.5), 1: (0.5, 0.5)}, (0, 400), diverged={7: 0})
    lone = replace(lone, sources=(replace(lone.sources[0], seeds=(0, 1, 7)),))
    assert usable(lone, "success")[0].seeds == (0, 1, 7)  # without a single evaluation
    np.testing.assert_array_equal(usable(lone, "success")[0].values[2], [0, 0])


def test_an_unstable_method_does_not_win_by_success():
    found = verdict_of(both(), "success")
    (pair,) = found.pairs
    zeros = (0.9, 0.85, 0, 0, 0)
    assert (found.best.label, found.best.mean.point) == ("awac", pytest.approx(0.58))
    assert pair.difference.p == pytest.approx(ttest_rel(AWAC, zeros).pvalue)
    assert pair.seeds == "5 pairs"
    assert (found.together, found.lower, found.withheld) == (["risky"], [], [])
    first = verdict_sentences(found, "success")[0]
    assert first.startswith("On pen, awac has the highest mean final success, 0.58 [")
    assert first.endswith("Of the others: risky: 3 of 5 seeds diverged, counted as 0.")
    table = ranking_table(found, "success")
    assert [row[:3] for row in table.rows] == [
        ["1", "awac", "5"],
        ["2", "risky", "5 (3 of 5 seeds diverged, counted as 0)"],
    ]
    (notice,) = notices_table(both(), "success", [], [], []).rows
    assert notice[3].endswith("seed 4 at step 400: counted as 0 from then on")
    assert counted(both(), "success") == ""


def test_lines_between_evaluations_keep_what_diverged():
    even, odd = both()[1], ends("awac", AWAC)
    odd.sources[0].curves["success"].steps[1:3] = (90, 210)
    curve, _ = usable(interpolated([even, odd])[0], "success")
    np.testing.assert_allclose(curve.values[:, -1], [0.9, 0.85, 0, 0, 0])


# scores without one


@pytest.mark.parametrize("metric", ["return", "normalized_score"])
def test_an_unstable_method_does_not_win_by_a_score_without_a_lowest_value(metric):
    cells = both(metric, 100)
    assert ttest_ind(RISKY[:2], AWAC, equal_var=False).pvalue < 0.05  # what its two seeds would say
    found = verdict_of(cells, metric)
    (pair,) = found.pairs
    assert not pair.told_apart
    assert np.isnan([pair.adjusted, pair.difference.p]).all()
    assert (found.best.label, found.withheld, found.together, found.lower) == ("awac", ["risky"], [], [])
    sentences = verdict_sentences(found, metric)
    assert len(sentences) == 1  # one entry is nothing to agree about
    assert f"awac has the highest mean final {metric} of those that lost no seed, 58" in sentences[0]
    assert ": risky: no verdict: 3 of 5 seeds diverged (1 test" in sentences[0]
    assert sentences[0].count("diverged") == 1
    (row,) = pairs_table(found.pairs, metric).rows
    assert row[-3:-1] == ["–", "no verdict: 3 of 5 seeds diverged (risky)"]
    last = ranking_table(found, metric).rows[-1]
    assert (last[:3], last[-1]) == (
        ["–", "risky", "2 (3 of 5 seeds diverged)"],
        "no verdict: 3 of 5 seeds diverged",
    )
    leaders = leaders_table([found], metric)
    assert dict(zip(leaders.columns, leaders.records[0], strict=True))["no_verdict"] == "risky: 3 of 5 seeds diverged"
    assert leaders.records[0][1] == "awac"
    rows, _ = before_after(cells, metric, 0)
    for table in paper_tables(rows, [found], [], metric):
        assert table.bold == {(0, 1)}
        assert "Never bold" in table.title
    assert counted(cells, metric).startswith("Not everything counts: 3 of 10 seeds and")


def test_against_the_side_that_lost_seeds_a_verdict_stands():
    cells = [ends("awac", RISKY, "return"), ends("risky", AWAC, "return", diverged={3: 200, 4: 400})]
    found = verdict_of(cells, "return")
    assert (found.lower, found.withheld) == (["risky"], [])
    assert ranking_table(found, "return").rows[1][-1] == "lower"
    assert pairs_table(found.pairs, "return").rows[0][-2] == "awac higher"
    near = [ends("awac", AWAC, "return"), ends("risky", AWAC, "return", diverged={4: 400})]
    near[1].sources[0].curves["return"].values[:] -= 1e-3 * np.array([[1], [-1], [2], [-1], [1]])
    assert verdict_of(near, "return").withheld == ["risky"]  # not told apart would put it among the best


def test_where_every_entry_lost_seeds_nobody_is_best():
    cells = [ends(name, AWAC, "return", diverged={4: 400}) for name in ("a", "b")]
    found = verdict_of(cells, "return")
    assert verdict_sentences(found, "return") == [
        "On pen, no verdict by return: every algorithm lost seeds (a: 1 of 5 seeds diverged; b: 1 of 5 seeds diverged)."
    ]
    assert [row[-1] for row in ranking_table(found, "return").rows] == ["no verdict: 1 of 5 seeds diverged"] * 2
    assert leaders_table([found], "return").rows[0][1] == "–"
    rows, _ = before_after(cells, "return", 0)
    assert paper_tables(rows, [found], [], "return")[0].bold == frozenset()
    assert pairs_table(found.pairs, "return").rows[0][-2] == (
        "no verdict: 1 of 5 seeds diverged (a), 1 of 5 seeds diverged (b)"
    )


def test_over_tasks_lost_seeds_are_below_all_others_where_only_the_order_counts():
    metric = "normalized_score"
    cells = [*both(metric, 100, "pen"), *both(metric, 100, "door")]
    grid = common(cells, metric)
    assert grid.incomplete == "risky: 6 of 10 seeds diverged"
    assert improvements(grid)["awac", "risky"].point == pytest.approx(3 / 5)
    found = verdict_over_tasks(grid, finals(cells, metric), metric, 0)
    assert (found.best.label, found.withheld) == ("awac", ["risky"])
    assert "risky: no verdict: 6 of 10 seeds diverged" in verdict_sentences(found, metric)[0]
    assert common(both(), "success").incomplete == ""


def test_a_change_is_not_better_by_the_seeds_that_are_left():
    before, after = ends("awac", AWAC, "return"), ends("awac", RISKY, "return", diverged=GONE)
    (table, *_) = compare_tables(compare([before], [after], "return", 0), "return")
    assert table.rows[0][-2] == "no verdict: 3 of 5 seeds diverged (second set)"
    (table, *_) = compare_tables(compare([after], [before], "return", 0), "return")
    assert table.rows[0][-2] == "no verdict: 3 of 5 seeds diverged (first set)"


def test_a_printed_number_is_not_reached_by_the_seeds_that_are_left():
    own = both("return", 100)[1]

    def word(value):
        one = Printed("p", "t", "pen", "", "risky", "return", "final", None, value, "")
        return beside([own], [one])[0].verdict.partition(";")[0]

    assert word(10.0) == word(88.0) == "no verdict: 3 of 5 seeds diverged"
    assert word(1e6) == "ours is below"


# claims


def test_a_claim_on_success_counts_what_diverged_as_zero():
    found = verdict(CLAIM, run("pen", "awac", HIGH, diverged={3: 400, 4: 100}), run("pen", "sac", LOW))
    (part,) = found.parts
    p = ttest_rel((*HIGH[:3], 0, 0), LOW).pvalue
    assert p > 0.05
    assert (found.verdict, part.verdict) == ("undecided", "undecided")
    assert part.mean.p == pytest.approx(p)
    assert part.seeds == "5 pairs; seeds 3 and 4 of awac diverged, counted as 0"
    assert "(seeds 3 and 4 of awac diverged, counted as 0)" in words_of(found)


def test_a_claim_in_favour_of_the_side_that_lost_seeds_is_undecided():
    claim = replace(CLAIM, metric="return")
    lossy = run("pen", "awac", HIGH, metric="return", diverged={3: 400, 4: 100})
    found = verdict(claim, lossy, run("pen", "sac", LOW, metric="return"))
    (part,) = found.parts
    assert (found.verdict, part.verdict, found.needed) == ("undecided", "undecided", None)
    assert part.diverged == ("no verdict: 2 of 5 seeds diverged (awac); seeds 3 and 4 of awac diverged, not counted")
    assert part.seeds.startswith("3 and 5 seeds, unpaired")
    assert part.diverged in words_of(found)
    lower = run("pen", "awac", LOW, metric="return", diverged={3: 400})
    assert verdict(claim, lower, run("pen", "sac", HIGH, metric="return")).verdict == "refuted"
    rival = run("pen", "sac", LOW, metric="return", diverged={0: 400})
    assert verdict(claim, run("pen", "awac", HIGH, metric="return"), rival).verdict == "holds"
    assert verdict(claim, run("pen", "awac", LOW, metric="return"), lossy_rival(HIGH)).verdict == "undecided"


def lossy_rival(finals):
    return run("pen", "sac", finals, metric="return", diverged={0: 400})


def test_a_bound_is_passed_only_by_a_method_that_lost_no_seed():
    claim = replace(CLAIM, metric="return", over=(), bound=0.5)
    lossy = run("pen", "awac", HIGH, metric="return", diverged={4: 400})
    assert verdict(claim, lossy).verdict == "undecided"
    assert verdict(replace(claim, above=False), lossy).verdict == "undecided"
    assert verdict(replace(claim, bound=2.0), lossy).verdict == "refuted"
    assert verdict(replace(claim, bound=2.0, above=False), lossy).verdict == "holds"


def test_what_diverged_before_the_switch_is_no_method_that_does_not_fall():
    """Every seed of sac falls; of awac one does not, as nothing of it was left."""
    claim = replace(CLAIM, score="gain")
    level = run("pen", "awac", (0.5, 0.51, 0.5, 0.52, 0.5), switch=0.5, diverged={0: 0})
    falling = run("pen", "sac", LOW, switch=0.5)
    (part,) = verdict(claim, level, falling).parts
    assert (part.verdict, part.seeds[:15]) == ("undecided", "4 and 5 seeds, ")
    assert "seed 0 of awac diverged, not counted" in part.seeds


def test_a_method_of_which_no_seed_is_left_was_run():
    claim = replace(CLAIM, metric="return")
    none = run("pen", "awac", HIGH, metric="return", diverged=dict.fromkeys(range(5), 100), finished=False)
    found = verdict(claim, none, run("pen", "sac", LOW, metric="return"))
    assert found.verdict == "undecided"
    assert words_of(found) == "awac - sac, pen: no verdict: 5 of 5 seeds diverged (awac)"


# run folders


def test_a_run_without_a_seed_left_fails_with_the_seeds_that_finished(tmp_path):
    """The same five seeds in two runs, of which one has ended as its three diverged."""
    write(tmp_path, "pen", "awac", {0: PLAIN[0], 1: PLAIN[0]})
    gone = dict.fromkeys((2, 3, 4), PLAIN[0][:2])
    write(tmp_path, "pen", "awac", gone, diverged=dict.fromkeys(gone, 0), state="failed", name="other")
    (own,) = collect([tmp_path]).cells
    assert (own.finished, own.seeds, sorted(own.diverged)) == (True, (0, 1, 2, 3, 4), [2, 3, 4])
    np.testing.assert_array_equal(usable(own, "success")[0].values[2:, -1], [0, 0, 0])


def test_a_run_made_again_differs_where_another_seed_diverges(tmp_path):
    before, same = (write(tmp_path / name, "pen", "awac", PLAIN) for name in ("before", "same"))
    after = write(tmp_path / "after", "pen", "awac", PLAIN, diverged={1: 300})
    packed = Packed(read_run(before), "bench run")
    assert {row["verdict"] for row in reports.agreement([(packed, same)])} == {"equal"}
    assert {row["verdict"] for row in reports.agreement([(packed, after)])} == {"differs"}


def test_imported_results_say_what_diverged(tmp_path):
    rows = [f"risky,pen,{s},{t},return,{90 - s}" for s in range(5) for t in (0, 400) if not (s > 1 and t)]
    rows += [f"risky,pen,{s},400,diverged,1" for s in (2, 3, 4)]
    rows += [f"awac,pen,{s},{t},return,{58 + s}" for s in range(5) for t in (0, 400)]
    (tmp_path / "a.csv").write_text("\n".join(["algo,env,seed,env_step,metric,value", *rows, ""]))
    found = verdict_of(collect([], [tmp_path / "a.csv"]).cells, "return")
    assert (found.best.label, found.withheld) == ("awac", ["risky"])


@pytest.mark.slow
def test_the_page_says_what_diverged_means_for_its_score(tmp_path):
    write(tmp_path / "runs", "pen", "awac", PLAIN)
    write(tmp_path / "runs", "pen", "risky", {**PLAIN, 3: PLAIN[0], 4: PLAIN[0]}, diverged={3: 200, 4: 200})
    page = reports.build(tmp_path / "runs", tmp_path / "out")
    assert "which count as 0 from there on" in page.read_text()
    assert "It counts as 0, the lowest success there is" in page.read_text()
    page = reports.build(tmp_path / "runs", tmp_path / "out", headline="return")
    text = page.read_text()
    assert "risky: no verdict: 2 of 5 seeds diverged" in text
    assert "which have no score from there on and are in no mean" in text
    (notice,) = [r for r in records(page.parent / "tables/notices.csv") if r["what"] == "diverged"]
    assert notice["detail"].endswith("in no mean, and no verdict in its favour")


# results without any


def test_nothing_is_said_of_divergence_where_there_is_none():
    cells = [ends("awac", AWAC), ends("sac", RISKY)]
    results = Results(cells, "success")
    (found,) = results.per_task
    texts = [
        *verdict_sentences(found, "success"),
        str(ranking_table(found, "success")),
        str(leaders_table([found], "success")),
    ]
    assert not any("diverged" in one or "no verdict" in one for one in texts)
    one, other = (results.finals["pen", a] for a in ("awac", "sac"))
    assert found.pairs[0].difference == pair_of("", "awac", "sac", [side_by_side(one, other)], "success").difference
