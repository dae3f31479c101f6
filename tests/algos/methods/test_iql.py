"""IQL against the expectiles of a normal distribution, closed forms, its limits, and targets worked out by hand."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
import tiny
import torch
from torch import Tensor
from torch.distributions import Normal

from algos.methods import bc, iql
from algos.networks.nets import Nets, ValueNet
from algos.networks.policies import GaussianPolicy
from algos.settings import SettingError


@torch.no_grad()
def constant_value(value: float, obs_dim: int = 1) -> ValueNet:
    """V = `value` everywhere; float64."""
    net = ValueNet(1, obs_dim, (4,)).double()
    for p in net.parameters():
        p.zero_()
    *_, last_bias = net.parameters()
    last_bias.fill_(value)
    return net


def slope_of_v(value: float, expectile: float, action: Tensor) -> float:
    """d loss / d V where V is `value` and Q(a) = a."""
    nets = tiny.stub_nets(tiny.constant_policy(0.0, 0.5), tiny.QuadraticQ(1.0, 0.0), value=constant_value(value))
    step = tiny.bandit_step(nets.policy, nets, action)
    losses, _ = iql.auxiliary_losses(iql.Config(expectile=expectile), nets, step)
    return float(tiny.gradient(losses["value"], nets.extra["value"])[-1])


# e of N(0, 1), which solves expectile E(x - e)+ = (1 - expectile) E(e - x)+ with E(x - e)+ = phi(e) - e (1 - Phi(e))
@pytest.mark.parametrize(("expectile", "solution"), [(0.7, 0.3371), (0.9, 0.8616), (0.5, 0.0), (0.1, -0.8616)])
def test_v_ends_at_the_expectile_of_q(expectile: float, solution: float) -> None:
    grid = tiny.normal_grid(4001)
    assert slope_of_v(solution - 1e-3, expectile, grid) < 0 < slope_of_v(solution + 1e-3, expectile, grid)


def test_the_middle_expectile_is_the_mean_of_q_over_the_data() -> None:
    action = torch.tensor([-3.0, 0.5, 7.0]).double()
    assert slope_of_v(1.5, 0.5, action) == pytest.approx(0.0, abs=1e-12)
    assert slope_of_v(1.5, 0.7, action) < 0


def test_the_target_is_the_value_of_the_next_state() -> None:
    """V = 4 everywhere: the critics (3 and 5) do not enter, and only a true end stops the bootstrap."""
    nets = tiny.stub_nets(tiny.constant_policy(0.0, 0.5), tiny.ConstantQ(3.0, 5.0), value=constant_value(4.0))
    step = tiny.bandit_step(nets.policy, nets, torch.zeros(2, dtype=torch.float64))
    reward, terminated = torch.tensor([[-1.0, -1.0]]).double(), torch.tensor([[0.0, 1.0]]).double()
    step = dataclasses.replace(step, batch=dataclasses.replace(step.batch, reward=reward, terminated=terminated))
    target = iql.td_target(iql.Config(), nets, step, nets.policy(step.batch.next_obs))
    assert target[0].tolist() == pytest.approx([-1 + 0.99 * 4, -1.0])


def test_the_bandit_ends_where_awacs_does_with_the_inverse_of_its_temperature() -> None:
    """Q(a) = b a - k a^2 / 2 and data N(0, 1): mean b / (lam + k), variance lam / (lam + k)."""
    b, k, lam = 1.0, 2.0, 0.7
    cfg = iql.Config(inverse_temperature=1 / lam, weight_cap=1e12)

    def slope(mean: float, var: float) -> float:
        nets = tiny.stub_nets(tiny.constant_policy(mean, var**0.5), tiny.QuadraticQ(b, k), value=constant_value(0.2))
        step = tiny.bandit_step(nets.policy, nets, tiny.normal_grid(4001))
        return float(tiny.gradient(iql.actor_loss(cfg, nets, step)[0], nets.policy).abs().max())

    mean, var = b / (lam + k), lam / (lam + k)
    assert slope(mean, var) < 1e-3 * slope(0.0, var)
    assert slope(mean, var) < 1e-3 * slope(mean, 0.5 * var)


def random_problem() -> tuple[Nets, Any]:
    value = ValueNet(2, tiny.LAYOUT.obs_dim, (16, 16))
    nets = tiny.random_nets(GaussianPolicy, value=value)
    return nets, tiny.random_step(nets.policy, nets)


def test_without_temperature_it_is_cloning_bit_for_bit() -> None:
    nets, step = random_problem()
    clone = tiny.gradient(bc.actor_loss(bc.Config(), nets, step)[0], nets.policy)
    ours, _ = iql.actor_loss(iql.Config(inverse_temperature=0.0), nets, step)
    assert torch.equal(tiny.gradient(ours, nets.policy), clone)
    sharp, _ = iql.actor_loss(iql.Config(inverse_temperature=30.0), nets, step)
    assert not tiny.gradient(sharp, nets.extra["value"]).any()
    assert (tiny.gradient(sharp, nets.policy) - clone).norm() > 0.1 * clone.norm()


def test_the_weights_and_their_cap_by_hand() -> None:
    """Q(a) = a and V = 1; the advantages are 0.5, 2 and -400, and exp(2 * 2) is above the cap of 20."""
    nets = tiny.stub_nets(tiny.constant_policy(0.3, 0.5), tiny.QuadraticQ(1.0, 0.0), value=constant_value(1.0))
    action = torch.tensor([1.5, 3.0, -399.0]).double()
    step = tiny.bandit_step(nets.policy, nets, action)
    loss, metrics = iql.actor_loss(iql.Config(inverse_temperature=2.0, weight_cap=20.0), nets, step)
    log_prob = Normal(0.3, 0.5).log_prob(action.float()).double()
    assert float(loss.detach()) == pytest.approx(float(-(math.e * log_prob[0] + 20 * log_prob[1]) / 3), rel=1e-6)
    assert float(metrics["weight_max"]) == pytest.approx(20 / ((math.e + 20) / 3))
    assert float(metrics["advantage"]) == pytest.approx((0.5 + 2 - 400) / 3)


def test_the_target_critics_rate_the_data_for_v_and_for_the_policy() -> None:
    """Also where the critics themselves, of other weights, would say something else."""
    nets, step = random_problem()

    def losses() -> list[Tensor]:
        fresh = dataclasses.replace(step)
        policy, _ = iql.actor_loss(iql.Config(), nets, fresh)
        return [policy, iql.auxiliary_losses(iql.Config(), nets, fresh)[0]["value"]]

    before = losses()
    assert nets.critic is not None
    assert nets.target_critic is not None
    for network, changes in ((nets.critic, False), (nets.target_critic, True)):
        with torch.no_grad():
            next(network.parameters()).mul_(3.0)
        assert [torch.equal(a, b) for a, b in zip(before, losses(), strict=True)] == [not changes] * 2


def test_v_is_as_wide_as_the_other_networks() -> None:
    value = tiny.learner("iql", common={"hidden": (7, 5)}).nets.extra["value"]
    shapes = [tuple(p.shape[1:]) for name, p in value.named_parameters() if "weight" in name]
    assert shapes == [(tiny.LAYOUT.obs_dim, 7), (7, 5), (5, 1)]


def test_an_update_rates_the_data_once_and_the_policys_actions_once_for_the_record(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[tuple[str, bool]] = []
    real = {"q": Nets.q, "target_q": Nets.target_q}

    def called(name: str) -> Any:
        return lambda *args: (calls.append((name, torch.is_grad_enabled())), real[name](*args))[1]

    for name in real:
        monkeypatch.setattr(Nets, name, called(name))
    tiny.learner("iql").run(1)
    assert sorted(calls) == [("q", False), ("q", True), ("target_q", True)]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"expectile": 1.0}, r"expectile=1.0: must be in \(0, 1\)"),
        ({"inverse_temperature": -1.0}, "inverse_temperature=-1.0: must be at least 0"),
        ({"weight_cap": 0.0}, "weight_cap=0.0: must be above 0"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        iql.Config(**settings)
