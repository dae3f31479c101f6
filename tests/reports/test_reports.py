"""The report as a whole, from run folders written by the suite's own writer."""

from __future__ import annotations

import csv
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

import reports
from reports.numbers import stats
from reports.numbers.bounds import Bounds
from reports.numbers.grid import common, unused
from reports.numbers.headline import headline_of
from reports.numbers.notes import warnings
from reports.page import build as page
from reports.runs.collect import collect
from reports.runs.only import Only
from suite.record.rows import RecordError, Row
from suite.record.tidy import read_tidy
from suite.record.writer import RunWriter

STEPS = (-100, 0, 100, 200, 300)  # env_step of the evaluations
PLAIN = {0: (0.1, 0.3, 0.2, 0.6, 0.8), 1: (0.0, 0.5, 0.4, 0.7, 0.6), 2: (0.0, 0.4, 0.4, 0.9, 1.0)}


def write(root, task, algo, scores, **over):
    """One run folder; `scores` is seed -> the success at each of STEPS, or fewer if it is not done."""
    settings = {
        "offline_updates": {"value": 100, "source": "AWAC, table 2"},
        "online_steps": {"value": 300, "source": "profile quick"},
        "temperature": {"value": over.pop("temperature", 1.0), "source": "<b>ours</b>"},
    }
    state, diverged = over.pop("state", "finished"), over.pop("diverged", {})
    run = {
        "algo": algo,
        "task": task,
        "seeds": list(scores),
        "profile": "quick",
        "name": "quick",
        "hash": "1a2b3c4d",
        "settings": settings,
        "success_rule": "angle > 1.4 rad",
        "offline_only": False,
        "dataset": {"id": "data", "fingerprint": "f00d"},
        "versions": {"torch": "2.13.0"},
        "device": {"kind": "cpu"},
        "command": ["bench", "run"],
        "revision": "abc",
        "created": "2026-01-01",
        **over,
    }
    writer = RunWriter(root / task / algo / f"{run['name']}-{run['hash']}")
    writer.create(run)
    rows = []
    for seed, values in scores.items():
        for step, value in zip(STEPS, values, strict=False):
            phase = "offline" if step <= 0 else "online"
            found = {"success": value, "return": value * 200 - 200, "critic_loss": 0.5}
            if seed in diverged and step >= diverged[seed]:
                found["diverged"] = 1.0
            rows += [Row(seed, phase, step, step + 100, metric, x) for metric, x in found.items()]
    writer.append(rows)
    last = STEPS[min(map(len, scores.values())) - 1]
    phase = "online" if last > 0 else "offline"
    writer.status({"state": state, "phase": phase, "env_step": last, "update": last + 100, "message": ""})
    return writer.path


