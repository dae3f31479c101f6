"""Reference results beside own runs: never pooled with them, and apart where something differs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cells import cell

from reports.runs.reference import beside_them
from reports.tables.apart import apart_table

SETTINGS = {
    "online_steps": {"value": 400, "source": "profile quick"},
    "eval_episodes": {"value": 20, "source": "profile quick"},
    "temperature": {"value": 0.5, "source": "task"},
}
RUN = {"preset": "paper", "name": "quick", "hash": "12345678", "settings": SETTINGS}


def own(task, algo, **over):
    return cell(task, algo, {0: (0.1, 0.5), 1: (0.2, 0.6)}, run=RUN | over)


def reference(task, algo, **over):
    """A packed run as the source that a report makes of it."""
    return replace(own(task, algo, **over).first, reference=True)


def changed(**values):
    return {"settings": SETTINGS | {name: {"value": v, "source": "--set"} for name, v in values.items()}}


def test_a_method_that_both_have_gets_a_second_entry_and_others_their_own_name():
    joined, apart = beside_them([own("pen", "awac"), own("pen", "mine")], [reference("pen", a) for a in ("awac", "bc")])
    assert [(c.label, c.first.reference) for c in joined] == [("awac (reference)", True), ("bc", True)]
    assert not apart


def test_tasks_that_were_not_run_stay_out_and_without_runs_everything_is_there():
    sources = [reference("pen", "bc"), reference("door", "bc")]
    assert [c.task for c in beside_them([own("pen", "mine")], sources)[0]] == ["pen"]
    assert [c.task for c in beside_them([], sources)[0]] == ["pen", "door"]


@pytest.mark.parametrize(
    ("difference", "says"),
    [
        (changed(online_steps=800), "online_steps 400 against 800"),
        (changed(eval_episodes=5), "eval_episodes 20 against 5"),
        ({"profile": "paper"}, "profile quick against paper"),
        ({"success_rule": "another"}, "success rule rule against another"),
        ({"dataset": {"id": "d", "fingerprint": "g"}}, "data d (f) against d (g)"),
    ],
)
def test_what_differs_keeps_a_result_apart_and_is_named(difference, says):
    mine = own("pen", "mine", **difference)
    joined, (one,) = beside_them([mine], [reference("pen", "bc")])
    assert not joined
    assert one.differs == says
    table = apart_table([one], "success")
    assert table.rows == [["pen", "bc", "2", table.rows[0][3], says]]
    assert table.rows[0][3].startswith("0.55 [")
    assert table.records[0][3] == pytest.approx(0.55)


def test_a_run_of_the_same_kind_among_others_is_enough():
    cells = [own("pen", "mine", **changed(online_steps=800)), own("pen", "awac")]
    joined, apart = beside_them(cells, [reference("pen", "bc")])
    assert [c.label for c in joined] == ["bc"]
    assert not apart


def test_a_method_without_data_or_online_phase_is_compared_as_it_is():
    scratch = own("pen", "sac-scratch", dataset={})
    assert beside_them([scratch], [reference("pen", "bc")])[0]
    offline = {name: value for name, value in SETTINGS.items() if name != "online_steps"}
    assert beside_them([own("pen", "mine")], [reference("pen", "bc", settings=offline)])[0]


def test_of_several_the_one_without_changes_by_hand_is_taken():
    plain, cold = reference("pen", "awac"), reference("pen", "awac", hash="2", **changed(temperature=0.3))
    official = reference("pen", "awac", preset="official", hash="3")
    joined, _ = beside_them([own("pen", "mine")], [cold, official, plain])
    assert [c.first for c in joined] == [plain]
    joined, _ = beside_them([own("pen", "mine")], [cold])
    assert [c.first for c in joined] == [cold]
