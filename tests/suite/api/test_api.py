"""The suite from Python: trains, reads and acts as the command line does, wherever it is called."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import toy_run
from command import Bench

import reports
import suite
from algos.settings import SettingError
from envs.errors import UnknownTaskError
from suite.record.rows import RecordError

SETTINGS = {**toy_run.SIZES, "temperature": 0.25}


@pytest.fixture(scope="module", autouse=True)
def _toy() -> Iterator[None]:
    with toy_run.registered():
        yield


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> suite.Run:
    out = tmp_path_factory.mktemp("api")
    return suite.run(
        "awac", toy_run.TASK.id, seeds=[3, 5], settings=SETTINGS, dataset=toy_run.DATA, out=out, threads=1, workers=0
    )


def test_a_run_and_its_record(run: suite.Run) -> None:
    assert run.finished
    assert (run.algo, run.task, run.seeds) == ("awac", toy_run.TASK.id, (3, 5))
    assert run.settings["temperature"] == 0.25
    assert run.sources["temperature"] == "--set"
    assert set(run.metrics["seed"]) == {3, 5}
    recorded = (run.folder / "metrics.csv").read_text(encoding="utf-8").splitlines()
    assert len(run.metrics) == len(recorded) - 1
    again = suite.load(run.folder)
    assert again.settings == run.settings
    assert repr(again) == f"Run({str(run.folder)!r})"


def test_its_metrics_are_rows_of_reports_load(run: suite.Run) -> None:
    loaded = reports.load(run.folder.parents[2])
    keys = ["metric", "seed", "step"]
    ours = run.metrics.query("metric == 'success'").sort_values(keys)
    theirs = loaded.query("metric == 'success'").sort_values(keys)
    assert list(ours.columns) == list(theirs.columns)
    for column in ("task", "seed", "step", "value"):
        assert list(ours[column]) == list(theirs[column]), column


def test_the_command_that_is_recorded_does_the_same(run: suite.Run, bench: Bench) -> None:
    command = run.facts["command"]
    assert command[:4] == ["bench", "run", "--algo", "awac"]
    said = bench(*command[1:])
    assert (said.code, "finished already" in said.err) == (0, True), said.err
    assert Path(said.out.strip()) == run.folder


def test_a_policy_acts_on_one_observation_and_on_many(run: suite.Run) -> None:
    policy = run.policy(5)
    obs = np.random.default_rng(0).standard_normal((7, toy_run.TASK.obs_dim))
    actions = policy.act(obs)
    assert actions.shape == (7, toy_run.TASK.action_dim)
    assert (np.abs(actions) <= 1).all()
    np.testing.assert_allclose(policy.act(obs[0]), actions[0], atol=1e-6)
    file = np.load(policy.path)  # by hand, as the README has it
    x = obs
    layers = len(policy.meta["hidden"])
    for n in range(layers + 1):
        x = x @ file[f"mean.layers.{n}.weight"] + file[f"mean.layers.{n}.bias"]
        x = np.tanh(x) if n == layers else np.maximum(x, 0)
    np.testing.assert_allclose(actions, x, atol=1e-5)
    assert run.policy().meta["seed"] == 3


def test_what_there_is(bench: Bench) -> None:
    assert suite.algorithms().loc["dapg", "module"] == "algos.methods.dapg"
    assert suite.tasks().loc["door-binary-v0", "horizon"] == 200


def test_curves_of_a_frame(run: suite.Run) -> None:
    figure = reports.curves(run.metrics, metric="success")
    assert figure.axes[0].lines
    assert figure._repr_png_()[1:4] == b"PNG", "what a notebook shows"
    with pytest.raises(RecordError, match="no metric 'succes' in these rows; there are"):
        reports.curves(run.metrics, metric="succes")
    with pytest.raises(RecordError, match="lacks the column"):
        reports.curves(run.metrics.drop(columns="step"), metric="success")


def test_bad_input_says_what_would_be_right(run: suite.Run, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="did you mean 'awac'"):
        suite.run("awacc", toy_run.TASK.id, out=tmp_path)
    with pytest.raises(UnknownTaskError, match="did you mean 'door-binary'"):
        suite.run("awac", "dor-binary", out=tmp_path)
    with pytest.raises(SettingError, match="did you mean 'temperature'"):
        suite.run("awac", toy_run.TASK.id, settings={"temprature": 1}, out=tmp_path)
    with pytest.raises(SettingError, match="one algorithm on one task"):
        suite.run("awac,bc", toy_run.TASK.id, out=tmp_path)
    with pytest.raises(SettingError, match="names no seed"):
        suite.run("awac", toy_run.TASK.id, seeds=[], out=tmp_path)
    with pytest.raises(SettingError, match="threads=0: give 1 or more"):
        suite.run("awac", toy_run.TASK.id, threads=0, out=tmp_path)
    with pytest.raises(RecordError, match="is not a run folder"):
        suite.load(tmp_path)
    with pytest.raises(RecordError, match="has no seed 4; it has 3, 5"):
        run.policy(4)
    with pytest.raises(SettingError, match="need \\[3\\] or \\[B, 3\\]"):
        run.policy().act(np.zeros(9))
    assert not list(tmp_path.iterdir())


SCRIPT = """
import suite
run = suite.run("sac-scratch", "point-reach", seeds=1, profile="smoke", workers=2, threads=1, out={out!r})
print(run.finished, run.policy(0).act([0.0] * 6).shape)
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", ["file", "stdin", "thread"])
def test_a_script_needs_no_guard(how: str, tmp_path: Path) -> None:
    """Also one that is typed, and one that trains in a thread of its own; with folders of any name."""
    place = tmp_path / "a folder with späces"
    place.mkdir()
    code = SCRIPT.format(out=str(place / "runs"))
    if how == "thread":
        inner = "".join(f"    {line}\n" for line in code.strip().splitlines())
        code = f"import threading\ndef work():\n{inner}t = threading.Thread(target=work); t.start(); t.join()\n"
    script = place / "script.py"
    script.write_text(code, encoding="utf-8")
    words, given = ([str(script)], None) if how != "stdin" else (["-"], code)
    done = subprocess.run([sys.executable, *words], input=given, capture_output=True, text=True, cwd=place, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "True (2,)\n"


def test_what_blocks_a_script_without_guard_is_said(tmp_path: Path) -> None:
    """Where the environment is known to the script alone, a worker runs it again, and the call says so there."""
    script = tmp_path / "script.py"
    script.write_text(
        "import multiprocessing\n"
        "from suite.api.run import _check_not_a_worker\n"
        "_check_not_a_worker()\n"
        "p = multiprocessing.get_context('spawn').Process(target=print)\n"
        "p.start(); p.join()\n",
        encoding="utf-8",
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120)
    assert "a worker process is running this script again from its beginning" in done.stderr
    assert 'if __name__ == "__main__":' in done.stderr