def records(path):
    with path.open(newline="") as f:
        return list(csv.DictReader(f))


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def write_grid(root):
    """awac everywhere, bc offline only, sac missing here and unfinished there, one diverged seed."""
    for task in ("door", "pen"):
        write(root, task, "awac", PLAIN)
        write(root, task, "bc", {s: v[:2] for s, v in PLAIN.items()}, offline_only=True)
    write(root, "door", "sac", {s: v[:3] for s, v in PLAIN.items()}, state="stopped")
    write(root, "door", "sac-bc", {**PLAIN, 3: (0, 0, 0, 0, 0)}, diverged={3: 200})
    write(root, "pen", "sac-bc", PLAIN)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The grid above, to read."""
    root = tmp_path_factory.mktemp("grid") / "runs"
    write_grid(root)
    return root


@pytest.fixture(scope="module")
def report(runs):
    """The report on it, to read."""
    return reports.build(runs, runs.parent / "report").parent


@pytest.fixture
def small(tmp_path):
    """One run of a single seed, to spoil."""
    write(tmp_path / "runs", "pen", "awac", {0: PLAIN[0]})
    return tmp_path / "runs"


@pytest.mark.slow
def test_two_builds_are_equal_byte_for_byte(runs, report, tmp_path):
    first = contents(report)
    np.random.rand(7)
    assert contents(reports.build(runs, tmp_path / "b").parent) == first
    names = set(first)
    assert {"index.html", "results.csv", "unfinished.csv", "report.json"} <= names
    figures = (
        "learning_curves",
        "curve_door",
        "curve_pen",
        "diagnostics_pen",
        "aggregates",
        "profile",
        "improvement",
    )
    assert {f"figures/{f}.{kind}" for f in figures for kind in ("png", "svg", "pdf")} <= names
    tables = ("before_after", "aggregates", "improvement", "cells", "left_out", "left_out_over_tasks")
    assert {f"tables/{t}.{kind}" for t in tables for kind in ("csv", "md", "tex")} <= names


def test_before_and_after_by_hand(report):
    rows = {(r["task"], r["algorithm"]): r for r in records(report / "tables/before_after.csv")}
    awac = rows["door", "awac"]  # 3 seeds: the IQM is the mean
    expected = {
        "switch": 0.4,
        "final": 0.8,
        "best": (0.8 + 0.7 + 1.0) / 3,
        "last": 0.6222222,
    }
    for name, value in expected.items():
        assert float(awac[f"{name}_iqm"]) == pytest.approx(value, abs=1e-6), name
    assert (awac["seeds"], awac["final_step"], awac["evaluations"]) == ("3", "300", "4")
    limits = stats.t_interval(np.array([0.8, 0.6, 1.0]), Bounds(0, 1, 10))  # tenths, as of ten episodes
    assert float(awac["final_t_low"]) == pytest.approx(limits.low, abs=1e-6)
    bc = rows["door", "bc"]
    assert float(bc["final_iqm"]) == pytest.approx(0.4)
    assert bc["best_iqm"] == bc["last_iqm"] == ""
    assert rows["door", "sac-bc"]["seeds"] == "4"  # the diverged seed counts as 0
    assert ("door", "sac") not in rows


def test_what_is_not_in_a_comparison_is_listed_by_name(report):
    left_out = {(r["task"], r["algorithm"]): r["reason"] for r in records(report / "tables/left_out.csv")}
    assert ("door", "sac-bc") not in left_out  # its diverged seed counts as 0
    assert left_out["door", "sac"].startswith("unfinished")
    cells = {(r["task"], r["algorithm"]): r for r in records(report / "tables/cells.csv")}
    assert cells["pen", "sac"]["state"].startswith("missing")
    assert "100 of 300 (33%) environment steps" in cells["door", "sac"]["state"]
    assert cells["door", "sac-bc"]["diverged_seeds"] == "3 (at step 200)"
    assert cells["door", "awac"]["state"] == "complete"


def test_the_common_grid_keeps_the_most_and_says_what_it_drops(tmp_path):
    for task in ("a", "b", "c"):
        write(tmp_path, task, "awac", PLAIN)
        if task != "c":
            write(tmp_path, task, "sac", {**PLAIN, 3: PLAIN[0]} if task == "a" else PLAIN)
    write(tmp_path, "a", "cql", PLAIN)
    grid = common(collect([tmp_path]).cells, "success")
    assert (grid.labels, grid.tasks, grid.seeds()) == (("awac", "sac"), ("a", "b"), "3 to 4")
    np.testing.assert_allclose(grid.scores["awac"], [[0.8, 0.6, 1.0]] * 2)
    np.testing.assert_allclose(grid.scores["sac"][0], [0.8, 0.6, 1.0, 0.8])  # no seed is dropped for another's sake
    gaps = {(g.task, g.label): g.reason for g in grid.left_out}
    assert "not completed by sac" in gaps["c", "awac"]
    assert "only 1 task" in gaps["a", "cql"]
    assert ("a", "sac") not in gaps


def test_runs_are_pooled_only_if_nothing_but_their_seeds_differs(tmp_path):
    write(tmp_path, "pen", "awac", {0: PLAIN[0]}, hash="00000000")
    write(tmp_path, "pen", "awac", {1: PLAIN[1]}, hash="11111111")
    (cell,) = collect([tmp_path]).cells
    assert (cell.label, cell.seeds) == ("awac", (0, 1))
    write(tmp_path, "pen", "awac", {2: PLAIN[2]}, hash="22222222", temperature=0.3)
    assert [c.label for c in collect([tmp_path]).cells] == ["awac [quick-00000000]", "awac [quick-22222222]"]


@pytest.mark.parametrize("other", [{"dataset": {"id": "data", "fingerprint": "beef"}}, {"success_rule": "any"}])
def test_runs_on_other_data_or_another_rule_are_not_pooled(tmp_path, other):
    write(tmp_path, "pen", "awac", {0: PLAIN[0]})
    write(tmp_path, "pen", "awac", {1: PLAIN[1]}, name="again", **other)
    cells = collect([tmp_path]).cells
    assert [c.label for c in cells] == ["awac [again]", "awac [quick]"]
    assert any("not the same" in w for w in warnings(cells, []))


def test_a_seed_that_was_run_twice_is_not_two_seeds(tmp_path):
    write(tmp_path, "pen", "awac", PLAIN)
    write(tmp_path, "pen", "awac", PLAIN, name="again")
    assert [(c.label, len(c.seeds)) for c in collect([tmp_path]).cells] == [("awac [again]", 3), ("awac [quick]", 3)]


@pytest.mark.slow
def test_profiles_are_never_mixed_in_silence(tmp_path):
    write(tmp_path / "runs", "pen", "awac", PLAIN)
    write(tmp_path / "runs", "pen", "sac", PLAIN, profile="paper", name="paper")
    html = reports.build(tmp_path / "runs", tmp_path / "out").read_text()
    assert "Profile quick: sizes are not the paper" in html
    assert "Runs of different profiles are on this page" in html
    svg = (tmp_path / "out/figures/curve_pen.svg").read_text()
    assert "awac [quick]" in svg
    assert "sac [paper]" in svg


def test_columns_of_an_entry_carry_its_name_for_the_filter(report):
    """Of the papers' table, tasks by algorithms; those of other tables are of all entries."""
    html = (report / "index.html").read_text()
    table = re.search(r'<table aria-labelledby="table-paper_means">.*?</table>', html, re.S)[0]
    heads = re.findall(r'<th scope="col"(?: data-key="\w+")?(?: data-of="([^"]+)")?>([^<]+)</th>', table)
    assert heads[0] == ("", "task")
    assert len(heads) > 2
    assert all(of == name for of, name in heads[1:])
    for row in re.findall(r"<tr>(<td.*?)</tr>", table, re.S):
        assert re.findall(r'<td[^>]*?(?: data-of="([^"]+)")?>', row) == ["", *(name for _, name in heads[1:])]
    ranking = re.search(r'<table aria-labelledby="table-ranking">.*?</table>', html, re.S)[0]
    assert "data-of" not in ranking


