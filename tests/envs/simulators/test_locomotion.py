"""The locomotion tasks, and what the suite does for a task with dense rewards and no success rule."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from asked import resolve
from command import Bench
from gymnasium.envs.registration import EnvSpec
from toy_data import episode, foreign, plain
from toy_env import SCRIPT, script
from toy_run import SIZES, TASK, counts_its_updates, experiment, registered, train

import reports
from algos.networks.policies import GaussianPolicy
from algos.networks.policy_file import load_policy
from envs import tasks
from envs.data import datasets
from envs.data.datasets import Episode
from envs.errors import DatasetError, UnknownTaskError
from envs.simulators import locomotion
from envs.stepping.vector import VectorEnv
from envs.tasks import TASKS, Recipe, Task
from suite.recipes import build as recipes
from suite.recipes import experts as distill
from suite.recipes import play, policies
from suite.record.folders import read_run

# least mean return that is good enough
EXPERTS = {"halfcheetah": 8000.0, "walker2d": 5000.0, "hopper": 3300.0, "ant": 4500.0}
THEIRS = {
    "halfcheetah": "HalfCheetah-v5",
    "walker2d": "Walker2d-v5",
    "hopper": "Hopper-v5",
    "ant": "Ant-v5",
    "humanoid": "Humanoid-v5",
}
WITHOUT_FORCES = ("ant", "humanoid")
FULL = {"humanoid": 0.4}  # what gymnasium's own is asked for by an action of 1, where that is not 1
DENSE = dataclasses.replace(
    TASK,
    success=None,
    success_rule="",
    reward_range=(-math.inf, math.inf),
    terminates=True,
    anchors=(0.0, 4.0),
    recipe=Recipe(),
)
DATA = "toys/dense-v0"


@pytest.fixture(scope="module", autouse=True)
def _toys() -> Iterator[None]:
    with registered():
        yield


def dense_episodes() -> list[Episode]:
    rng = np.random.default_rng(1)
    rewards = [rng.standard_normal(n).astype(np.float32) for n in (5, 8)]
    return [episode(rng, len(r), demo=i == 0, terminated=i == 0, reward=r) for i, r in enumerate(rewards)]


# the environments


@pytest.mark.parametrize("name", THEIRS)
def test_the_environment_is_gymnasiums_with_clipped_actions(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where gymnasium's own leaves a MUJOCO_LOG.TXT
    task, rng = tasks.get(name), np.random.default_rng(0)
    theirs = {"include_cfrc_ext_in_observation": False} if name in WITHOUT_FORCES else {}
    with gymnasium.make(task.id) as ours, gymnasium.make(THEIRS[name], **theirs) as original:
        assert ours.spec is not None
        assert (ours.observation_space.shape, ours.action_space.shape) == ((task.obs_dim,), (task.action_dim,))
        assert ours.spec.max_episode_steps == task.horizon == 1000
        assert EnvSpec.from_json(ours.spec.to_json()) == ours.spec  # what a Minari dataset keeps of it
        np.testing.assert_array_equal(ours.reset(seed=3)[0], original.reset(seed=3)[0])
        for _ in range(200):
            wide = rng.uniform(-2, 2, task.action_dim).astype(np.float32)
            obs, reward, terminated, truncated, _ = ours.step(wide)
            expected = original.step(wide.clip(-1, 1) * FULL.get(name, 1))
            np.testing.assert_allclose(obs, expected[0], rtol=1e-6 if name in FULL else 0, atol=1e-6 * (name in FULL))
            assert reward == pytest.approx(expected[1], rel=1e-6 if name in FULL else 0, abs=0)
            assert (terminated, truncated) == tuple(expected[2:4])
            if terminated:
                break
        assert terminated == task.terminates, "random actions make whatever can fall fall within 200 steps"


@pytest.mark.parametrize("name", THEIRS)
def test_all_actions_are_between_one_and_minus_one(name: str) -> None:
    task = tasks.get(name)
    with gymnasium.make(task.id) as env:
        assert env.action_space == gymnasium.spaces.Box(-1, 1, (task.action_dim,), np.float32)


def test_a_known_complaint_of_the_simulator_is_not_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    gymnasium.make("halfcheetah-v5").close()
    assert capfd.readouterr() == ("", "")
    assert not list(tmp_path.iterdir()), "MUJOCO_LOG.TXT"
    with pytest.warns(UserWarning, match="inertia is unphysical"):
        locomotion._warn_unless_known("inertia is unphysical")


def test_tasks_answer_to_their_short_names_whatever_their_version() -> None:
    assert tasks.get("halfcheetah") is tasks.get("halfcheetah-v5") is TASKS["halfcheetah-v5"]
    assert tasks.get("halfcheetah").short_name == "halfcheetah"
    with pytest.raises(UnknownTaskError, match="did you mean 'halfcheetah'"):
        tasks.get("halfcheeta-v2")


@pytest.mark.parametrize("name", THEIRS)
def test_what_the_facts_of_a_locomotion_task_must_agree_with(name: str, bench: Bench) -> None:
    task = tasks.get(name)
    assert (task.headline, task.reward_range) == ("return", (-math.inf, math.inf))
    with pytest.raises(ValueError, match="has no success rule"):
        task.reward(np.zeros((1, task.obs_dim)))
    said = bench("explain", "awac", name, "--profile", "paper", "--json")
    found = {s["setting"]: s["value"] for s in json.loads(said.out)}
    # what a run of the paper's sizes asks for is what `bench data build` makes
    assert (found["demonstrations"], found["rollouts"]) == (task.recipe.demonstrations, task.recipe.rollouts)
    assert (found["temperature"], found["online_steps"]) == (10.0, 500_000)


# recorded rewards


def test_recorded_rewards_and_terminations_come_back_as_they_were() -> None:
    made = dense_episodes()
    data = datasets.store(DENSE, DATA, made, {})
    rewards = [e.reward for e in made if e.reward is not None]
    np.testing.assert_array_equal(data.transitions.reward, np.concatenate(rewards))
    assert np.flatnonzero(data.transitions.terminated).tolist() == [4]
    assert np.flatnonzero(data.transitions.truncated).tolist() == [12]
    info = data.info
    assert (info.demo_success, info.demo_success_any, info.rollout_success, info.rollout_success_any) == (None,) * 4
    assert info.demo_return == pytest.approx(rewards[0].sum())
    assert info.rollout_return == pytest.approx(rewards[1].sum())


def test_the_fingerprint_covers_recorded_rewards_and_ignores_them_where_a_rule_gives_them() -> None:
    made = dense_episodes()
    other = [dataclasses.replace(e, reward=None if e.reward is None else e.reward + 1) for e in made]
    assert datasets.fingerprint(made) != datasets.fingerprint(other)
    stored = [datasets.store(TASK, f"toys/{name}-v0", e, {}).info for name, e in (("one", made), ("two", other))]
    assert stored[0].fingerprint == stored[1].fingerprint
    assert stored[0].return_min >= -8.0, "the rule's rewards of -1 and 0"


@pytest.mark.parametrize(
    ("rewards", "complaint"),
    [
        (np.array([1.0, np.nan, 1.0]), "rewards hold NaN or infinity, first at step 1"),
        (np.ones((3, 2)), r"rewards have shape \[3, 2\], 3 actions need \[3\]"),
    ],
)
def test_rewards_that_cannot_be_learned_from_are_refused(rewards: Any, complaint: str) -> None:
    name = f"lab/dense-{rewards.ndim}-v0"
    box = gymnasium.spaces.Box
    spaces = {"observation_space": box(-np.inf, np.inf, (3,)), "action_space": box(-1, 1, (2,))}
    foreign(name, [plain() | {"rewards": rewards}], env=None, **spaces)
    with pytest.raises(DatasetError, match=complaint):
        datasets.load(DENSE, name)
    assert len(datasets.load(TASK, name).transitions) == 3, "a rule does without them"


def test_episodes_without_rewards_are_refused() -> None:
    bare = [dataclasses.replace(e, reward=None) for e in dense_episodes()]
    with pytest.raises(DatasetError, match="episode 0: no rewards are recorded"):
        datasets.store(DENSE, "toys/bare-v0", bare, {})
    with pytest.raises(ValueError, match="1 of 2 episodes have no recorded rewards"):
        datasets.transitions(DENSE, [*dense_episodes()[:1], bare[1]])


# recording


@pytest.mark.parametrize("workers", [0, 1])
def test_an_episode_ends_where_the_environment_ends_it(workers: int) -> None:
    """The script's episodes of seeds 0 to 3 take 2, 3, 4 and 9 steps; its rewards are 10 t + action."""
    task = dataclasses.replace(DENSE, id=SCRIPT, obs_dim=2, action_dim=1, horizon=7)
    with VectorEnv(SCRIPT, 4, workers, 7) as env:
        played = play.play(task, env, lambda t, obs: obs[:, :1] * 0 + 0.5, [0, 1, 2, 3], 7)
    assert [len(e.action) for e in played] == [2, 3, 4, 7]
    assert [e.terminated for e in played] == [script(s)[1] and script(s)[0] <= 7 for s in range(4)]
    for seed, e in enumerate(played):
        t = np.arange(len(e.obs))
        np.testing.assert_array_equal(e.obs, np.stack([np.full(len(t), seed), t], axis=1))
        np.testing.assert_array_equal(e.reward, 10 * t[1:] + 0.5)
        assert (e.seed, e.demo) == (seed, False)


