"""Behaviour cloning against least squares and maximum likelihood."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import tiny
import torch
from torch import Tensor

from algos.methods import bc
from algos.networks.policies import GaussianPolicy

NLL, MSE = bc.Config(), bc.Config(bc_loss="mse")


def test_likelihood_at_a_fixed_spread_is_least_squares() -> None:
    """d(nll)/d(mean) = (mean - a) / std^2, which is A / (2 std^2) times the gradient of the mean squared error."""
    nets = tiny.random_nets(GaussianPolicy)
    step = tiny.random_step(nets.policy, nets)
    assert isinstance(nets.policy, GaussianPolicy)
    nll, mse = (tiny.gradient(bc.actor_loss(cfg, nets, step)[0], nets.policy.mean) for cfg in (NLL, MSE))
    std = float(step.dist.std.detach().flatten()[0])
    assert (step.dist.std == std).all()
    assert mse.abs().max() > 0
    torch.testing.assert_close(nll, tiny.LAYOUT.action_dim / (2 * std**2) * mse)


def test_gradient_descent_on_the_squared_error_finds_the_least_squares_line() -> None:
    """A policy with an identity for its hidden layer and small actions, so that its tanh mean is nearly linear."""
    g = torch.Generator().manual_seed(0)
    x = torch.rand(200, 1, generator=g).double() + 1
    a = 0.01 * x - 0.005 + 0.002 * torch.randn(200, 1, generator=g).double()
    policy = tiny.constant_policy(0.0, 0.5)
    first, first_bias, last, last_bias = policy.mean.parameters()
    with torch.no_grad():
        first[..., 0] = 1.0
    nets = tiny.stub_nets(policy, tiny.ConstantQ(0.0, 0.0))
    step = tiny.bandit_step(policy, nets, a[:, 0])
    step.batch.obs[0] = x
    optimiser = torch.optim.LBFGS([last, last_bias], max_iter=200, tolerance_grad=1e-14, tolerance_change=1e-16)

    def loss() -> Tensor:
        optimiser.zero_grad()
        now = dataclasses.replace(step)  # of the policy as it has become
        value = bc.actor_loss(MSE, nets, now)[0].sum()
        value.backward()
        return value

    optimiser.step(loss)  # type: ignore[arg-type]
    line = torch.linalg.lstsq(torch.cat((x, torch.ones_like(x)), 1), a.atanh()).solution.flatten()
    found = torch.stack((last.detach()[0, 0, 0], last_bias.detach().flatten()[0]))
    torch.testing.assert_close(found, line, rtol=2e-3, atol=0)
    assert not first_bias.isnan().any()


@pytest.mark.parametrize(("mean", "std"), [(0.3, 0.4), (-0.5, 0.8)])
def test_the_most_likely_normal_has_the_moments_of_the_data(mean: float, std: float) -> None:
    data = mean + std * tiny.normal_grid(1001)

    def at(policy_mean: float, policy_std: float) -> float:
        policy = tiny.constant_policy(policy_mean, policy_std)
        nets = tiny.stub_nets(policy, tiny.ConstantQ(0.0, 0.0))
        step = tiny.bandit_step(policy, nets, data)
        return float(tiny.gradient(bc.actor_loss(NLL, nets, step)[0], policy).abs().max())

    assert at(mean, std) < 1e-9
    assert at(mean + 0.1, std) > 1e-2
    assert at(mean, std * 1.1) > 1e-2


@pytest.mark.parametrize(("source", "rows"), [("demos", tiny.DEMOS), ("all", tiny.OFFLINE)])
def test_the_source_decides_which_rows_are_cloned(source: Any, rows: int) -> None:
    offline = tiny.rows(tiny.OFFLINE, seed=1)
    offline[:, 0] = torch.arange(tiny.OFFLINE)
    learner = tiny.learner("bc", settings={"source": source}, common={"batch_size": 1024}, offline=offline)
    batch, _ = learner.draw()
    assert batch.obs[..., 0].unique().tolist() == list(range(rows))


def test_cloning_needs_no_critic_and_stays_offline() -> None:
    needs = bc.needs(bc.Config())
    assert (needs.critics, needs.offline_only, needs.action_samples) == (0, True, 0)
