"""Franka Kitchen: D4RL's observations, noise, rewards and score, on gymnasium-robotics' simulator."""

from __future__ import annotations

import dataclasses
import json
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import d4rl_files
import mujoco
import numpy as np
import pytest
from command import Bench
from toy_data import Place, isolated

from envs import tasks, verify
from envs.data import d4rl_names, datasets, imports
from envs.data.episodes import transitions
from envs.errors import DatasetError
from envs.rules import kitchen
from envs.simulators import robotics
from envs.simulators.restore import Restorable
from envs.stepping.vector import VectorEnv
from envs.verify.rerun import simulator
from suite.train.evaluate import EVAL_SEED, episode_scores

COMPLETE, MIXED = tasks.get("kitchen-complete"), tasks.get("kitchen-mixed")


@pytest.fixture(scope="module")
def env() -> Iterator[Any]:
    made: Any = simulator(COMPLETE)  # a second of meshes, so once for all
    yield made
    made.close()


@pytest.fixture(scope="module")
def other() -> Iterator[Any]:
    made: Any = simulator(COMPLETE)
    yield made
    made.close()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setenv("D4RL_DATASET_DIR", str(tmp_path / "d4rl"))
    yield from isolated(tmp_path, monkeypatch)


def put(env: Any, name: str) -> None:
    """Put something in place by hand."""
    entries, values = d4rl_files.ELEMENTS[name]
    env.data.qpos[entries] = values


# the workaround