def test_the_policy_acts_on_the_first_observation_of_a_new_episode_not_on_the_old_end() -> None:
    seen = []

    def act(t: int, obs: Any) -> Any:
        seen.append(obs[0, 1])
        return obs[:, :1] * 0

    with VectorEnv(SCRIPT, 2, 0, 4) as env:
        play.play(dataclasses.replace(DENSE, id=SCRIPT, obs_dim=2, action_dim=1), env, act, [0, 2], 4)
    assert seen == [0, 1, 0, 1]


# the default dataset and the experts


def tiny(name: str = "halfcheetah") -> Task:
    recipe = dataclasses.replace(
        tasks.get(name).recipe, demonstrations=2, rollouts=3, clone_hidden=(8,), clone_updates=5, clone_batch=16
    )
    return dataclasses.replace(tasks.get(name), horizon=25, recipe=recipe)


def test_the_default_dataset_is_demonstrations_by_the_sampled_expert_and_rollouts_of_a_clone() -> None:
    said: list[str] = []
    data = recipes.build(tiny(), 0, 0, said.append)
    assert (data.info.episodes, data.info.demos, data.info.steps) == (5, 2, 125)
    assert data.info.description == "2 demonstrations by an expert and 3 rollouts of their clone in halfcheetah-v5"
    assert said[0] == "demonstrations 2/2"
    assert set(data.info.recipe["versions"]) == {"gymnasium", "mujoco"}
    demo = datasets.load_episodes(tiny(), data.info.id)[0]
    expert, _ = load_policy([policies.expert_file(tiny())])
    noise = demo.action - play.act(expert, demo.obs[:-1])
    inside = np.abs(demo.action) < 1
    assert 0.05 < noise[inside].std() < 0.3, "sampled, not the mode"
    with gymnasium.make("halfcheetah-v5") as env:
        env.reset(seed=demo.seed)
        rewards = [env.step(a)[1] for a in demo.action]
    np.testing.assert_allclose(demo.reward, np.asarray(rewards, np.float32))


