"""BEAR: its discrepancy against published floors and closed forms, its target by hand, its limits."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
import tiny
import torch
from torch import Tensor, nn

import algos
from algos.contract import Noise, Step
from algos.methods import awac, bear, sac
from algos.networks.dists import SquashedGaussian
from algos.networks.nets import Dual, Nets
from algos.networks.policies import SquashedPolicy
from algos.parts.mmd import mmd as discrepancy
from algos.parts.vae import VAE
from algos.settings import SettingError

CFG = bear.Config(online=True, mmd_samples=4)
ALL_Q = dataclasses.replace(CFG, multiplier=0.0)  # nothing but Q in the policy's loss
ALL_MMD = dataclasses.replace(CFG, online=False, warm_start=1)  # nothing but the discrepancy in the first update
kernels = pytest.mark.parametrize("kernel", ["laplacian", "gaussian"])


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).double()


class Behaviour(VAE):
    """A behaviour model whose samples before their tanh are N(mean, std^2) in every state."""

    def __init__(self, mean: float, std: float, seeds: int = 1, action_dim: int = 1) -> None:
        super().__init__(seeds, 1, action_dim, (4,))
        self.mean_, self.std_ = mean, std

    def sample(self, obs: Tensor, latent: Tensor) -> Tensor:
        return self.mean_ + self.std_ * latent[..., : self.action_dim]


class FreePolicy(nn.Module):
    """A squashed policy that is the same in every state: mean and log-std are its parameters [S, 1, A]."""

    def __init__(self, mean: float, std: float, seeds: int = 1, action_dim: int = 1) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.full((seeds, 1, action_dim), mean).double())
        self.log_std = nn.Parameter(torch.full((seeds, 1, action_dim), math.log(std)).double())

    def forward(self, obs: Tensor) -> SquashedGaussian:
        shape = (*obs.shape[:2], self.mean.shape[-1])
        return SquashedGaussian(self.mean.expand(shape), self.log_std.expand(shape))


def problem(
    policy: nn.Module,
    critic: nn.Module,
    model: VAE,
    cfg: bear.Config = CFG,
    rows: int = 16,
    seeds: int = 1,
    seed: int = 0,
) -> tuple[Nets, Step]:
    """One state, data actions 0, with all the draws that BEAR asks for."""
    nets = tiny.stub_nets(policy, critic, vae=model.double(), log_multiplier=Dual(seeds, 0.0, -5.0, 10.0).double())
    asked, width = bear.needs(cfg), model.action_dim
    step = tiny.bandit_step(policy, nets, torch.zeros(rows).double(), seeds=seeds)
    ahead = normal(seeds, asked.next_action_samples, rows, width, seed=seed)
    noise = Noise(ahead[:, 0], normal(seeds, asked.action_samples, rows, width, seed=seed + 1), ahead)
    return nets, dataclasses.replace(step, noise=noise)


# the discrepancy


def mmd(cfg: bear.Config, x: Tensor, y: Tensor) -> Tensor:
    return discrepancy(x, y, cfg.kernel, cfg.mmd_sigma, cfg.mmd_estimator)


@kernels
def test_a_set_is_a_thousandth_from_itself(kernel: Any) -> None:
    x = normal(2, 5, 7, 3)
    out = mmd(bear.Config(kernel=kernel), x, x.clone())
    torch.testing.assert_close(out, torch.full_like(out, 1e-3), rtol=1e-6, atol=0)


@pytest.mark.parametrize(("kernel", "similarity"), [("laplacian", math.exp(-5 / 6)), ("gaussian", math.exp(-13 / 6))])
def test_two_single_actions_by_hand(kernel: Any, similarity: float) -> None:
    """Apart by (2, 3): L1 distance 5, squared L2 distance 13; the kernel divides by 2 sigma, not by 2 sigma^2."""
    x = torch.zeros(1, 1, 1, 2).double()
    y = torch.tensor([2.0, 3.0]).double().view(1, 1, 1, 2)
    cfg = bear.Config(kernel=kernel, mmd_sigma=3.0)
    assert float(mmd(cfg, x, y)) == pytest.approx(math.sqrt(2 - 2 * similarity + 1e-6))


@kernels
@pytest.mark.parametrize("estimator", ["v", "u"])
def test_it_is_the_sum_over_pairs(kernel: Any, estimator: Any) -> None:
    """Against loops over every pair of actions; the u estimate leaves out an action's pair with itself."""
    n, rows = 3, 2
    cfg = bear.Config(kernel=kernel, mmd_estimator=estimator, mmd_sigma=2.0)
    x, y = normal(1, n, rows, 2), 1.0 + normal(1, n, rows, 2, seed=1)
    pairs = {"xx": (x, x), "yy": (y, y), "xy": (x, y)}
    squared = []
    for b in range(rows):
        mean = {}
        for name, (left, right) in pairs.items():
            skip = estimator == "u" and name != "xy"
            values = []
            for i in range(n):
                for j in range(n):
                    apart = left[0, i, b] - right[0, j, b]
                    size = apart.abs().sum() if kernel == "laplacian" else apart.square().sum()
                    values += [] if skip and i == j else [math.exp(-float(size) / 4.0)]
            mean[name] = sum(values) / len(values)
        squared.append(mean["xx"] + mean["yy"] - 2 * mean["xy"])
    by_state = sum(math.sqrt(s + 1e-6) for s in squared) / rows
    expected = by_state if estimator == "v" else math.sqrt(sum(squared) / rows + 1e-6)
    assert float(mmd(cfg, x, y)) == pytest.approx(expected, rel=1e-9)