@pytest.mark.slow
def test_the_workaround_is_still_needed() -> None:
    """Where this fails, gymnasium-robotics has its pull request 330: take the integers out of envs.simulators.robotics
    and ask for that version in pyproject.toml."""
    program = (
        "import farama_notifications; farama_notifications.notifications.pop('gymnasium_robotics', None)\n"
        "from gymnasium_robotics.envs.franka_kitchen import KitchenEnv\n"
        "try:\n    KitchenEnv()\nexcept AssertionError:\n    print('fails')\nelse:\n    print('works')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout, robotics.compares()) == ("fails\n", False), done.stderr


def test_it_reaches_whatever_reads_joints() -> None:
    """Fetch, too, and joints of every type, from a model whose numbers are known."""
    from gymnasium_robotics.envs.fetch.reach import MujocoFetchReachEnv
    from gymnasium_robotics.utils import mujoco_utils

    body = '<body><joint name="{0}" type="{0}"/><geom size="0.1"/></body>'
    bodies = "".join(body.format(kind) for kind in ("free", "ball", "hinge", "slide"))
    model = mujoco.MjModel.from_xml_string(f"<mujoco><worldbody>{bodies}</worldbody></mujoco>")
    data = mujoco.MjData(model)
    data.qpos[:], data.qvel[:] = np.arange(13), np.arange(11)
    found = {
        kind: mujoco_utils.get_joint_qpos(model, data, kind).tolist() for kind in ("free", "ball", "hinge", "slide")
    }
    assert found == {"free": [*range(7)], "ball": [7, 8, 9, 10], "hinge": [11], "slide": [12]}
    mujoco_utils.set_joint_qvel(model, data, "slide", -1.0)
    assert data.qvel[10] == -1
    reach = MujocoFetchReachEnv()
    obs, _ = reach.reset(seed=0)
    assert obs["achieved_goal"].shape == (3,)
    reach.step(reach.action_space.sample())
    reach.close()


# the environment


def test_an_observation_is_d4rls(env: Any) -> None:
    """Joints of arm and kitchen with noise of up to a tenth of D4RL's amplitudes, then the goal."""
    amplitude = np.array(
        [0.1] * 9 + [0.005] * 2 + [0.0005] * 6 + [0.005] * 3 + [0.1] * 3 + [0.005] * 3 + [0.1] * 3 + [0.005]
    )
    obs = np.array([env.reset(seed=seed)[0] for seed in range(50)])
    start = env.data.qpos
    assert start[[0, 22, 25]] == pytest.approx([0.148388, 0.00108, 1.619447], abs=1e-5)  # D4RL's init_qpos
    off = (obs[:, :30] - start) / (0.1 * amplitude)
    assert 0.9 < np.abs(off).max(0).min() < np.abs(off).max() <= 1
    assert np.abs(off.mean()) < 0.1
    goal = np.zeros(30)
    for name in d4rl_files.SLIDE:
        goal[d4rl_files.ELEMENTS[name][0]] = d4rl_files.ELEMENTS[name][1]
    np.testing.assert_array_equal(obs[:, 30:], np.tile(goal, (50, 1)))
    assert kitchen.GOALS["top burner"] == ((15, 16), (-0.92, -0.01))
    assert kitchen.GOALS["hinge cabinet"] == ((20, 21), (0.0, 1.45))


def test_a_command_starts_from_the_arm_as_it_was_observed(env: Any) -> None:
    """As D4RL's: what was observed, plus 2 rad/s times the action for 0.08 s, within the joints' bounds."""
    obs, _ = env.reset(seed=3)
    action = np.array([0.5, -1, 1, 0.2, 0, -0.3, 2.0, 1, -1], np.float32)
    env.step(action)
    wanted = obs[:9] + 2 * 0.08 * np.clip(action, -1, 1)
    wanted[7:] = np.clip(wanted[7:], 0, 0.04)
    wanted[1] = max(wanted[1], -1.8)
    np.testing.assert_allclose(env.data.ctrl, wanted, atol=1e-7)


def test_rewards_count_what_is_in_place_and_all_of_it_is_the_end(env: Any) -> None:
    env.reset(seed=0)
    for count, name in enumerate(d4rl_files.SLIDE, 1):
        put(env, name)
        obs, reward, terminated, truncated, info = env.step(np.zeros(9, np.float32))
        assert reward == count - 4
        assert COMPLETE.reward(obs.astype(np.float32)) == reward
        assert (terminated, info["success"], truncated) == (count == 4, count == 4, False)
    env.data.qpos[22] = 0  # the microwave shut again
    assert env.step(np.zeros(9, np.float32))[1:3] == (-1, False)


def test_what_is_in_place_is_less_than_0_3_from_its_goal() -> None:
    obs = np.zeros((3, 60))
    obs[:, 19] = [0.0, 0.0701, 0.08]  # the cabinet's goal is 0.37
    assert kitchen.subtasks(("slide cabinet", "microwave"), obs).tolist() == [
        [False, False],
        [True, False],
        [True, False],
    ]
    with pytest.raises(ValueError, match="60 entries, these have 59"):
        kitchen.subtasks(("microwave",), np.zeros(59))


def test_the_same_seed_and_actions_give_the_same_bytes(env: Any, other: Any) -> None:
    actions = np.random.default_rng(0).uniform(-1, 1, (6, 9)).astype(np.float32)
    other.step(actions[0])
    for a, b in zip(*([one.reset(seed=7)[0], *(one.step(x)[0] for x in actions)] for one in (env, other)), strict=True):
        assert a.tobytes() == b.tobytes()
    assert env.reset(seed=8)[0].tobytes() != other.reset(seed=7)[0].tobytes()
    assert env.reset()[0].tobytes() != env.reset()[0].tobytes(), "without a seed each reset draws another"


def test_a_recorded_state_goes_on_as_it_did(env: Any, other: Any) -> None:
    again = other
    assert isinstance(again, Restorable)
    again.reset(seed=1)
    obs, _ = env.reset(seed=0)
    rng = np.random.default_rng(0)
    for t in range(12):
        state = env.state()
        assert again.missing(obs, state) == ""
        (again.restore if t else again.begin)(obs, state)
        action = rng.uniform(-1, 1, 9).astype(np.float32)
        obs, reward, *_ = env.step(action)
        found, same, *_ = again.step(action)
        np.testing.assert_allclose(found, obs, rtol=0, atol=1e-6)
        assert same == reward
    del state["noise"]
    assert again.missing(obs, state) == "not which noise was observed"
    assert "no simulator states" in again.missing(obs, {})


# the score


def test_the_score_is_a_quarter_for_each_that_was_in_place_at_any_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a policy that does nothing, in an environment where things move by themselves: D4RL's sum of first times."""
    script = {0: "microwave", 1: "light switch", 3: None}
    sent: list[int] = []

    class Moved:
        def __call__(self, obs: Any, noise: Any) -> Any:
            data = vectors._share._envs[0].unwrapped.data  # type: ignore[union-attr]
            if name := script.get(len(sent)):
                put(vectors._share._envs[0].unwrapped, name)  # type: ignore[union-attr]
            elif len(sent) in script:
                data.qpos[22] = 0.0
            sent.append(0)
            return np.zeros((1, 1, 9), np.float32)

    short = dataclasses.replace(COMPLETE, horizon=6)
    vectors = VectorEnv(COMPLETE.id, 1, 0, max_episode_steps=6)
    try:
        scores = episode_scores(vectors, Moved(), 1, 1, short, EVAL_SEED)
    finally:
        vectors.close()
    assert scores["normalized_score"].tolist() == [[50.0]]
    assert scores["return"].tolist() == [[-3.0 - 2 - 2 - 3 - 3 - 3]]
    assert (scores["success"].tolist(), scores["success_any"].tolist()) == ([[0.0]], [[0.0]])
    assert COMPLETE.headline == "normalized_score"


# D4RL's files


def test_each_task_has_d4rls_data_where_none_is_named() -> None:
    for kind in ("complete", "partial", "mixed"):
        task = tasks.get(f"kitchen-{kind}")
        assert task.datasets[0] == task.given == f"d4rl/kitchen-{kind}-v0"
        assert d4rl_names.get(task.given).demos
        assert (task.horizon, task.d4rl_anchors, task.obs_dim) == (280, (0.0, 4.0), 60)


def test_d4rls_file_is_read_as_it_is(tmp_path: Path, place: Place) -> None:
    """Three demonstrations of ten rows: everything by row 8, two things, nothing."""
    file = d4rl_names.get(COMPLETE.given)
    d4rl_files.kitchen(tmp_path / "d4rl" / file.name, (d4rl_files.SLIDE, ("kettle", "microwave"), ()))
    done = imports.import_data(COMPLETE, COMPLETE.given)
    assert (done.info.episodes, done.info.demos, done.info.steps) == (3, 3, 8 + 9 + 9)
    assert "not read: infos" in done.notes
    assert any("1 steps after the first success of an episode are left out" in note for note in done.notes)
    data = datasets.load(COMPLETE, COMPLETE.given)
    rows = data.transitions
    # rewards are of the state arrived in, where the file has those of the state before
    first = [0, 1, 1, 2, 2, 3, 3, 4]
    assert rows.reward.tolist() == [x - 4 for x in [*first, 0, 1, 1, 2, 2, 2, 2, 2, 2, *([0] * 9)]]
    assert np.flatnonzero(rows.terminated).tolist() == [7]
    assert np.flatnonzero(rows.truncated).tolist() == [16, 25], "what ends without success was only recorded so far"
    assert data.info.demo_success == pytest.approx(1 / 3)


@pytest.mark.slow
def test_what_cannot_be_repeated_of_such_a_file_is_said_and_is_no_fault(tmp_path: Path, place: Place) -> None:
    """It has neither seeds nor velocities."""
    file = d4rl_names.get(COMPLETE.given)
    d4rl_files.kitchen(tmp_path / "d4rl" / file.name, (d4rl_files.SLIDE, ("kettle",)))
    imports.import_data(COMPLETE, COMPLETE.given)
    report = verify.verify(COMPLETE, COMPLETE.given)
    found = {check.name: check for check in report.checks}
    assert (found["replay"].state, found["steps"].state, found["steps"].found) == (
        "skipped",
        "skipped",
        "no simulator states qpos and qvel of this task",
    )


def test_a_file_of_the_other_four_is_refused(tmp_path: Path, place: Place) -> None:
    path = d4rl_files.kitchen(tmp_path / "mixed.hdf5", (("microwave",),), d4rl_files.BURNER)
    with pytest.raises(
        DatasetError, match=r"mixed\.hdf5: its observations ask for bottom burner, light switch, .*--env"
    ):
        imports.import_data(COMPLETE, str(path))
    assert imports.import_data(MIXED, str(path)).info.episodes == 1


def test_without_the_file_a_run_says_in_a_line_where_it_belongs(
    tmp_path: Path, place: Place, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_OFFLINE", "1")
    said = bench("run", "--algo", "awac", "--env", "kitchen-partial", "--profile", "smoke")
    assert said.code == 2
    name = "kitchen_microwave_kettle_light_slider-v0.hdf5"
    assert f"put {name}, which is https://rail.eecs.berkeley.edu/datasets/offline_rl/kitchen/{name}, into" in said.err
    built = bench("data", "build", "--env", "kitchen-partial")
    assert (built.code, len(built.err.splitlines())) == (2, 1)
    assert "`bench data import d4rl/kitchen-partial-v0 --env kitchen-partial`" in built.err


@pytest.mark.slow
def test_a_run_trains_on_the_file_and_is_scored_as_d4rl_scores(tmp_path: Path, place: Place, bench: Bench) -> None:
    file = d4rl_names.get(COMPLETE.given)
    d4rl_files.kitchen(tmp_path / "d4rl" / file.name, (d4rl_files.SLIDE, ("kettle",)))
    options = ("--profile", "smoke", "--seeds", "1", "--workers", "0", "--threads", "1", "--out", "runs")
    said = bench("run", "--algo", "awac", "--env", "kitchen-complete", *options)
    assert said.code == 0, said.err
    (folder,) = (tmp_path / "runs" / COMPLETE.id / "awac").iterdir()
    record = json.loads((folder / "run.json").read_text())
    assert record["dataset"]["id"] == COMPLETE.given
    metrics = (folder / "metrics.csv").read_text()
    scores = [float(line.split(",")[-1]) for line in metrics.splitlines() if "normalized_score" in line]
    assert scores
    assert all(0 <= score <= 100 and math.isclose(score % 25, 0) for score in scores)


def test_transitions_of_a_demonstration_are_rewarded_by_the_rule() -> None:
    obs = np.zeros((3, 60), np.float32)
    obs[2, 22] = -0.75
    episode = datasets.Episode(obs, np.zeros((2, 9), np.float32))
    assert transitions(COMPLETE, [episode]).reward.tolist() == [-4, -3]
