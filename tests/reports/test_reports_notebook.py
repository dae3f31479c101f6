"""Results for notebooks: tidy frames, and the tables and figures of a report one by one."""

from __future__ import annotations

import numpy as np
import pytest
from test_reports import PLAIN, STEPS, records, tidy, write

import reports
from reports.notebook.asked import FIGURES, TABLES
from suite.record.folders import RecordError


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("notebook") / "runs"
    for task in ("door", "pen"):
        for i, algo in enumerate(("awac", "sac")):
            scores = {s: tuple(max(0.0, v - 0.1 * i) for v in values) for s, values in PLAIN.items()}
            write(root, task, algo, scores, temperature=2.0 if algo == "sac" else 1.0)
    return root


def test_everything_that_was_recorded_is_one_tidy_frame(runs):
    found = reports.load(runs)
    assert list(found.columns) == ["task", "algorithm", "seed", "phase", "step", "metric", "value"]
    assert len(found) == 2 * 2 * 3 * 5 * 3  # tasks, algorithms, seeds, evaluations, metrics
    one = found.query("task == 'pen' and algorithm == 'awac' and metric == 'success' and seed == 1")
    np.testing.assert_array_equal(one["step"], STEPS)
    np.testing.assert_array_equal(one["value"], PLAIN[1])
    assert list(one["phase"]) == ["offline", "offline", "online", "online", "online"]


def test_settings_come_on_demand(runs, tmp_path):
    found = reports.load(str(runs), [tidy(tmp_path / "theirs.csv", "cql,pen,0,0,success,1")], ["temperature"])
    by_algo = found.groupby("algorithm")["temperature"].unique()
    assert list(by_algo["awac"]) == [1.0]
    assert list(by_algo["sac"]) == [2.0]
    assert by_algo["cql (external)"][0] is None or np.isnan(by_algo["cql (external)"][0])
    assert {"offline_updates", "online_steps", "temperature"} < set(reports.load(runs, settings=True).columns)
    with pytest.raises(RecordError, match="no run has a setting temperatur; there are offline_updates"):
        reports.load(runs, settings=["temperatur"])


def test_a_folder_that_cannot_be_read_is_warned_of(tmp_path):
    write(tmp_path, "pen", "awac", PLAIN)
    (write(tmp_path, "pen", "sac", PLAIN) / "run.json").write_text("{half")
    with pytest.warns(UserWarning, match="left out"):
        assert set(reports.load(tmp_path)["algorithm"]) == {"awac"}


@pytest.mark.slow
def test_tables_are_those_of_the_report(runs, tmp_path):
    folder = reports.build(runs, tmp_path / "out").parent / "tables"
    for name in sorted(set(TABLES) & {file.stem for file in folder.glob("*.csv")} - {"left_out"}):
        ours, theirs = reports.table(name, runs), records(folder / f"{name}.csv")
        assert list(ours.columns) == list(theirs[0]), name
        assert len(ours) == len(theirs), name
        for column in ours.columns:
            for mine, written in zip(ours[column], (row[column] for row in theirs), strict=True):
                if isinstance(mine, float):
                    assert (np.isnan(mine) and written == "") or float(written) == pytest.approx(mine, rel=1e-6)
                elif mine is not None:
                    assert str(mine) == written


def test_every_figure_is_drawn_and_a_part_may_be_asked_for(runs):
    for name in FIGURES.keys() - {"cost"}:  # these runs do not say their time
        assert reports.figure(name, runs, looks={"awac": "blue"}).axes
    curves = reports.figure("learning_curves", runs, tasks=["pen"], algos=["awac"])
    assert [ax.get_title() for ax in curves.axes if ax.get_title()] == ["pen"]
    assert set(reports.table("finals", runs, algos=["sac"])["algorithm"]) == {"sac"}


def test_a_wrong_name_names_those_that_are(runs, tmp_path):
    with pytest.raises(RecordError, match="no table 'rankings'; there are ranking, leaders"):
        reports.table("rankings", runs)
    with pytest.raises(RecordError, match="no figure 'curves'; there are learning_curves"):
        reports.figure("curves", runs)
    write(tmp_path, "pen", "awac", {0: PLAIN[0]}, state="running")
    assert reports.table("ranking", tmp_path).empty
    with pytest.raises(RecordError, match="nothing to draw in 'profile'"):
        reports.figure("profile", tmp_path)
    with pytest.raises(RecordError, match="nothing to draw in 'cost'"):
        reports.figure("cost", tmp_path)