def test_the_page_stands_alone_and_shows_what_was_run(report):
    html = (report / "index.html").read_text()
    assert not re.search(r'(src|href)="(https?:)?//', html)
    assert all(src.startswith("data:") for src in re.findall(r'src="([^"]{0,20})', html))
    links = re.findall(r'href="([^"#][^"]*)"', html)
    assert links
    assert all((report / link).is_file() for link in links)
    for text in (
        "AWAC, table 2",
        "f00d",
        "2.13.0",
        "bench run",
        "angle &gt; 1.4 rad",
        "2,000 repetitions",
    ):
        assert text in html, text
    assert "<b>ours</b>" not in html  # what runs say is text, not markup
    assert "t-intervals, which few seeds make wide" in html


@pytest.mark.slow
def test_results_come_back_through_input(report, tmp_path):
    first = report
    again = reports.build(tmp_path / "none", tmp_path / "again", inputs=[first / "results.csv"]).parent
    tidy = {
        k.removesuffix(" (external)"): v for (k, env), v in read_tidy(again / "results.csv").items() if env == "pen"
    }
    assert tidy == {k: v for (k, env), v in read_tidy(first / "results.csv").items() if env == "pen"}
    assert "sac" not in tidy  # unfinished runs do not come back as final ones

    def numbers(folder):
        drop = ("algorithm", "profile")
        rows = records(folder / "tables/before_after.csv")
        return [{k: v for k, v in row.items() if k not in drop} for row in rows if row["algorithm"][:2] != "bc"]

    assert numbers(first) == numbers(again)
    assert "settings unknown: awac, " in (again / "index.html").read_text()


