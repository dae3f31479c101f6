"""The dense hand tasks: rewards against D4RL's formulas on the simulator's state, datasets recorded with the slip."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from algos.networks.policy_file import load_policy
from envs import tasks
from envs.data import datasets, minari_write
from envs.data.episodes import Episode, minari_buffer
from suite.recipes import build as recipes
from suite.recipes import demonstrator, policies
from suite.recipes.play import act

HANDS = ("pen", "door", "relocate", "hammer")
SLIPPED = ("door", "relocate", "hammer")
D4RL_RANDOM = {"pen": 96.262799, "door": -56.512833, "relocate": -6.425911, "hammer": -274.856578}
D4RL_EXPERT = {"pen": 3076.8331, "door": 2880.5693, "relocate": 4233.8778, "hammer": 12794.1348}


def pen_reward(sim: Any) -> float:
    site = sim.data.site_xpos
    away = np.linalg.norm(sim.data.xpos[sim.obj_body_id] - site[sim.eps_ball_site_id])
    pen = (site[sim.obj_t_site_id] - site[sim.obj_b_site_id]) / sim.pen_length
    aligned = pen @ (site[sim.tar_t_site_id] - site[sim.tar_b_site_id]) / sim.tar_length
    near = away < 0.075
    dropped = sim.data.xpos[sim.obj_body_id][2] < 0.075
    return float(aligned - away + 10 * (near and aligned > 0.9) + 50 * (near and aligned > 0.95) - 5 * dropped)


def door_reward(sim: Any) -> float:
    angle, site = float(sim.data.qpos[sim.door_hinge_addrs]), sim.data.site_xpos
    palm = np.linalg.norm(site[sim.grasp_site_id] - site[sim.handle_site_id])
    bonus = 2 * (angle > 0.2) + 8 * (angle > 1.0) + 10 * (angle > 1.35)
    return float(-0.1 * palm - 0.1 * (angle - 1.57) ** 2 - 1e-5 * np.sum(sim.data.qvel**2) + bonus)


def relocate_reward(sim: Any) -> float:
    site, ball = sim.data.site_xpos, sim.data.xpos[sim.obj_body_id]
    palm, target = site[sim.S_grasp_site_id], site[sim.target_obj_site_id]
    left = np.linalg.norm(ball - target)
    lifted = (1 - 0.5 * np.linalg.norm(palm - target) - 0.5 * left) * (ball[2] > 0.04)
    return float(-0.1 * np.linalg.norm(palm - ball) + lifted + 10 * (left < 0.1) + 20 * (left < 0.05))


def hammer_reward(sim: Any) -> float:
    site, hammer = sim.data.site_xpos, sim.data.xpos[sim.obj_body_id]
    head, nail = site[sim.tool_site_id], site[sim.target_obj_site_id]
    left = np.linalg.norm(nail - site[sim.goal_site_id])
    lifted = hammer[2] > 0.04 and head[2] > 0.04
    costs = 0.1 * np.linalg.norm(site[sim.S_grasp_site_id] - hammer) + np.linalg.norm(head - nail) + 10 * left
    return float(2 * lifted + 25 * (left < 0.02) + 75 * (left < 0.01) - costs - 0.01 * np.linalg.norm(sim.data.qvel))


REWARDS = {"pen": pen_reward, "door": door_reward, "relocate": relocate_reward, "hammer": hammer_reward}


def policy_of(hand: str) -> Any:
    return load_policy([policies.expert_file(tasks.get(f"{hand}-dense"))])[0]


@pytest.mark.parametrize("hand", HANDS)
def test_reward_is_d4rls_and_success_follows_from_the_observation(hand: str) -> None:
    """The expert goes through all bonuses: every reward by hand, with the signs of D4RL's source."""
    task, expert = tasks.get(f"{hand}-dense"), policy_of(hand)
    low, high = task.reward_range
    earned, successes = [], []
    with gymnasium.make(task.id) as env:
        obs, info = env.reset(seed=0)
        assert info == {"success": False}
        for _ in range(80):
            obs, reward, terminated, truncated, info = env.step(act(expert, obs[None].astype(np.float32))[0])
            assert reward == pytest.approx(REWARDS[hand](env.unwrapped), abs=1e-9)
            assert not terminated
            assert not truncated
            assert low <= reward <= high
            assert type(info["success"]) is bool
            assert info["success"] == task.success(obs) == task.success(obs.astype(np.float32))
            earned.append(reward)
            successes.append(info["success"])
    assert set(successes) == {False, True}
    assert max(earned) > high - 2.5  # all bonuses


