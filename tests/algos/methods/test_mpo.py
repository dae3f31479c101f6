"""MPO: the collapse of AWAC's adaptation in closed form; acme's duals, divergences and decoupled likelihoods."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
import tiny
import torch
from torch import nn
from torch.distributions import Normal, kl_divergence

import algos
from algos.contract import Noise, Step
from algos.methods import awac, mpo
from algos.networks.dists import Gaussian
from algos.networks.nets import Dual, Nets
from algos.networks.policies import GaussianPolicy
from algos.settings import SettingError

B, K, LAM = 1.0, 2.0, 0.7  # Q(a) = B a - K a^2 / 2
GRID = tiny.normal_grid(4001)
EQ20 = mpo.Config(temperature=LAM, samples=len(GRID))
ACME = mpo.Config(mode="acme", samples=len(GRID), action_penalty=False)
DUALS = ("temperature", "alpha_mean", "alpha_std", "penalty_temperature")


def inverse_softplus(x: float) -> float:
    return math.log(math.expm1(x)) if x < 30 else x


def duals(seeds: int = 1, width: int = 1, **values: float) -> dict[str, nn.Module]:
    """Dual variables in force as given; 1 where nothing is said."""
    wide = {"alpha_mean": width, "alpha_std": width}
    start = {name: inverse_softplus(values.get(name, 1.0)) for name in DUALS}
    return {name: Dual(seeds, start[name], -18.0, width=wide.get(name, 1)).double() for name in DUALS}


def problem(
    mean: float, std: float, critic: nn.Module, target: tuple[float, float] | None = None, **values: float
) -> tuple[Nets, Step]:
    """One state; N(mean, std^2) or a target policy of its own is drawn from over a grid."""
    policy = tiny.constant_policy(mean, std)
    nets = Nets(policy, critic, duals(**values), None, target_policy=True)  # type: ignore[arg-type]
    assert nets.target_policy is not None
    nets.target_policy.load_state_dict(tiny.constant_policy(*(target or (mean, std))).state_dict())
    return nets, tiny.bandit_step(policy, nets, torch.zeros(1).double(), GRID[:, None])


def moves(cfg: mpo.Config, nets: Nets, step: Step) -> tuple[float, float]:
    """Gradient of the policy's loss in the mean and in the logarithm of the deviation."""
    assert isinstance(step.dist, Gaussian)
    parts = torch.autograd.grad(mpo.actor_loss(cfg, nets, step)[0].sum(), [step.dist.mean, step.dist.log_std])
    return float(parts[0]), float(parts[1])


# AWAC's adaptation


@pytest.mark.parametrize("cfg", [EQ20, dataclasses.replace(EQ20, weight="advantage")], ids=["q", "advantage"])
def test_own_actions_weighted_by_q_collapse_as_the_closed_form_says(cfg: mpo.Config) -> None:
    """n exact projections from N(0, 1) end at mean n b / (lambda + n k) and variance lambda / (lambda + n k). What a
    projection imitates is read from the likelihood's gradient: (mean - m) / var and 1 - E(u - mean)^2 / var."""
    mean, var = 0.0, 1.0 - 1e-9
    for n in range(1, 6):
        nets, step = problem(mean, math.sqrt(var), tiny.QuadraticQ(B, K))
        in_mean, in_log_std = moves(cfg, nets, step)
        imitated = mean - in_mean * var
        spread = (1.0 - in_log_std) * var - (imitated - mean) ** 2
        mean, var = n * B / (LAM + n * K), LAM / (LAM + n * K)
        assert imitated == pytest.approx(mean, rel=2e-3)
        assert spread == pytest.approx(var, rel=2e-3)


@pytest.mark.parametrize("cfg", [EQ20, dataclasses.replace(EQ20, weight="advantage")], ids=["q", "advantage"])
def test_a_constant_q_leaves_the_policy_where_it_is(cfg: mpo.Config) -> None:
    nets, step = problem(0.3, 0.5, tiny.ConstantQ(2.0, 3.0))
    assert moves(cfg, nets, step) == pytest.approx((0.0, 0.0), abs=1e-9)
    _, metrics = mpo.actor_loss(cfg, nets, step)
    assert float(metrics["weight_ess"]) == pytest.approx(1.0)
    assert float(metrics["weight_max"]) == pytest.approx(1.0)


