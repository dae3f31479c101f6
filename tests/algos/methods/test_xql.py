"""XQL against a plain recomputation, the soft maximum that V must end at, and the method that is its limit: IQL."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from numpy.typing import NDArray
from torch import Tensor

from algos.contract import Step
from algos.methods import iql, xql
from algos.networks.nets import Nets, ValueNet
from algos.networks.policies import GaussianPolicy
from algos.settings import SettingError

Array = NDArray[np.float64]


@torch.no_grad()
def constant_value(value: float) -> ValueNet:
    """V = `value` everywhere; float64."""
    net = ValueNet(1, 1, (4,)).double()
    for p in net.parameters():
        p.zero_()
    *_, last_bias = net.parameters()
    last_bias.fill_(value)
    return net


def slope_of_v(value: float, cfg: xql.Config, action: Tensor) -> float:
    """d loss / d V where V is `value` and Q(a) = a."""
    nets = tiny.stub_nets(tiny.constant_policy(0.0, 0.5), tiny.QuadraticQ(1.0, 0.0), value=constant_value(value))
    losses, _ = xql.auxiliary_losses(cfg, nets, tiny.bandit_step(nets.policy, nets, action))
    return float(tiny.gradient(losses["value"], nets.extra["value"])[-1])


@pytest.mark.parametrize("beta", [0.3, 1.0, 4.0])
def test_v_ends_at_the_soft_maximum_of_q(beta: float) -> None:
    """Of Q ~ N(0, 1) it is 1 / (2 beta); here by the sum over the rows themselves."""
    action = tiny.normal_grid(501)
    end = beta * float(torch.logsumexp(action / beta, 0) - math.log(501))
    cfg = xql.Config(beta=beta, max_clip=math.inf)
    assert slope_of_v(end - 1e-3, cfg, action) < 0 < slope_of_v(end + 1e-3, cfg, action)
    if beta >= 1:
        assert end == pytest.approx(1 / (2 * beta), rel=0.02)


def test_a_large_temperature_gives_the_mean_and_a_small_one_the_best() -> None:
    action = torch.tensor([-3.0, 0.5, 7.0]).double()
    for beta, end in [(1e4, 1.5), (1e-2, 7.0 - 1e-2 * math.log(3))]:
        cfg = xql.Config(beta=beta, max_clip=math.inf)
        assert slope_of_v(end - 2e-3, cfg, action) < 0 < slope_of_v(end + 2e-3, cfg, action)


def plain_gumbel(z: Array, max_clip: float) -> float:
    """What XQL's gumbel_rescale_loss gives for a batch of one seed, row by row."""
    cut = [min(float(x), max_clip) for x in z]
    m = max(max(cut), -1.0)
    return sum(math.exp(x - m) - x * math.exp(-m) - math.exp(-m) for x in cut) / len(cut)


def random_problem() -> tuple[Nets, Step]:
    """Two seeds in double precision, with Q and V apart by several temperatures in some rows."""
    nets = tiny.random_nets(GaussianPolicy, value=ValueNet(2, tiny.LAYOUT.obs_dim, (16, 16), layer_norm=True))
    with torch.no_grad():
        for network in (nets.critic, nets.target_critic):
            for p in list(network.parameters())[-2:]:  # type: ignore[union-attr]
                p.mul_(4.0)
    return nets, tiny.random_step(nets.policy, nets)


