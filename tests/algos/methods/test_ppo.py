"""PPO: the policy gradient at the first minibatch, what the clip lets through, its passes, and that it learns."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from torch import Tensor

from algos.contract import LearnerConfig, Step
from algos.learner.actor_critic import ActorCritic
from algos.methods import ppo
from algos.networks.nets import Nets, ValueNet
from algos.networks.policies import GaussianPolicy
from algos.parts.returns import advantages
from algos.settings import SettingError


def problem(cfg: ppo.Config) -> tuple[Nets, Step]:
    """Random networks and transitions of two seeds, with what is prepared before the first pass."""
    nets = tiny.random_nets(GaussianPolicy, value=ValueNet(2, 5, (16, 16)))
    step = tiny.random_step(nets.policy, nets)
    with torch.no_grad():
        columns = ppo.prepare(cfg, nets, "passes", tiny.paths_of(step.batch), step.learner)
    return nets, tiny.staged(step, "passes", **columns)


def test_what_is_prepared_is_of_the_networks_before_the_first_pass() -> None:
    nets, step = problem(ppo.Config(gae_lambda=0.7))
    batch, columns = step.batch, step.batch.columns
    with torch.no_grad():
        v, next_v = nets.extra["value"](batch.obs), nets.extra["value"](batch.next_obs)
        log_prob = nets.policy(batch.obs).log_prob(batch.action)
    expected = advantages(tiny.paths_of(batch), v, next_v, 0.99, 0.7)
    torch.testing.assert_close(columns["advantage"], expected)
    torch.testing.assert_close(columns["target"], expected + v)
    torch.testing.assert_close(columns["old_value"], v)
    torch.testing.assert_close(columns["old_log_prob"], log_prob)


def test_at_the_first_minibatch_the_gradient_is_the_policy_gradient() -> None:
    nets, step = problem(ppo.Config())
    loss, metrics = ppo.actor_loss(ppo.Config(), nets, step)
    assert not metrics["ratio_clipped"].any()
    torch.testing.assert_close(metrics["kl_old"], torch.zeros(2).double())
    a = step.batch.columns["advantage"]
    a = (a - a.mean(1, keepdim=True)) / a.std(1, correction=0, keepdim=True)
    by_hand = -(a * step.dist.log_prob(step.batch.action)).mean(1)
    torch.testing.assert_close(
        tiny.gradient(loss, nets.policy), tiny.gradient(by_hand, nets.policy), rtol=1e-6, atol=1e-9
    )


def moved_away(cfg: ppo.Config, ratio: list[float], advantage: list[float]) -> tuple[Tensor, Tensor, Step]:
    """The gradient of the loss with respect to each row's log-probability where these are the ratios: [B]."""
    policy = tiny.constant_policy(0.1, 0.5)
    nets = tiny.stub_nets(policy, tiny.ConstantQ(0.0))
    step = tiny.bandit_step(policy, nets, tiny.normal_grid(len(ratio)))
    log_prob = step.dist.log_prob(step.batch.action).detach().requires_grad_()
    step = tiny.staged(
        step,
        "passes",
        advantage=torch.tensor([advantage]).double(),
        old_log_prob=log_prob.detach() - torch.tensor([ratio]).double().log(),
    )
    known = dataclasses.replace(step, policy=lambda _: Known(log_prob))  # type: ignore[arg-type, return-value]
    loss, metrics = ppo.actor_loss(cfg, nets, known)
    (gradient,) = torch.autograd.grad(loss.sum(), log_prob)
    return gradient[0], metrics["ratio_clipped"], step


class Known:
    """A distribution whose log-probabilities are given."""

    def __init__(self, log_prob: Tensor) -> None:
        self.known = log_prob

    def log_prob(self, action: Tensor) -> Tensor:
        return self.known


def test_a_ratio_beyond_the_clip_counts_only_where_it_makes_things_worse() -> None:
    """-ratio A / B where the step may still go on, nothing where it has gone far enough; exp(50) stays finite."""
    ratio = [1.5, 1.5, 0.5, 0.5, 1.1, 0.9, 5e21, 5e21]
    advantage = [1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 1.0, -1.0]  # mean 0, deviation 1
    gradient, clipped, _ = moved_away(ppo.Config(clip=0.2), ratio, advantage)
    expected = [0.0, 1.5, -0.5, 0.0, -1.1, 0.9, 0.0, 0.0]
    torch.testing.assert_close(8 * gradient, torch.tensor(expected).double(), rtol=1e-6, atol=1e-9)
    assert float(clipped) == 6 / 8
    wider, clipped, _ = moved_away(ppo.Config(clip=0.6), ratio[:6], advantage[:6])
    assert (wider != 0).all()
    assert not clipped.any()


