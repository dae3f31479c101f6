"""`bench speed`: the parts add up, every algorithm can be measured, and bad counts train nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import toy_run
from asked import request
from command import Bench
from toy_run import ONE_THREAD, TASK, experiment

import algos
from algos.settings import SettingError
from suite.measure import speed
from suite.measure import speed as measuring


@pytest.fixture(autouse=True)
def _toy_task() -> Iterator[None]:
    with toy_run.registered():
        yield


def row(**settings: Any) -> dict[str, Any]:
    algo = settings.pop("algo", "awac")
    return speed.measure(experiment(algo, **settings), ONE_THREAD, rounds=1, seconds=0.01, capture=True)


def test_the_shares_of_the_protocol_follow_from_its_parts() -> None:
    got = row()
    shares = [got[f"share_{part}"] for part in ("update", "collection", "evaluation")]
    assert sum(shares) == pytest.approx(1)
    # 32 steps between evaluations, one update per four steps, two seeds
    seconds = 32 * 2 / got["protocol_steps_per_s_summed"]
    assert shares[0] * seconds == pytest.approx(8 / got["updates_per_s"])
    assert shares[1] * seconds == pytest.approx(32 * 2 / got["env_steps_per_s"])
    assert got["updates_per_s_summed"] == pytest.approx(2 * got["updates_per_s"])


@pytest.mark.slow
@pytest.mark.parametrize("algo", list(algos.names()))
def test_every_algorithm_can_be_measured(algo: str) -> None:
    got = row(algo=algo)
    assert got["updates_per_s"] > 0
    assert got["kernels_per_update"] > 20
    assert ("share_update" in got) == (algo not in ("bc", "bc-demos"))


def test_more_seeds_launch_hardly_more_kernels() -> None:
    """Only the draws are made seed by seed: a few kernels each."""
    one, five = (row(seeds=range(n))["kernels_per_update"] for n in (1, 5))
    assert 0 < five - one <= 4 * 12


def measured(**options: Any) -> list[dict[str, Any]]:
    asked = request(("awac", "bc"), TASK.id, (0,), "smoke", [f"{k}={v}" for k, v in toy_run.SIZES.items()])
    given: dict[str, Any] = {"packs": "1,2", "rounds": 1, "seconds": 0.01}
    return measuring.speed(asked, hardware=toy_run.ONE_THREAD, **(given | options))


def test_a_file_tells_device_and_versions_beside_the_rows(tmp_path: Path) -> None:
    file = tmp_path / "new" / "speed.json"
    rows = measured(out=file)
    written = json.loads(file.read_text())
    assert [(r["algo"], r["seeds"]) for r in rows] == [("awac", 1), ("awac", 2), ("bc", 1), ("bc", 2)]
    assert written["rows"] == rows
    assert {"torch", "mujoco"} <= written["versions"].keys()
    assert written["device"]
    assert written["threads"] == 1


@pytest.mark.parametrize("where", ["file/speed.json", "file/deeper/speed.json", "folder", "/proc/nowhere/speed.json"])
def test_where_nothing_can_be_written_is_said_before_anything_is_measured(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bench: Bench
) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    monkeypatch.setattr("suite.measure.speed.measure", lambda *_, **__: pytest.fail("measured"))
    said = bench("speed", "--env", TASK.id, "--profile", "smoke", "--packs", "1", "--device", "cpu", "--out", where)
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert f"--out {where}: " in said.err
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["file", "folder"]
    assert (tmp_path / "file").read_text() == "mine"


def test_the_table_has_a_column_per_row_and_a_dash_where_nothing_was_measured() -> None:
    lines = {line[""]: line for line in speed.table(measured(packs="2"))}
    awac, bc = (f"{name} {TASK.short_name} x2" for name in ("awac", "bc"))
    assert lines["updates/s"].keys() == {"", awac, bc}
    assert lines["protocol steps/s x seeds"][bc] == "-"
    assert lines["protocol steps/s x seeds"][awac] != "-"


@pytest.mark.parametrize("packs", ["0", "x", "", "2,-1"])
def test_bad_counts_say_what_would_be_right(packs: str) -> None:
    with pytest.raises(SettingError, match=r"give positive numbers, e\.g\. 1,3,5"):
        measured(packs=packs)