def test_losses_are_those_of_a_plain_recomputation() -> None:
    cfg = xql.Config(beta=0.2, max_clip=4.2, huber_delta=0.8, inverse_temperature=2.0, weight_cap=5.0)
    nets, step = random_problem()
    batch = step.batch
    q = nets.q(batch.obs, batch.action).detach().numpy()  # [S, E, B]
    slow = nets.target_q(batch.obs, batch.action).detach().numpy().min(1)
    v, next_v = (nets.extra["value"](x).detach().numpy() for x in (batch.obs, batch.next_obs))
    dist = step.dist
    mean, std = dist.mode.detach().numpy(), dist.std.detach().numpy()
    value_losses, clipped = xql.auxiliary_losses(cfg, nets, step)
    target = xql.td_target(cfg, nets, step, dist).detach()
    found, _ = xql.critic_loss(cfg, nets, step, torch.from_numpy(q), target, dist)
    policy, _ = xql.actor_loss(cfg, nets, step)
    shares = []
    for s in range(2):
        z = (slow[s] - v[s]) / 0.2
        shares.append(np.mean(z >= 4.2))
        assert float(value_losses["value"][s].detach()) == pytest.approx(plain_gumbel(z, 4.2), rel=1e-12)
        assert float(clipped["value_clipped"][s]) == pytest.approx(shares[-1])
        y = batch.reward[s].numpy() + 0.99 * (1 - batch.terminated[s].numpy()) * next_v[s]
        np.testing.assert_allclose(target[s].numpy(), y, rtol=1e-12)
        error = np.abs(q[s] - y)
        huber = np.where(error <= 0.8, 0.5 * error**2, 0.5 * 0.8**2 + 0.8 * (error - 0.8))
        assert (error > 0.8).any()
        assert (error < 0.8).any()
        assert float(found[s].detach()) == pytest.approx(2 * huber.sum(0).mean(), rel=1e-12)
        weight = np.minimum(np.exp(2.0 * (slow[s] - v[s])), 5.0)
        each = -0.5 * ((batch.action[s].numpy() - mean[s]) / std[s]) ** 2 - np.log(std[s]) - 0.5 * math.log(2 * math.pi)
        assert float(policy[s].detach()) == pytest.approx(-(weight * each.sum(-1)).mean(), rel=1e-9)
    assert 0 < min(shares) <= max(shares) < 1, "some rows are clipped and some are not"


def test_rows_at_the_cap_pull_v_up_no_further() -> None:
    """Q(a) = a, V = 0 and beta = 1: at a cap of 2, rows of Q = 3 and of Q = 300 weigh alike."""
    slopes = [slope_of_v(0.0, xql.Config(max_clip=2.0), torch.tensor([0.5, q]).double()) for q in (3.0, 300.0)]
    assert slopes[0] == slopes[1]
    assert slopes[0] != slope_of_v(0.0, xql.Config(max_clip=math.inf), torch.tensor([0.5, 3.0]).double())


def test_without_a_bend_the_critics_loss_is_the_squared_error() -> None:
    nets, step = random_problem()
    q, target = nets.q(step.batch.obs, step.batch.action), torch.zeros(2, 32).double()
    for delta in (math.inf, 1e9):
        loss, _ = xql.critic_loss(xql.Config(huber_delta=delta), nets, step, q, target, step.dist)
        torch.testing.assert_close(loss, q.square().sum(1).mean(1))


def test_the_policy_imitates_as_iqls() -> None:
    nets, step = random_problem()
    ours = xql.actor_loss(xql.Config(inverse_temperature=0.5), nets, dataclasses.replace(step))[0]
    theirs = iql.actor_loss(iql.Config(inverse_temperature=0.5), nets, dataclasses.replace(step))[0]
    assert torch.equal(ours, theirs)
    assert not tiny.gradient(ours, nets.extra["value"]).any()


def test_a_seed_is_scaled_by_its_own_largest_exponent() -> None:
    """A second seed with huge values leaves the first one's loss as it is."""
    z = torch.tensor([[0.1, -0.4, 1.5], [0.1, -0.4, 600.0]]).double()
    both = xql.gumbel_loss(z, math.inf)
    assert torch.equal(both[:1], xql.gumbel_loss(z[:1], math.inf))
    assert both.isfinite().all()


@pytest.mark.parametrize("norm", [True, False])
def test_the_hidden_layers_of_v_are_normalised(norm: bool) -> None:
    value = tiny.learner("xql", settings={"value_layer_norm": norm}).nets.extra["value"]
    assert any("norms" in name for name, _ in value.named_parameters()) == norm


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"beta": 0.0}, "beta=0.0: must be above 0"), ({"max_clip": -1.0}, "max_clip=-1.0: must be above 0")],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        xql.Config(**settings)