# between two sets of N(0, sd^2) each, worked out independently of this code
FLOORS = [
    ("laplacian", 20.0, 4, 6, 1.0, 0.276), ("laplacian", 20.0, 4, 6, 0.3, 0.155), ("laplacian", 20.0, 4, 6, 0.1, 0.090),
    ("laplacian", 20.0, 4, 30, 1.0, 0.533), ("laplacian", 20.0, 4, 30, 0.1, 0.201),
    ("laplacian", 20.0, 10, 6, 1.0, 0.174), ("laplacian", 20.0, 10, 6, 0.1, 0.057),
    ("gaussian", 20.0, 4, 6, 1.0, 0.342), ("gaussian", 20.0, 4, 6, 0.1, 0.037), ("gaussian", 20.0, 4, 30, 0.3, 0.249),
    ("laplacian", 50.0, 10, 6, 1.0, 0.113), ("laplacian", 50.0, 10, 24, 0.3, 0.125),
    ("laplacian", 50.0, 10, 30, 0.1, 0.081),
]  # fmt: skip


@pytest.mark.parametrize(("kernel", "sigma", "samples", "width", "sd", "expected"), FLOORS)
def test_floors_of_the_estimator(
    kernel: Any, sigma: float, samples: int, width: int, sd: float, expected: float
) -> None:
    cfg = bear.Config(kernel=kernel, mmd_sigma=sigma, mmd_samples=samples)
    x, y = (sd * normal(1, samples, 800, width, seed=k) for k in (0, 1))
    assert float(mmd(cfg, x, y)) == pytest.approx(expected, rel=0.02, abs=6e-4)
    unbiased = dataclasses.replace(cfg, mmd_estimator="u")
    assert float(mmd(unbiased, x, y)) < 0.25 * expected


def test_the_record_says_what_the_floor_is() -> None:
    """It is that of the policy's own spread, whatever the behaviour model does."""
    cfg = bear.Config(online=True, mmd_sigma=20.0)
    for behaviour in (0.0, 5.0):
        nets, step = problem(
            FreePolicy(0.4, 0.3, action_dim=6),
            tiny.ConstantQ(0.0, 0.0),
            Behaviour(behaviour, 0.3, action_dim=6),
            cfg,
            800,
        )
        _, metrics = bear.actor_loss(cfg, nets, step)
        assert float(metrics["mmd_floor"]) == pytest.approx(0.099, rel=0.02)
        assert float(metrics["mmd"].detach()) > 0.1


def test_each_seed_has_its_own() -> None:
    x, y = normal(3, 4, 8, 2), normal(3, 4, 8, 2, seed=1)
    y[1] += 3.0
    together = mmd(CFG, x, y)
    for n in range(3):
        torch.testing.assert_close(together[n : n + 1], mmd(CFG, x[n : n + 1], y[n : n + 1]))
    assert together[1] > 2 * together[0]


# the target


