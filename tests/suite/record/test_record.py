"""Run folders: what is written is read back, what is damaged is named, and nothing is ever half there."""

from __future__ import annotations

import fcntl
import json
import math
import os
import re
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from suite.experiment.experiment import config_hash
from suite.record.folders import LOCK, find_runs, kept_steps, policy_folder, policy_path, read_run
from suite.record.metrics import METRICS
from suite.record.rows import COLUMNS, RecordError, Row
from suite.record.tidy import read_tidy
from suite.record.writer import RunWriter, write_json

RUN = {"algo": "awac", "task": "door-binary-v0", "seeds": [3, 0]}
HEADER = ",".join(COLUMNS) + "\n"


def row(value: float = 0.5, metric: str = "success", **changes: Any) -> Row:
    return Row(0, "offline", -10, 5, metric, value)._replace(**changes)


@pytest.fixture
def writer(tmp_path: Path) -> RunWriter:
    out = RunWriter(tmp_path / "run")
    out.create(RUN)
    return out


def refusal(path: Path) -> str:
    """What reading this folder says; it must be one line."""
    with pytest.raises(RecordError) as caught:
        read_run(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_written_is_read_back(writer: RunWriter) -> None:
    rows = [row(), row(-2.25, "return", seed=3), row(7.0, "critic_loss", phase="online", env_step=40, update=60)]
    writer.append(rows)
    writer.status({"state": "finished", "env_step": 40})
    run = read_run(writer.path)
    assert list(run.rows) == rows
    assert (run.algo, run.task, run.seeds, run.finished) == ("awac", "door-binary-v0", (3, 0), True)
    assert run.status["env_step"] == 40


def test_a_run_that_nobody_runs_any_more_was_interrupted(writer: RunWriter) -> None:
    assert read_run(writer.path).status["state"] == "interrupted"
    with (writer.path / LOCK).open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert read_run(writer.path).status["state"] == "running"
    assert read_run(writer.path).status["state"] == "interrupted"


def test_the_file_is_plain_tidy_csv(writer: RunWriter) -> None:
    writer.append([row(0.25), row(1 / 3, "return", seed=3)])
    text = (writer.path / "metrics.csv").read_text()
    assert text == HEADER + "0,offline,-10,5,success,0.25\n3,offline,-10,5,return,0.333333333\n"


def test_nine_digits_hold_every_float32() -> None:
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2**32, 2000, dtype=np.uint32).view(np.float32)
    for x in bits[np.isfinite(bits)]:
        assert np.float32(row(float(x)).line().rsplit(",", 1)[1]) == x


def test_rows_are_appended_and_cut_back_to_a_checkpoint(writer: RunWriter) -> None:
    first = writer.append([row()])
    assert first == (writer.path / "metrics.csv").stat().st_size
    second = writer.append([row(0.75)])
    with (writer.path / "metrics.csv").open("a") as f:
        f.write("0,online,4")  # killed here
    writer.truncate(second)
    assert list(read_run(writer.path).rows) == [row(), row(0.75)]
    writer.truncate(first)
    assert list(read_run(writer.path).rows) == [row()]
    writer.truncate(0)
    assert (writer.path / "metrics.csv").read_text() == HEADER


def test_a_file_shorter_than_its_checkpoint_is_refused(writer: RunWriter) -> None:
    length = writer.append([row()])
    with pytest.raises(RecordError, match=rf"holds {length} bytes but its checkpoint says {length + 1}"):
        writer.truncate(length + 1)
    (writer.path / "metrics.csv").unlink()
    with pytest.raises(RecordError, match="holds 0 bytes"):
        writer.truncate(length)


def test_undeclared_metrics_and_phases_are_refused_and_nothing_of_the_block_is_written(writer: RunWriter) -> None:
    for bad in (row(metric="sucess"), row(phase="offlin")):
        with pytest.raises(RecordError, match=r"sucess|offlin"):
            writer.append([row(), bad])
    assert not read_run(writer.path).rows
    RunWriter(writer.path, ["sucess"]).append([row(metric="sucess")])
    assert read_run(writer.path).rows[0].metric == "sucess"


def test_every_metric_is_explained() -> None:
    assert all(len(meaning) > 10 for meaning in METRICS.values())


