"""AntMaze with D4RL's ant: its simulator's numbers, its frame, and its files read for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import d4rl_files
import numpy as np
import pytest
from command import Bench
from recorded import record, save
from toy_data import Place, isolated

from envs import tasks, verify
from envs.data import d4rl_names, datasets, imports
from envs.rules import d4rl_mazes, maze_maps
from envs.simulators.restore import Restorable
from envs.verify.rerun import simulator

TASK = tasks.get("antmaze-umaze-d4rl")
GOAL = (0.75, 8.6)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setenv("D4RL_DATASET_DIR", str(tmp_path / "d4rl"))
    yield from isolated(tmp_path, monkeypatch)


@pytest.fixture(scope="module")
def env() -> Any:
    return simulator(TASK)


def test_the_ant_is_d4rls(env: Any) -> None:
    """Numbers of its ant.xml and maze_env.py that gymnasium's ant has otherwise."""
    model = env.model
    assert (model.opt.timestep, env._ant.frame_skip, model.actuator_gear[:, 0].tolist()) == (0.02, 5, [30.0] * 8)
    np.testing.assert_array_equal(model.geom_solimp[:, :3], np.tile([0.8, 0.8, 0.01], (model.ngeom, 1)))
    np.testing.assert_array_equal(model.geom_solref, np.tile([0.02, 1], (model.ngeom, 1)))
    obs = np.array([env.reset(seed=seed)[0] for seed in range(60)])
    assert np.abs(obs[:, 27:29]).max() <= 0.1  # starts in the middle of its cell
    assert 0.09 < np.abs(obs[:, 5:13]).max() <= 0.1
    assert np.std(obs[:, 13:27]) == pytest.approx(0.1, rel=0.1)
    beyond = obs[:, 29:31] - [0.0, 8.0]
    assert 0 <= beyond.min() < 0.2
    assert 1.2 < beyond.max() <= 1.5


@pytest.mark.parametrize("maze", ["umaze", "medium", "large"])
def test_walls_lie_where_d4rl_puts_them(maze: str) -> None:
    """x = 4 column and y = 4 row, counted from the start's cell, as in its maze_env.py."""
    env: Any = simulator(tasks.get(f"antmaze-{maze}-d4rl"))
    rows = maze_maps.MAPS[maze]
    walls = {(r, c) for r, row in enumerate(rows) for c, mark in enumerate(row) if mark == "#"}
    ((row, column),) = [(r, c) for r, line in enumerate(rows) for c, mark in enumerate(line) if mark == "s"]
    boxes = [env.model.geom(i) for i in range(env.model.ngeom) if env.model.geom(i).name.startswith("block")]
    found = {tuple(np.round((box.pos[1::-1] - env._start_cell[::-1]) / 4 + (row, column)).astype(int)) for box in boxes}
    assert found == walls
    assert {tuple(box.size) for box in boxes} == {(2.0, 2.0, 1.0)}
    ((goal_row, goal_column),) = [(r, c) for r, line in enumerate(rows) for c, mark in enumerate(line) if mark == "g"]
    np.testing.assert_array_equal(d4rl_mazes.offset(maze), [4 * (goal_column - column), 4 * (goal_row - row)])


def test_an_ant_at_the_goal_is_done(env: Any) -> None:
    obs, _ = env.reset(seed=0)
    for distance, there in ((0.45, True), (0.75, False)):
        env.data.qpos[:2] = env._start_cell + obs[29:31] + [distance, 0]
        env.data.qvel[:] = 0
        found, reward, terminated, _, info = env.step(np.zeros(8, np.float32))
        assert (reward, terminated, info["success"]) == (float(there) - 1, there, there)
        assert TASK.reward(found) == reward
        assert bool(d4rl_mazes.arrived(found).all()) == there


def test_an_observation_is_the_whole_state(env: Any) -> None:
    again: Any = simulator(TASK)
    assert isinstance(again, Restorable)
    again.reset(seed=1)
    obs, _ = env.reset(seed=0)
    rng = np.random.default_rng(0)
    for t in range(30):
        assert again.missing(obs, {}) == ""
        (again.restore if t else again.begin)(obs, {})
        action = rng.uniform(-1, 1, 8).astype(np.float32)
        obs, reward, *_ = env.step(action)
        found, same, *_ = again.step(action)
        np.testing.assert_allclose(found, obs, rtol=0, atol=1e-6)
        assert same == reward


def test_what_it_records_is_found_sound(place: Place) -> None:
    """Whole episodes from their seeds, single steps from their observations."""
    report = verify.verify(TASK, save(TASK, "else/ant-v0", record(TASK, [40, 60, 50])))
    found = {check.name: check for check in report.checks}
    assert (found["replay"].state, found["steps"].state) == ("ok", "ok"), report


# D4RL's files


