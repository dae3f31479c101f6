"""Discrete actions between the suite, environments and datasets, on a toy of three choices."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import minari
import numpy as np
import pytest
import toy_run
from asked import resolve
from command import Bench
from toy_data import foreign
from toy_env import HORIZON

from algos.networks.policy_file import load_policy
from algos.settings import SettingError
from envs import verify
from envs.data import datasets, episodes, minari_store
from envs.data.datasets import Episode
from envs.discrete import OneHotActions, boxed, choices, one_hot
from envs.errors import DatasetError
from envs.stepping.vector import VectorEnv
from envs.tasks import TASKS, Recipe
from suite.recipes import experts as distill
from suite.recipes.play import act, rollouts
from suite.record.folders import read_run

LINE = "toy_env:line-v0"
TASK = dataclasses.replace(
    toy_run.TASK,
    id=LINE,
    action_dim=3,
    discrete=True,
    success=None,
    success_rule="",
    recipe=Recipe(),
    reward_range=(-math.inf, math.inf),
)
DATA = "toys/line-v0"


def some_episodes() -> list[Episode]:
    rng = np.random.default_rng(0)
    made = []
    for n in range(5):
        obs = rng.standard_normal((HORIZON + 1, 3)).astype(np.float32)
        action, reward = one_hot(rng.integers(3, size=HORIZON), 3), rng.standard_normal(HORIZON).astype(np.float32)
        made.append(Episode(obs, action, demo=n < 2, reward=reward, seed=n))
    return made


@pytest.fixture(scope="module", autouse=True)
def _toys() -> Iterator[None]:
    with toy_run.registered(), pytest.MonkeyPatch.context() as patch:
        patch.setitem(TASKS, LINE, TASK)
        datasets.store(TASK, DATA, some_episodes(), {})
        yield


def test_choices_and_one_hot_vectors_are_each_others_inverse() -> None:
    numbers = np.array([[2, 0], [1, 3]])
    assert one_hot(numbers, 4)[0].tolist() == [[0, 0, 1, 0], [1, 0, 0, 0]]
    assert np.array_equal(choices(one_hot(numbers, 4)), numbers)
    assert one_hot(numbers, 4).dtype == np.float32
    assert choices(np.zeros((1, 3))).tolist() == [0], "the first of equals"


class Echo(gymnasium.Env[Any, Any]):
    """Says what it was told."""

    observation_space = gymnasium.spaces.Box(-9, 9, (1,))
    action_space = gymnasium.spaces.Discrete(3, start=5)

    def step(self, action: Any) -> Any:
        return np.array([action]), 0.0, False, False, {}


def test_an_environment_takes_the_largest_of_the_numbers_counted_from_where_its_space_starts() -> None:
    env = boxed(Echo())
    assert isinstance(env, OneHotActions)
    assert env.action_space == gymnasium.spaces.Box(0, 1, (3,), np.float32)
    assert [env.step(np.array(a, np.float32))[0][0] for a in ([0.1, 0.2, -1], [9, 0, 0])] == [6, 5]
    plain = gymnasium.make("point-reach-v0")
    assert boxed(plain) is plain


@pytest.mark.parametrize("workers", [0, 1])
def test_vectors_are_stepped_as_choices_in_every_process(workers: int) -> None:
    with VectorEnv(LINE, 3, workers) as env:
        assert env.action_space.shape == (3,)
        first = env.reset([0, 1, 2])
        step = env.step(np.eye(3))
    np.testing.assert_allclose(step.next_obs[:, 0] - first[:, 0], [-0.3, 0.0, 0.3], atol=1e-6)


def test_a_dataset_keeps_whole_numbers_and_gives_vectors() -> None:
    made = some_episodes()
    data = datasets.load(TASK, DATA)
    np.testing.assert_array_equal(data.transitions.action, np.concatenate([e.action for e in made]))
    assert data.info.clipped == 0
    theirs = minari.load_dataset(DATA)
    assert theirs.spec.action_space == gymnasium.spaces.Discrete(3)
    for episode, e in zip(theirs.iterate_episodes(), made, strict=True):
        assert episode.actions.dtype == np.int64
        np.testing.assert_array_equal(episode.actions, e.action.argmax(1))
    assert theirs.recover_environment().action_space == gymnasium.spaces.Discrete(3)


@pytest.mark.parametrize(
    ("actions", "kept"),
    [
        (np.array([0, 2, 1]), [0, 2, 1]),
        (np.array([[0], [2], [1]], np.int32), [0, 2, 1]),
        (np.array([0.0, 2.0, 1.0]), [0, 2, 1]),
        (np.eye(3, dtype=np.float64)[[0, 2, 1]], [0, 2, 1]),
        (np.array([0, 3, 1]), None),
        (np.array([0, -1, 1]), None),
        (np.array([0.0, 0.5, 1.0]), None),
        (np.array([0.0, np.nan, 1.0]), None),
        (np.full((3, 3), 0.5), None),
        (np.zeros((3, 2)), None),
    ],
)
def test_only_choices_are_read_as_choices(actions: Any, kept: list[int] | None) -> None:
    ends = np.zeros(3, np.bool_)
    part = minari_store.RawEpisode(np.zeros((4, 3)), actions, np.ones(3), ends, None)
    if kept is None:
        with pytest.raises(DatasetError, match=r"actions of shape .* are not choices; .* whole numbers from 0 to 2"):
            episodes.checked(TASK, "lab/x-v0", [part], ())
        return
    ((episode,), clipped) = episodes.checked(TASK, "lab/x-v0", [part], ())
    np.testing.assert_array_equal(episode.action, one_hot(kept, 3))
    assert clipped == 0


def test_foreign_data_with_choices_are_loaded() -> None:
    ends = np.zeros(4, np.bool_)
    part = {"observations": np.zeros((5, 3)), "actions": np.array([0, 1, 2, 1]), "rewards": np.ones(4)}
    spaces = {"observation_space": gymnasium.spaces.Box(-9, 9, (3,)), "action_space": gymnasium.spaces.Discrete(3)}
    foreign("lab/line-v0", [part | {"terminations": ends, "truncations": ends}], env=None, **spaces)
    assert choices(datasets.load(TASK, "lab/line-v0").transitions.action).tolist() == [0, 1, 2, 1]


def test_data_of_choices_are_verified() -> None:
    played = rollouts(TASK, None, 4, 0, 0)
    datasets.store(TASK, "toys/played-v0", played, {})
    found = {c.name: c for c in verify.verify(TASK, "toys/played-v0").checks}
    assert {c.state for c in found.values()} <= {"ok", "skipped"}
    assert (found["actions"].found, found["replay"].state, found["reward"].state) == ("choices", "ok", "ok")
    others = [dataclasses.replace(e, action=np.roll(e.action, 1, axis=1)) for e in played]
    datasets.store(TASK, "toys/others-v0", others, {})
    found = {c.name: c for c in verify.verify(TASK, "toys/others-v0").checks}
    assert "4 episodes leave the recorded course" in found["replay"].found


@pytest.mark.parametrize("algo", ["awac", "abm", "ppo"])
def test_a_run_from_data_to_policy(algo: str, tmp_path: Path) -> None:
    sizes = {k: v for k, v in toy_run.SIZES.items() if k != "updates_per_step" or not toy_run.counts_its_updates(algo)}
    cell = resolve(algo, LINE, (0, 1), "smoke", [f"{k}={v}" for k, v in sizes.items()], "test", DATA)
    toy_run.train(cell, tmp_path)
    (folder,) = {p.parent for p in tmp_path.rglob("run.json")}
    assert {"return", "policy_std", "collect_return"} <= {row.metric for row in read_run(folder).rows}
    policy, meta = load_policy([folder / "policy" / "seed-0.npz"])
    assert (meta["family"], meta["action_dim"]) == ("categorical", 3)
    assert "log_std_range" not in meta
    assert np.isfinite(distill.scores(TASK, policy, 1, 0, 0)["return"])


def test_a_fixed_deviation_means_nothing_to_choices(tmp_path: Path) -> None:
    """AWR's published settings fix one."""
    texts = [f"{k}={v}" for k, v in toy_run.SIZES.items() if k != "updates_per_step"]
    cell = resolve("awr", LINE, (0,), "smoke", [*texts, "policy_std=0.4"], "test", DATA)
    assert toy_run.train(cell, tmp_path)


