"""SAC and SAC+BC against closed forms, each other and their limits."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
import tiny
import torch
from torch import Tensor
from torch.distributions import Normal

import algos
from algos.contract import Needs, Step
from algos.methods import awac, bc, sac, sac_bc
from algos.networks.policies import GaussianPolicy, SquashedPolicy
from algos.parts.entropy import LogAlpha, alpha_loss
from algos.settings import SettingError

families = pytest.mark.parametrize("family", [GaussianPolicy, SquashedPolicy])


def policy_gradient(module: Any, cfg: Any, nets: Any, step: Any) -> Tensor:
    return tiny.gradient(module.actor_loss(cfg, nets, step)[0], nets.policy)


@families
def test_without_entropy_the_target_is_the_plain_one(family: Any) -> None:
    nets = tiny.random_nets(family)
    step = tiny.random_step(nets.policy, nets)
    dist = nets.policy(step.batch.next_obs)
    plain = algos.load("awac").td_target(awac.Config(), nets, step, dist)
    for soft in (
        sac.td_target(sac.Config(alpha=0.0), nets, step, dist),
        sac_bc.td_target(sac_bc.Config(alpha=0.0), nets, step, dist),
    ):
        assert torch.equal(soft, plain)


def test_the_soft_target_by_hand() -> None:
    """Policy N(0.3, 0.5^2), target critics 3 and 5, noise 0.8, so a' = 0.7; alpha 0.2 and discount 0.99."""
    nets = tiny.stub_nets(tiny.constant_policy(0.3, 0.5), tiny.ConstantQ(3.0, 5.0))
    step = tiny.bandit_step(nets.policy, nets, torch.zeros(2, dtype=torch.float64))
    assert step.noise.next_action is not None
    step.noise.next_action.fill_(0.8)
    reward, terminated = torch.tensor([[-1.0, -1.0]]).double(), torch.tensor([[0.0, 1.0]]).double()
    step = dataclasses.replace(step, batch=dataclasses.replace(step.batch, reward=reward, terminated=terminated))
    cfg = sac.Config(alpha=0.2, policy_family="gaussian")
    target = sac.td_target(cfg, nets, step, nets.policy(step.batch.next_obs))
    log_prob = float(Normal(0.3, 0.5).log_prob(torch.tensor(0.7)))
    assert target[0].tolist() == pytest.approx([-1 + 0.99 * (3 - 0.2 * log_prob), -1.0], rel=1e-6)


def bandit_gradient(mean: float, var: float, alpha: float, b: float, k: float) -> float:
    policy = tiny.constant_policy(mean, var**0.5)
    nets = tiny.stub_nets(policy, tiny.QuadraticQ(b, k))
    noise = tiny.normal_grid(1001)
    step = tiny.bandit_step(policy, nets, torch.zeros_like(noise), noise[None])
    return float(tiny.gradient(sac.soft_actor_loss(alpha, nets, step)[0], policy).abs().max())


def test_the_bandit_ends_at_mean_b_over_k_and_variance_alpha_over_k() -> None:
    b, k, alpha = 1.0, 2.0, 0.4
    assert bandit_gradient(b / k, alpha / k, alpha, b, k) < 1e-9
    assert bandit_gradient(b / k + 0.1, alpha / k, alpha, b, k) > 1e-2
    assert bandit_gradient(b / k, 1.2 * alpha / k, alpha, b, k) > 1e-2


def test_the_policy_maximises_the_smaller_critic() -> None:
    """d/d(mean) of -min(Q1, Q2) where Q1 = a and Q2 = a - 1 at every action."""
    nets = tiny.random_nets(GaussianPolicy)
    step = tiny.random_step(nets.policy, nets)
    action, _ = step.sampled
    smaller = nets.q(step.batch.obs, action).min(dim=1).values.mean(1)
    torch.testing.assert_close(
        policy_gradient(sac, sac.Config(alpha=0.0), nets, step), tiny.gradient(-smaller, nets.policy)
    )


@families
def test_without_a_cloning_weight_sac_bc_is_sac_bit_for_bit(family: Any) -> None:
    nets = tiny.random_nets(family, log_alpha=LogAlpha(2))
    step = tiny.random_step(nets.policy, nets)
    plain = policy_gradient(sac, sac.Config(start="prior"), nets, step)
    assert torch.equal(policy_gradient(sac_bc, sac_bc.Config(bc_weight=0.0, alpha="auto"), nets, step), plain)
    assert not torch.equal(policy_gradient(sac_bc, sac_bc.Config(alpha="auto"), nets, step), plain)
    ours = sac_bc.auxiliary_losses(sac_bc.Config(alpha="auto"), nets, step)[0]["log_alpha"]
    assert torch.equal(ours, sac.auxiliary_losses(sac.Config(), nets, step)[0]["log_alpha"])


