"""Seeds and entries that were evaluated at different steps: what is compared; and nothing is dropped in silence."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from cells import cell
from test_reports import PLAIN, records, write

import reports
from reports.numbers.before_after import before_after
from reports.numbers.grid import common
from reports.numbers.online import online
from reports.page.summary import counted
from reports.runs.interpolate import interpolated

NAN = np.nan


def merged(*parts):
    """One cell of the seeds of several, which may have been evaluated at different steps."""
    return dataclasses.replace(parts[0], sources=tuple(source for part in parts for source in part.sources))


def test_a_seed_with_one_evaluation_more_does_not_drop_the_others():
    steps = (0, 100, 200, 300, 400)
    own = cell("pen", "a", {0: (0, 0.1, 0.2, 0.3, NAN), 1: (0, 0.2, 0.4, 0.5, NAN), 2: (0, 0.3, 0.6, 0.7, 0.9)}, steps)
    (row,), gaps = before_after([own], "success", 0)
    assert (row.seeds, row.final_step) == (3, 300)
    assert row.final.mean.point == pytest.approx(0.5)
    assert [gap.reason for gap in gaps] == ["1 of 5 evaluations not used (step 400): not every seed has them"]
    assert counted([own], "success") == (
        "Not everything counts: 0 of 3 seeds and 1 of 13 evaluations of finished cells are left out, as listed below "
        "with the reasons."
    )


def test_a_seed_that_ended_early_is_left_out_by_name_and_cuts_nobody_short():
    late = {0: (0, 0.1, 0.2, 0.3, 0.4), 1: (0, 0.2, 0.4, 0.5, 0.6), 2: (0, 0.3, NAN, NAN, NAN)}
    own = cell("pen", "a", late, (0, 100, 200, 300, 400))
    (row,), (gap,) = before_after([own], "success", 0)
    assert (row.seeds, row.final_step, gap.reason) == (2, 400, "seed 2 ends at step 100, others at 400")


def loggers(label="a", offsets=(0, 3, 7), values=(0.2, 0.5, 0.8)):
    """Three seeds of a straight rise, as another logger would export them: no step but the first is shared."""
    parts = []
    for seed, (offset, value) in enumerate(zip(offsets, values, strict=True)):
        steps = (0, 100 + offset, 200 + offset, 300 + offset)
        parts.append(cell("pen", label, {seed: [value * step / 300 for step in steps]}, steps, external=True))
    return merged(*parts)


def test_seeds_that_share_hardly_a_step_are_not_compared_unless_the_user_asks_for_lines_between():
    own = loggers()
    rows, (gap,) = before_after([own], "success", 0)
    assert not rows
    assert gap.reason.startswith("its 3 seeds share 1 of 4 evaluations or more: not compared unless `--interpolate`")
    (even,) = interpolated([own])
    (row,), gaps = before_after([even], "success", 0)
    assert not gaps
    assert (row.seeds, row.final_step) == (3, 300)
    np.testing.assert_allclose(even.curve("success").values[:, -1], [0.2, 0.5, 0.8])
    assert row.final.mean.point == pytest.approx(0.5)


def test_lines_are_not_drawn_across_the_switch_nor_beyond_the_ends():
    first = cell("pen", "a", {0: (0.0, 0.2, 0.4, 0.8, 1.0)}, (-100, -50, 0, 100, 200))
    second = cell("pen", "a", {1: (0.2, 0.3, 0.6, 0.0, 0.5)}, (-90, -40, 0, 50, 180))
    curve = interpolated([merged(first, second)])[0].curve("success")
    np.testing.assert_array_equal(curve.steps, [-50, 0, 100, 180])
    np.testing.assert_allclose(curve.values[0], [0.2, 0.4, 0.8, 0.96])
    np.testing.assert_allclose(curve.values[1], [0.28, 0.6, 0.5 * 50 / 130, 0.5])


def test_cells_with_one_calendar_are_left_as_they_are():
    cells = [cell("pen", a, {0: (0, 0.5, 1), 1: (0, 0.2, 0.3)}, (0, 50, 100)) for a in "ab"]
    for before, after in zip(cells, interpolated(cells), strict=True):
        assert after.curve("success") is not None
        np.testing.assert_array_equal(after.curve("success").values, before.curve("success").values)
        assert after.sources[0].curves["success"] is before.sources[0].curves["success"]


FINE = (0, 0.9, 0.2, 0.1, 0.5)  # at 0, 50, 100, 150, 200


def test_best_of_k_dips_and_crossings_rest_on_the_evaluations_that_all_entries_share():
    cells = [
        cell("pen", "fine", {0: FINE}, (0, 50, 100, 150, 200)),
        cell("pen", "coarse", {0: (0, 0.3, 0.4)}, (0, 100, 200)),
    ]
    rows = {row.cell.label: row for row in before_after(cells, "success", 0)[0]}
    assert (rows["fine"].best.mean.point, rows["fine"].shared, len(rows["fine"].calendar)) == (0.5, 3, 5)
    assert rows["fine"].last.mean.point == pytest.approx((0 + 0.2 + 0.5) / 3)
    phases = {row.cell.label: row for row in online(cells, "success", 0)[0]}
    assert phases["fine"].reached.steps == (200,)  # 0.9 at 50 is nothing the other was asked about
    assert phases["fine"].window == phases["coarse"].window == 100
    assert phases["fine"].area.mean.point == pytest.approx((0.45 + 0.55 + 0.15 + 0.3) / 4)  # of its own evaluations
    alone = online(cells[:1], "success", 0)[0][0]
    assert alone.reached.steps == (50,)


def test_entries_that_share_too_few_evaluations_are_not_compared_on_the_way_but_at_the_end():
    odd = cell("pen", "odd", {0: (0, 0.9, 0.2, 0.1)}, (0, 60, 110, 160))
    even = cell("pen", "even", {0: (0, 0.3, 0.4, 0.5)}, (0, 50, 100, 150))
    rows, gaps = before_after([odd, even], "success", 0)
    assert all(row.best is None and row.last is None for row in rows)
    assert sorted(row.final.mean.point for row in rows) == [0.1, 0.5]
    assert {gap.label for gap in gaps} == {"odd", "even"}
    assert "share 1 evaluations from the switch on, of its own 4" in gaps[0].reason
    none, gone = online([odd, even], "success", 0)
    assert not none
    assert {gap.label for gap in gone} == {"odd", "even"}
    assert len(online(interpolated([odd, even]), "success", 0)[0]) == 2


def test_unequal_numbers_of_seeds_are_kept_in_the_grid():
    ten, one = {s: (0.0, 0.5 + 0.01 * s) for s in range(10)}, {0: (0.0, 0.4)}
    cells = [cell("pen", "a", ten), cell("door", "a", ten), cell("pen", "b", ten), cell("door", "b", one)]
    grid = common(cells, "success")
    assert [len(x) for x in grid.scores["a"]] == [10, 10]
    assert [len(x) for x in grid.scores["b"]] == [1, 10]
    assert grid.seeds("b") == "1 to 10"
    assert grid.left_out == ()


@pytest.mark.slow
def test_everything_that_is_dropped_is_counted_and_named_before_the_curves(tmp_path):
    write(tmp_path / "runs", "pen", "awac", PLAIN)
    file = tmp_path / "theirs.csv"
    lines = [f"cql,pen,{s},online,{t},{t},success,0.{s + 1}" for s in range(3) for t in (0, 100 + s, 200 + s, 300 + s)]
    file.write_text("\n".join(["algo,env,seed,phase,env_step,update,metric,value", *lines]) + "\n")
    page = reports.build(tmp_path / "runs", tmp_path / "out", inputs=[file])
    html = page.read_text()
    assert "3 of 6 seeds and 12 of 27 evaluations of finished cells are left out" in html.partition('id="curves"')[0]
    (notice,) = [r for r in records(page.parent / "tables/notices.csv") if r["what"] == "not used"]
    assert notice["algorithm"] == "cql (external)"
    assert "`--interpolate`" in notice["detail"]
    page = reports.build(tmp_path / "runs", tmp_path / "out", inputs=[file], interpolate=True)
    assert (
        "not used" not in {r["what"] for r in records(page.parent / "tables/notices.csv")}
        if (page.parent / "tables/notices.csv").exists()
        else True
    )
    assert "by straight lines between evaluations" in page.read_text()
