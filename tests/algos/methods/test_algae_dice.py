"""AlgaeDICE against the fixed points of its game, soft TD regression in its limit, and residuals worked out by hand."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from torch import Tensor, nn
from torch.distributions import Normal

import algos
from algos.contract import LearnerConfig, Step
from algos.methods import algae_dice, sac
from algos.networks.nets import Linear, Nets
from algos.networks.policies import DeterministicPolicy, SquashedPolicy
from algos.settings import SettingError

DISCOUNT, ALPHA = 0.9, 0.2
PLAIN = algae_dice.Config(exponent=2.0, dice_alpha=0.0, online_share=0.0, orthogonality=0.0, alpha=ALPHA)


def changed(step: Step, **parts: Any) -> Step:
    """The step with some parts of its batch, its noise, or of itself replaced."""
    batch = {k: parts.pop(k) for k in ("reward", "terminated", "initial_obs") if k in parts}
    noise = {k: parts.pop(k) for k in ("next_action", "initial") if k in parts}
    return dataclasses.replace(
        step, batch=dataclasses.replace(step.batch, **batch), noise=dataclasses.replace(step.noise, **noise), **parts
    )


def game(nets: Nets, reward: float, terminated: float = 0.0, first_obs: float = 1.0, rows: int = 1001) -> Step:
    """A step of the bandit in which next and first actions are spread as the policy's distribution; Q(s, a) is 0."""
    noise = tiny.normal_grid(rows)
    step = tiny.bandit_step(nets.policy, nets, torch.zeros_like(noise))
    grid, zeros = noise[None, :, None], torch.zeros(1, rows, dtype=torch.float64)
    return changed(
        step,
        reward=zeros + reward,
        terminated=zeros + terminated,
        next_action=grid,
        initial=grid,
        initial_obs=torch.full_like(grid, first_obs),
        learner=LearnerConfig(discount=DISCOUNT),
        q_data=torch.zeros(1, 2, rows, dtype=torch.float64),
    )


class ScalarQ(nn.Module):
    """Two critics, each one number per seed."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.full((1, 2, 1), value, dtype=torch.float64))

    def forward(self, obs: Tensor, action: Tensor) -> Tensor:
        return self.value.expand(-1, -1, obs.shape[1])


def critic_gradient(cfg: algae_dice.Config, nets: Nets, step: Step) -> Tensor:
    assert nets.critic is not None
    with torch.no_grad():
        ahead = nets.policy(step.batch.next_obs)
        target = algae_dice.td_target(cfg, nets, step, ahead)
    loss, _ = algae_dice.critic_loss(cfg, nets, step, nets.q(step.batch.obs, step.batch.action), target, ahead)
    return tiny.gradient(loss, nets.critic)


def policy_gradient(cfg: algae_dice.Config, nets: Nets, step: Step) -> Tensor:
    return tiny.gradient(algae_dice.actor_loss(cfg, nets, step)[0], nets.policy)


def test_with_squares_and_target_critics_alone_it_is_soft_td_regression() -> None:
    nets = tiny.random_nets(SquashedPolicy)
    step = tiny.random_step(nets.policy, nets)
    step = changed(step, initial_obs=step.batch.obs, initial=step.noise.next_action)
    assert nets.critic is not None
    with torch.no_grad():
        ahead = nets.policy(step.batch.next_obs)
        target = sac.td_target(sac.Config(start="prior", alpha=ALPHA), nets, step, ahead)
    q = nets.q(step.batch.obs, step.batch.action)
    plain, _ = algos.load("sac").critic_loss(None, nets, step, q, target, ahead)
    torch.testing.assert_close(critic_gradient(PLAIN, nets, step), 0.5 * tiny.gradient(plain, nets.critic))


@pytest.mark.parametrize("exponent", [1.5, 2.0])
def test_the_residual_and_the_critics_loss_by_hand(exponent: float) -> None:
    """Policy N(0.3, 0.5^2), critics 3 and 5, noise 0.8, so a' = 0.7; the second row ends."""
    nets = tiny.stub_nets(tiny.constant_policy(0.3, 0.5), tiny.ConstantQ(3.0, 5.0))
    step = changed(
        tiny.bandit_step(nets.policy, nets, torch.zeros(2, dtype=torch.float64)),
        reward=torch.tensor([[-1.0, -1.0]]).double(),
        terminated=torch.tensor([[0.0, 1.0]]).double(),
        next_action=torch.full((1, 2, 1), 0.8).double(),
        initial_obs=torch.ones(1, 7, 1).double(),
        initial=torch.zeros(1, 7, 1).double(),
    )
    cfg = algae_dice.Config(exponent=exponent, dice_alpha=0.3, online_share=0.05, alpha=ALPHA)
    with torch.no_grad():
        ahead = nets.policy(step.batch.next_obs)
        target = algae_dice.td_target(cfg, nets, step, ahead)
        q = nets.q(step.batch.obs, step.batch.action)
        loss, metrics = algae_dice.critic_loss(cfg, nets, step, q, target, ahead)
        _, more = algae_dice.actor_loss(cfg, nets, step)
    bonus = -ALPHA * float(Normal(0.3, 0.5).log_prob(torch.tensor(0.7)))
    targets = [[-1 + 0.99 * (0.05 * value + 0.95 * 3 + bonus), -1.0] for value in (3.0, 5.0)]
    residuals = [[t - value for t in row] for row, value in zip(targets, (3.0, 5.0), strict=True)]
    f = [sum(abs(x) ** exponent / exponent for x in row) / 2 for row in residuals]
    assert float(loss) == pytest.approx(sum(f) + 0.01 * 0.3 * (3 + 5), rel=1e-6)
    assert float(metrics["td_target"]) == pytest.approx(np.mean(targets), rel=1e-6)
    assert float(metrics["q_initial"]) == 3.0
    assert float(more["residual"]) == pytest.approx(np.mean(residuals), rel=1e-6)
    assert float(more["residual_positive"]) == 0.0
    assert float(more["q_policy"]) == 3.0


