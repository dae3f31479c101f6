"""Default datasets: what the demonstrator does, what is kept of it, and that the same recipe gives the same data."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from algos.networks.policies import GaussianPolicy
from algos.networks.policy_file import load_policy, save_policy
from envs import tasks
from envs.data import datasets
from envs.data.datasets import Episode
from envs.errors import DatasetError
from envs.stepping.vector import VectorEnv
from envs.tasks import DemoRecipe, Task
from suite.recipes import build as recipes
from suite.recipes import clones, demonstrator, play, policies
from suite.recipes import experts as distill

EXPERTS = {"pen": 0.75, "door": 0.9, "relocate": 0.9, "hammer": 0.9}  # least success that is good enough
TINY = DemoRecipe(
    demonstrations=2, rollouts=3, demo_steps=80, after_success=5, clone_hidden=(8,), clone_updates=20, clone_batch=16
)


def tiny(**changes: Any) -> Task:
    """The door task with a recipe of seconds: its expert, unhampered, opens the door in about 55 steps."""
    return dataclasses.replace(tasks.get("door-binary"), horizon=20, recipe=dataclasses.replace(TINY, **changes))


def constant(action: list[float], obs_dim: int, std: float = 0.05) -> GaussianPolicy:
    """A policy of one seed that wishes for the same action everywhere."""
    policy = GaussianPolicy(1, obs_dim, len(action), (4,))
    with torch.no_grad():
        for p in policy.mean.parameters():
            p.zero_()
        list(policy.mean.parameters())[-1][:] = torch.tensor(action).atanh()
    policy.start_at(std)
    return policy


def commands(steps: int = 300, attempts: int = 1, std: float = 0.05, **recipe: Any) -> Any:
    """What the demonstrator sends when its expert wishes for 0.5 throughout: [T, n, A]."""
    policy = constant([0.5, 0.5], 3, std)
    streams = play.random_streams(0, 0, range(attempts))
    sender = demonstrator._Hampered(policy, DemoRecipe(demo_steps=steps, **recipe), 2, streams)
    return np.stack([sender(t, np.zeros((attempts, 3), np.float32)) for t in range(steps)])


def same(a: list[Episode], b: list[Episode]) -> bool:
    return datasets.fingerprint(a) == datasets.fingerprint(b)


# the demonstrator


def test_without_handicap_the_demonstrator_sends_the_experts_action() -> None:
    np.testing.assert_allclose(commands(), 0.5, atol=1e-6)


def test_lag_closes_its_share_of_the_gap_per_step() -> None:
    expected = 0.5 * (1 - 0.8 ** np.arange(1, 301))
    np.testing.assert_allclose(commands(lag=0.2)[:, 0, 0], expected, atol=1e-5)


def test_noise_is_a_multiple_of_the_experts_own() -> None:
    sent = commands(3000, std=0.1, noise=2.0)
    assert sent.std() == pytest.approx(0.2, rel=0.05)
    assert sent.mean() == pytest.approx(0.5, abs=0.02)


@pytest.mark.slow
def test_holds_repeat_the_last_command_for_a_number_of_steps_in_range() -> None:
    sent = commands(8_000, noise=1.0, hold_probability=0.05, hold_steps=(3, 6))[:, 0, 0]
    repeats = np.flatnonzero(np.diff(np.flatnonzero(np.diff(sent) != 0)) > 1)
    lengths = np.diff(np.flatnonzero(np.diff(sent) != 0))[repeats] - 1
    alone = lengths[lengths < 6]  # a hold that follows another at once adds to it
    assert alone.min() == 3
    assert set(alone) == {3, 4, 5}
    # a free step precedes a hold of 4.5 steps on average with probability .05: held share .05 * 4.5 / (1 + .05 * 3.5)
    assert np.mean(np.diff(sent) == 0) == pytest.approx(0.191, abs=0.02)


def test_an_attempt_does_not_depend_on_those_beside_it() -> None:
    together = commands(50, attempts=3, noise=1.0, hold_probability=0.2)
    np.testing.assert_allclose(commands(50, attempts=1, noise=1.0, hold_probability=0.2)[:, 0], together[:, 0])
    assert not np.allclose(together[:, 0], together[:, 1])


@pytest.mark.parametrize(
    ("successes", "kept"),
    [
        ([], None),
        (range(10, 20), 15),  # the first success is step 11, and five more follow
        ([10], None),  # not successful when the demonstration ends
        ([18, 19], 20),  # the attempt ends before the five steps do
    ],
)
def test_a_demonstration_ends_some_steps_after_its_first_success_and_successful(
    successes: Any, kept: int | None
) -> None:
    angle = np.zeros((21, 39), np.float32)
    angle[1:][list(successes), 28] = 1.5
    task = tiny(after_success=4)
    assert demonstrator._kept(task, task.recipe, angle) == kept


def test_demonstrations_that_are_not_to_be_had_are_one_clear_error() -> None:
    task = dataclasses.replace(tiny(demonstrations=1, demo_steps=2))
    with pytest.raises(DatasetError, match=r"door-binary-v0: only 0 of 40 .* 1 are needed; raise lag \(1 is none\)"):
        demonstrator.demonstrations(task, task.recipe, constant([0.1] * 28, 39), 0, 0)


@pytest.mark.parametrize("workers", [0, 1])
def test_demonstrations_may_outlast_the_registered_time_limit(workers: int) -> None:
    with VectorEnv("door-binary-v0", 1, workers, max_episode_steps=203) as env:
        env.reset([0])
        ends = [bool(env.step(np.zeros((1, 28))).truncated[0]) for _ in range(203)]
    assert ends == [False] * 202 + [True]


# the dataset


@pytest.fixture(scope="module")
def built() -> Any:
    said: list[str] = []
    return recipes.build(tiny(), 0, 0, said.append), said


def test_the_default_dataset_holds_demonstrations_first_and_then_rollouts(built: Any) -> None:
    data, said = built
    assert (data.info.episodes, data.info.demos, data.info.demo_success) == (5, 2, 1.0)
    assert data.transitions.demo.tolist() == sorted(data.transitions.demo.tolist(), reverse=True)
    assert np.bincount(data.transitions.episode)[2:].tolist() == [20, 20, 20]
    assert data.info.recipe["recipe"]["demonstrations"] == 2
    assert "demonstrations 2/2 (20 attempts)" in said
    assert said[-1] == "rollouts 3/3"


@pytest.mark.slow
def test_the_data_do_not_depend_on_the_number_of_workers_or_threads(
    built: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Demonstrations, clone and rollouts, made again with two workers under another number of threads."""
    first = datasets.load_episodes(tiny(), built[0].info.id)
    again: list[Episode] = []
    monkeypatch.setattr(datasets, "exists", lambda dataset_id: False)
    monkeypatch.setattr(datasets, "store", lambda task, dataset_id, episodes, *rest: again.extend(episodes))
    threads = torch.get_num_threads()
    torch.set_num_threads(threads % 2 + 1)
    try:
        recipes.build(tiny(), 0, 2)
        assert torch.get_num_threads() == threads % 2 + 1
    finally:
        torch.set_num_threads(threads)
    assert len(again) == 5
    assert same(again, first)


