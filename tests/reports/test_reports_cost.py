"""Time and cost of cells, from what their runs say of their seconds."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from cells import STEPS, cell

from reports.numbers.cost import costs_of, when
from reports.numbers.lines import lines_of
from reports.pictures.cost import cost_panels
from reports.pictures.styles import styles
from reports.runs.cells import Cell
from reports.tables.cost import cost_table, duration

SCORES = {0: (0.0, 0.2, 0.4, 0.6, 0.8, 1.0), 1: (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)}
SPENT = {"offline": 100.0, "update": 200.0, "collect": 60.0, "evaluate": 60.0}


def timed(seconds, rate=5.0, name="awac", **device):
    made = cell("pen", name, SCORES, run={"device": {"kind": "cpu", "threads": 2, **device}})
    status = {"state": "finished", "seconds": seconds, "updates_per_second": rate}
    return Cell("pen", name, (dataclasses.replace(made.first, status=status),))


def test_time_is_told_by_hand():
    """Two of six evaluations are before the switch or at it: 100 + 20 seconds until there, 300 more until the end."""
    (cost,) = costs_of([timed(SPENT)])
    assert (cost.seconds, cost.updating, cost.rate, cost.per_seed) == (420, 300, 5, 210)
    assert cost.ends == pytest.approx((120, 420))
    assert cost.devices == ("cpu, 2 threads",)
    np.testing.assert_allclose(when(cost, np.array(STEPS), 100, 400), [0, 120, 195, 270, 345, 420])


def test_of_several_runs_times_are_added_and_ends_are_means():
    one, other = timed(SPENT).first, timed({part: 2 * x for part, x in SPENT.items()}, name="x").first
    (cost,) = costs_of([Cell("pen", "awac", (one, other))])
    assert (cost.runs, cost.seconds) == (2, 3 * 420)
    assert cost.ends == pytest.approx((180, 630))


def test_what_a_run_does_not_say_is_no_number():
    silent = cell("pen", "sac", SCORES)
    assert costs_of([silent]) == []
    (cost,) = costs_of([Cell("pen", "sac", (silent.first, timed(SPENT).first))])
    assert np.isnan(cost.seconds)
    assert cost.ends is None
    row = cost_table([cost]).rows[0]
    assert row[3:6] == ["–", "–", "–"]
    assert row[-1] == "cpu, 2 threads"
    assert cost_panels(lines_of([silent], "success", 0), {}, "success", styles(["sac"], {})) is None


def test_the_table_and_the_figure_show_the_same_times():
    cells = [timed(SPENT), timed({**SPENT, "update": 80_000.0}, name="sac")]
    costs = costs_of(cells)
    table = cost_table(costs)
    assert [row[3] for row in table.rows] == ["7 min", "22 h 17 min"]
    assert [row[5] for row in table.rows] == ["71%", "100%"]
    by_key = {(one.cell.task, one.cell.label): one for one in costs}
    (ax,) = cost_panels(lines_of(cells, "success", 0), by_key, "success", styles(["awac", "sac"], {})).axes
    assert ax.get_xlabel() == "hours since the start"
    assert ax.lines[0].get_xdata()[-1] == pytest.approx(420 / 3600)
    assert list(ax.lines[0].get_ydata()) == list(SCORES[0])


@pytest.mark.parametrize(("seconds", "words"), [(12.4, "12 s"), (89, "1 min"), (7200, "2 h 00 min")])
def test_durations_in_words(seconds, words):
    assert duration(seconds) == words