def test_a_run_that_is_being_written_can_be_read(writer: RunWriter) -> None:
    """Its last line may be half there; in a finished run that is damage."""
    writer.append([row()])
    with (writer.path / "metrics.csv").open("a") as f:
        f.write("0,online,4")
    assert list(read_run(writer.path).rows) == [row()]
    writer.status({"state": "finished"})
    assert "line 3: not a row" in refusal(writer.path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0,offline,-10,5,success", "line 2: not a row of seed,phase"),
        ("0,offline,-10,5,success,0.5,1", "line 2: not a row"),
        ("0,offline,x,5,success,0.5", "line 2: not a row"),
        ("0,offline,-10,5,success,half", "line 2: not a row"),
        ("0,before,-10,5,success,0.5", "line 2: phase 'before'"),
        ("0,offline,-10,5,success,nan", "value 'nan' cannot be"),
        ("", "line 2: not a row"),
        ("\0\0\0\0", "line 2: not a row"),
    ],
)
def test_damaged_lines_are_named(line: str, message: str, writer: RunWriter) -> None:
    (writer.path / "metrics.csv").write_text(f"{HEADER}{line}\n")
    assert message in refusal(writer.path)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("run.json", None, "run.json is missing"),
        ("run.json", b"", "not readable as JSON"),
        ("run.json", b'{"format": 1,', "not readable as JSON"),
        ("run.json", b"\xff\xfe\x00", "not readable as JSON"),
        ("run.json", b"[]", "run.json: an object is needed, not a list"),
        ("run.json", b"{}", "format None, this version reads 1"),
        ("run.json", b'{"format": 2}', "format 2, this version reads 1"),
        ("run.json", b'{"format": 1, "algo": "x", "task": "y"}', "'seeds' is missing: not as `bench run` writes it"),
        ("status.json", None, "status.json is missing: the results beside it are untouched: bring it back"),
        ("status.json", b"{", "the results beside it are untouched: bring it back from a copy, or write it anew"),
        ("metrics.csv", None, "cannot be read"),
        ("metrics.csv", b"", "the first line is not seed,phase"),
        ("metrics.csv", b"a,b\n", "the first line is not seed,phase"),
        ("metrics.csv", b"\xff\xfe\n", "cannot be read"),
    ],
)
def test_damaged_files_are_named(file: str, content: bytes | None, message: str, writer: RunWriter) -> None:
    path = writer.path / file
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    said = refusal(writer.path)
    assert message in said
    assert str(path) in said


