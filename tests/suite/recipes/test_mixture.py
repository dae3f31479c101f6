"""Datasets of several policies: how many steps each gives, and what is in them."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import toy_data
from command import Bench

from algos.networks.policy_file import load_policy
from envs import tasks
from envs.data import datasets
from envs.errors import DatasetError
from envs.task import MixRecipe, Task
from suite.recipes import build as recipes
from suite.recipes import play, policies
from suite.train.means import Means

STEPS = 250
MIX = MixRecipe(((MixRecipe.RANDOM, 0.5), ("point", 1.0)), steps=STEPS)


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    yield from toy_data.isolated(tmp_path, monkeypatch)


def point(**recipes_: MixRecipe) -> Task:
    return dataclasses.replace(tasks.get("point-reach"), recipes={"mix": MIX, **recipes_})


def test_every_policy_gives_its_share_of_steps_and_the_last_episode_is_cut() -> None:
    said: list[str] = []
    data = recipes.build(point(), 0, 0, said.append, "mix")
    lengths = [len(e.action) for e in datasets.load_episodes(point(), data.info.id)]
    assert lengths == [100, 25, 100, 100, 50]
    assert data.info.id.startswith("awac-bench/point-reach/mix-s0-")
    assert data.info.description == "375 steps of random actions, point in point-reach-v0"
    assert said == ["random actions 125/125 steps", "point 250/250 steps"]
    assert data.transitions.truncated.sum() == 5
    assert not data.transitions.terminated.any()
    assert data.info.demos == 0


def test_random_actions_are_uniform_and_a_policys_are_sampled_from_it() -> None:
    recipe = dataclasses.replace(MIX, steps=4000)
    expert, _ = load_policy([policies.expert_file(point())])
    episodes = play.mixture(point(), recipe, [None, expert], 3, 0)
    uniform = np.concatenate([e.action for e in episodes[:20]])
    assert len(uniform) == 2000
    np.testing.assert_allclose(uniform.mean(), 0, atol=0.05)
    np.testing.assert_allclose(uniform.std(), 1 / np.sqrt(3), atol=0.02)
    assert np.abs(uniform).max() <= 1
    wish = np.concatenate([play.act(expert, e.obs[:-1]) for e in episodes[20:]])
    noise = np.concatenate([e.action for e in episodes[20:]]) - wish
    assert 0.1 < noise[np.abs(wish) < 0.3].std() < 0.3, "the point expert's deviation is about 0.2"


def test_the_data_are_what_the_environment_gives_and_the_same_for_any_number_of_workers() -> None:
    made = [play.mixture(point(), MIX, [None, None], 1, workers) for workers in (0, 2)]
    assert datasets.fingerprint(made[0]) == datasets.fingerprint(made[1])
    episode = made[0][1]
    with gymnasium.make("point-reach-v0") as env:
        obs = [env.reset(seed=episode.seed)[0]]
        steps = [env.step(a) for a in episode.action]
    np.testing.assert_array_equal(np.asarray([*obs, *(s[0] for s in steps)], np.float32), episode.obs)
    assert episode.reward is not None
    np.testing.assert_allclose([s[1] for s in steps], episode.reward, rtol=1e-6)
    assert not np.array_equal(made[0][0].action[:25], made[0][2].action[:25]), "each policy has its own streams"


def test_the_id_changes_with_policies_and_steps() -> None:
    other = {
        "mix": dataclasses.replace(MIX, steps=251),
        "swapped": MixRecipe(MIX.parts[::-1], STEPS),
    }
    ids = {recipes.built_id(point(), name="mix"), recipes.built_id(point(**other), name="mix")}
    digests = {recipes.built_id(point(**other), name=n).rsplit("-", 2)[1] for n in other}
    assert len(ids) == 2
    assert len(digests) == 2
    assert recipes.built_id(point()) == recipes.built_id(tasks.get("point-reach")), "recipes do not disturb each other"


def test_a_dataset_is_built_by_its_name(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tasks.TASKS, "point-reach-v0", point())
    build = ("data", "build", "--env", "point-reach", "--workers", "0", "--dataset")
    assert "3 episodes, 180 steps" in bench(*build, "mix", "--steps", "120").out
    assert "no recipe for a dataset 'mixx'; did you mean 'mix'?" in bench(*build, "mixx").err
    said = bench(*build, "default", "--steps", "10")
    assert "--steps: the default dataset of point-reach-v0 is counted in episodes" in said.err
    said = bench("data", "info", "--env", "point-reach", "--dataset", "mix", "--seed", "5")
    assert "not built yet: `bench data build --env point-reach --dataset mix`" in said.err
    assert said.code == 2
    with pytest.raises(DatasetError, match=r"no expert gone\.npz"):
        recipes.build(point(mix=MixRecipe((("gone", 1.0),))), name="mix")


def test_runs_train_on_a_dataset_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from asked import resolve

    from suite.record.folders import read_run
    from suite.train.cell import run_cell
    from suite.train.hardware import Hardware

    monkeypatch.setitem(tasks.TASKS, "point-reach-v0", point())
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    cell = resolve("bc", "point-reach", (0,), "smoke", ["dataset_steps=60"], dataset="mix")
    run = read_run(run_cell(cell, Means(tmp_path, Hardware("cpu", 1, 0)))).run
    assert run["dataset"]["steps"] == 90
    assert run["dataset"]["id"].startswith("awac-bench/point-reach/mix-s0-")


def with_medium() -> list[Task]:
    return [task for task in tasks.TASKS.values() if "medium" in task.recipes]


def test_mixtures_by_d4rls_names_are_made_of_policies_that_are_there() -> None:
    assert with_medium()
    for task in (t for t in tasks.TASKS.values() if t.recipes):
        for name, recipe in task.recipes.items():
            assert isinstance(recipe, MixRecipe)
            made_of = recipes.sources(task, recipe)["policies"]
            assert len(made_of) == len({part for part, _ in recipe.parts if part}), name


@pytest.mark.parametrize(
    ("name", "steps"), [("halfcheetah", 202_000), ("walker2d", 302_000), ("hopper", 402_000), ("ant", 302_000)]
)
def test_a_replay_is_as_long_as_d4rls(name: str, steps: int) -> None:
    replay = tasks.get(name).recipes["medium-replay"]
    assert isinstance(replay, MixRecipe)
    assert sum(round(share * replay.steps) for _, share in replay.parts) == pytest.approx(steps, abs=5)


@pytest.mark.parametrize("task", with_medium(), ids=lambda t: t.short_name)
def test_what_is_called_medium_is_halfway(task: Task) -> None:
    """Sampled, between a fifth and three quarters of the expert, and better than what came before it.

    D4RL's own are at .42 (half cheetah), .44 (hopper), .62 (walker) and .80 (ant) of theirs.
    """
    recipe = task.recipes["medium-replay"]
    assert isinstance(recipe, MixRecipe)
    metas = [load_policy([policies.policy_file(task, name)])[1] for name, _ in recipe.parts]
    low, high = task.anchors or (0.0, 0.0)
    shares = [(meta["return"] - low) / (high - low) for meta in metas]
    assert 0.2 < shares[-1] < 0.75
    assert shares[-1] == max(shares)
    assert all(meta["task"] == task.id for meta in metas)


def test_the_names_of_a_tasks_datasets() -> None:
    assert tasks.get("halfcheetah").datasets[:3] == ["default", "random", "expert"]
    assert tasks.get("sawyer-push").datasets == ["default"]
    assert tasks.get("humanoid").datasets == []