# at the tasks' own anchors of 100 episodes (see the catalogue): -140.6, -56.6, -5.7, -274.6
@pytest.mark.parametrize(("hand", "margin"), [("pen", 90.0), ("door", 1.0), ("relocate", 5.0), ("hammer", 10.0)])
def test_random_actions_return_what_d4rl_published(hand: str, margin: float) -> None:
    """With the slip door's would be -45.8 and relocate's 12.2."""
    returns = []
    with gymnasium.make(f"{hand}-dense-v0") as env:
        env.action_space.seed(0)
        for seed in range(3):
            env.reset(seed=seed)
            truncated, total = False, 0.0
            while not truncated:
                obs, reward, _, truncated, _ = env.step(env.action_space.sample())
                total += float(reward)
                if hand == "pen" and obs[26] < 0.075:  # where D4RL's episodes end
                    break
            returns.append(total)
    assert np.mean(returns) == pytest.approx(D4RL_RANDOM[hand], abs=margin)


@pytest.mark.parametrize("hand", HANDS)
def test_anchors_lie_near_d4rls(hand: str) -> None:
    task = tasks.get(f"{hand}-dense")
    assert task.anchors is not None
    assert task.anchors[1] == pytest.approx(D4RL_EXPERT[hand], rel=0.3)
    if hand != "pen":
        assert task.anchors[0] == pytest.approx(D4RL_RANDOM[hand], abs=1.0)


@pytest.mark.filterwarnings("ignore:.*Box observation space m.*imum value is")  # unbounded, as the base says
@pytest.mark.parametrize("hand", HANDS)
def test_environment_is_what_gymnasium_expects(hand: str) -> None:
    task = tasks.get(f"{hand}-dense")
    with gymnasium.make(task.id) as env:
        check_env(env.unwrapped, skip_render_check=True)
        assert env.observation_space.shape == (task.obs_dim,)
        assert env.action_space.shape == (task.action_dim,)
        assert env.spec is not None
        assert env.spec.max_episode_steps == task.horizon == (100 if hand == "pen" else 200)


@pytest.mark.parametrize("hand", HANDS)
def test_same_seed_and_actions_give_the_same_bytes_as_the_binary_task(hand: str) -> None:
    actions = np.random.default_rng(0).uniform(-1, 1, (10, tasks.get(f"{hand}-dense").action_dim)).astype(np.float32)

    def seen(name: str) -> tuple[bytes, list[Any]]:
        with gymnasium.make(name) as env:
            first = env.reset(seed=3)[0]
            steps = [env.step(a) for a in actions]
            return np.stack([first, *(s[0] for s in steps)]).tobytes(), [s[1] for s in steps]

    one, two = seen(f"{hand}-dense-v0"), seen(f"{hand}-dense-v0")
    assert one == two
    assert seen(f"{hand}-binary-v0")[0] == one[0]


# success and reward are two facts


@pytest.mark.parametrize("hand", HANDS)
def test_a_dense_task_has_a_success_rule_but_its_rewards_are_recorded(hand: str) -> None:
    task = tasks.get(f"{hand}-dense")
    assert (task.computes_reward, task.headline) == (False, "return")
    assert tasks.get(f"{hand}-binary").computes_reward
    with pytest.raises(ValueError, match=r"no success rule that gives its rewards"):
        task.reward(np.zeros(task.obs_dim))