@families
def test_sac_bc_adds_the_weighted_likelihood_of_the_demonstrations(family: Any) -> None:
    nets = tiny.random_nets(family)
    step = tiny.random_step(nets.policy, nets)
    demo = step.batch.demo
    assert demo is not None
    clone = -nets.policy(demo.obs).log_prob(demo.action).mean(1)
    expected = policy_gradient(sac, sac.Config(alpha=0.0), nets, step) + 0.7 * tiny.gradient(clone, nets.policy)
    torch.testing.assert_close(policy_gradient(sac_bc, sac_bc.Config(bc_weight=0.7, alpha=0.0), nets, step), expected)


def test_the_q_filter_keeps_the_demonstrations_that_q_prefers() -> None:
    """Q(a) = a - a^2 peaks at 0.5: against a policy at 0.3 only demonstrations in (0.3, 0.7) are better."""
    nets = tiny.stub_nets(tiny.constant_policy(0.3, 0.5), tiny.QuadraticQ(1.0, 2.0))
    step = tiny.bandit_step(nets.policy, nets, torch.zeros(4, dtype=torch.float64), torch.zeros(1, 4).double())
    demo = tiny.bandit_step(nets.policy, nets, torch.tensor([0.2, 0.5, 0.6, 0.9]).double()).batch
    step = dataclasses.replace(step, batch=dataclasses.replace(step.batch, demo=demo))
    log_prob = Normal(0.3, 0.5).log_prob(torch.tensor([0.2, 0.5, 0.6, 0.9]))
    for q_filter, kept, bc_loss in [(False, 1.0, -log_prob.mean()), (True, 0.5, -log_prob[1:3].sum() / 4)]:
        _, metrics = sac_bc.actor_loss(sac_bc.Config(alpha=0.0, q_filter=q_filter), nets, step)
        assert float(metrics["bc_kept"]) == kept
        assert float(metrics["bc_loss"]) == pytest.approx(float(bc_loss), rel=1e-5)


@families
def test_a_pretrained_start_clones_offline_and_is_sac_online(family: Any) -> None:
    nets = tiny.random_nets(family, log_alpha=LogAlpha(2))
    step = tiny.random_step(nets.policy, nets)
    cfg = sac.Config(start="pretrain")
    offline, online = sac.on_phase(cfg, "offline"), sac.on_phase(cfg, "online")
    demo = step.batch.demo
    assert demo is not None
    on_demos = Step(demo, step.noise, step.learner, step.policy)
    without = dataclasses.replace(step, batch=dataclasses.replace(step.batch, demo=None))
    for given, cloned in [(step, on_demos), (without, without)]:
        clone = tiny.gradient(bc.actor_loss(bc.Config(), nets, cloned)[0], nets.policy)
        assert torch.equal(policy_gradient(sac, offline, nets, given), clone)
    assert torch.equal(
        policy_gradient(sac, online, nets, step), policy_gradient(sac, sac.Config(start="prior"), nets, step)
    )
    dist = nets.policy(step.batch.next_obs)
    plain = algos.load("awac").td_target(awac.Config(), nets, step, dist)
    assert torch.equal(sac.td_target(offline, nets, step, dist), plain)
    assert not torch.allclose(sac.td_target(online, nets, step, dist), plain)


@pytest.mark.parametrize(("name", "moves"), [("sac", False), ("sac-prior", True), ("sac-bc", True)])
def test_alpha_waits_for_the_switch_only_where_the_policy_is_a_clone(name: str, moves: bool) -> None:
    learner = tiny.learner(name, settings={"alpha": "auto"})
    before = tiny.parameters(learner)["extra.log_alpha.value"]
    learner.run(2)
    assert (learner.nets.extra["log_alpha"].value != before).any() == moves
    online = tiny.learner(name, settings={"alpha": "auto"}, phase="online")
    online.run(2)
    assert (online.nets.extra["log_alpha"].value != before).all()