def test_methods_that_need_continuous_actions_are_refused_with_those_that_do_not(bench: Bench) -> None:
    said = bench("run", "--algo", "awac,sac", "--env", LINE, "--dataset", DATA, "--profile", "smoke")
    assert said.code == 2
    assert said.err == (
        "bench: sac needs continuous actions and toy_env:line has 3 choices; abm, awac, awac-z, awr, bc, bc-demos, "
        "dapg, iql, marwil, marwil-rllib, mpo, ppo, rwr, trpo, xql can\n"
    )
    assert not Path("runs").exists()


def test_settings_that_need_continuous_actions_are_refused_by_themselves() -> None:
    with pytest.raises(SettingError, match=r"bc so set needs continuous actions .* with its own settings bc does with"):
        resolve("bc", LINE, (0,), "smoke", ["bc_loss=mse"])


def test_lists_say_which_methods_and_tasks(bench: Bench) -> None:
    algos = {row["algo"]: row["actions"] for row in json.loads(bench("list", "algos", "--json").out)}
    assert (algos["awac"], algos["sac"]) == ("any", "continuous")
    envs = {row["env"]: row["actions"] for row in json.loads(bench("list", "envs", "--json").out)}
    assert (envs[LINE], envs["pen-binary-v0"]) == ("choices", "continuous")


# experts


def recording(path: Path, **changes: Any) -> Path:
    """An expert that goes left of 0 in the first entry to the right, and else to the left."""
    obs = np.random.default_rng(0).standard_normal((200, 3)).astype(np.float32)
    wish = one_hot(np.where(obs[:, 0] < 0, 2, 0), 3)
    arrays = {"observations": obs, "expert_actions": wish, "actions": wish, "episode_lengths": np.array([150, 50])}
    np.savez(path, **(arrays | changes))
    return path


def test_an_expert_of_choices_is_distilled(tmp_path: Path) -> None:
    out = tmp_path / "e.npz"
    meta = distill.distill(TASK, recording(tmp_path / "r.npz"), out, 300, hidden=(16,), episodes=2, workers=0)
    assert meta["family"] == "categorical"
    policy, _ = load_policy([out])
    obs = np.array([[-1, 0, 0], [1, 0, 0]], np.float32)
    assert choices(act(policy, obs)).tolist() == [2, 0]


def test_experts_that_do_not_choose_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="expert_actions are not one-hot vectors"):
        distill.distill(TASK, recording(tmp_path / "r.npz", expert_actions=np.full((200, 3), 0.5)), tmp_path / "e.npz")