def random_problem(cfg: mpo.Config) -> tuple[Nets, Step]:
    nets = tiny.random_nets(GaussianPolicy, target_policy=True, **duals(2, 3))
    step = tiny.random_step(nets.policy, nets, samples=cfg.samples)
    ahead = torch.randn(2, 4, 32, 3, generator=torch.Generator().manual_seed(5)).double()
    return nets, dataclasses.replace(
        step, noise=dataclasses.replace(step.noise, next_actions=ahead, next_action=ahead[:, 0])
    )


@pytest.mark.parametrize("weight", ["q", "advantage"])
def test_the_loss_of_own_actions_term_by_term(weight: Any) -> None:
    """Weights over the samples of a state, or over all samples of the seed; actions without gradient."""
    cfg = mpo.Config(samples=3, temperature=0.05, weight=weight)
    nets, step = random_problem(cfg)
    assert step.noise.action is not None
    actions = [step.dist.sample(step.noise.action[:, k])[0].detach() for k in range(3)]
    q = torch.stack([nets.q(step.batch.obs, a).min(1).values for a in actions], dim=1).detach()  # [S, K, B]
    if weight == "q":
        w = (q / 0.05).softmax(1) * 3
    else:
        v = nets.q(step.batch.obs, step.dist.mode).min(1).values.detach()
        w = torch.stack([((q[s] - v[s]) / 0.05).flatten().softmax(0).view(3, 32) * 96 for s in range(2)])
    expected = torch.stack([-(w[:, k] * step.dist.log_prob(a)).mean(1) for k, a in enumerate(actions)]).mean(0)
    loss, metrics = mpo.actor_loss(cfg, nets, step)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(tiny.gradient(loss, nets.policy), tiny.gradient(expected, nets.policy))
    torch.testing.assert_close(metrics["q_policy"], q.mean(dim=(1, 2)))


def test_a_single_sample_learns_nothing_of_q() -> None:
    """Its weight is 1 after the softmax over a state's samples, and would be in AWAC's code with V of that sample."""
    assert torch.equal(torch.softmax(torch.randn(2, 1, 8), dim=1), torch.ones(2, 1, 8))
    for settings in ({}, {"mode": "acme"}):
        with pytest.raises(
            SettingError, match="samples=1: a single sample has weight 1 whatever its Q; give 2 or more"
        ):
            mpo.Config(samples=1, **settings)  # type: ignore[arg-type]
    mpo.Config(samples=1, weight="advantage")


def test_the_target_of_the_adaptation_is_the_plain_one() -> None:
    nets, step = random_problem(mpo.Config())
    assert step.noise.next_actions is not None
    step = dataclasses.replace(step, noise=dataclasses.replace(step.noise, next_actions=step.noise.next_actions[:, :1]))
    dist = nets.policy(step.batch.next_obs)
    plain = algos.load("awac").td_target(awac.Config(), nets, step, dist)
    torch.testing.assert_close(mpo.td_target(mpo.Config(), nets, step, dist), plain)
    asked = mpo.needs(mpo.Config())
    assert (asked.next_action_samples, asked.target_policy, len(asked.modules)) == (1, False, 0)


# acme's form


def test_acmes_target_is_the_mean_over_several_actions() -> None:
    """Policy N(0.3, 0.5^2), Q(a) = a - a^2, noise -1, 0 and 2."""
    nets, step = problem(0.3, 0.5, tiny.QuadraticQ(B, K))
    ahead = torch.tensor([-1.0, 0.0, 2.0]).double().view(1, 3, 1, 1)
    step = dataclasses.replace(step, noise=Noise(ahead[:, 0], None, ahead))
    out = mpo.td_target(ACME, nets, step, nets.policy(step.batch.next_obs))
    assert float(out.detach()) == pytest.approx(0.99 * sum(a - a**2 for a in (-0.2, 0.3, 1.3)) / 3)
    assert mpo.needs(mpo.Config(mode="acme")).next_action_samples == 20