def test_own_and_external_results_stand_side_by_side(runs, report):
    results = report / "results.csv"
    cells = collect([runs], [results]).cells
    assert {"awac", "awac (external)"} <= {c.label for c in cells}
    with pytest.raises(RecordError, match="given twice"):
        collect([runs], [results, results])


def test_a_headline_without_a_common_scale_gets_no_statistics_over_tasks(small, tmp_path):
    html = reports.build(small, tmp_path / "out", headline="return").read_text()
    assert "is not on one scale across tasks" in html
    assert not (tmp_path / "out/tables/aggregates.csv").exists()
    with pytest.raises(RecordError, match=r"no run has the metric 'succes'; recorded are: .*success"):
        reports.build(small, tmp_path / "out", headline="succes")


@pytest.mark.parametrize(
    ("one", "other", "headline"),
    [
        ("success,return", "success,return", "success"),
        ("success,normalized_score,return", "normalized_score,return", "normalized_score"),
        ("success,return", "return", "return"),
        ("success", "return", "success"),  # nothing is everybody's
    ],
)
def test_the_headline_is_the_first_score_that_all_evaluated_runs_have(tmp_path, one, other, headline):
    for task, names in (("pen", one), ("cheetah", other)):
        metrics = write(tmp_path, task, "awac", PLAIN) / "metrics.csv"
        header, *lines = metrics.read_text().splitlines(keepends=True)
        lines = [line for line in lines if ",success," in line]
        metrics.write_text(header + "".join(line.replace("success", n) for n in names.split(",") for line in lines))
    write(tmp_path, "cheetah", "sac", {0: ()}, state="running")  # has no score yet and no say
    assert headline_of(collect([tmp_path]).cells, None) == headline


def test_one_run_of_one_seed_that_has_barely_begun(tmp_path):
    write(tmp_path / "runs", "pen", "awac", {0: PLAIN[0][:1]}, state="running")
    html = reports.build(tmp_path / "runs", tmp_path / "out").read_text()
    assert "No cell is finished yet" in html
    assert "0 of 100 (0%) offline updates" in html


