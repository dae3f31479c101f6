"""TD3 and DDPG against a plain implementation of Algorithm 1, closed forms and each other."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from plain_td3 import COMMON, PlainTD3, difference
from torch import Tensor

from algos.contract import Noise
from algos.methods import td3
from algos.networks.nets import Nets
from algos.networks.policies import DeterministicPolicy
from algos.settings import SettingError


@pytest.mark.parametrize(("name", "delay", "noise"), [("td3", 2, 0.2), ("ddpg", 1, 0.0)])
def test_updates_are_those_of_a_plain_implementation(name: str, delay: int, noise: float) -> None:
    learner = tiny.learner(name, common=COMMON)
    assert learner.needs.critics == (1 if name == "ddpg" else 2)
    assert (learner.draw()[1].next_action is None) == (name == "ddpg")
    assert difference(learner, lambda seed: PlainTD3(learner, seed, delay, noise), updates=7) < 2e-6
    wrong = tiny.learner(name, common=COMMON)  # the comparison would notice one update too many between policy steps
    assert difference(wrong, lambda seed: PlainTD3(wrong, seed, delay + 1, noise), updates=7) > 1e-4


def test_ddpg_is_td3_with_one_critic_without_noise_and_delay() -> None:
    settings: dict[str, Any] = {"critics": 1, "target_noise": 0.0, "policy_every": 1}
    bare, ddpg, td3_ = tiny.learner("td3", settings=settings), tiny.learner("ddpg"), tiny.learner("td3")
    for learner in (bare, ddpg, td3_):
        learner.run(4)
    assert not tiny.changed(tiny.parameters(bare), tiny.parameters(ddpg))
    ours, theirs = tiny.parameters(td3_)["policy.body.layers.0.weight"], tiny.parameters(ddpg)
    assert not torch.equal(ours, theirs["policy.body.layers.0.weight"])


def target(draws: list[float], **settings: Any) -> Tensor:
    """TD3's target where the target policy does 0.9 (and the policy 0) and Q(a) = a - a^2."""
    nets = Nets(tiny.constant_action(0.0), tiny.QuadraticQ(1.0, 2.0), {}, None, target_policy=True)  # type: ignore[arg-type]
    nets.target_policy = tiny.constant_action(0.9)
    step = tiny.bandit_step(nets.policy, nets, torch.zeros(len(draws), dtype=torch.float64))
    noise = Noise(torch.tensor(draws).double()[None, :, None], None)
    step = dataclasses.replace(step, noise=noise)
    out: Tensor = td3.td_target(td3.Config(**settings), nets, step, nets.target_policy(step.batch.next_obs))
    return out.detach()[0]


def test_target_actions_are_smoothed_by_clipped_noise_inside_the_bounds() -> None:
    def q(*actions: float) -> list[float]:
        return [0.99 * (a - a * a) for a in actions]

    assert target([-10.0, -1.0, 0.0, 0.25, 10.0]).tolist() == pytest.approx(q(0.4, 0.7, 0.9, 0.95, 1.0))
    assert target([-10.0, -1.0], target_noise=0.0).tolist() == pytest.approx(q(0.9, 0.9))
    assert target([-10.0, -1.0], target_noise_clip=0.1).tolist() == pytest.approx(q(0.8, 0.8))


def test_the_target_takes_the_smaller_critic() -> None:
    nets = tiny.stub_nets(tiny.constant_action(0.0), tiny.ConstantQ(3.0, 5.0))
    step = tiny.bandit_step(nets.policy, nets, torch.zeros(2, dtype=torch.float64))
    assert td3.td_target(td3.Config(), nets, step, step.dist)[0].tolist() == pytest.approx([0.99 * 3] * 2)


def test_the_policy_maximises_the_first_critic() -> None:
    nets = tiny.random_nets(DeterministicPolicy)
    step = tiny.random_step(nets.policy, nets)
    loss, metrics = td3.actor_loss(td3.Config(), nets, step)
    q = nets.q(step.batch.obs, nets.policy(step.batch.obs).mode)
    ours = tiny.gradient(loss, nets.policy)
    torch.testing.assert_close(ours, tiny.gradient(-q[:, 0].mean(1), nets.policy))
    assert (ours - tiny.gradient(-q.amin(1).mean(1), nets.policy)).norm() > 0.1 * ours.norm()
    torch.testing.assert_close(metrics["q_policy"], q.amin(1).mean(1))


def test_the_bandit_ends_at_b_over_k() -> None:
    for action, at_rest in [(0.5, True), (0.6, False)]:
        nets = tiny.stub_nets(tiny.constant_action(action), tiny.QuadraticQ(1.0, 2.0))
        step = tiny.bandit_step(nets.policy, nets, torch.zeros(4, dtype=torch.float64))
        slope = tiny.gradient(td3.actor_loss(td3.Config(), nets, step)[0], nets.policy).abs().max()
        assert (slope < 1e-12) == at_rest


def test_exploration_noise_is_added_to_collected_actions_and_nowhere_else() -> None:
    quiet, loud = (tiny.learner("td3", settings={"exploration_noise": x}) for x in (0.0, 0.3))
    quiet.run(3)
    loud.run(3)
    assert not tiny.changed(tiny.parameters(quiet), tiny.parameters(loud))
    rng = np.random.default_rng(0)
    obs = rng.standard_normal((len(tiny.SEEDS), 50, tiny.LAYOUT.obs_dim)).astype(np.float32)
    noise = rng.standard_normal((len(tiny.SEEDS), 50, tiny.LAYOUT.action_dim)).astype(np.float32)
    mode = loud.act(obs)
    assert np.array_equal(mode, quiet.act(obs, noise))
    np.testing.assert_allclose(loud.act(obs, 10 * noise), np.clip(mode + 3 * noise, -1, 1), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"critics": 0}, "critics=0: must be at least 1"),
        ({"policy_every": 0}, "policy_every=0: must be at least 1"),
        ({"target_noise": -0.1}, "target_noise=-0.1: must be at least 0"),
        ({"exploration_noise": -0.1}, "exploration_noise=-0.1: must be at least 0"),
        ({"target_noise_clip": 0.0}, "target_noise_clip=0.0: must be above 0; target_noise=0 is no noise"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        td3.Config(**settings)