@pytest.mark.parametrize("eta", [0.4, 3.0])
def test_the_temperature_settles_where_the_weights_diverge_by_eps(eta: float) -> None:
    """The dual's gradient is eps - KL(weights || uniform); for Q quadratic the weights are a normal again."""
    nets, step = problem(0.0, 1.0 - 1e-9, tiny.QuadraticQ(B, K), temperature=eta)
    nets.critic = tiny.ConstantQ(0.0, 0.0)  # type: ignore[assignment]  # it is the target critics that rate samples
    _, metrics = mpo.actor_loss(ACME, nets, step)
    improved = Normal(B / (eta + K), math.sqrt(eta / (eta + K)))
    expected = float(kl_divergence(improved, Normal(0.0, 1.0)))
    assert float(metrics["kl_weights"]) == pytest.approx(expected, rel=2e-3)
    assert float(metrics["mpo_temperature"]) == pytest.approx(eta)
    losses, _ = mpo.auxiliary_losses(ACME, nets, step)
    raw = float(tiny.gradient(losses["temperature"], nets.extra["temperature"]))
    slope = 1.0 - math.exp(-eta)  # of the softplus
    assert raw / slope == pytest.approx(ACME.eps - float(metrics["kl_weights"]), rel=1e-6)


@pytest.mark.parametrize(("online", "target"), [((0.1, 0.4), (0.3, 0.6)), ((-0.2, 0.7), (0.5, 0.2))])
def test_divergences_are_of_mean_and_deviation_apart(online: tuple[float, float], target: tuple[float, float]) -> None:
    nets, step = problem(*online, tiny.QuadraticQ(B, K), target, alpha_mean=0.3, alpha_std=0.8)
    _, metrics = mpo.actor_loss(ACME, nets, step)
    old = Normal(*target)
    of_mean = float(kl_divergence(old, Normal(online[0], target[1])))
    of_std = float(kl_divergence(old, Normal(target[0], online[1])))
    assert float(metrics["kl_mean"].detach()) == pytest.approx(of_mean, rel=1e-6)
    assert float(metrics["kl_std"].detach()) == pytest.approx(of_std, rel=1e-6)
    losses, _ = mpo.auxiliary_losses(ACME, nets, step)
    for name, kl, eps, alpha in [("alpha_mean", of_mean, 2.5e-3, 0.3), ("alpha_std", of_std, 1e-6, 0.8)]:
        raw = float(tiny.gradient(losses[name], nets.extra[name]))
        assert raw / (1.0 - math.exp(-alpha)) == pytest.approx(eps - kl, rel=1e-6)  # above its bound: alpha rises


def test_small_divergences_of_the_deviation_survive_float32() -> None:
    """Its bound is 1e-6: the divergence of deviations that differ by 0.07 %."""
    policy = GaussianPolicy(1, 1, 1, (4,))
    nets = Nets(policy, tiny.QuadraticQ(), {}, None, target_policy=True)  # type: ignore[arg-type]
    obs = torch.ones(1, 8, 1)
    old, new = policy(obs), policy(obs)
    new = dataclasses.replace(new, log_std=old.log_std + 7e-4)
    step = tiny.bandit_step(policy, nets, torch.zeros(8))
    step = dataclasses.replace(step, policy=lambda _: new)
    step.once("target", lambda: old)
    _, kl_std = mpo._divergences(nets, step)
    assert float(kl_std.detach()) == pytest.approx(4.9e-7, rel=2e-2)


def test_mean_and_deviation_imitate_the_weighted_samples_each_beside_the_targets_other() -> None:
    """Target N(0, 1), Q quadratic: weighted samples are N(m, v). Away from the target policy the gradients are those of
    the two likelihoods plus alpha times those of the two divergences."""
    eta, alpha_mean, alpha_std, mean, std = 0.9, 0.3, 0.8, 0.2, 0.6
    values = {"temperature": eta, "alpha_mean": alpha_mean, "alpha_std": alpha_std}
    nets, step = problem(mean, std, tiny.QuadraticQ(B, K), (0.0, 1.0 - 1e-9), **values)
    m, v = B / (eta + K), eta / (eta + K)
    in_mean = (mean - m) + alpha_mean * mean
    in_log_std = 1.0 - (v + m**2) / std**2 + alpha_std * (1.0 - 1.0 / std**2)
    assert moves(ACME, nets, step) == pytest.approx((in_mean, in_log_std), rel=2e-3)


