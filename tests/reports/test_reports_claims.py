"""Claims judged by cells: every verdict is that of a test which scipy knows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from cells import cell
from scipy.stats import ttest_1samp, ttest_rel

from reports.numbers.claims import judge
from reports.tables.claims import claims_table
from suite.record.claims import Asked, Claim

HIGH, LOW = (0.9, 0.8, 0.85, 0.95, 0.7), (0.2, 0.1, 0.2, 0.22, 0.3)
CLAIM = Claim(
    name="leads",
    place="AWAC Figure 3",
    says="AWAC leads.",
    suite="s",
    tasks=("pen",),
    metric="success",
    score="final",
    of=("awac",),
    over=("sac",),
    bound=0.0,
    above=True,
    refuted_by="a higher one",
)
PAPER = {"preset": "paper"}


def run(task, algo, finals, switch=0.0, **over):
    """A cell of which every seed ends at one of `finals`; halfway it is at half the way."""
    scores = {i: (switch, (switch + v) / 2, v) for i, v in enumerate(finals)}
    over["run"] = PAPER | over.get("run", {})
    return cell(task, algo, scores, (0, 100, 400), **over)


def verdict(claim, *cells):
    (found,) = judge([claim], cells, "quick")
    return found


def test_a_lead_holds_by_the_paired_test():
    found = verdict(CLAIM, run("pen", "awac", HIGH), run("pen", "sac", LOW))
    (part,) = found.parts
    low, high = ttest_rel(HIGH, LOW).confidence_interval()
    assert (part.mean.interval.low, part.mean.interval.high) == pytest.approx((low, high))
    assert (found.verdict, part.verdict, part.seeds, found.needed) == ("holds", "holds", "5 pairs", None)


def test_the_other_way_round_it_is_refuted_and_against_a_far_bound_neither():
    assert verdict(CLAIM, run("pen", "awac", LOW), run("pen", "sac", HIGH)).verdict == "refuted"
    near = replace(CLAIM, bound=float(np.mean(HIGH) - np.mean(LOW)) - 0.001)
    found = verdict(near, run("pen", "awac", HIGH), run("pen", "sac", LOW))
    assert found.verdict == "undecided"
    assert found.needed > 1000


def test_a_score_against_a_bound_is_the_test_of_one_sample():
    claim = replace(CLAIM, over=(), bound=0.75, above=True)
    p = ttest_1samp(HIGH, 0.75).pvalue
    assert p > 0.05
    assert verdict(claim, run("pen", "awac", HIGH)).verdict == "undecided"
    assert verdict(replace(claim, bound=0.5), run("pen", "awac", HIGH)).verdict == "holds"
    assert verdict(replace(claim, bound=0.5, above=False), run("pen", "awac", HIGH)).verdict == "refuted"


def test_one_part_refutes_at_its_share_of_the_level_and_all_must_hold():
    rivals = ("sac", "bc", "iql", "cql")
    claim = replace(CLAIM, over=rivals)
    cells = [run("pen", "awac", HIGH), *(run("pen", name, LOW) for name in rivals)]
    assert verdict(claim, *cells).verdict == "holds"
    better = tuple(x + d for x, d in zip(HIGH, (0.10, 0.02, 0.04, 0.02, 0.04), strict=True))
    p = ttest_rel(better, HIGH).pvalue
    assert 0.05 / 4 < p < 0.05  # enough for one test, not for four
    assert verdict(replace(CLAIM, over=("sac",)), cells[0], run("pen", "sac", better)).verdict == "refuted"
    assert verdict(claim, *cells[:1], run("pen", "sac", better), *cells[2:]).verdict == "undecided"


def test_what_is_missing_is_not_run_unless_something_refutes_it():
    claim = replace(CLAIM, over=("sac", "bc"))
    held = verdict(claim, run("pen", "awac", HIGH), run("pen", "sac", LOW))
    assert [part.verdict for part in held.parts] == ["holds", "not run"]
    assert held.verdict == "not run"
    assert verdict(claim, run("pen", "awac", LOW), run("pen", "sac", HIGH)).verdict == "refuted"
    assert verdict(CLAIM).verdict == "not run"


@pytest.mark.parametrize(
    ("score", "mean"),
    [("switch", 0.5), ("final", 1.0), ("gain", 0.5), ("fall", 0.25), ("online", 0.8125), ("trend", 0.5)],
)
def test_scores_by_hand(score, mean):
    """0.5 at the switch, 0.75 after 100 of 400 steps, 1 at the end."""
    claim = replace(CLAIM, over=(), score=score, bound=0.0)
    (part,) = verdict(claim, run("pen", "awac", (1.0, 1.0), switch=0.5)).parts
    assert part.mean.interval.point == pytest.approx(mean)


def test_only_runs_with_the_settings_that_are_meant_count():
    set_by_hand = {"settings": {"temperature": {"value": 0.3, "source": "--set: text"}}}
    other = run("pen", "awac", LOW, run=set_by_hand)
    usual = run("pen", "awac", HIGH)
    claim = replace(CLAIM, over=(), bound=0.5)
    assert verdict(claim, other, usual).verdict == "holds"
    meant = replace(claim, cells={"awac": Asked("awac", by_hand={"temperature": 0.3})})
    assert verdict(meant, other, usual).verdict == "refuted"
    assert verdict(replace(claim, cells={"awac": Asked("awac", "official")}), other, usual).verdict == "not run"
    assert judge([claim], [usual], "paper")[0].verdict == "not run"


def test_seeds_that_all_agree_prove_what_flipping_signs_does():
    claim = replace(CLAIM, over=(), bound=0.1, above=False)
    few, enough = (verdict(claim, run("pen", "awac", [0.0] * n)) for n in (5, 6))
    assert (few.verdict, few.needed) == ("undecided", 6)
    assert enough.verdict == "holds"


def test_the_table_shows_the_deciding_parts_and_holds_a_record_for_each():
    claim = replace(CLAIM, over=("sac", "bc"))
    found = verdict(claim, run("pen", "awac", LOW), run("pen", "sac", HIGH))
    table = claims_table([found], "quick")
    assert table.rows[0][2] == "refuted"
    assert table.rows[0][3].startswith("awac - sac, pen: −0.64 [")
    assert table.rows[0][3].endswith("of its parts 1 refuted, 1 not run")
    assert [record[table.columns.index("part")] for record in table.records] == ["refuted", "not run"]