def test_recipes_of_hands_are_described_as_before() -> None:
    """Their datasets are found by a hash of this description; a new entry would make everybody build them again."""
    about = recipes._provenance(door := tasks.get("door-binary"), 0, door.recipe)
    assert set(about["versions"]) == {"gymnasium-robotics", "mujoco"}
    assert set(about["recipe"]) == {
        "demonstrations",
        "rollouts",
        "noise",
        "lag",
        "hold_probability",
        "hold_steps",
        "demo_steps",
        "after_success",
        "clone_hidden",
        "clone_updates",
        "clone_batch",
    }
    assert (about["format"], about["expert"]) == (2, "1621bdbd739d")


def recording(path: Path, lengths: list[int]) -> Path:
    """Episodes end to end, whose expert wishes for 0.5 where a badly scaled first entry is above 3, else for -0.5."""
    rng = np.random.default_rng(0)
    obs = rng.standard_normal((60, 17)).astype(np.float32)
    obs[:, 0] = 3 + 0.02 * np.sign(obs[:, 0])
    wish = np.where(obs[:, :1] > 3, 0.5, -0.5) * np.ones((1, 6))
    sent = wish + np.where(np.arange(60)[:, None] < 20, 0.0, 0.1 * rng.standard_normal(wish.shape))
    np.savez(path, observations=obs, expert_actions=wish, actions=sent, episode_lengths=np.array(lengths))
    return path


def test_distilling_from_episodes_laid_end_to_end_with_standardised_observations(tmp_path: Path) -> None:
    out, source = tmp_path / "e.npz", recording(tmp_path / "r.npz", [20, 40])
    meta = distill.distill(
        dataclasses.replace(tiny(), horizon=5), source, out, 400, normalise=True, hidden=(64,), episodes=2, workers=0
    )
    policy, stored = load_policy([out])
    obs = torch.zeros(1, 2, 17)
    obs[0, :, 0] = torch.tensor([3.02, 2.98])
    # the observation is as recorded: the policy's first layer standardises it, within half precision
    assert policy(obs).mode.mean(-1)[0].tolist() == pytest.approx([0.5, -0.5], abs=0.2)
    assert policy(obs).std.mean().item() == pytest.approx(0.1, rel=0.15), "steps without noise do not count"
    assert stored == meta
    assert meta["command"].endswith("--updates 400 --normalise")
    assert meta["return"] < 100
    assert "success" not in meta