def test_recorded_observations_are_those_the_environment_gives_again(built: Any) -> None:
    import gymnasium

    env = gymnasium.make("door-binary-v0", max_episode_steps=80)
    demo = datasets.load_episodes(tiny(), built[0].info.id)[0]
    obs = [env.reset(seed=demo.seed)[0], *(env.step(a)[0] for a in demo.action)]
    env.close()
    np.testing.assert_array_equal(np.asarray(obs, np.float32), demo.obs)


def test_a_built_dataset_is_loaded_and_not_made_again(built: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipes, "demonstrations", None)
    assert recipes.dataset(tiny(), None).info == built[0].info
    assert recipes.dataset(tiny(), built[0].info.id).info == built[0].info


def test_the_id_changes_with_everything_the_data_are_made_from(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = {
        recipes.built_id(tiny()),
        recipes.built_id(tiny(), 1),
        recipes.built_id(tiny(lag=0.5)),
        recipes.built_id(dataclasses.replace(tiny(), expert="pen")),
    }
    monkeypatch.setattr(recipes.metadata, "version", lambda name: "0")
    ids.add(recipes.built_id(tiny()))
    assert len(ids) == 5
    assert recipes.built_id(tiny()) == recipes.built_id(tiny())
    assert recipes.built_id(tiny()).startswith("awac-bench/door-binary/default-s0-")


def test_every_task_names_its_expert_or_says_so() -> None:
    with pytest.raises(DatasetError, match=r"door-binary-v0 has no expert none\.npz"):
        recipes.build(dataclasses.replace(tiny(), expert="none"))


# cloning and experts


def test_a_clone_learns_mean_and_spread_of_the_actions() -> None:
    rng = np.random.default_rng(0)
    task = tiny(clone_hidden=(64, 64), clone_updates=500)
    action = np.full((200, 28), 0.3) + 0.2 * rng.standard_normal((200, 28))
    episode = Episode(rng.standard_normal((201, 39)).astype(np.float32) * 0.1, action.astype(np.float32), demo=True)
    dist = clones.clone(task, task.recipe, [episode], [0])(torch.zeros(1, 1, 39))
    assert dist.mode.mean().item() == pytest.approx(0.3, abs=0.05)
    assert dist.std.mean().item() > 0.055  # 0.0498 before; Adam's step limits how fast it grows


def test_the_noise_scale_is_found_although_actions_are_clipped() -> None:
    rng = np.random.default_rng(0)
    scale = np.array([0.05, 0.3, 0.6])
    mean = rng.uniform(-0.95, 0.95, (40_000, 3))
    sent = (mean + scale * rng.standard_normal(mean.shape)).clip(-1, 1)
    np.testing.assert_allclose(distill._noise_std(mean.astype("f4"), sent.astype("f4")), scale, rtol=0.04)


def test_an_action_without_noise_gets_the_least_that_a_policy_has() -> None:
    rng = np.random.default_rng(0)
    mean = rng.uniform(-0.9, 0.9, (1000, 2)).astype("f4")
    sent = mean + np.array([0.0, 0.1], "f4") * rng.standard_normal(mean.shape).astype("f4")
    std = distill._noise_std(mean, sent)
    assert std[0] == 0
    policy = constant([0.0, 0.0], 3)
    policy.start_at(torch.from_numpy(std))
    found = policy(torch.zeros(1, 1, 3)).std.flatten().tolist()
    assert found == [pytest.approx(np.exp(policy.low), rel=0.02), pytest.approx(0.1, rel=0.1)]


def recording(path: Path, succeeds: bool = True) -> Path:
    """Door episodes in which the expert wishes for 0.5 when the angle is recorded as open, else for -0.5."""
    rng = np.random.default_rng(0)
    obs = rng.uniform(-0.1, 0.1, (4, 21, 39)).astype(np.float32)
    obs[:2, :, 28] = 1.5 if succeeds else 0.0
    wish = np.where(obs[:, :-1, 28:29] > 1, 0.5, -0.5) * np.ones((1, 1, 28))
    sent = wish + 0.1 * rng.standard_normal(wish.shape)
    np.savez(path, observations=obs, expert_actions=wish, actions=sent)
    return path


def test_distilling_clones_the_successful_episodes_and_keeps_the_noise(tmp_path: Path) -> None:
    out = tmp_path / "door.npz"
    meta = distill.distill(
        tiny(), recording(tmp_path / "r.npz"), out, 200, candidates=2, hidden=(64, 64), episodes=2, workers=0
    )
    policy, stored = load_policy([out])
    obs = torch.zeros(1, 1, 39)
    obs[..., 28] = 1.5
    assert policy(obs).mode.mean().item() == pytest.approx(0.5, abs=0.05)  # the failures wished for -0.5
    assert policy(obs).std.mean().item() == pytest.approx(0.1, rel=0.15)
    assert (stored["task"], stored["updates"], stored["episodes"]) == ("door-binary-v0", 200, 2)
    assert (stored["success"], stored["return"]) == (0.0, -20.0)
    assert stored == meta
    assert {p.name for p in tmp_path.iterdir()} == {"r.npz", "door.npz"}


@pytest.mark.parametrize(
    ("task", "succeeds", "message"),
    [("door", False, "none of its 4 episodes succeeds in door-binary-v0"), ("pen", True, "pen-binary-v0 needs")],
)
def test_rollouts_that_do_not_fit_are_refused(tmp_path: Path, task: str, succeeds: bool, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        distill.distill(tasks.get(f"{task}-binary"), recording(tmp_path / "r.npz", succeeds), tmp_path / "x.npz", 1)
    assert not (tmp_path / "x.npz").exists()


def test_a_file_that_is_no_recording_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="not an npz of rollouts with observations"):
        distill.distill(tiny(), tmp_path / "missing.npz", tmp_path / "x.npz")


@pytest.mark.parametrize("name", EXPERTS)
def test_shipped_experts_are_small_fit_their_task_and_say_how_good_they_are(name: str) -> None:
    task = tasks.get(f"{name}-binary")
    path = policies.expert_file(task)
    policy, meta = load_policy([path])
    assert path.stat().st_size < 100_000
    assert (meta["task"], meta["obs_dim"], meta["action_dim"]) == (task.id, task.obs_dim, task.action_dim)
    assert meta["success"] >= EXPERTS[name]
    assert task.anchors == (-200.0, pytest.approx(meta["return"], abs=0.01))
    assert all(p.isfinite().all() for p in policy.parameters())


def test_a_shipped_expert_opens_the_door() -> None:
    task = tasks.get("door-binary")
    expert, _ = load_policy([policies.expert_file(task)])
    short = dataclasses.replace(task, horizon=100)
    assert distill.scores(short, expert, 5, 123, 0)["success"] >= 0.8


def test_policies_survive_the_file_within_half_precision(tmp_path: Path) -> None:
    policy = constant([0.25, -0.5], 3)
    meta = {"family": "gaussian", "obs_dim": 3, "action_dim": 2, "hidden": [4]}
    save_policy(tmp_path / "p.npz", policy, 0, meta, half=True)
    again, _ = load_policy([tmp_path / "p.npz"])
    obs = np.zeros((1, 3), np.float32)
    np.testing.assert_allclose(play.act(again, obs), play.act(policy, obs), atol=1e-3)
    np.testing.assert_allclose(play.act(again, obs, np.ones((1, 2), np.float32)), [[0.3, -0.45]], atol=2e-3)
