"""`bench report --watch`: built again while runs go on."""

from __future__ import annotations

import json
from contextlib import ExitStack

import pytest
from test_reports import PLAIN, write

from disk.lock import lock
from suite.cli.report_watch import watched
from suite.record.folders import LOCK, RecordError


@pytest.fixture
def going_on(tmp_path):
    """A folder of runs with one that is going on; its lock is let go by closing the second."""
    folder = write(tmp_path / "runs", "pen", "awac", PLAIN, state="running")
    with ExitStack() as held:
        held.enter_context(lock(folder / LOCK))
        yield folder, held


def finish(folder):
    status = json.loads((folder / "status.json").read_text())
    (folder / "status.json").write_text(json.dumps({**status, "state": "finished"}))


def test_a_report_is_built_again_only_when_a_run_has_gone_on_and_once_all_have_ended(going_on, tmp_path):
    folder, held = going_on
    built, said = [], []

    def build():
        built.append((folder / "metrics.csv").stat().st_size)
        return tmp_path / "index.html"

    def sleep(seconds):
        assert seconds == 7
        looks = len(said)
        if looks == 2:  # nothing has changed at the first look, a row is new at the second
            with (folder / "metrics.csv").open("a") as file:
                file.write("0,online,400,500,success,1\n")
        if looks == 3:
            finish(folder)
            held.close()

    assert watched(build, [tmp_path / "runs"], 7, said.append, sleep) == tmp_path / "index.html"
    assert len(built) == 3
    assert built[0] < built[1]
    assert len(said) == 3
    assert "next look in 7 s" in said[0]


def test_what_cannot_be_read_while_it_is_written_is_tried_again(going_on, tmp_path):
    folder, held = going_on
    calls, said = [], []

    def build():
        calls.append(1)
        if len(calls) == 2:
            raise RecordError("half a line")
        return tmp_path / "index.html"

    def sleep(_):
        (folder / "metrics.csv").write_text((folder / "metrics.csv").read_text() + "\n" * len(calls))
        if len(calls) == 2:
            finish(folder)
            held.close()

    watched(build, [tmp_path / "runs"], 1, said.append, sleep)
    assert len(calls) == 3
    assert any("not built again: half a line" in line for line in said)


def test_without_a_run_that_goes_on_a_report_is_built_once(tmp_path):
    write(tmp_path / "runs", "pen", "awac", PLAIN)
    built = []
    watched(lambda: built.append(1) or tmp_path, [tmp_path / "runs", tmp_path / "none"], 1, print, pytest.fail)
    assert built == [1]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--every", "5"), "--every says how often --watch looks; without --every"),
        (("--compare", "a", "b", "--watch"), "--compare takes two folders of runs, --metric and --out"),
        (("--compare", "a", "b", "--threshold", "0"), "without --threshold"),
        (("--profile", "smoke"), "without --profile"),
    ],
)
def test_options_that_do_not_go_together(bench, words, line):
    said = bench("report", *words)
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert line in said.err