def test_a_constant_q_leaves_acmes_policy_at_its_target() -> None:
    nets, step = problem(0.3, 0.5, tiny.ConstantQ(2.0, 3.0))
    assert moves(ACME, nets, step) == pytest.approx((0.0, 0.0), abs=1e-9)


def test_the_divergences_pull_back_to_the_target() -> None:
    """A huge alpha, and a Q that wants to leave: the policy's next step is towards the target."""
    nets, step = problem(0.4, 0.5, tiny.QuadraticQ(10.0, 1.0), (0.3, 0.5), alpha_mean=1e4)
    assert moves(ACME, nets, step)[0] > 0  # descent lowers the mean
    nets, step = problem(0.4, 0.5, tiny.QuadraticQ(10.0, 1.0), (0.3, 0.5), alpha_mean=1e-4)
    assert moves(ACME, nets, step)[0] < 0


def test_the_penalty_weighs_samples_by_how_little_they_leave_the_bounds() -> None:
    cfg = dataclasses.replace(ACME, action_penalty=True)
    nets, step = problem(0.9, 0.5, tiny.ConstantQ(0.0, 0.0), penalty_temperature=0.1)
    _, metrics = mpo.actor_loss(cfg, nets, step)
    outside = (0.9 + 0.5 * GRID - 1.0).clamp_min(0.0) + (-1.0 - 0.9 - 0.5 * GRID).clamp_min(0.0)
    assert float(metrics["out_of_bounds"]) == pytest.approx(float(outside.mean()))
    in_mean, in_log_std = moves(cfg, nets, step)
    w = (-outside / 0.1).softmax(0)
    assert in_mean == pytest.approx(-float((w * GRID).sum()) / 0.5)  # inwards
    assert in_mean > 0
    assert in_log_std > 0
    losses, _ = mpo.auxiliary_losses(cfg, nets, step)
    raw = float(tiny.gradient(losses["penalty_temperature"], nets.extra["penalty_temperature"]))
    kl = float(torch.special.xlogy(w, w * len(GRID)).sum())
    assert raw / (1.0 - math.exp(-0.1)) == pytest.approx(cfg.eps_penalty - kl, rel=1e-6)


def test_each_loss_reaches_only_its_own_network() -> None:
    cfg = mpo.Config(mode="acme", samples=4)
    nets, step = random_problem(cfg)
    loss, _ = mpo.actor_loss(cfg, nets, step)
    losses, _ = mpo.auxiliary_losses(cfg, nets, step)
    assert set(losses) == set(DUALS) == set(mpo.needs(cfg).modules)
    modules = {"policy": nets.policy, "critic": nets.critic, **nets.extra}
    for own, value in {"policy": loss, **losses}.items():
        for name, module in modules.items():
            assert tiny.gradient(value, module).any() == (name == own), (own, name)


def test_duals_step_fast_and_never_pass_their_floor() -> None:
    learner = tiny.learner("mpo-acme")
    for module in learner.nets.extra.values():
        torch.nn.init.constant_(module.value, -17.995)
    before = tiny.parameters(learner)["extra.temperature.value"]
    learner.run(4)
    values = {name: module.value for name, module in learner.nets.extra.items()}
    assert ((values["temperature"] - before).abs() > 0.01).all()  # 1e-2 per step; the policy's step size is 3e-4
    assert all((v >= -18.0).all() for v in values.values())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": 0.0}, "temperature=0.0: must be above 0"),
        ({"eps_std": 0.0}, "eps_std=0.0: must be above 0"),
        ({"samples": 0, "weight": "advantage"}, "samples=0: must be at least 1"),
        ({"mode": "acme", "weight": "advantage"}, "weight=advantage contradicts mode=acme"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        mpo.Config(**settings)