def test_v_learns_the_returns_and_its_loss_may_be_clipped_too() -> None:
    """V(s) is 1.0 where it was 0.5: near = 0.7. The worse of both errors counts."""
    nets = tiny.stub_nets(tiny.constant_policy(0.0, 0.5), tiny.ConstantQ(0.0), value=tiny.FirstEntry())
    step = tiny.bandit_step(nets.policy, nets, torch.zeros(3).double())
    target = torch.tensor([[0.7, 1.0, 0.0]]).double()
    step = tiny.staged(step, "passes", target=target, old_value=torch.full((1, 3), 0.5).double())
    plain = ppo.auxiliary_losses(ppo.Config(), nets, step)[0]["value"]
    assert float(plain) == pytest.approx(0.5 * (0.3**2 + 0.0 + 1.0) / 3)
    clipped = ppo.auxiliary_losses(ppo.Config(clip_value=True), nets, step)[0]["value"]
    assert float(clipped) == pytest.approx(0.5 * (0.3**2 + 0.3**2 + 1.0) / 3)


def test_the_entropy_bonus_widens_the_policy() -> None:
    nets, step = problem(ppo.Config())
    without, with_bonus = (
        tiny.gradient(ppo.actor_loss(ppo.Config(entropy_weight=w), nets, step)[0], nets.policy) for w in (0.0, 0.1)
    )
    entropy = torch.distributions.Normal(step.dist.mode, step.dist.std).entropy().sum(-1).mean(1)
    torch.testing.assert_close(with_bonus - without, -0.1 * tiny.gradient(entropy, nets.policy), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("collected", "updates", "batch"), [(2000, 310, 64), (640, 100, 64), (64, 10, 64), (40, 10, 40), (1, 10, 1)]
)
def test_passes_are_as_many_as_asked_for(collected: int, updates: int, batch: int) -> None:
    (stage,) = ppo.stages(ppo.Config(passes=10), "online", collected, LearnerConfig())
    assert (stage.updates, stage.batch_size, stage.passes, stage.trains) == (updates, batch, True, ("policy", "value"))


def bandit_round(learner: ActorCritic, rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """Collect one iteration of one-step episodes paid -|a - 0.4|^2 each; the mean pay of every seed."""
    obs = rng.standard_normal((len(tiny.SEEDS), tiny.ONLINE, 5)).astype(np.float32)
    action = learner.act(obs, rng.standard_normal((len(tiny.SEEDS), tiny.ONLINE, 3)).astype(np.float32))
    reward = torch.from_numpy(-np.square(action - 0.4).sum(-1))
    ones = torch.ones_like(reward)
    states = torch.from_numpy(obs)
    assert learner.replay is not None
    learner.replay.append(learner.layout.pack(states, torch.from_numpy(action), reward, states, ones, **{"ends": ones}))
    out: np.ndarray[Any, Any] = reward.mean(1).numpy()
    return out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("ppo", {"start": "scratch", "passes": 5}),
        ("trpo", {"start": "scratch", "max_kl": 0.05, "value_passes": 2}),
        ("dapg", {"demo_weight": 0.0, "step_size": 0.1}),
        ("rwr", {"policy_updates": 30, "temperature": 0.3}),
    ],
)
def test_methods_of_fresh_data_improve_on_a_bandit(name: str, settings: dict[str, Any]) -> None:
    """From a mean of 0 with a deviation of about 0.2, whose pay is -0.6."""
    learner = tiny.learner(name, phase="online", settings=settings, common={"policy_lr": 3e-3})
    with torch.no_grad():
        learner.nets.policy.log_std_logits.fill_(1.0)  # type: ignore[union-attr, operator]
    rng = np.random.default_rng(0)
    pay = []
    for _ in range(25):
        pay.append(bandit_round(learner, rng))
        learner.run(learner.iteration.updates)
    assert (np.abs(pay[0] + 0.6) < 0.15).all()
    assert (pay[-1] > -0.3).all(), pay[-1]
    assert learner.finite().all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"clip": 0.0}, "clip=0.0: must be above 0"),
        ({"max_grad_norm": -1.0}, "max_grad_norm=-1.0: must be above 0"),
        ({"passes": 0}, "passes=0: must be at least 1"),
        ({"minibatch": 0}, "minibatch=0: must be at least 1"),
        ({"gae_lambda": -0.1}, r"gae_lambda=-0.1: must be in \[0, 1\]"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        ppo.Config(**settings)
