"""Actions decided several at a time: who decides when, what is collected and scored so, and what a run leaves."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy_run
from asked import resolve
from toy_env import HORIZON, POINT
from toy_run import TASK, experiment, train

from algos.settings import SettingError
from envs.stepping.vector import VectorEnv
from envs.tasks import TASKS
from suite.policies.rescore import rescore
from suite.policies.trained import find
from suite.record.folders import read_run
from suite.train.cell import run_folder
from suite.train.evaluate import collect
from suite.train.in_turn import InTurn


@pytest.fixture(scope="module", autouse=True)
def _toy() -> Iterator[None]:
    with toy_run.registered():
        yield


def counted(calls: list[Any]) -> Any:
    """Decides 10, 11, 12 for its first call, 20, 21, 22 for the second and so on, in every lane."""

    def act(obs: Any, noise: Any) -> Any:
        calls.append(obs)
        return np.tile(10.0 * len(calls) + np.arange(3, dtype=np.float32), (*obs.shape[:2], 1))

    return act


def test_a_lane_decides_when_it_has_used_up_its_actions_or_an_episode_begins() -> None:
    """Two lanes; the second's episode ends after its second step."""
    calls: list[Any] = []
    play, obs = InTurn(counted(calls), 3), np.zeros((1, 2, 4), np.float32)
    begins = [[True, True], [False, False], [False, True], [False, False], [False, False], [False, False]]
    found = [play(obs, None, np.array([row])).ravel().tolist() for row in begins]
    assert found == [[10, 10], [11, 11], [12, 20], [30, 21], [31, 22], [32, 40]]
    assert len(calls) == 4


def test_one_at_a_time_every_step_is_decided() -> None:
    calls: list[Any] = []
    play, obs = InTurn(counted(calls), 1), np.zeros((1, 2, 4), np.float32)
    for _ in range(3):
        play(obs, None, np.zeros((1, 2), bool))
    assert len(calls) == 3


def test_collection_carries_out_what_was_decided_by_the_noise_of_that_step() -> None:
    """Three actions at a time in episodes of eight steps: decided at steps 0, 3 and 6, and anew in the next episode."""
    seen: list[Any] = []

    def act(obs: Any, noise: Any) -> Any:
        seen.append(noise.copy())
        return noise

    with VectorEnv(POINT, 2, 0) as env:
        got = collect(env, act, (4, 9), 0, 2 * HORIZON, 2, chunk=3)
    assert got.action.shape == (2, 2 * HORIZON, 2)
    per_episode = -(-HORIZON // 3)
    assert len(seen) == 2 * per_episode
    for s in range(2):
        for t in range(2 * HORIZON):
            within = t % HORIZON
            decided = seen[t // HORIZON * per_episode + within // 3][s, 0].reshape(3, 2)
            np.testing.assert_array_equal(got.action[s, t], decided[within % 3])


def test_a_run_of_chunks_can_be_scored_once_more(tmp_path: Path) -> None:
    cell = experiment("fql", action_chunk=3)
    train(cell, tmp_path)
    (trained,) = find([run_folder(cell, tmp_path)])
    assert (trained.action_chunk, trained.metas[0]["action_dim"]) == (3, 6)
    again = rescore(trained, cell.protocol.eval_episodes, False, True, 0)
    rows = read_run(trained.where).rows
    last = max(r.update for r in rows)
    recorded = {(r.seed, r.metric): r.value for r in rows if r.update == last}
    for k, seed in enumerate(trained.seeds):
        assert again.scores["return"][k].mean() == pytest.approx(recorded[seed, "return"], rel=1e-6)


def test_the_order_of_chunks_matters_to_the_record_only_where_there_are_any() -> None:
    """A method that decides one action at a time has no such setting; one that can has it in its hash."""
    plain, chunked = resolve("fql", TASK.id), resolve("fql", TASK.id, overrides=["action_chunk=2"])
    assert plain.hash != chunked.hash
    assert "action_chunk" not in resolve("awac", TASK.id).settings
    assert chunked.layout.columns == ("steps_left",)
    assert plain.layout.columns == ()


@pytest.mark.parametrize(
    ("algo", "env", "sets", "message"),
    [
        ("awac", "door-binary", ["action_chunk=5"], "--set action_chunk: awac decides one action at a time"),
        ("fql", "sawyer-push", ["action_chunk=5"], "contradicts sawyer-push, whose goals are exchanged step by step"),
        ("fql", "door-binary", ["action_chunk=201"], r"is longer than an episode of door-binary \(200 steps\)"),
        ("fql", "door-binary", ["action_chunk=0"], "action_chunk=0: must be at least 1"),
    ],
)
def test_what_cannot_be_decided_at_once_is_refused(algo: str, env: str, sets: list[str], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        resolve(algo, env, (0,), "quick", sets)


def test_a_task_that_sets_chunks_for_all_says_who_cannot(monkeypatch: pytest.MonkeyPatch) -> None:

    task = dataclasses.replace(TASKS["door-binary-v0"], settings={"action_chunk": 4})
    monkeypatch.setitem(TASKS, task.id, task)
    assert resolve("fql", task.id).protocol.action_chunk == 4
    with pytest.raises(SettingError, match="action_chunk=4 contradicts awac, which decides one action at a time"):
        resolve("awac", task.id)