def test_the_goal_that_a_file_does_not_hold_is_where_its_rewards_are(tmp_path: Path, place: Place) -> None:
    file = d4rl_names.get(TASK.given)
    d4rl_files.ant_maze(tmp_path / "d4rl" / file.name, (400, 300), GOAL)
    done = imports.import_data(TASK, TASK.given)
    rows = datasets.load(TASK, TASK.given).transitions
    np.testing.assert_allclose(rows.obs[:, 29:31], np.tile(GOAL, (len(rows), 1)), atol=0.02)
    assert len(rows) == 700 - 2
    assert any(note.startswith("2 rows left out, after which") for note in done.notes), done.notes
    agreed = [note for note in done.notes if "agree with the task's rule" in note]
    assert len(agreed) == 1
    assert float(agreed[0].split("in ")[1].split("%")[0]) > 98


def test_a_row_is_laid_out_as_the_task_has_it_and_followed_by_its_successor(tmp_path: Path, place: Place) -> None:
    path = d4rl_files.ant_maze(tmp_path / "a.hdf5", (100, 60), GOAL)
    columns, infos, _ = d4rl_mazes.from_columns(*_held(path))
    flat = _held(path)[0]["observations"]
    np.testing.assert_array_equal(columns["observations"][:99, :27], flat[:99, 2:])
    np.testing.assert_array_equal(columns["observations"][:99, 27:29], flat[:99, :2])
    np.testing.assert_array_equal(columns["next_observations"][:99, :27], flat[1:100, 2:])
    np.testing.assert_array_equal(columns["observations"][99, 27:29], flat[100, :2])
    assert np.abs(flat[100, :2] - flat[99, :2]).max() > 3, "which is another episode's"
    assert np.flatnonzero(columns["timeouts"]).tolist() == [98, 157]
    assert set(infos) == {"qpos", "qvel"}
    assert len(infos["qpos"]) == len(columns["actions"]) == 158


def test_every_arrival_ends_an_episode_and_no_row_is_lost_by_it(tmp_path: Path, place: Place) -> None:
    """D4RL's trajectories go on at the goal; its own reader makes a terminal of each such row, too."""
    path = d4rl_files.ant_maze(tmp_path / "a.hdf5", (100, 60), GOAL)
    imports.import_data(TASK, str(path), "lab/ant-v0")
    rows = datasets.load(TASK, "lab/ant-v0").transitions
    assert len(rows) == 158
    np.testing.assert_array_equal(rows.terminated, rows.reward == 0)
    assert rows.terminated.sum() > 10


def test_a_jump_that_no_timeout_marks_ends_an_episode(tmp_path: Path, place: Place) -> None:
    columns, infos = _held(d4rl_files.ant_maze(tmp_path / "a.hdf5", (100, 60), GOAL))
    columns["timeouts"][:] = False
    taken, _, notes = d4rl_mazes.from_columns(columns, infos)
    assert np.flatnonzero(taken["timeouts"]).tolist() == [98, 157]
    assert "1 episodes end where the ant jumps, unmarked by the file" in notes


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"rewards": 0.0}, "no row has a reward of 1, so nothing says where its goal is"),
        ({"timeouts": None}, "has no timeouts, which D4RL's AntMaze files have"),
    ],
)
def test_a_file_without_a_goal_or_ends_is_refused(
    change: dict[str, Any], says: str, tmp_path: Path, place: Place
) -> None:
    columns, infos = _held(d4rl_files.ant_maze(tmp_path / "a.hdf5", (100, 60), GOAL))
    for name, value in change.items():
        if value is None:
            del columns[name]
        else:
            columns[name][:] = value
    with pytest.raises(ValueError, match=says):
        d4rl_mazes.from_columns(columns, infos)


def test_gymnasiums_ant_does_not_learn_from_them(tmp_path: Path, place: Place, bench: Bench) -> None:
    path = d4rl_files.ant_maze(tmp_path / "a.hdf5", (100, 60), GOAL)
    said = bench("data", "import", str(path), "--env", "antmaze-umaze")
    assert (said.code, len(said.err.splitlines())) == (2, 1)
    assert "is of D4RL's ant" in said.err
    assert "antmaze-umaze-d4rl" in said.err


@pytest.mark.slow
def test_a_run_trains_on_the_file_and_is_scored_as_d4rl_scores(tmp_path: Path, place: Place, bench: Bench) -> None:
    file = d4rl_names.get(TASK.given)
    d4rl_files.ant_maze(tmp_path / "d4rl" / file.name, (100, 60), GOAL)
    options = ("--profile", "smoke", "--seeds", "1", "--workers", "0", "--threads", "1", "--out", "runs")
    said = bench("run", "--algo", "awac", "--env", "antmaze-umaze-d4rl", *options)
    assert said.code == 0, said.err
    (folder,) = (tmp_path / "runs" / TASK.id / "awac").iterdir()
    assert json.loads((folder / "run.json").read_text())["dataset"]["id"] == TASK.given
    lines = (folder / "metrics.csv").read_text().splitlines()
    assert {float(line.split(",")[-1]) for line in lines if "normalized_score" in line} <= {0.0, 100.0}


def _held(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a file holds, as the reader hands it over."""
    import h5py

    with h5py.File(path) as file:
        columns = {name: file[name][:] for name in file if name != "infos"}
        return columns, {name: file["infos"][name][:] for name in file["infos"]}