def test_nothing_found_is_an_error(tmp_path):
    with pytest.raises(RecordError, match="is not a folder"):
        reports.build(tmp_path / "runs", tmp_path / "out")
    (tmp_path / "runs").mkdir()
    with pytest.raises(RecordError, match="no run folders below"):
        reports.build(tmp_path / "runs", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("victim", ["run.json", "status.json", "metrics.csv"])
def test_a_damaged_run_folder_fails_the_report_by_name(small, tmp_path, victim):
    (small / "pen/awac/quick-1a2b3c4d" / victim).write_bytes(b'{"half\xff')
    with pytest.raises(RecordError, match="pen/awac/quick-1a2b3c4d"):
        reports.build(small, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_missing_metrics_and_lost_or_doubled_rows_are_damage(tmp_path):
    path = write(tmp_path, "pen", "awac", PLAIN) / "metrics.csv"
    whole = path.read_text()
    path.write_text("".join(line for line in whole.splitlines(True) if not line.startswith("2,")))
    with pytest.raises(RecordError, match="seed 2 has no evaluation"):
        collect([tmp_path])
    path.write_text(whole + whole.splitlines(True)[1])
    with pytest.raises(RecordError, match="two values of 'success' for seed 0 at env_step -100"):
        collect([tmp_path])
    path.unlink()
    with pytest.raises(RecordError, match=r"metrics\.csv cannot be read|damaged run folder"):
        collect([tmp_path])


@pytest.mark.slow
def test_a_failed_report_leaves_the_old_one_and_nothing_else(small, tmp_path, monkeypatch):
    out = reports.build(small, tmp_path / "place" / "out").parent
    before = contents(out)

    def fail(template, content):
        raise RuntimeError("disk full")

    monkeypatch.setattr(page, "render", fail)
    with pytest.raises(RuntimeError, match="disk full"):
        reports.build(small, out, seed=1)
    assert contents(out) == before
    assert os.listdir(out.parent) == ["out"]


@pytest.mark.slow
def test_an_old_report_is_replaced_and_anything_else_is_left_alone(small, tmp_path):
    out = reports.build(small, tmp_path / "out").parent
    (out / "stale.txt").write_text("old")
    reports.build(small, out, seed=3)
    assert not (out / "stale.txt").exists()
    assert json.loads((out / "report.json").read_text())["seed"] == 3
    with pytest.raises(RecordError, match="is not a report of this suite"):
        reports.build(small, small)
    assert (small / "pen").is_dir()


@pytest.mark.slow
def test_many_tasks_drawn_by_several_processes_give_the_same_report(tmp_path, monkeypatch):
    for number in range(6):
        write(tmp_path / "runs", f"task/{number}", "awac", {0: PLAIN[0], 1: PLAIN[1]})
    forked = contents(reports.build(tmp_path / "runs", tmp_path / "a").parent)
    monkeypatch.setattr("reports.runs.parallel.WORTH_IT", 1000)
    assert contents(reports.build(tmp_path / "runs", tmp_path / "b").parent) == forked
    assert "figures/curve_task-3.svg" in forked


def test_nothing_heavy_is_imported_before_a_report_is_built():
    import subprocess
    import sys

    heavy = ("matplotlib", "pandas", "rliable", "torch")
    code = f"import reports, sys; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout.strip() == "[]"


def tidy(path, *rows):
    """A CSV of results from elsewhere with no more columns than are needed, which the rows fill."""
    path.write_text("\n".join(["algo,env,seed,env_step,metric,value", *rows]) + "\n")
    return path


def test_of_two_values_at_one_step_from_elsewhere_the_later_counts_and_is_counted(tmp_path):
    """As a logger writes at the switch: once at the end of the offline phase, once as the online one begins."""
    rows = [f"a,pen,{s},{t},success,{v}" for s in (0, 1) for t, v in ((0, 0.25), (0, 0.5), (10, 1))]
    (cell,) = collect([], [tidy(tmp_path / "theirs.csv", *rows)]).cells
    np.testing.assert_array_equal(cell.curve("success").values, [[0.5, 1], [0.5, 1]])
    assert unused(cell, "success") == ["2 value(s) of a step that has a later one, which counts"]


def test_only_some_algorithms_and_tasks(tmp_path):
    for task, algo in (("pen-v0", "awac"), ("pen-v0", "sac"), ("door-v0", "awac")):
        write(tmp_path / "runs", task, algo, {0: PLAIN[0]})
    found = collect([tmp_path / "runs"], [tidy(tmp_path / "theirs.csv", "sac,pen-v0,0,0,success,1")])

    def kept(**names):
        return {(c.task, c.label) for c in Only(**{k: frozenset(v) for k, v in names.items()}).of(found).cells}

    assert kept(algos=["sac"]) == {("pen-v0", "sac"), ("pen-v0", "sac (external)")}
    assert kept(tasks=["door"]) == {("door-v0", "awac")}
    assert len(kept()) == 4
    with pytest.raises(RecordError, match="--only algo=cql: no run of it; there are awac, sac"):
        kept(algos=["cql"])
    with pytest.raises(RecordError, match="--only env=ant: no run on it; there are door-v0, pen-v0"):
        kept(tasks=["ant"])
    with pytest.raises(RecordError, match="leaves nothing"):
        kept(algos=["sac"], tasks=["door"])
