"""A named suite in a report: which runs belong to it, what is missing, and the papers' numbers beside ours."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cells import cell as made_cell

from reports.runs.cells import Cell, Source, dataset_name, task_name
from reports.runs.curves import Curve
from reports.runs.wanted import Suite, Wanted
from reports.tables.beside import beside, beside_table
from suite.cli.report_inputs import suite_of
from suite.record.papers import Printed, printed

SCORE = "normalized_score"
SETTINGS = {"temperature": {"value": 0.3}, "hidden": {"value": [256, 256]}, "online_steps": {"value": 300}}


def source(values: Any, steps: Any = (0, 100, 300), metric: str = "success", **run: Any) -> Source:
    """One run folder of as many seeds as `values` has rows."""
    array = np.array(values, float)
    facts: dict[str, Any] = {
        "algo": "awac",
        "task": "pen-binary-v0",
        "profile": "paper",
        "settings": SETTINGS,
        "dataset": {"asked": None},
        "offline_only": False,
        "name": "paper",
        "hash": "0",
        **run,
    }
    task = task_name(facts["task"], facts["dataset"]["asked"])
    curve = Curve(tuple(range(len(array))), np.array(steps), array)
    return Source("here", facts["algo"], task, curve.seeds, True, facts, {"state": "finished"}, {metric: curve}, {}, ())


def cell(values: Any, steps: Any = (0, 100, 300), metric: str = "success", **run: Any) -> Cell:
    one = source(values, steps, metric, **run)
    return Cell(one.task, one.algo, (one,))


def test_the_name_of_a_task_says_its_data_where_these_are_not_its_own() -> None:
    assert [task_name("pen", asked) for asked in (None, "", "default", "human")] == [*["pen"] * 3, "pen (human)"]
    assert wanted(VALUES, "human").where == "pen-binary-v0 (human)"
    (row,) = beside_table(beside([], [number(dataset="human")])).rows
    assert row[1] == "pen-binary-v0 (human)"
    assert dataset_name({"dataset": {"id": "d", "fingerprint": "f00d"}}) == "d (f00d)"
    assert dataset_name({}) == dataset_name({"dataset": None}) == ""


def wanted(settings: Mapping[str, Any] | None, dataset: str | None = None) -> Wanted:
    return Wanted("awac", "pen-binary-v0", dataset, None, "paper", settings)


VALUES = {name: s["value"] for name, s in SETTINGS.items()}


@pytest.mark.parametrize(
    ("one", "belongs"),
    [
        (wanted(VALUES), True),
        (wanted({**VALUES, "of_a_later_version": 1}), True),
        (wanted({**VALUES, "temperature": 1.0}), False),
        (wanted(VALUES, "medium"), False),
        (wanted(VALUES, "default"), True),
        (wanted(None), False),
        (dataclasses.replace(wanted(VALUES), algo="sac"), False),
        (dataclasses.replace(wanted(VALUES), task="door-binary-v0"), False),
    ],
)
def test_a_run_belongs_to_a_suite_by_all_that_moves_its_score(one: Wanted, belongs: bool) -> None:
    assert one.matches(source([[0.1, 0.2, 0.3]])) is belongs


def test_the_same_cell_under_another_suites_name_is_not_counted_twice() -> None:
    runs = [dataclasses.replace(source([[0.1, 0.2, 0.3]], name=name), where=name) for name in ("full", "paper", "x")]
    other = dataclasses.replace(source([[0.1, 0.2, 0.3]], algo="sac"), where="sac")
    suite = Suite("s", "t", "", "", None, (), (wanted(VALUES),))
    assert [s.where for s in suite.pick([*runs, other])] == ["paper"]
    assert [s.where for s in suite.pick([runs[0], runs[2], other])] == ["full", "x"]


def test_a_run_without_an_online_phase_is_judged_at_the_switch() -> None:
    static = {**SETTINGS, "online_steps": {"value": 0}}
    assert cell([[0.1]], steps=(0,), settings=static).offline_only
    assert not cell([[0.1, 0.2, 0.3]]).offline_only


def test_what_was_never_run_is_named() -> None:
    other = dataclasses.replace(wanted(VALUES, "medium"), name="long")
    suite = Suite("s", "t", "", "", None, (), (wanted(VALUES), other))
    (missing,) = suite.missing([cell([[0.1, 0.2, 0.3]])])
    assert (missing.where, missing.label) == ("pen-binary-v0 (medium)", "awac [long]")


def test_a_suite_of_the_package_is_resolved_for_the_report() -> None:
    suite = suite_of("awac-fig8-d4rl", "smoke")
    assert (suite.place, suite.metric, len(suite.cells)) == ("AWAC Figure 8", "normalized_score", 24)
    medium = {(c.algo, c.task): c for c in suite.cells if c.dataset == "medium"}
    for task in ("halfcheetah-v5", "hopper-v5", "walker2d-v5"):
        assert medium["bear", task].settings["online_steps"] == 0
        assert not medium["bear", task].why_not


def test_a_cell_that_cannot_be_is_in_the_suite_with_the_reason(tmp_path: Path) -> None:
    plan = tmp_path / "mine.toml"
    plan.write_text(
        'title = "t"\nseeds = { value = 2, source = "ours" }\n'
        '[[grid]]\nalgos = ["bc"]\nenvs = ["humanoid", "hopper"]\ndatasets = ["medium"]\n'
    )
    possible = {c.task: c for c in suite_of(str(plan), "smoke").cells}
    assert possible["humanoid-v5"].settings is None
    assert "'medium'" in possible["humanoid-v5"].why_not
    assert possible["hopper-v5"].settings is not None


def number(at: str = "final", value: float = 0.98, **more: Any) -> Printed:
    facts = {
        "paper": "AWAC",
        "place": "Table 1",
        "task": "pen-binary-v0",
        "dataset": "",
        "what": "awac",
        "metric": "success",
        "at": at,
        "steps": 300,
        "value": value,
        "note": "",
        **more,
    }
    return Printed(**facts)


@pytest.mark.parametrize(
    ("at", "value", "verdict"),
    [
        ("final", 0.8, "inside our interval"),  # 0.7, 0.8, 0.9: Student's, bent to stay below 1
        ("final", 0.92, "inside our interval"),
        ("final", 0.97, "ours is below"),
        ("final", 0.4, "ours is above"),
        ("switch", 0.2, "inside our interval"),
        ("best", 0.9, "inside our interval"),
    ],
)
def test_verdicts_by_hand(at: str, value: float, verdict: str) -> None:
    cells = [cell([[0.1, 0.9, 0.7], [0.2, 0.9, 0.8], [0.3, 0.9, 0.9]])]
    (row,) = beside(cells, [number(at, value)])
    assert row.verdict == verdict
    assert row.ours.point == pytest.approx({"final": 0.8, "switch": 0.2, "best": 0.9}[at])


def test_what_differs_between_the_protocols_is_said() -> None:
    quick = cell([[0.1, 0.2], [0.1, 0.4]], steps=(0, 200), profile="quick", preset="official")
    (row,) = beside([quick], [number(note="v2 of the task")])
    assert row.verdict == (
        "ours is below; different protocol: profile quick, 200 steps, not 300, preset official, v2 of the task"
    )


def test_one_seed_unfinished_and_never_run_are_told_apart() -> None:
    assert beside([cell([[0.1, 0.2, 0.3]])], [number()])[0].verdict == "one seed, no interval"
    begun = dataclasses.replace(source([[0.1, 0.2, 0.3]]), finished=False)
    assert beside([Cell(begun.task, "awac", (begun,))], [number()])[0].verdict == "not finished here"
    assert beside([], [number()])[0].verdict == "not run"
    assert "bench data worth" in beside([], [number(what="expert")])[0].verdict


def test_data_are_part_of_what_is_compared() -> None:
    medium = cell(
        [[1.0, 2, 3], [1, 2, 4]], metric="normalized_score", task="halfcheetah-v5", dataset={"asked": "medium"}
    )
    numbers = [n for n in printed("AWAC Figure 8", "halfcheetah-v5") if n.what == "awac"]
    rows = {(r.printed.dataset, r.printed.at): r for r in beside([medium], numbers)}
    assert rows["medium", "switch"].ours.point == 1.0
    assert rows["expert", "switch"].ours is None


def test_the_table_has_every_printed_number() -> None:
    numbers = printed("AWAC Table 1")
    assert len(numbers) == 6
    table = beside_table(beside([cell([[0.1, 0.2, 0.3], [0.1, 0.2, 0.5]])], numbers))
    assert [row[4] for row in table.rows] == ["0.98", "0.84", "0.95", "0.00", "0.54", "0.00"]
    assert table.rows[0][5].startswith("0.40 [")
    assert table.rows[1][-1] == "not run"
    assert all(len(row) == len(table.columns) for row in table.records)


def test_corls_numbers_have_the_averages_that_it_prints() -> None:
    """Those of its README, on the lines below its tables; they are rounded to a hundredth."""
    averages = {
        ("antmaze", "switch"): (18.12, 48.38, 56.29, 52.88, 53.04, 80.00),
        ("antmaze", "final"): (16.46, 95.58, 78.50, 92.38, 97.33, 78.88),
        ("cloned", "switch"): (22.84, -0.72, 21.69, 2.43, -0.76, 20.33),
        ("cloned", "final"): (21.76, 0.22, 44.99, 11.81, -0.79, 93.04),
    }
    rows = printed("CORL README, offline-to-online scores")
    assert len(rows) == 6 * 10 * 2
    for (kind, at), expected in averages.items():
        for what, mean in zip(("awac", "cql", "iql", "spot", "cal-ql", "rebrac"), expected, strict=True):
            own = [r.value for r in rows if (r.what, r.at) == (what, at) and kind in r.dataset]
            assert len(own) == {"antmaze": 6, "cloned": 4}[kind]
            assert np.mean(own) == pytest.approx(mean, abs=0.011), (kind, at, what)


def corl(dataset: str, what: str, at: str = "final") -> list[Printed]:
    rows = printed("CORL README, offline-to-online scores")
    return [row for row in rows if (row.dataset, row.what, row.at) == (f"d4rl/{dataset}", what, at)]


def test_corls_regrets_have_the_averages_that_it_prints() -> None:
    rows = printed("CORL README, offline-to-online regrets")
    averages = {
        "success": (0.82, 0.11, 0.24, 0.15, 0.07, 0.11),  # of AntMaze
        "success_any": (0.86, 0.99, 0.71, 0.89, 0.99, 0.33),  # of the hands
    }
    assert len(rows) == 6 * 10
    for metric, expected in averages.items():
        for what, mean in zip(("awac", "cql", "iql", "spot", "cal-ql", "rebrac"), expected, strict=True):
            assert np.mean([r.value for r in rows if (r.what, r.metric) == (what, metric)]) == pytest.approx(
                mean, abs=0.011
            )


def test_rebracs_numbers_have_the_averages_that_it_prints() -> None:
    """Those of Tables 6 and 7, on their lines of averages, which are cut after their last digit."""
    scores = {
        ("td3-bc", "switch"): (46.4, 22.1),
        ("td3-bc", "final"): (54.8, 31.3),
        ("rebrac", "switch"): (75.7, 24.0),
        ("rebrac", "final"): (85.2, 100.1),
    }
    regrets = {"td3-bc": (0.45, 0.79), "rebrac": (0.09, 0.33)}
    rows = printed("ReBRAC Table 6")
    assert len(rows) == 40
    for (what, at), (mazes, hands) in scores.items():
        own = [r for r in rows if (r.what, r.at, r.seeds) == (what, at, 10)]
        assert np.mean([r.value for r in own if "antmaze" in r.dataset]) == pytest.approx(mazes, abs=0.1)
        assert np.mean([r.value for r in own if "cloned" in r.dataset]) == pytest.approx(hands, abs=0.1)
    for what, (mazes, hands) in regrets.items():
        own = [r for r in printed("ReBRAC Table 7") if r.what == what]
        assert np.mean([r.value for r in own if "antmaze" in r.dataset]) == pytest.approx(mazes, abs=0.011)
        assert np.mean([r.value for r in own if "cloned" in r.dataset]) == pytest.approx(hands, abs=0.011)


FQLS_AVERAGES = {  # its Table 2: mean over five tasks, in percent, of BC, IQL, ReBRAC and FQL
    "antmaze-large-navigate": (11, 53, 81, 79),
    "humanoidmaze-medium-navigate": (2, 33, 22, 58),
    "cube-single-play": (5, 83, 91, 96),
    "cube-double-play": (2, 7, 12, 29),
    "scene-play": (5, 28, 41, 56),
    "puzzle-3x3-play": (2, 9, 21, 30),
}


@pytest.mark.parametrize("stem", FQLS_AVERAGES)
def test_fqls_offline_numbers_have_the_averages_that_it_prints(stem: str) -> None:
    for what, mean in zip(("bc", "iql", "rebrac", "fql"), FQLS_AVERAGES[stem], strict=True):
        own = [r for r in printed("FQL Table 3") if r.dataset.startswith(f"ogbench/{stem}-") and r.what == what]
        assert [int(r.task[-4]) for r in own] == [int(r.dataset[-4]) for r in own] == [1, 2, 3, 4, 5]
        assert all((r.at, r.metric, r.seeds) == ("switch", "success", 8) for r in own)
        assert 100 * np.mean([r.value for r in own]) == pytest.approx(mean, abs=0.61), (what, "rounded twice")


def test_fqls_numbers_on_d4rl_have_the_averages_that_it_prints() -> None:
    own = {r.dataset: r.value for r in printed("FQL Table 3") if r.dataset.startswith("d4rl/")}
    assert len(own) == 18
    assert np.mean([value for name, value in own.items() if "antmaze" in name]) == pytest.approx(84, abs=0.61)
    assert np.mean([value for name, value in own.items() if "antmaze" not in name]) == pytest.approx(52, abs=0.61)


@pytest.mark.parametrize(
    ("place", "dataset", "what", "at", "value", "spread", "seeds"),
    [
        ("FQL Table 3", "ogbench/cube-single-play-singletask-task5-v0", "bc", "switch", 0.03, 0.03, 8),
        ("FQL Table 3", "ogbench/scene-play-singletask-task2-v0", "rebrac", "switch", 0.5, 0.13, 8),
        ("FQL Table 3", "ogbench/antmaze-large-navigate-singletask-task3-v0", "iql", "switch", 0.72, 0.07, 8),
        ("FQL Table 4", "ogbench/cube-double-play-singletask-task2-v0", "fql", "final", 0.92, 0.03, 8),
        ("FQL Table 4", "ogbench/scene-play-singletask-task2-v0", "cal-ql", "final", 0.5, 0.53, 8),
        ("FQL Table 4", "d4rl/hammer-cloned-v1", "rlpd", "final", 128, 29, 8),
        ("FQL Table 4", "d4rl/antmaze-large-play-v2", "fql", "switch", 66, 40, 8),
        ("FQL Table 4", "d4rl/antmaze-medium-diverse-v2", "fql", "switch", 55, None, 8),  # quoted with two spreads
        ("IQL Table 2", "d4rl/antmaze-umaze-v0", "awac", "final", 59.0, None, None),
        ("IQL Table 2", "d4rl/antmaze-umaze-diverse-v0", "awac", "switch", 49.3, None, None),
        ("ReBRAC Table 6", "d4rl/pen-cloned-v1", "rebrac", "final", 152.0, None, 10),
        ("ReBRAC Table 7", "d4rl/antmaze-large-play-v2", "rebrac", "regret", 0.36, 0.30, 10),
        ("CORL README, offline-to-online scores", "d4rl/antmaze-umaze-v2", "awac", "final", 98.75, 1.09, None),
        (
            "CORL README, offline-to-online regrets",
            "d4rl/antmaze-large-diverse-v2",
            "cal-ql",
            "regret",
            0.13,
            0.02,
            None,
        ),
        ("AWR Table 1", "", "trpo", "best", 104, None, None),
    ],
)
def test_numbers_stand_as_printed(
    place: str, dataset: str, what: str, at: str, value: float, spread: float | None, seeds: int | None
) -> None:
    task = "lunarlander-v3" if place.startswith("AWR") else None
    (one,) = [r for r in printed(place, task) if (r.dataset, r.what, r.at) == (dataset, what, at)]
    assert (one.value, one.spread, one.seeds) == (value, spread, seeds)


@pytest.mark.parametrize("asked", ["play", "ogbench/scene-play-v0", "ogbench/scene-play-singletask-task2-v0"])
def test_numbers_of_ogbenchs_data_are_matched_by_any_of_its_names(asked: str) -> None:
    stored = "ogbench/scene-play-singletask-task2-v0"
    (theirs,) = [r for r in printed("FQL Table 4") if (r.dataset, r.what, r.at) == (stored, "fql", "final")]
    data = {"dataset": {"id": stored, "asked": asked}, "profile": "paper"}
    own = made_cell(f"scene-task2-v0 ({asked})", "fql", {0: (0.7, 0.9), 1: (0.8, 1.0)}, run=data)
    (row,) = beside([own], [theirs])
    assert row.ours is not None
    assert (row.printed.value, row.ours.point) == (1.0, pytest.approx(0.95))
    assert row.verdict.endswith("protocol: 400 steps, not 1,000,000, OGBench 1.1.0's environments")
    built = {"dataset": {"id": "awac-bench/scene-task2/default-s0-0-v0", "asked": None}, "profile": "paper"}
    assert beside([made_cell("scene-task2-v0", "fql", {0: (0.7, 0.9)}, run=built)], [theirs])[0].ours is None
    other = made_cell(f"scene-task3-v0 ({asked})", "fql", {0: (0.7, 0.9)}, run=data)
    assert beside([other], [theirs])[0].ours is None


def test_results_from_elsewhere_on_ogbench_are_matched_by_their_task() -> None:
    (theirs,) = [
        r
        for r in printed("FQL Table 3", "cube-single-task1-v0")
        if (r.what, r.dataset) == ("iql", "ogbench/cube-single-play-singletask-task1-v0")
    ]
    name = "cube-single-play-singletask-task1-v0"
    own = made_cell(name, "IQL", {0: (0.8,), 1: (0.9,)}, steps=(0,), external=True)
    (row,) = beside([own], [theirs])
    assert row.verdict == "inside our interval; different protocol: settings unknown"


def test_a_printed_regret_stands_beside_what_was_missed_online() -> None:
    """By trapezoids over 100 and 200 steps: 0.4 to 0.6 to 1.0 misses 0.3, 0.6 to 0.8 to 0.8 misses 0.2333."""
    (theirs,) = [
        r for r in printed("CORL README, offline-to-online regrets", "antmaze-umaze-v1")
        if (r.dataset, r.what) == ("d4rl/antmaze-umaze-v2", "awac")
    ]  # fmt: skip
    data = {"dataset": {"id": "d4rl/antmaze-umaze-v2", "asked": "d4rl/antmaze-umaze-v2"}}
    task = "antmaze-umaze-v1"
    own = cell([[0.4, 0.6, 1.0], [0.6, 0.8, 0.8]], task=task, **data)
    (row,) = beside([own], [theirs])
    assert row.ours is not None
    assert row.ours.point == pytest.approx((0.3 + 0.7 / 3) / 2)
    shown = beside_table([row])
    assert (shown.rows[0][3], shown.rows[0][4]) == ("success, regret online", "0.04 ± 0.01")
    assert shown.records[0][shown.columns.index("printed_spread")] == 0.01
    for steps in ((-100, 0), (100, 300)):  # nothing online; nothing at the switch
        assert beside([cell([[0.4, 0.6]], steps=steps, task=task, **data)], [theirs])[0].ours is None


def test_numbers_of_d4rls_data_are_matched_by_any_of_its_names() -> None:
    theirs = made_cell("pen-cloned-v1", "Cal-QL", {0: (-2.0, -3.0), 1: (-2.5, -2.0)}, external=True, metric=SCORE)
    (row,) = beside([theirs], corl("pen-cloned-v1", "cal-ql"))
    assert (row.printed.value, row.verdict) == (-2.68, "inside our interval; different protocol: settings unknown")
    minari = {"dataset": {"id": "D4RL/pen/cloned-v2", "asked": "D4RL/pen/cloned-v2"}, "profile": "paper"}
    task = "pen-dense-v0 (D4RL/pen/cloned-v2)"
    own = made_cell(task, "iql", {0: (80.0, 90.0), 1: (81.0, 99.0)}, run=minari, metric=SCORE)
    (row,) = beside([own], corl("pen-cloned-v1", "iql"))
    assert row.ours is not None
    assert "data D4RL/pen/cloned-v2, not pen-cloned-v1" in row.verdict
    binary = made_cell("pen-binary-v0 (D4RL/pen/cloned-v2)", "iql", {0: (80.0, 90.0)}, run=minari, metric=SCORE)
    assert beside([binary], corl("pen-cloned-v1", "iql"))[0].ours is None  # other rewards


def test_a_score_of_antmaze_is_the_share_of_episodes_that_arrive() -> None:
    data = {"dataset": {"id": "d4rl/antmaze-umaze-v2", "asked": "d4rl/antmaze-umaze-v2"}, "profile": "paper"}
    own = made_cell("antmaze-umaze-v1 (d4rl/antmaze-umaze-v2)", "awac", {0: (0.4, 0.9), 1: (0.6, 1.0)}, run=data)
    (row,) = beside([own], corl("antmaze-umaze-v2", "awac"))
    assert row.ours is not None
    assert (row.printed.value, row.ours.point) == (98.75, pytest.approx(95))
    twin = made_cell("antmaze-umaze-d4rl-v0 (d4rl/antmaze-umaze-v2)", "awac", {0: (0.4, 0.9), 1: (0.6, 1.0)}, run=data)
    (row,) = beside([twin], corl("antmaze-umaze-v2", "awac"))
    assert row.ours is not None, "the same maze with D4RL's own ant"
    other = made_cell("antmaze-large-d4rl-v0 (d4rl/antmaze-umaze-v2)", "awac", {0: (0.4, 0.9)}, run=data)
    assert beside([other], corl("antmaze-umaze-v2", "awac"))[0].ours is None