def test_demonstrations_and_rollouts_of_the_recipe_keep_the_rewards_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(demonstrator, "_ATTEMPTS_AT_ONCE", 2)
    recipe = tasks.DemoRecipe(
        demonstrations=1, rollouts=2, demo_steps=80, after_success=5, clone_hidden=(8,), clone_updates=5, clone_batch=16
    )
    task = dataclasses.replace(tasks.get("door-dense"), horizon=20, recipe=recipe)
    data = recipes.build(task, 0, 0)
    assert (data.info.episodes, data.info.demos, data.info.demo_success) == (3, 1, 1.0)
    rows = data.transitions
    assert rows.reward[rows.demo][-1] == pytest.approx(20.0, abs=0.1)  # open: all bonuses
    assert rows.reward[~rows.demo].max() < 0.0
    assert data.info.demo_return == pytest.approx(rows.reward[rows.demo].sum(), rel=1e-5)
    assert data.info.changes == ""


# datasets with the slip


def recording(hand: str, steps: int, base: bool) -> Episode:
    """The expert in the environment of gymnasium-robotics (`base`), with its reward, or in this suite's."""
    task, expert = tasks.get(f"{hand}-dense"), policy_of(hand)
    with gymnasium.make(task.id) as env:
        inner: Any = env.unwrapped
        bases = [c for c in type(inner).__mro__ if c.__module__.startswith("gymnasium_robotics")]
        obs, _ = env.reset(seed=5)
        seen, sent, rewards = [obs], [], []
        for _ in range(steps):
            action = act(expert, obs[None].astype(np.float32))[0]
            obs, reward, *_ = bases[0].step(inner, action) if base else env.step(action)
            seen, sent, rewards = [*seen, obs], [*sent, action], [*rewards, reward]
    return Episode(np.array(seen, np.float32), np.array(sent, np.float32), reward=np.array(rewards, np.float32))


@pytest.mark.parametrize("hand", SLIPPED)
def test_a_recorded_slip_is_put_right_exactly_and_a_right_reward_left_alone(hand: str) -> None:
    task = tasks.get(f"{hand}-dense")
    assert task.fix_rewards is not None
    steps = 120 if hand == "hammer" else 60  # the hammer's does not show before the hand is at rest
    slipped, right = recording(hand, steps, base=True), recording(hand, steps, base=False)
    np.testing.assert_array_equal(slipped.obs, right.obs)
    assert slipped.reward is not None
    assert right.reward is not None
    assert np.abs(slipped.reward - right.reward).max() > 0.01
    np.testing.assert_allclose(task.fix_rewards(slipped.reward, slipped.obs[1:]), right.reward, atol=2e-5)
    assert task.fix_rewards(right.reward, right.obs[1:]) is right.reward


def foreign(dataset_id: str, hand: str, episode: Episode) -> str:
    """The episode stored as by somebody else."""
    task = tasks.get(f"{hand}-dense")
    minari_write.create(dataset_id, [minari_buffer(task, episode)], task.id, {}, None)
    return dataset_id


def test_loading_a_slipped_dataset_puts_it_right_and_says_so() -> None:
    task = tasks.get("door-dense")
    right, name = recording("door", 40, base=False), foreign("else/door-v0", "door", recording("door", 40, base=True))
    said: list[str] = []
    data = recipes.dataset(task, name, progress=said.append)
    np.testing.assert_allclose(data.transitions.reward, right.reward, atol=2e-5)
    assert data.info.changes == "a sign slip of the recording environment is put right in the rewards"
    assert said == [f"else/door-v0: {data.info.changes}"]
    sound = datasets.load(task, foreign("else/sound-v0", "door", right))
    np.testing.assert_array_equal(sound.transitions.reward, right.reward)
    assert sound.info.changes == ""


def test_pen_has_no_such_term() -> None:
    assert tasks.get("pen-dense").fix_rewards is None
    assert tasks.get("pen-dense").reward_range == (-math.inf, 61.0)