def test_the_target_by_hand() -> None:
    """Critics 3 and 5: 3/4 of the lesser and 1/4 of the greater."""
    nets, step = problem(FreePolicy(0.3, 0.5), tiny.ConstantQ(3.0, 5.0), Behaviour(0.0, 1.0))
    reward, terminated = torch.full((1, 16), -1.0).double(), torch.arange(16)[None].remainder(2).double()
    step = dataclasses.replace(step, batch=dataclasses.replace(step.batch, reward=reward, terminated=terminated))
    out = bear.td_target(CFG, nets, step, nets.policy(step.batch.next_obs))
    torch.testing.assert_close(out, -1 + 0.99 * (1 - terminated) * 3.5)


def test_the_target_takes_the_best_of_several_next_actions() -> None:
    """Policy tanh N(0.3, 0.5^2) and Q(a) = a - a^2."""
    nets, step = problem(FreePolicy(0.3, 0.5), tiny.QuadraticQ(1.0, 2.0), Behaviour(0.0, 1.0))
    assert step.noise.next_actions is not None
    a = (0.3 + 0.5 * step.noise.next_actions[0, :, :, 0]).tanh()  # [K, B]
    out = bear.td_target(CFG, nets, step, nets.policy(step.batch.next_obs))
    torch.testing.assert_close(out, 0.99 * (a - a.square()).max(0).values[None])


def test_one_candidate_and_the_lesser_critic_are_the_plain_target() -> None:
    nets = tiny.random_nets(SquashedPolicy)
    step = tiny.random_step(nets.policy, nets)
    assert step.noise.next_action is not None
    step = dataclasses.replace(
        step, noise=dataclasses.replace(step.noise, next_actions=step.noise.next_action[:, None])
    )
    dist = nets.policy(step.batch.next_obs)
    plain = algos.load("awac").td_target(awac.Config(), nets, step, dist)
    torch.testing.assert_close(bear.td_target(bear.Config(target_min_weight=1.0), nets, step, dist), plain)


def test_a_slow_copy_of_the_policy_is_asked_for_only_where_it_is_set() -> None:
    assert not bear.needs(CFG).target_policy
    assert bear.needs(dataclasses.replace(CFG, target_policy=True)).target_policy


# the policy


def test_without_a_multiplier_it_is_sac_without_entropy() -> None:
    """Both maximise the lesser critic at the first sampled action."""
    nets = tiny.random_nets(SquashedPolicy, vae=VAE(2, 5, 3, (8,)))
    step = tiny.random_step(nets.policy, nets, samples=14)
    ours = tiny.gradient(bear.actor_loss(ALL_Q, nets, step)[0], nets.policy)
    theirs = tiny.gradient(sac.actor_loss(sac.Config(alpha=0.0), nets, step)[0], nets.policy)
    torch.testing.assert_close(ours, theirs)
    mean = tiny.gradient(bear.actor_loss(dataclasses.replace(ALL_Q, policy_q="mean"), nets, step)[0], nets.policy)
    assert (mean - theirs).norm() > 0.1 * theirs.norm()


def test_q_of_all_actions_is_the_lesser_of_the_critics_means() -> None:
    """Critics a and -a: at a set of actions with mean m the means are m and -m, of which the lesser is -|m|."""

    class Opposed(nn.Module):
        def forward(self, obs: Tensor, action: Tensor) -> Tensor:
            return torch.stack((action[..., 0], -action[..., 0]), dim=1)

    cfg = dataclasses.replace(CFG, policy_q="mean")
    nets, step = problem(FreePolicy(0.1, 0.5), Opposed(), Behaviour(0.0, 1.0))
    assert step.noise.action is not None
    actions = (0.1 + 0.5 * step.noise.action[0, : cfg.mmd_samples, :, 0]).tanh()  # [N, B]
    _, metrics = bear.actor_loss(cfg, nets, step)
    assert float(metrics["q_policy"].detach()) == pytest.approx(float(-actions.mean(0).abs().mean()))


