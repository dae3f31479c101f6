"""Play data: cut after each success without a loss, put together again, and shared by the tasks of a scene."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("ogbench", reason="no ogbench: pip install 'awac-bench[ogbench]'")

from toy_data import Place, isolated

from envs import tasks
from envs.data import datasets
from envs.data.datasets import Episode
from envs.simulators import ogbench_manipulation, ogbench_mazes
from envs.task import NavigateRecipe, PlayRecipe, Recipe, Task
from envs.tasks import TASKS
from suite.recipes import build as recipes
from suite.recipes.oracle import joined, played
from suite.recipes.policies import policy_file

Made = list[tuple[Any, ...]]
PLACES = {"there": (0.5, 0.0, 0.02), "away": (0.3, 0.1, 0.02)}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    yield from isolated(tmp_path, monkeypatch)


def observed(*names: str) -> np.ndarray:
    """Observations of a single cube, which is there where task 2 wants it, or away; entry 0 counts them."""
    obs = np.zeros((len(names), 28), np.float32)
    obs[:, 19:22] = 10 * (np.array([PLACES[name] for name in names]) - [0.425, 0, 0])
    obs[:, 0] = np.arange(len(names))
    return obs


# eight steps, the third, fourth and last of which arrive where task 2 wants the cube
OBS = observed("away", "away", "away", "there", "there", "away", "away", "away", "there")
ACTION = np.tile(np.arange(8, dtype=np.float32)[:, None] / 10, (1, 5))


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Made:
    """Play that takes no simulator; lists what it was asked for."""
    asked: Made = []

    def play(options: Any, recipe: PlayRecipe, seed: int) -> Any:
        asked.append((options["scene"], recipe.length, seed))
        return OBS, ACTION

    monkeypatch.setattr(ogbench_manipulation, "play", play)
    return asked


def short(name: str) -> Task:
    return dataclasses.replace(tasks.get(name), recipe=PlayRecipe(rollouts=2, length=8))


def test_play_is_cut_after_each_success_and_nothing_is_lost() -> None:
    task = tasks.get("cube-single-task2")
    pieces = datasets.pieces(task, Episode(OBS, ACTION, seed=3, infos={"qpos": OBS[:, :1]}))
    assert [len(p.action) for p in pieces] == [3, 1, 4]
    assert [p.seed for p in pieces] == [3, None, None]
    assert [p.infos["qpos"].ravel().tolist() for p in pieces] == [[0, 1, 2, 3], [3, 4], [4, 5, 6, 7, 8]]
    rows = datasets.transitions(task, pieces)
    np.testing.assert_array_equal(rows.obs, OBS[:-1])
    np.testing.assert_array_equal(rows.next_obs, OBS[1:])
    np.testing.assert_array_equal(rows.action, ACTION)
    assert rows.reward.tolist() == [-1, -1, 0, 0, -1, -1, -1, 0]
    assert rows.terminated.tolist() == [reward == 0 for reward in rows.reward]
    (whole,) = datasets.pieces(tasks.get("cube-single-task4"), Episode(OBS, ACTION))
    assert not whole.terminated


def test_pieces_are_put_together_to_the_episodes_they_are_of() -> None:
    task = tasks.get("cube-single-task2")
    again = joined([*datasets.pieces(task, Episode(OBS, ACTION)), Episode(OBS, ACTION)], 8)
    assert len(again) == 2
    for episode in again:
        np.testing.assert_array_equal(episode.obs, OBS)
        np.testing.assert_array_equal(episode.action, ACTION)
        assert not episode.terminated


def test_tasks_of_a_scene_share_what_was_played_for_one_of_them(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    first = recipes.build(short("cube-single-task2"), workers=0)
    assert [(scene, length) for scene, length, _ in made] == [("cube-single", 8)] * 2
    assert len({seed for *_, seed in made}) == 2
    shared = recipes.build(short("cube-single-task1"), workers=0)
    assert len(made) == 2, "nothing was played for the second"
    assert (first.info.episodes, shared.info.episodes) == (6, 2)
    np.testing.assert_array_equal(first.transitions.obs, shared.transitions.obs)
    alone = recipes.build(short("cube-single-task1"), seed=1, workers=0)
    assert len(made) == 4
    assert alone.info.fingerprint == shared.info.fingerprint, "the same as if it had been played"
    monkeypatch.setitem(TASKS, "cube-double-task1-v0", short("cube-double-task1"))
    assert recipes._same_play(short("cube-double-task2"), PlayRecipe(rollouts=2, length=8), 0) is None, "another scene"


def test_a_body_is_led_by_its_own_direction_or_by_the_expert_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    said = []

    def navigate(options: Any, recipe: NavigateRecipe, agent: Any, seed: int) -> Any:
        body = tasks.get(f"{options['body']}-medium-navigate-task1")
        said.append(agent(np.zeros(body.obs_dim), np.array([0.6, 0.8])))
        return np.zeros((3, body.obs_dim), np.float32), np.zeros((2, body.action_dim), np.float32)

    monkeypatch.setattr(ogbench_mazes, "navigate", navigate)
    for body in ("pointmaze", "antmaze"):
        task = tasks.get(f"{body}-medium-navigate-task1")
        assert isinstance(task.recipe, NavigateRecipe)
        expert = policy_file(task, task.recipe.expert) if task.recipe.expert else None
        played(task, dataclasses.replace(task.recipe, rollouts=1, length=2), expert, 0, 0)
    assert said[0].tolist() == [0.6, 0.8]
    assert said[1].shape == (8,)
    assert recipes.sources(task, task.recipe) == {"expert": recipes.sources(tasks.get("ant"), Recipe())["expert"]}