@pytest.mark.parametrize(("target_entropy", "expected"), [(None, -1.0), (0.5, 0.5)])
def test_alpha_rises_while_the_entropy_is_below_its_target(target_entropy: float | None, expected: float) -> None:
    """The gradient of the loss in log alpha is (entropy - target entropy): descent raises alpha where it is short."""
    for std in (0.05, 0.9):
        log_alpha = LogAlpha(1).double()
        torch.nn.init.constant_(log_alpha.value, 0.7)
        nets = tiny.stub_nets(tiny.constant_policy(0.0, std), tiny.ConstantQ(0.0, 0.0), log_alpha=log_alpha)
        noise = tiny.normal_grid(501)
        step = tiny.bandit_step(nets.policy, nets, torch.zeros_like(noise), noise[None])
        losses, _ = alpha_loss("auto", target_entropy, nets, step)
        entropy = 0.5 * math.log(2 * math.pi * math.e * std**2)
        assert float(tiny.gradient(losses["log_alpha"], log_alpha)) == pytest.approx(entropy - expected, rel=1e-6)
        assert not tiny.gradient(losses["log_alpha"], nets.policy).any()


def test_alpha_weighs_the_entropy_but_is_not_trained_by_the_policy() -> None:
    log_alpha = LogAlpha(2).double()
    with torch.no_grad():
        log_alpha.value.copy_(torch.tensor([[0.1], [0.4]]).log())
    nets = tiny.random_nets(SquashedPolicy, log_alpha=log_alpha)
    step = tiny.random_step(nets.policy, nets)
    loss, metrics = sac.actor_loss(sac.Config(), nets, step)
    torch.testing.assert_close(metrics["entropy_coef"], torch.tensor([0.1, 0.4]).double())
    assert not tiny.gradient(loss, log_alpha).any()
    for n, fixed in enumerate((0.1, 0.4)):  # each seed its own temperature
        torch.testing.assert_close(loss[n], sac.actor_loss(sac.Config(alpha=fixed), nets, step)[0][n])


def test_prior_data_that_is_empty_is_scratch() -> None:
    nothing = tiny.rows(0, seed=1)
    prior, scratch = (tiny.learner(name, phase="online", offline=nothing) for name in ("sac-prior", "sac-scratch"))
    prior.run(3)
    scratch.run(3)
    assert not tiny.changed(tiny.parameters(prior), tiny.parameters(scratch))


def test_what_each_start_asks_for() -> None:
    asked = {start: sac.needs(sac.Config(start=start)) for start in ("pretrain", "prior", "scratch")}  # type: ignore[arg-type]
    assert [asked[s].offline_data for s in asked] == [True, True, False]
    assert [asked[s].demo_batch for s in asked] == [128, 0, 0]
    assert not any(a.demos for a in asked.values()), "it does without marked ones"
    assert sac.needs(sac.Config(clone="data")).demo_batch == 0
    assert sac_bc.needs(sac_bc.Config(demo_batch=7)).demo_batch == 7


def test_demonstrations_are_drawn_only_while_they_are_cloned() -> None:
    learner = tiny.learner("sac")
    replay, demo = learner.replay, learner.draw()[0].demo
    assert replay is not None
    assert demo is not None
    assert demo.obs.shape[1] == 128
    marked = replay.rows[: replay.demos, : tiny.LAYOUT.obs_dim]
    assert all((marked == obs).all(1).any() for obs in demo.obs.flatten(0, 1))
    tiny.switch(learner)
    assert learner.draw()[0].demo is None


@pytest.mark.parametrize(
    ("rows", "marked", "counted"), [("marked", 3, 3), ("marked", 0, 0), ("all", 3, 10), ("marked or all", 3, 3),
                                    ("marked or all", 0, 10)],
)  # fmt: skip
def test_which_rows_count_as_demonstrations(rows: Any, marked: int, counted: int) -> None:
    assert Needs(demo_rows=rows).demo_count(marked, 10) == counted


@pytest.mark.parametrize("name", ["sac", "sac-bc"])
def test_q_is_bounded_only_where_it_holds_nothing_but_reward(name: str) -> None:
    assert tiny.learner(name, settings={"alpha": "auto"}, q_max=0.0).q_max is None
    assert tiny.learner(name, settings={"alpha": 0.0}, q_max=0.0).q_max == 0.0
    assert tiny.learner(name, settings={"alpha": 0.1}, q_max=0.0).q_max is None


@pytest.mark.parametrize("config", [sac.Config, sac_bc.Config])
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"alpha": -0.1}, "alpha=-0.1: must be auto or at least 0"),
        ({"alpha": 0.1, "target_entropy": -3.0}, "target_entropy contradicts a fixed alpha"),
    ],
)
def test_impossible_settings_are_refused(config: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        config(**settings)


@pytest.mark.parametrize(("settings", "name"), [({"bc_weight": -1.0}, "bc_weight"), ({"demo_batch": 0}, "demo_batch")])
def test_impossible_settings_of_sac_bc_are_refused(settings: dict[str, Any], name: str) -> None:
    with pytest.raises(SettingError, match=name):
        sac_bc.Config(**settings)