@pytest.mark.slow
@pytest.mark.parametrize(("estimator", "std"), [("v", 0.26), ("u", 0.3)])
def test_the_policy_that_only_matches_ends_at_the_behaviour_models_samples(estimator: Any, std: float) -> None:
    """Behaviour N(0.5, 0.3^2) before the tanh: the MMD falls to the floor of the policy's spread, which the v estimate
    makes too small, as its floor is lower there."""
    cfg = dataclasses.replace(ALL_MMD, mmd_samples=10, mmd_sigma=1.0, mmd_estimator=estimator)
    policy = FreePolicy(-0.5, 1.0, action_dim=2)
    optimiser = torch.optim.Adam(policy.parameters(), 0.03)
    found = []
    for n in range(150):
        nets, step = problem(policy, tiny.QuadraticQ(), Behaviour(0.5, 0.3, action_dim=2), cfg, rows=64, seed=2 * n)
        loss, metrics = bear.actor_loss(cfg, nets, step)
        found.append((float(metrics["mmd"].detach()), float(metrics["mmd_floor"])))
        optimiser.zero_grad()
        loss.sum().backward()
        optimiser.step()
    assert found[0][0] > 2.5 * found[-1][0]
    last = torch.tensor(found[-30:]).mean(0)
    assert float(last[0]) == pytest.approx(float(last[1]), abs=0.02)
    torch.testing.assert_close(policy.mean.detach(), torch.full_like(policy.mean, 0.5), atol=0.05, rtol=0)
    spread = policy.log_std.detach().exp()
    torch.testing.assert_close(spread, torch.full_like(spread, std), atol=0.02, rtol=0)


def gradients(cfg: bear.Config, age: int, critic: nn.Module) -> Tensor:
    policy = FreePolicy(0.3, 0.5)
    nets, step = problem(policy, critic, Behaviour(0.0, 1.0), cfg)
    step = dataclasses.replace(step, age=torch.tensor(float(age)))
    return tiny.gradient(bear.actor_loss(cfg, nets, step)[0], policy)


def test_the_warm_start_ignores_q_and_ends_on_time_and_at_the_switch() -> None:
    cfg = dataclasses.replace(CFG, online=False, warm_start=5)
    quadratic, flat = tiny.QuadraticQ(), tiny.ConstantQ(0.0, 0.0)
    for age, sees_q in [(0, False), (4, False), (5, True), (6, True)]:
        assert torch.equal(gradients(cfg, age, quadratic), gradients(cfg, age, flat)) != sees_q
    online = bear.on_phase(cfg, "online")
    assert not torch.equal(gradients(online, 0, quadratic), gradients(online, 0, flat))


def test_the_policys_noise_may_be_clipped() -> None:
    cfg = dataclasses.replace(CFG, noise_clip=0.5)
    nets, step = problem(FreePolicy(0.2, 0.4), tiny.QuadraticQ(1.0, 2.0), Behaviour(0.0, 1.0), cfg)
    assert step.noise.action is not None
    a = (0.2 + 0.4 * step.noise.action[0, 0, :, 0].clamp(-0.5, 0.5)).tanh()
    _, metrics = bear.actor_loss(cfg, nets, step)
    assert float(metrics["q_policy"].detach()) == pytest.approx(float((a - a.square()).mean()))


def test_the_policys_loss_reaches_neither_the_vae_nor_the_multiplier() -> None:
    nets = tiny.random_nets(SquashedPolicy, vae=VAE(2, 5, 3, (8,)), log_multiplier=Dual(2, 1.0))
    step = tiny.random_step(nets.policy, nets, samples=14)
    loss, metrics = bear.actor_loss(CFG, nets, step)
    assert tiny.gradient(loss, nets.policy).any()
    assert not tiny.gradient(loss, nets.extra["vae"]).any()
    assert not tiny.gradient(loss, nets.extra["log_multiplier"]).any()
    losses, _ = bear.auxiliary_losses(CFG, nets, step)
    for name, loss in losses.items():
        assert tiny.gradient(loss, nets.extra[name]).any()
        assert not tiny.gradient(loss, nets.policy).any()
    torch.testing.assert_close(metrics["mmd_multiplier"], torch.full((2,), math.e).double())


def test_the_vae_has_draws_of_its_own() -> None:
    nets = tiny.random_nets(SquashedPolicy, vae=VAE(2, 5, 3, (8,)), log_multiplier=Dual(2, 0.0))
    step = tiny.random_step(nets.policy, nets, samples=14)
    assert step.noise.action is not None
    other = step.noise.action.clone()
    other[:, -2:] += 1.0
    losses = []
    for noise in (step.noise.action, other):
        fresh = dataclasses.replace(step, noise=dataclasses.replace(step.noise, action=noise))
        losses.append((bear.actor_loss(CFG, nets, fresh)[0], bear.auxiliary_losses(CFG, nets, fresh)[0]["vae"]))
    assert torch.equal(losses[0][0], losses[1][0])
    assert (losses[0][1] != losses[1][1]).all()


