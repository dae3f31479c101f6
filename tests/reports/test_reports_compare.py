"""Two sets of results against each other."""

from __future__ import annotations

import numpy as np
import pytest
from cells import cell
from scipy.stats import ttest_ind, ttest_rel

from reports.numbers.compare import compare
from reports.tables.differences import compare_tables
from suite.record.folders import RecordError

OLD = {0: (0.1, 0.50), 1: (0.1, 0.55), 2: (0.1, 0.45), 3: (0.1, 0.52)}
NEW = {0: (0.1, 0.70), 1: (0.1, 0.78), 2: (0.1, 0.66), 3: (0.1, 0.71)}


def last(scores):
    return np.array([values[-1] for values in scores.values()])


def verdicts(found):
    return [row[6] for row in compare_tables(found, "success")[0].rows]


def test_the_same_seeds_are_paired():
    found = compare([cell("pen", "awac", OLD)], [cell("pen", "awac", NEW)], "success", 0)
    (change,) = found.changes
    theirs = ttest_rel(last(NEW), last(OLD))
    limits = theirs.confidence_interval()
    value = change.pair.difference.interval
    assert (value.point, value.low, value.high) == pytest.approx((0.2075, limits.low, limits.high))
    assert change.pair.adjusted == pytest.approx(theirs.pvalue)
    assert (verdicts(found), change.pair.seeds) == (["better"], "4 pairs")
    assert change.before.mean.point == pytest.approx(last(OLD).mean())
    back = compare([cell("pen", "awac", NEW)], [cell("pen", "awac", OLD)], "success", 0)
    assert verdicts(back) == ["worse"]
    assert found.notes == found.missing == ()


def test_other_seeds_are_compared_unpaired():
    other = {seed + 10: values for seed, values in NEW.items()}
    (change,) = compare([cell("pen", "awac", OLD)], [cell("pen", "awac", other)], "success", 0).changes
    assert change.pair.difference.p == pytest.approx(ttest_ind(last(NEW), last(OLD), equal_var=False).pvalue)
    assert change.pair.seeds == "4 and 4 seeds, unpaired: not the same seeds"


def test_the_overall_difference_is_the_mean_over_tasks_and_many_are_corrected():
    before = [cell(task, "awac", OLD) for task in ("pen", "door")] + [cell("pen", "bc", OLD)]
    after = [cell("pen", "awac", NEW), cell("door", "awac", OLD), cell("pen", "bc", OLD)]
    found = compare(before, after, "success", 0)
    overall = {pair.ahead: pair for pair in found.overall}
    assert overall["awac"].difference.interval.point == pytest.approx(0.2075 / 2)
    assert overall["awac"].seeds == "2 task(s): 4 pairs"
    pen = next(c for c in found.changes if (c.task, c.algo) == ("pen", "awac"))
    assert pen.pair.adjusted == pytest.approx(3 * pen.pair.difference.p)
    changes, over = compare_tables(found, "success")
    assert [row[6] for row in changes.rows] == ["no difference", "better", "no difference"]
    assert {row[0]: row[3] for row in over.rows} == {"awac": "better", "bc": "no difference"}
    assert over.records[0][1] == pytest.approx(0.2075 / 2)


def test_raw_returns_have_no_overall_difference():
    cells = [cell("cheetah", "awac", OLD, metric="return")]
    found = compare(cells, cells, "return", 0)
    assert found.overall == ()
    assert [table.name for table in compare_tables(found, "return")] == ["changes"]


def test_what_is_in_one_set_only_or_unfinished_is_listed():
    before = [cell("pen", "awac", OLD), cell("pen", "bc", OLD), cell("door", "awac", OLD)]
    after = [cell("pen", "awac", NEW), cell("pen", "cql", NEW), cell("door", "awac", NEW, finished=False)]
    found = compare(before, after, "success", 0)
    reasons = {(gap.task, gap.label): gap.reason for gap in found.missing}
    assert reasons == {
        ("pen", "bc"): "only in the first set",
        ("pen", "cql"): "only in the second set",
        ("door", "awac"): "unfinished in the second set: door/awac",
    }
    assert compare_tables(found, "success")[-1].name == "not_compared"
    with pytest.raises(RecordError, match=r"no finished cell with 'success' in common .*only in the first set"):
        compare([cell("pen", "bc", OLD)], [cell("pen", "cql", NEW)], "success", 0)
    with pytest.raises(RecordError, match="no 'return' recorded"):
        compare([cell("pen", "bc", OLD)], [cell("pen", "bc", NEW)], "return", 0)


def test_what_differs_besides_the_code_is_said():
    settings = {"batch": {"value": 256}}
    before = cell("pen", "awac", OLD, run={"settings": settings})
    changed = {"profile": "paper", "dataset": {"id": "d", "fingerprint": "g"}, "settings": {"batch": {"value": 512}}}
    after = cell("pen", "awac", dict.fromkeys(OLD, (0.1, 0.2, 0.3)), run=changed)
    notes = "\n".join(compare([before], [after], "success", 0).notes)
    for text in (
        "awac on pen: not the same profile: quick, then paper.",
        "not the same dataset: d (f), then d (g).",
        "not the same number of evaluations: 2, then 3.",
        "not the same settings: batch 256, then 512.",
    ):
        assert text in notes
    shorter = cell("pen", "awac", OLD, (0, 50), run={"settings": settings})
    assert "not the same final step: 400, then 50." in compare([before], [shorter], "success", 0).notes[0]


def test_a_single_seed_gives_no_verdict():
    found = compare([cell("pen", "a", {0: OLD[0]})], [cell("pen", "a", {0: NEW[0]})], "success", 0)
    assert verdicts(found) == ["no interval from a single seed"]
    assert compare_tables(found, "success")[0].rows[0][5] == "–"


def test_variants_of_one_algorithm_go_by_their_labels():
    def variants(scores):
        first, second = cell("pen", "awac", scores), cell("pen", "awac", scores)
        return [type(first)("pen", "awac [a]", first.sources), type(second)("pen", "awac [b]", second.sources)]

    found = compare(variants(OLD), variants(NEW), "success", 0)
    assert [change.algo for change in found.changes] == ["awac [a]", "awac [b]"]