@pytest.mark.parametrize("exponent", [1.5, 2.0])
@pytest.mark.parametrize("terminated", [0.0, 1.0])
def test_the_critics_rest_where_the_residual_balances_the_first_states(exponent: float, terminated: float) -> None:
    """One number q as critic and target: -(1 - gamma m share) f'(delta) + (1 - gamma) dice_alpha = 0."""
    cfg = dataclasses.replace(PLAIN, exponent=exponent, dice_alpha=0.5, online_share=0.3, alpha=0.0)
    kept = DISCOUNT * (1 - terminated)
    residual = ((1 - DISCOUNT) * 0.5 / (1 - kept * 0.3)) ** (1 / (exponent - 1))
    rest = (-1.0 - residual) / (1 - kept)

    def gradient(q: float) -> float:
        nets = tiny.stub_nets(tiny.constant_policy(0.0, 0.5), ScalarQ(q))
        return float(critic_gradient(cfg, nets, game(nets, -1.0, terminated, rows=4)).abs().max())

    assert gradient(rest) < 1e-10
    assert gradient(rest + 0.1) > 1e-3
    assert gradient(rest - 0.1) > 1e-3


@pytest.mark.slow
def test_a_constant_reward_without_end_is_worth_its_discounted_sum() -> None:
    offline = tiny.rows(tiny.OFFLINE, seed=1)
    offline[:, tiny.LAYOUT.obs_dim + tiny.LAYOUT.action_dim] = -1.0
    offline[:, -1] = 0.0
    learner = tiny.learner(
        "algae-dice",
        [3, 7],
        settings={"alpha": 0.0, "dice_alpha": 0.0},
        offline=offline,
        common={"discount": 0.5, "critic_lr": 1e-2, "tau": 0.2},
    )
    learner.run(160)
    learner.read_metrics()
    learner.run(20)
    assert learner.read_metrics()["q_data"] == pytest.approx(-2.0, abs=0.08)


@pytest.mark.parametrize("dice_alpha", [0.0, 3.0])
def test_the_policy_ends_where_entropy_and_both_uses_of_q_balance(dice_alpha: float) -> None:
    """With f'(delta) = 1: gamma E[Q - alpha log pi] + (1 - gamma) dice_alpha E[Q], Q(a) = b a - k a^2 / 2.

    So mean b / k and variance gamma alpha / (k (gamma + (1 - gamma) dice_alpha)).
    """
    b, k = 1.0, 2.0
    cfg = dataclasses.replace(PLAIN, exponent=1 + 1e-9, online_share=0.05, dice_alpha=dice_alpha)
    var = DISCOUNT * ALPHA / (k * (DISCOUNT + (1 - DISCOUNT) * dice_alpha))

    def gradient(mean: float, var: float) -> float:
        nets = tiny.stub_nets(tiny.constant_policy(mean, var**0.5), tiny.QuadraticQ(b, k))
        return float(policy_gradient(cfg, nets, game(nets, reward=1e3)).abs().max())

    assert gradient(b / k, var) < 1e-7
    assert gradient(b / k + 0.1, var) > 1e-2
    assert gradient(b / k, 1.2 * var) > 1e-2