# the constraint


@pytest.mark.parametrize(("behaviour", "sign"), [(0.3, 1.0), (3.0, -1.0)])
def test_the_multiplier_rises_while_the_discrepancy_is_above_its_threshold(behaviour: float, sign: float) -> None:
    """The gradient in its logarithm is multiplier (eps - MMD): descent raises it where the MMD is larger."""
    cfg = dataclasses.replace(CFG, eps_online=0.15)
    nets, step = problem(FreePolicy(0.3, 0.3), tiny.QuadraticQ(), Behaviour(behaviour, 0.3), cfg)
    dual = nets.extra["log_multiplier"]
    torch.nn.init.constant_(dual.value, 0.7)
    distance = bear.actor_loss(cfg, nets, step)[1]["mmd"].detach()
    losses, _ = bear.auxiliary_losses(cfg, nets, step)
    gradient = float(tiny.gradient(losses["log_multiplier"], dual))
    assert gradient == pytest.approx(float(math.exp(0.7) * (0.15 - distance)))
    assert gradient * sign > 0


def test_the_switch_brings_another_threshold_into_force() -> None:
    cfg = bear.Config(eps_offline=0.07, eps_online=0.21)

    def threshold(cfg: bear.Config) -> float:
        nets, step = problem(FreePolicy(0.3, 0.3), tiny.QuadraticQ(), Behaviour(0.0, 0.3), cfg)
        distance = bear.actor_loss(cfg, nets, step)[1]["mmd"].detach()
        return float((bear.auxiliary_losses(cfg, nets, step)[0]["log_multiplier"].detach() + distance).squeeze())

    assert threshold(bear.on_phase(cfg, "offline")) == pytest.approx(0.07)
    assert threshold(bear.on_phase(cfg, "online")) == pytest.approx(0.21)
    loose, plain = (tiny.objective_and_config(name)[1] for name in ("bear-loose", "bear"))
    assert loose.eps_online > plain.eps_online == plain.eps_offline == loose.eps_offline


def test_a_fixed_multiplier_is_no_network() -> None:
    assert set(bear.needs(dataclasses.replace(CFG, multiplier=100.0)).modules) == {"vae"}
    assert set(bear.needs(CFG).modules) == {"vae", "log_multiplier"}


# acting


def test_scores_are_of_the_best_of_a_fixed_spread_and_collection_is_of_single_samples() -> None:
    """Q(a) = a - a^2 peaks at a = 0.5; the policy is tanh N(-0.2, 0.6^2)."""
    nets, step = problem(FreePolicy(-0.2, 0.6), tiny.QuadraticQ(1.0, 2.0), Behaviour(0.0, 1.0))
    obs = step.batch.obs
    a = bear.act(CFG, nets, obs, None)
    assert a.shape == (1, 16, 1)
    assert torch.equal(a, bear.act(CFG, nets, obs, None))
    torch.testing.assert_close(a, torch.full_like(a, 0.5), atol=0.03, rtol=0)  # of 100 samples one is close
    alone = bear.act(dataclasses.replace(CFG, act_candidates=1), nets, obs, None)
    torch.testing.assert_close(alone, torch.full_like(a, math.tanh(-0.2)))
    noise = normal(1, 16, 1)
    torch.testing.assert_close(bear.act(CFG, nets, obs, noise), (-0.2 + 0.6 * noise).tanh())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"eps_offline": 0.001}, "eps_offline=0.001: must be above 0.001"),
        ({"eps_online": 0.0}, "eps_online=0.0: must be above 0.001"),
        ({"multiplier": -1.0}, "multiplier=-1.0: must be auto or at least 0"),
        ({"mmd_sigma": 0.0}, "mmd_sigma=0.0: must be above 0"),
        ({"mmd_samples": 0}, "mmd_samples=0: must be at least 1"),
        ({"mmd_samples": 1, "mmd_estimator": "u"}, "needs mmd_samples of 2 or more"),
        ({"warm_start": -1}, "warm_start=-1: must be at least 0"),
        ({"noise_clip": 0.0}, "noise_clip=0.0: must be above 0 or none"),
        ({"target_min_weight": 1.5}, "target_min_weight=1.5: must be in"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        bear.Config(**settings)
