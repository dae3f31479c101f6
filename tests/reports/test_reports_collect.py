"""What a report finds: several folders, other data, damaged runs; and the commands that ask for it."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
from command import Bench
from test_reports import PLAIN, records, write

import reports
from reports.page.folder import swapped_into
from reports.runs.collect import collect
from reports.runs.curves import metrics_of
from suite.record.folders import RecordError, read_columns, read_run


def test_runs_on_other_data_are_another_task(tmp_path: Path) -> None:
    for asked in (None, "default", "medium"):
        data = {"id": "x", "fingerprint": "f00d" if asked != "medium" else "beef", "asked": asked}
        write(tmp_path, "pen", "awac", PLAIN, name=str(asked), hash="0", dataset=data)
    assert sorted({c.task for c in collect([tmp_path]).cells}) == ["pen", "pen (medium)"]


def test_several_folders_are_one_report_and_a_folder_given_twice_is_one(tmp_path: Path) -> None:
    write(tmp_path / "a", "pen", "awac", {0: PLAIN[0]})
    write(tmp_path / "b", "pen", "awac", {1: PLAIN[1]})
    (cell,) = collect([tmp_path / "a", tmp_path / "b", tmp_path / "a"]).cells
    assert cell.seeds == (0, 1)
    assert [s.where for s in cell.sources] == ["a/pen/awac/quick-1a2b3c4d", "b/pen/awac/quick-1a2b3c4d"]


@pytest.mark.parametrize("victim", ["run.json", "status.json", "metrics.csv"])
def test_a_damaged_run_is_set_apart_and_the_others_are_read(tmp_path: Path, victim: str) -> None:
    write(tmp_path, "pen", "awac", PLAIN)
    (write(tmp_path, "pen", "sac", PLAIN) / victim).write_bytes(b'{"half\xff')
    found = collect([tmp_path])
    assert [cell.label for cell in found.cells] == ["awac"]
    (one,) = found.quarantined
    assert one.where == "pen/sac/quick-1a2b3c4d"
    assert victim in one.reason


@pytest.mark.slow
@pytest.mark.parametrize(("damaged", "named", "count"), [(1, 1, "1 of 2"), (5, 3, "5 of 6")])
def test_the_terminal_is_told_what_a_report_leaves_out(
    tmp_path: Path, bench: Bench, damaged: int, named: int, count: str
) -> None:
    for root in ("old", "new"):
        write(tmp_path / root, "pen", "awac", {0: PLAIN[0]})
    for number in range(damaged):
        (write(tmp_path / "old", "pen", "sac", PLAIN, name=f"n{number}") / "status.json").unlink()
    for words in (["old"], ["--compare", "old", "new"]):
        said = bench("report", *words)
        lines = said.err.splitlines()
        assert (said.code, said.out) == (0, f"{tmp_path / 'report/index.html'}\n")
        assert [line.startswith("left out: old/pen/sac/n") for line in lines] == [True] * named + [False]
        assert "status.json is missing" in lines[0]
        assert lines[-1] == f"{count} run folders left out{'; the page names all' if damaged > named else ''}"


def test_scores_that_are_no_numbers_set_a_run_apart(tmp_path: Path) -> None:
    write(tmp_path, "pen", "awac", PLAIN)
    path = write(tmp_path, "pen", "sac", PLAIN) / "metrics.csv"
    path.write_text(path.read_text().replace("success,0.8\n", "success,nan\n"))
    (one,) = collect([tmp_path]).quarantined
    assert "phase 'online' or value 'nan' cannot be" in one.reason


def cut_after(text: str, step: int, seed: int | None = None) -> str:
    """metrics.csv without what came after a step; of one seed alone, where one is given."""
    head, *rows = text.splitlines(keepends=True)
    cells = [row.split(",") for row in rows]
    return head + "".join(
        row for row, c in zip(rows, cells, strict=True) if int(c[2]) <= step or (seed is not None and int(c[0]) != seed)
    )


@pytest.mark.parametrize(
    ("cut", "lost"),
    [
        (lambda text: cut_after(text, 200), "'success' of seed 0"),
        (lambda text: cut_after(text, 0), "'success' of seed 0"),
        (lambda text: cut_after(text, 200, seed=2), "'success' of seed 2"),
        (lambda text: text.replace("0,online,300,400,return,-40\n", ""), "'return' of seed 0"),
    ],
)
def test_a_finished_run_without_its_last_evaluation_is_set_apart(tmp_path: Path, cut, lost: str) -> None:  # type: ignore[no-untyped-def]
    write(tmp_path, "pen", "bc", {s: v[:2] for s, v in PLAIN.items()}, offline_only=True)  # which ends at step 0
    path = write(tmp_path, "pen", "awac", PLAIN) / "metrics.csv"
    whole = path.read_text()
    path.write_text(cut(whole))
    assert path.read_text() != whole
    (one,) = (found := collect([tmp_path])).quarantined
    assert f"marked finished at step 300, but metrics.csv ends before the {lost} there" in one.reason
    assert [cell.label for cell in found.cells] == ["bc"]


def test_a_diverged_seed_and_a_run_that_goes_on_owe_no_last_evaluation(tmp_path: Path) -> None:
    folder = write(tmp_path, "pen", "awac", PLAIN, diverged={1: 200})
    path = folder / "metrics.csv"
    path.write_text(cut_after(path.read_text(), 200, seed=1))
    write(tmp_path, "pen", "sac", {s: v[:3] for s, v in PLAIN.items()}, state="stopped")
    found = collect([tmp_path])
    assert not found.quarantined
    assert [cell.seeds for cell in found.cells] == [(0, 1, 2), (0, 1, 2)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("online", "onlein", 1), "line 8: phase 'onlein' or value '0.2' cannot be"),
        (lambda text: text.replace(",0.5\n", ",\n", 1), "line 4: not a row of seed,phase"),
        (lambda text: text.replace(",0.5\n", "\n", 1), "line 4: not a row of seed,phase"),
        (lambda text: text.replace(",0.5\n", ",0.5,7\n", 1), "line 4: not a row of seed,phase"),
        (lambda text: text.replace("\n0,", "\n\n0,", 1), "line 2: not a row of seed,phase"),
        (lambda text: text.replace("\n0,", "\n0.5,", 1), "line 2: not a row of seed,phase"),
        (lambda text: text.replace("\n0,", f"\n{10**30},", 1), "line 2: not a row of seed,phase"),
        (lambda text: text.replace("seed,phase", "phase,seed", 1), "the first line is not seed,phase"),
        (lambda text: text[:-3] + "x\n", "line 16: not a row of seed,phase"),
        (lambda text: text[:-2], "line 16: the file ends within it"),  # 0.5 is read as 0
        (lambda text: text[:-1], "line 16: the file ends within it"),
        (lambda text: text[: text.index("\n")], "line 1: the file ends within it"),
        (lambda text: "", "the first line is not seed,phase"),
    ],
)
def test_a_report_says_what_the_record_says_of_a_broken_file(tmp_path: Path, change, message: str) -> None:  # type: ignore[no-untyped-def]
    folder = write(tmp_path, "pen", "awac", {0: PLAIN[0]})
    path = folder / "metrics.csv"
    path.write_text(change(path.read_text()))
    with pytest.raises(RecordError) as recorded:
        read_run(folder)
    with pytest.raises(RecordError) as reported:
        collect([tmp_path])
    assert str(reported.value) == str(recorded.value)
    assert message in str(recorded.value)
    assert str(path) in str(recorded.value)


def test_curves_hold_what_the_rows_hold(tmp_path: Path) -> None:
    folder = write(tmp_path, "pen", "awac", PLAIN, diverged={1: 200})
    path = folder / "metrics.csv"
    path.write_text(path.read_text().replace("critic_loss,0.5", "critic_loss,nan", 1).replace("0.9", "0.123456789"))
    found, rows = metrics_of(read_columns(folder, finished=True), path), read_run(folder).rows
    assert found.diverged == {1: 200}
    assert {(row.seed, row.env_step, row.metric): row.value for row in rows if row.metric == "success"} == {
        (seed, int(step), "success"): found.curves["success"].values[k, t]
        for k, seed in enumerate(found.curves["success"].seeds)
        for t, step in enumerate(found.curves["success"].steps)
    }
    kept = [line for line in path.read_text().splitlines(keepends=True)[1:] if "critic_loss" not in line]
    assert found.lines == [row.line() for row in rows if row.metric in ("success", "return", "diverged")] == kept
    path.write_text(path.read_text() + "0,online,30")  # being written
    assert metrics_of(read_columns(folder, finished=False), path).lines == found.lines


@pytest.mark.slow
def test_a_suite_reports_its_own_runs_what_is_missing_and_the_papers_numbers(tmp_path: Path, bench: Bench) -> None:
    for algo in ("awac", "awac-z"):
        write(tmp_path / "runs", "pen-binary-v0", algo, PLAIN)
    write(tmp_path / "runs", "door-binary-v0", "awac", PLAIN, temperature=17.0)
    write(tmp_path / "runs", "pen-binary-v0", "sac", PLAIN)
    words = ("report", str(tmp_path / "runs"), "--suite", "awac-table1-z", "--out", str(tmp_path / "out"))
    runs = tmp_path / "runs/pen-binary-v0"
    for path in runs.rglob("run.json"):  # only settings that both know are compared
        run = json.loads(path.read_text())
        run["settings"] = {"temperature": {"value": 0.3, "source": "here"}}
        del run["checksum"]  # as of an earlier version
        path.write_text(json.dumps(run))
    said = bench(*words)
    assert said.code == 0, said.err
    html = (tmp_path / "out/index.html").read_text()
    assert "AWAC with and without an estimate of the normaliser Z(s)" in html
    assert 'id="beside"' in html
    notices = records(tmp_path / "out/tables/notices.csv")
    assert {(r["task"], r["algorithm"]) for r in notices if r["what"] == "missing"} == {
        (f"{task}-binary-v0", algo) for task in ("door", "relocate") for algo in ("awac", "awac-z")
    }
    beside = {(r["task"], r["algorithm"]): r for r in records(tmp_path / "out/tables/beside_the_papers.csv")}
    assert beside["pen-binary-v0", "awac"]["printed"] == "0.98"
    assert beside["pen-binary-v0", "awac"]["verdict"].startswith("ours is below; different protocol: profile quick")
    assert beside["door-binary-v0", "awac"]["verdict"] == "not run"
    assert ("pen-binary-v0", "sac") not in {
        (r["task"], r["algorithm"]) for r in records(tmp_path / "out/tables/cells.csv")
    }
    said = bench(*words, "--profile", "smok")
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert "did you mean 'smoke'?" in said.err


def test_a_suite_of_which_nothing_was_run_says_so(tmp_path: Path, bench: Bench) -> None:
    write(tmp_path / "runs", "pen", "awac", PLAIN)
    said = bench("report", str(tmp_path / "runs"), "--suite", "modern", "--out", str(tmp_path / "out"))
    assert said.code == 2
    assert "none of the 1 run folders below" in said.err
    assert not (tmp_path / "out").exists()


def test_two_sets_are_compared_on_a_page_of_their_own(tmp_path: Path, bench: Bench) -> None:
    write(tmp_path / "old", "pen", "awac", PLAIN)
    better = {seed: tuple(min(1.0, x + 0.15) for x in scores) for seed, scores in PLAIN.items()}
    write(tmp_path / "new", "pen", "awac", better, temperature=0.5)
    write(tmp_path / "new", "pen", "sac", PLAIN)
    out = tmp_path / "out"
    said = bench("report", "--compare", str(tmp_path / "old"), str(tmp_path / "new"), "--out", str(out))
    assert said.code == 0, said.err
    (row,) = records(out / "tables/changes.csv")
    assert float(row["difference"]) == pytest.approx((0.15 + 0.15 + 0.0) / 3)
    assert (row["paired"], row["verdict"]) == ("1", "not told apart")
    (gap,) = records(out / "tables/not_compared.csv")
    assert (gap["algorithm"], gap["reason"]) == ("sac", "only in the second set")
    html = (out / "index.html").read_text()
    assert "temperature 1.0, then 0.5" in html
    assert {p.suffix for p in (out / "figures").iterdir()} == {".png", ".svg", ".pdf"}
    first = (out / "index.html").read_bytes()
    reports.build_comparison(tmp_path / "old", tmp_path / "new", out)
    assert (out / "index.html").read_bytes() == first


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--compare", "a", "b", "--suite", "modern"), "--compare takes two folders of runs, --metric and --out"),
        (("--compare", "a", "b", "--threshold", "1"), "--compare takes two folders of runs, --metric and --out"),
        (("old", "--profile", "paper"), "--profile says at which sizes a --suite was run"),
        (("--compare", "old", "nowhere"), "nowhere is not a folder"),
        (("old", "--dip-window", "0"), "dip window 0: give a number of environment steps, 1 or more"),
        (("old", "--threshold", "nan"), "threshold nan: give a finite value of success"),
        (("old", "--input", "theirs.csv"), "theirs.csv: No such file"),
        (("nowhere",), "nowhere is not a folder"),
        (("old", "--only", "algo=cql"), "--only algo=cql: no run of it; there are awac"),
        (("old", "--only", "seed=1"), "--only seed=1: write key=value with a key of algo, env"),
        (("--input", "empty.csv"), "empty.csv holds no results"),
    ],
)
def test_bad_requests_are_one_line_and_leave_nothing(
    tmp_path: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "old", "pen", "awac", PLAIN)
    (tmp_path / "empty.csv").write_text("algo,env,seed,env_step,metric,value\n")
    said = bench("report", *words, "--out", "out")
    assert said.code == 2
    assert message in said.err
    assert said.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        ((), {"roots": [Path("runs")], "algos": set(), "interpolate": False}),
        (("--input", "a.csv"), {"roots": [], "inputs": [Path("a.csv")]}),
        (("old", "--input", "a.csv"), {"roots": [Path("old")], "inputs": [Path("a.csv")]}),
        (("--only", "algo=awac,sac,env=pen"), {"algos": {"awac", "sac"}, "tasks": {"pen"}}),
        (("--interpolate",), {"interpolate": True}),
    ],
)
def test_what_a_command_line_asks_of_the_report(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], asked: dict[str, object]
) -> None:
    """Results from elsewhere alone do not bring in ./runs."""
    given: dict[str, object] = {}

    def build(roots: object, out: object, inputs: object, metric: object, **more: object) -> str:
        given.update(roots=roots, inputs=inputs, **more)
        return "page"

    monkeypatch.setattr(reports, "build", build)
    assert bench("report", *words).code == 0
    assert {name: given[name] for name in asked} == asked


@pytest.mark.parametrize("words", [("old",), ("--compare", "old", "new")])
def test_a_folder_that_cannot_be_made_is_one_line(
    tmp_path: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("old", "new"):
        write(tmp_path / name, "pen", "awac", PLAIN)
    (tmp_path / "file").touch()
    said = bench("report", *words, "--out", "file/report")
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert f"cannot write {tmp_path / 'file/report'}: " in said.err


def test_a_disk_that_fills_up_is_one_line_and_leaves_the_old_report(tmp_path: Path) -> None:
    out = tmp_path / "report"
    with swapped_into(out) as folder:
        (folder / "index.html").write_text("old")
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    said = "No space left on device; make room there, or name another folder with --out"
    with pytest.raises(RecordError, match=f"^cannot write {out}: {said}$"), swapped_into(out):
        raise full
    assert (out / "index.html").read_text() == "old"
    assert os.listdir(tmp_path) == ["report"]


@pytest.mark.slow
def test_every_table_is_json_too(tmp_path: Path) -> None:
    write(tmp_path / "runs", "pen", "awac", PLAIN)
    folder = reports.build(tmp_path / "runs", tmp_path / "out").parent / "tables"
    assert {p.stem for p in folder.glob("*.json")} == {p.stem for p in folder.glob("*.csv")}
    table = json.loads((folder / "before_after.json").read_text())
    assert table["records"][0]["final_mean"] == pytest.approx(0.8)
    assert table["title"].startswith("success: IQM over seeds with 95% interval.")


def test_results_from_elsewhere_say_so_only_beside_something_else(tmp_path: Path) -> None:
    head = "algo,env,seed,env_step,metric,value\n"
    for name in ("one", "two"):
        (tmp_path / f"{name}.csv").write_text(head + "cql,pen,0,0,success,0.5\n")
    alone, other = tmp_path / "one.csv", tmp_path / "two.csv"
    assert [c.label for c in collect([], [alone]).cells] == ["cql"]
    assert [c.label for c in collect([], [alone, other]).cells] == [
        "cql (external: one.csv)",
        "cql (external: two.csv)",
    ]
    write(tmp_path / "runs", "pen", "awac", PLAIN)
    assert [c.label for c in collect([tmp_path / "runs"], [alone]).cells] == ["awac", "cql (external)"]