def test_a_folder_is_complete_once_run_json_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is written last; when that fails, nothing stays that looks like a run."""
    real = os.replace

    def replace(source: Any, target: Any) -> None:
        assert Path(target).name != "run.json" or (tmp_path / "run" / "metrics.csv").exists()
        if Path(target).name == "run.json":
            raise OSError(28, "No space left on device")
        real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace)
        with pytest.raises(OSError, match="No space left"):
            RunWriter(tmp_path / "run").create(RUN)
    assert not list((tmp_path / "run").iterdir())
    RunWriter(tmp_path / "run").create(RUN)
    assert read_run(tmp_path / "run").seeds == (3, 0)


def test_json_is_replaced_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "status.json"
    write_json(path, {"a": 1})
    assert stat.S_IMODE(path.stat().st_mode) == 0o644, "colleagues on a shared disk can read it"
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert json.loads(path.read_text()) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["status.json"]


def test_leftovers_of_a_killed_writer_go_when_the_run_goes_on(writer: RunWriter) -> None:
    leftover = writer.path / ".status.json.abc123"
    leftover.write_text("{")
    RunWriter(writer.path)
    assert not leftover.exists()
    assert read_run(writer.path).seeds == (3, 0)


def test_the_log_is_appended_to(writer: RunWriter) -> None:
    writer.log("one")
    writer.log("two")
    assert [line.split(" ", 1)[1] for line in (writer.path / "log.txt").read_text().splitlines()] == ["one", "two"]


def test_runs_are_found_in_order(tmp_path: Path) -> None:
    for name in ("b/x", "a/y", "a/x"):
        RunWriter(tmp_path / name).create(RUN)
    (tmp_path / "c" / "unfinished").mkdir(parents=True)
    assert find_runs(tmp_path) == [tmp_path / name for name in ("a/x", "a/y", "b/x")]
    with pytest.raises(RecordError, match="not a folder; runs are written there by"):
        find_runs(tmp_path / "nowhere")


def test_the_hash_names_values_and_nothing_else() -> None:
    one = {"b": 1, "a": [1, 2], "c": {"y": None, "x": 0.1}}
    other_order = {"c": {"x": 0.1, "y": None}, "a": [1, 2], "b": 1}
    assert config_hash(one) == config_hash(other_order)
    assert len(config_hash(one)) == 8
    assert config_hash(one) != config_hash({**one, "b": 2})
    assert config_hash(one) != config_hash({**one, "a": [2, 1]})
    assert config_hash({"a": 1, "b": 2}) == "43258cff"  # sha256 of '{"a":1,"b":2}': folders of old runs are found again


def test_results_from_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "theirs.csv"
    path.write_text(
        "env,algo,seed,phase,env_step,update,metric,value\n"
        "door-binary-v0,theirs,0,offline,0,10,success,0.5\n"
        "door-binary-v0,theirs,1,offline,0,10,success,1\n"
        "pen-binary-v0,theirs,0,online,40,20,success,nan_is_bad\n"
    )
    with pytest.raises(RecordError, match="line 4"):
        read_tidy(path)
    path.write_text(path.read_text().replace("nan_is_bad", "1e-3"))
    found = read_tidy(path)
    assert list(found) == [("theirs", "door-binary-v0"), ("theirs", "pen-binary-v0")]
    assert [r.value for r in found["theirs", "door-binary-v0"]] == [0.5, 1.0]
    path.write_text("seed,phase,env_step,update,metric,value\n")
    with pytest.raises(
        RecordError, match=r"missing column\(s\) algo, env; it has seed.*needs algo, env, seed, env_step"
    ):
        read_tidy(path)
    path.write_text(
        "algo,env,seed,env_step,metric,value\na,pen,0,-5,success,0\na,pen,0,0,success,1\na,pen,0,10,success,1\n"
    )
    rows = read_tidy(path)["a", "pen"]
    assert [(row.phase, row.env_step, row.update) for row in rows] == [
        ("offline", -5, 0),
        ("offline", 0, 0),
        ("online", 10, 0),
    ]
    with pytest.raises(RecordError, match="No such file"):
        read_tidy(tmp_path / "nowhere.csv")


def test_a_short_row_from_elsewhere_is_named(tmp_path: Path) -> None:
    path = tmp_path / "theirs.csv"
    path.write_text("env,algo,seed,phase,env_step,update,metric,value\ndoor,theirs,0,offline,0\n")
    with pytest.raises(RecordError, match="line 2"):
        read_tidy(path)


def test_infinite_losses_can_be_recorded_but_scores_are_numbers(writer: RunWriter) -> None:
    writer.append([row(math.inf, "critic_loss"), row(math.nan, "critic_loss")])
    values = [r.value for r in read_run(writer.path).rows]
    assert values[0] == math.inf
    assert math.isnan(values[1])


HEAD = "algo,env,seed,phase,env_step,update,metric,value"


@pytest.mark.parametrize(
    ("columns", "rest", "value"),
    [
        ("", "", 0.83),
        (",unit", ",share", 0.83),
        (",unit", ",percent", 0.0083),
        (",unit,direction", ",,higher", 0.83),
    ],
)
def test_values_come_in_declared_units(tmp_path: Path, columns: str, rest: str, value: float) -> None:
    path = tmp_path / "theirs.csv"
    path.write_text(f"{HEAD}{columns}\nawac,pen,0,online,10,10,success,0.83{rest}\n")
    (rows,) = read_tidy(path).values()
    assert rows[0].value == pytest.approx(value)


def test_shares_become_percents_where_ours_are(tmp_path: Path) -> None:
    path = tmp_path / "theirs.csv"
    path.write_text(f"{HEAD},unit\nawac,pen,0,online,10,10,normalized_score,0.5,share\n")
    (rows,) = read_tidy(path).values()
    assert rows[0].value == pytest.approx(50)


@pytest.mark.parametrize(
    ("columns", "line", "message"),
    [
        ("", "success,83", "line 2: a success of 83 is no share (0 to 1); add a column unit with percent"),
        (",unit", "success,83,points", "line 2: success in 'points'; it can be given in share or percent"),
        (",direction", "return,83,lower", "line 2: return is better where it is higher"),
        (",direction", "return,83,up", "line 2: direction 'up': write higher or lower"),
        (",unit", "return,83,percent", "return in 'percent'; it can be given in reward"),
        ("", "success,nan", "line 2: phase 'online' or value 'nan' cannot be"),
    ],
)
def test_other_units_and_directions_are_refused_by_line(tmp_path: Path, columns: str, line: str, message: str) -> None:
    path = tmp_path / "theirs.csv"
    path.write_text(f"{HEAD}{columns}\nawac,pen,0,online,10,10,{line}\n")
    with pytest.raises(RecordError, match=re.escape(message)):
        read_tidy(path)


def test_a_file_of_bytes_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "theirs.csv"
    path.write_bytes(b"\x89PNG\r\n\x1a\n\x00\xff")
    with pytest.raises(RecordError, match=r"theirs\.csv"):
        read_tidy(path)


def test_where_policies_lie(tmp_path: Path) -> None:
    """The paths are part of what a run leaves; what else lies there is not taken for an evaluation's."""
    assert kept_steps(tmp_path) == []
    for step in (40, 0, -100):
        policy_folder(tmp_path, step).mkdir(parents=True)
    (tmp_path / "policy" / "attic").mkdir()
    (tmp_path / "policy" / "at+7").write_text("a file")
    assert kept_steps(tmp_path) == [-100, 0, 40]
    assert policy_path(policy_folder(tmp_path), 3) == tmp_path / "policy" / "seed-3.npz"
    assert policy_path(policy_folder(tmp_path, 0), 3) == tmp_path / "policy" / "at+0" / "seed-3.npz"