def test_positive_residuals_weigh_the_policys_gradient_by_their_slope() -> None:
    """At p = 2 and above 0, f'(delta) delta with the first factor fixed has the gradient of delta^2 / 2."""
    nets = tiny.stub_nets(tiny.constant_policy(0.2, 0.6), tiny.QuadraticQ(1.0, 2.0))
    step = game(nets, reward=10.0)
    assert step.noise.next_action is not None
    action, log_prob = nets.policy(step.batch.next_obs).sample(step.noise.next_action)
    residual = 10.0 + DISCOUNT * (action - action.square()).squeeze(-1) - DISCOUNT * ALPHA * log_prob
    expected = tiny.gradient(-residual.square().mean(1) / 2, nets.policy)
    torch.testing.assert_close(policy_gradient(PLAIN, nets, step), expected)


def test_negative_residuals_leave_the_policy_to_the_first_states() -> None:
    nets = tiny.stub_nets(tiny.constant_policy(0.2, 0.6), tiny.QuadraticQ(1.0, 2.0, scaled=True))
    step = game(nets, reward=-1e3, first_obs=3.0)
    assert not policy_gradient(PLAIN, nets, step).any()
    assert step.batch.initial_obs is not None
    assert step.noise.initial is not None
    action, _ = nets.policy(step.batch.initial_obs).sample(step.noise.initial)
    first_q = 3.0 * (action - action.square()).squeeze(-1).mean(1)
    expected = tiny.gradient(-(1 - DISCOUNT) * 0.7 * first_q, nets.policy)
    weighted = dataclasses.replace(PLAIN, dice_alpha=0.7)
    torch.testing.assert_close(policy_gradient(weighted, nets, step), expected)


def test_the_penalty_on_weight_columns() -> None:
    """Columns (1, 0) and (1, 1) have the product 1, once on each side of the diagonal."""
    policy = DeterministicPolicy(2, 2, 2, (2,))
    layers = [layer for layer in policy.modules() if isinstance(layer, Linear)]
    with torch.no_grad():
        for layer in layers:
            layer.weight.copy_(torch.eye(2))
        layers[0].weight[1] = torch.tensor([[1.0, 1.0], [0.0, 1.0]])
    assert algae_dice.off_diagonal(policy).tolist() == [0.0, 2.0]
    nets = tiny.random_nets(SquashedPolicy)
    step = tiny.random_step(nets.policy, nets)
    step = changed(step, initial_obs=step.batch.obs, initial=step.noise.next_action)
    with_penalty, without = (
        policy_gradient(dataclasses.replace(PLAIN, orthogonality=o), nets, step) for o in (1e-4, 0.0)
    )
    penalty = 1e-4 * tiny.gradient(algae_dice.off_diagonal(nets.policy), nets.policy)
    torch.testing.assert_close(with_penalty, without + penalty)
    assert penalty.any()


def test_first_states_and_the_noise_of_their_actions_are_drawn_for_each_seed() -> None:
    learner = tiny.learner("algae-dice", phase="online", settings={"initial_batch": 200})
    batch, noise = learner.draw()
    assert batch.initial_obs is not None
    assert noise.initial is not None
    assert noise.initial.shape == (len(tiny.SEEDS), 200, tiny.LAYOUT.action_dim)
    assert abs(float(noise.initial.mean())) < 0.1
    assert float(noise.initial.std()) == pytest.approx(1.0, abs=0.1)
    offline = tiny.rows(tiny.OFFLINE, seed=1)[:: tiny.EPISODE]
    for n, seed in enumerate(tiny.SEEDS):
        online = tiny.rows(tiny.ONLINE, seed=100 + seed)[:: tiny.EPISODE]
        known = torch.cat((offline, online))[:, : tiny.LAYOUT.obs_dim]
        assert {tuple(s) for s in batch.initial_obs[n].tolist()} == {tuple(s) for s in known.tolist()}


def test_policy_targets_and_alpha_move_together() -> None:
    asked = algae_dice.needs(algae_dice.Config(policy_every=3))
    assert (asked.policy_every, asked.targets_every, asked.modules_every) == (3, 3, 3)
    assert not asked.bounded_q  # Q is a dual variable


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"exponent": 1.0}, "exponent=1.0: must be above 1"),
        ({"dice_alpha": -0.1}, "dice_alpha=-0.1: must be at least 0"),
        ({"orthogonality": -1.0}, "orthogonality=-1.0: must be at least 0"),
        ({"online_share": 1.5}, r"online_share=1.5: must be in \[0, 1\]"),
        ({"policy_every": 0}, "policy_every=0: must be at least 1"),
        ({"initial_batch": 0}, "initial_batch=0: must be at least 1"),
        ({"alpha": -0.1}, "alpha=-0.1: must be auto or at least 0"),
        ({"alpha": 0.1, "target_entropy": -3.0}, "target_entropy contradicts a fixed alpha"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        algae_dice.Config(**settings)