def test_lengths_that_do_not_add_up_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"halfcheetah-v5 needs \[N, 17\] and \[N = sum of episode_lengths, 6\]"):
        distill.distill(tiny(), recording(tmp_path / "r.npz", [20, 41]), tmp_path / "e.npz", 1)


@pytest.mark.parametrize("name", EXPERTS)
def test_shipped_experts_are_small_fit_their_task_and_say_how_good_they_are(name: str) -> None:
    task = tasks.get(name)
    path = policies.expert_file(task)
    policy, meta = load_policy([path])
    assert path.stat().st_size < 100_000
    assert (meta["task"], meta["obs_dim"], meta["action_dim"]) == (task.id, task.obs_dim, task.action_dim)
    assert meta["return"] >= EXPERTS[name]
    assert task.anchors is not None
    assert task.anchors[1] == pytest.approx(meta["return"], abs=0.1)
    assert all(p.isfinite().all() for p in policy.parameters())


@pytest.mark.parametrize("name", EXPERTS)
def test_a_shipped_expert_moves_and_a_policy_that_does_nothing_does_not(name: str) -> None:
    task = dataclasses.replace(tasks.get(name), horizon=200)
    expert, _ = load_policy([policies.expert_file(task)])
    idle = GaussianPolicy(1, task.obs_dim, task.action_dim, (4,))
    with torch.no_grad():
        for p in idle.mean.parameters():
            p.zero_()
    found = distill.scores(task, expert, 2, 5, 0)
    assert found["episode_length"] == 200
    assert found["return"] > 200 * EXPERTS[name] / 1000 / 2 > distill.scores(task, idle, 2, 5, 0)["return"]


def test_a_task_without_an_expert_is_for_those_who_bring_data_or_need_none(bench: Bench) -> None:
    said = bench("run", "--algo", "sac-scratch,awac", "--env", "humanoid", "--profile", "smoke")
    assert (said.code, said.out) == (2, "")
    assert said.err == (
        "bench: humanoid-v5 has no default dataset, as no expert of it is at hand: name one of yours with --dataset, "
        "or take a method that learns from scratch, such as sac-scratch, or ppo with --set start=scratch\n"
    )
    assert not Path("runs").exists()
    for command in (("data", "build"), ("data", "info")):
        assert bench(*command, "--env", "humanoid").err.startswith("bench: humanoid-v5 has no default dataset")
    assert bench("list", "envs").code == bench("explain", "awac", "humanoid").code == 0


@pytest.mark.parametrize(("algo", "more"), [("sac-scratch", []), ("ppo", ["start=scratch"])])
def test_it_can_be_learned_from_scratch(algo: str, more: list[str], tmp_path: Path) -> None:
    sizes = [f"{k}={v}" for k, v in SIZES.items() if k != "updates_per_step" or not counts_its_updates(algo)]
    few = ["eval_episodes=1", "steps_per_iteration=8", "online_steps=16", "eval_every_online=16"]
    cell = resolve(algo, "humanoid", (0,), "smoke", [*sizes, *more, *few], "test")
    assert train(cell, tmp_path)
    assert "normalized_score" not in (next(tmp_path.rglob("metrics.csv"))).read_text(), "there are no anchors"


# the experiment


@pytest.mark.slow
def test_a_run_without_a_success_rule_is_scored_by_return(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], bench: Bench
) -> None:
    monkeypatch.setitem(TASKS, TASK.id, DENSE)
    datasets.store(DENSE, DATA, dense_episodes(), {})
    train(experiment("awac", data=DATA), tmp_path)
    (folder,) = {p.parent for p in tmp_path.rglob("run.json")}
    run = read_run(folder)
    names = {r.metric for r in run.rows}
    assert {"return", "normalized_score", "episode_length", "collect_return"} <= names
    assert not {n for n in names if "success" in n}
    assert (run.run["success_rule"], run.run["reward_range"]) == ("", [None, None])
    assert "return " in (folder / "log.txt").read_text()
    assert "success" not in (folder / "log.txt").read_text()
    listed = bench("list", "runs", "--out", str(tmp_path), "--json")
    (row,) = json.loads(listed.out)
    last = [r.value for r in run.rows if r.metric == "return"][-2:]
    assert (row["success"], row["return"]) == ("-", f"{np.mean(last):.2f}")
    page = reports.build(tmp_path, tmp_path / "report")
    assert "<h1>Offline, then online: normalized_score</h1>" in page.read_text()
    assert "Success:" not in page.read_text()
