"""OGBench's files by name: written as its own scripts write them, and read as its own loader reads them."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("ogbench", reason="no ogbench: pip install 'awac-bench[ogbench]'")

import ogbench
from command import Bench
from file_server import Site, serving
from toy_data import Place, isolated

from envs import tasks
from envs.data import datasets, formats, imports, ogbench_names
from envs.errors import DatasetError
from envs.rules import ogbench_manipulation as rules
from envs.simulators import ogbench_manipulation as simulators

FILE = "scene-play-v0.npz"
LENGTH = 12  # rows of an episode, the last of which leads nowhere


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    (tmp_path / "ogbench").mkdir()
    monkeypatch.setenv("OGBENCH_DATASET_DIR", str(tmp_path / "ogbench"))
    monkeypatch.delenv("BENCH_OFFLINE", raising=False)
    yield from isolated(tmp_path, monkeypatch)


@functools.cache
def recorded() -> dict[str, Any]:
    """Two episodes in the arrays of data_gen_scripts/generate_manipspace.py, some of their states in task 1's goal."""
    env = simulators._quiet("scene", mode="data_collection", terminate_at_goal=False)
    wanted, rows, rng = rules.SCENES["scene"].tasks[0], {}, np.random.default_rng(0)

    def keep(**values: Any) -> None:
        for name, value in values.items():
            rows.setdefault(name, []).append(value)

    for episode in range(2):
        env.reset(seed=episode)
        for step in range(LENGTH):
            if step in (4, 5, 9):  # what task 1 wants, but for the cube in the last of them
                env._cur_button_states[:] = wanted.buttons
                env._data.joint("drawer_slide").qpos[0], env._data.joint("window_slide").qpos[0] = wanted.sliders
                env._data.joint("object_joint_0").qpos[:3] = np.add(wanted.cubes[0], [0.1 * (step == 9), 0, 0])
            elif step == 7:
                env._cur_button_states[:] = 0
            ob = env.compute_observation()
            action = rng.uniform(-0.1, 0.1, 5)
            *_, info = env.step(action)
            keep(observations=ob, actions=action, terminals=step == LENGTH - 1)
            keep(qpos=info["prev_qpos"], qvel=info["prev_qvel"], button_states=info["prev_button_states"])
    kinds = {"terminals": bool, "button_states": np.int64}
    return {name: np.array(values, dtype=kinds.get(name, np.float32)) for name, values in rows.items()}


def written(folder: Path) -> Path:
    np.savez_compressed(folder / FILE, **recorded())
    return folder / FILE


def test_steps_are_those_of_the_packages_loader_with_rewards_one_step_later(tmp_path: Path) -> None:
    """It labels the state before each step; so its label of the next row is ours."""
    path = written(tmp_path / "ogbench")
    task = tasks.get("scene-task1")
    env = simulators._quiet("scene", reward_task_id=1)
    theirs = ogbench.load_dataset(str(path), add_info=True)
    ogbench.relabel_utils.relabel_dataset("scene-singletask-task1-v0", env, theirs)
    ours = datasets.load(task, "ogbench/scene-play-v0").transitions
    assert len(ours) == 2 * (LENGTH - 1)
    np.testing.assert_array_equal(ours.obs, theirs["observations"])
    np.testing.assert_array_equal(ours.next_obs, theirs["next_observations"])
    np.testing.assert_array_equal(ours.action, theirs["actions"])
    inside = np.flatnonzero(theirs["terminals"] == 0)
    np.testing.assert_array_equal(ours.reward[inside], theirs["rewards"][inside + 1])
    np.testing.assert_array_equal(ours.terminated[inside], theirs["masks"][inside + 1] == 0)
    assert ours.terminated.sum() >= 4
    assert {0.0, -1.0} < set(ours.reward.tolist())


def test_one_file_serves_every_task_of_the_scene_under_an_id_of_its_own(tmp_path: Path, place: Place) -> None:
    written(tmp_path / "ogbench")
    info = datasets.load(tasks.get("scene-task1"), "ogbench/scene-play-v0").info
    assert info.id == "ogbench/scene-play-singletask-task1-v0"
    assert info.recipe["source"] == info.id
    assert info.recipe["format"] == "ogbench"
    assert any("go on after successes: cut there into" in note for note in info.recipe["notes"])
    for name in ("play", "ogbench/scene-play-v0", "ogbench/scene-play-singletask-v0"):  # the second is its default task
        other = datasets.load(tasks.get("scene-task2"), name).info
        assert (other.id, other.steps) == ("ogbench/scene-play-singletask-task2-v0", info.steps)
    assert not imports.import_data(tasks.get("scene-task1"), "ogbench/scene-play-singletask-task1-v0").new
    assert not place.attempts


def test_a_file_is_known_by_its_arrays(tmp_path: Path) -> None:
    task = tasks.get("scene-task1")
    content = formats.read(task, written(tmp_path))
    assert len(content.episodes) > 2
    assert {"qpos", "qvel", "button_states"} == set(content.episodes[0].infos)
    assert content.notes[0].startswith("2 steps dropped, the last of their episodes")


@pytest.mark.parametrize(
    ("name", "env", "complaint"),
    [
        ("ogbench/cube-double-play-v0", "scene-task1", "its own: ogbench/scene-play-singletask-task1-v0, "),
        ("ogbench/scene-play-singletask-task3-v0", "scene-task1", "its own: ogbench/scene-play-singletask-task1-v0, "),
        ("ogbench/scene-play-singletask-v0", "scene-task1", "has no dataset 'ogbench/scene-play-singletask-v0'"),
        ("ogbench/scene-play", "scene-task1", "has no dataset 'ogbench/scene-play'"),
        ("ogbench/scene-play-v0", "door-binary", "door-binary is no task of OGBench's"),
    ],
)
def test_data_of_another_task_are_refused_in_a_line(name: str, env: str, complaint: str, bench: Bench) -> None:
    said = bench("data", "import", name, "--env", env)
    assert (said.code, said.out) == (2, "")
    assert complaint in said.err
    assert said.err.count("\n") == 1


def test_a_file_that_lacks_what_ogbenchs_have_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", observations=np.zeros((4, 40), "f4"), actions=np.zeros((4, 5), "f4"))
    with pytest.raises(DatasetError, match=r"a.npz: has no terminals, which OGBench's files have"):
        formats.read(tasks.get("scene-task1"), tmp_path / "a.npz", "ogbench")
    with pytest.raises(DatasetError, match=r"halfcheetah-v5 has no rule that would give them"):
        formats.read(tasks.get("halfcheetah"), written(tmp_path), "ogbench")


def test_what_is_missing_is_fetched_or_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_OFFLINE", "1")
    url = f"https://rail.eecs.berkeley.edu/datasets/ogbench/{FILE}"
    with pytest.raises(DatasetError) as caught:
        datasets.load(tasks.get("scene-task1"), "play")
    assert f"put {FILE}, which is {url}, into {tmp_path / 'ogbench'}" in str(caught.value)
    content = written(tmp_path).read_bytes()
    monkeypatch.undo()
    monkeypatch.setenv("OGBENCH_DATASET_DIR", str(tmp_path / "ogbench"))
    with serving(Site({f"/base/{FILE}": content})) as site:
        monkeypatch.setenv("BENCH_OGBENCH_MIRRORS", f"{site.address}/base/")
        path = ogbench_names.find("ogbench/scene-play-singletask-task1-v0", lambda line: None)
    assert path.read_bytes() == content
