"""BRAC against closed forms, SAC and AWAC in its limits, and targets worked out by hand."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from algos.contract import LearnerConfig
from algos.methods import awac, bc, brac, sac
from algos.networks.nets import Dual, Nets
from algos.networks.policies import GaussianPolicy, SquashedPolicy
from algos.parts.entropy import LogAlpha
from algos.settings import SettingError

B, K, WEIGHT = 1.0, 2.0, 0.7  # Q(a) = B a - K a^2 / 2, behaviour model N(0, 1)
KL_P = brac.Config(mode="kl_policy", penalty_weight=WEIGHT)
KL_V = brac.Config(mode="kl_value", penalty_weight=WEIGHT)
families = pytest.mark.parametrize("family", [GaussianPolicy, SquashedPolicy])
modes = pytest.mark.parametrize("mode", ["logprob_policy", "kl_policy", "kl_value", "reward_awac"])


def policy_gradient(module: Any, cfg: Any, nets: Any, step: Any) -> Tensor:
    return tiny.gradient(module.actor_loss(cfg, nets, step)[0], nets.policy)


def behaved(mean: float, var: float) -> tuple[Nets, Any]:
    """The bandit with a policy N(mean, var) and a behaviour model N(0, 1)."""
    policy = tiny.constant_policy(mean, var**0.5)
    nets = tiny.stub_nets(policy, tiny.QuadraticQ(B, K), behaviour=tiny.constant_policy(0.0, 1.0))
    noise = tiny.normal_grid(1001)
    return nets, tiny.bandit_step(policy, nets, torch.zeros_like(noise), noise[None])


@pytest.mark.parametrize("weight", [WEIGHT, 1e6])
def test_the_bandit_ends_between_q_and_the_behaviour_model(weight: float) -> None:
    """KL(pi || pib) asks for mean b / (weight + k), variance weight / (weight + k); a huge weight, for pib itself."""
    cfg = dataclasses.replace(KL_P, penalty_weight=weight)
    mean, var = B / (weight + K), weight / (weight + K)

    def gradient(mean: float, var: float) -> float:
        return float(policy_gradient(brac, cfg, *behaved(mean, var)).abs().max()) / weight

    assert gradient(mean, var) < 1e-8
    assert gradient(mean + 0.1, var) > 1e-2
    assert gradient(mean, 0.8 * var) > 1e-2


@pytest.mark.parametrize(("mean", "std"), [(0.2, 0.6), (-0.4, 0.1)])
def test_what_is_measured_is_the_divergence(mean: float, std: float) -> None:
    """Over a grid of actions the estimates are exact: KL(N(mean, std^2) || N(0, 1)), and the cross entropy."""
    metrics = brac.actor_loss(KL_P, *behaved(mean, std**2))[1]
    kl = float(kl_divergence(Normal(mean, std), Normal(0.0, 1.0)))
    assert float(metrics["divergence"].detach()) == pytest.approx(kl, rel=1e-6)
    metrics = brac.actor_loss(brac.Config(), *behaved(mean, std**2))[1]
    cross = 0.5 * math.log(2 * math.pi) + (mean**2 + std**2) / 2
    assert float(metrics["divergence"].detach()) == pytest.approx(cross, rel=1e-9)


@pytest.mark.parametrize(("mean", "std"), [(0.2, 0.6), (B / (WEIGHT + K), 0.1)])
def test_log_pib_alone_moves_the_mean_and_takes_away_the_spread(mean: float, std: float) -> None:
    """-Q - w log pib under N(mean, std^2) is -b mean + (k + w) / 2 (mean^2 + std^2) + w log(2 pi) / 2."""
    loss, _ = brac.actor_loss(brac.Config(penalty_weight=WEIGHT), *behaved(mean, std**2))
    expected = -B * mean + (K + WEIGHT) / 2 * (mean**2 + std**2) + WEIGHT / 2 * math.log(2 * math.pi)
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-9)


def random_case(family: Any, samples: int = 4) -> tuple[Nets, Any]:
    behaviour = family(2, tiny.LAYOUT.obs_dim, tiny.LAYOUT.action_dim, (16, 16))
    nets = tiny.random_nets(family, behaviour=behaviour, log_alpha=LogAlpha(2))
    step = tiny.random_step(nets.policy, nets, samples=samples)
    g = torch.Generator().manual_seed(9)
    ahead = torch.randn(2, samples, *step.batch.action.shape[1:], generator=g).double()
    ahead[:, 0] = step.noise.next_action  # type: ignore[assignment]
    return nets, dataclasses.replace(step, noise=dataclasses.replace(step.noise, next_actions=ahead))


@families
@pytest.mark.parametrize("alpha", ["auto", 0.0, 0.2])
@pytest.mark.parametrize("mode", ["logprob_policy", "kl_policy", "kl_value"])
def test_without_weight_it_is_sac_bit_for_bit(mode: Any, alpha: Any, family: Any) -> None:
    nets, step = random_case(family)
    plain = sac.Config(start="prior", alpha=alpha)
    ours = brac.Config(mode=mode, penalty_weight=0.0, alpha=alpha)
    assert torch.equal(policy_gradient(brac, ours, nets, step), policy_gradient(sac, plain, nets, step))
    dist = nets.policy(step.batch.next_obs)
    assert torch.equal(brac.td_target(ours, nets, step, dist), sac.td_target(plain, nets, step, dist))
    weighted = dataclasses.replace(ours, penalty_weight=0.1)
    assert not torch.equal(policy_gradient(brac, weighted, nets, step), policy_gradient(sac, plain, nets, step))


def test_the_target_of_brac_v_by_hand() -> None:
    """Policy N(0.3, 0.5^2), pib N(0, 1), critics 3 and 5, two draws: a' = 0.7 and 0.05."""
    behaviour = tiny.constant_policy(0.0, 1.0)
    nets = tiny.stub_nets(tiny.constant_policy(0.3, 0.5), tiny.ConstantQ(3.0, 5.0), behaviour=behaviour)
    step = tiny.bandit_step(nets.policy, nets, torch.zeros(2, dtype=torch.float64))
    draws = torch.tensor([0.8, -0.5]).double()[None, :, None, None].expand(1, 2, 2, 1)
    reward, terminated = torch.tensor([[-1.0, -1.0]]).double(), torch.tensor([[0.0, 1.0]]).double()
    batch = dataclasses.replace(step.batch, reward=reward, terminated=terminated)
    noise = dataclasses.replace(step.noise, next_action=draws[:, 0], next_actions=draws)
    step = dataclasses.replace(step, batch=batch, noise=noise)
    dist = nets.policy(batch.next_obs)
    actions = torch.tensor([0.7, 0.05])
    penalty = float((Normal(0.3, 0.5).log_prob(actions) - Normal(0.0, 1.0).log_prob(actions)).mean())
    target = brac.td_target(KL_V, nets, step, dist)
    assert target[0].tolist() == pytest.approx([-1 + 0.99 * (3 - WEIGHT * penalty), -1.0], rel=1e-6)
    assert brac.td_target(KL_P, nets, step, dist)[0].tolist() == pytest.approx([-1 + 0.99 * 3, -1.0])
    capped = dataclasses.replace(KL_V, value_penalty_max=0.1)
    assert penalty > 0.1
    target = brac.td_target(capped, nets, step, dist)
    assert target[0].tolist() == pytest.approx([-1 + 0.99 * (3 - WEIGHT * 0.1), -1.0])
    myopic = dataclasses.replace(step, learner=LearnerConfig(discount=0.0))
    assert torch.equal(brac.td_target(KL_V, nets, myopic, dist), brac.td_target(KL_P, nets, myopic, dist))


@families
def test_brac_v_and_brac_p_share_the_policy_loss(family: Any) -> None:
    nets, step = random_case(family)
    assert torch.equal(policy_gradient(brac, KL_V, nets, step), policy_gradient(brac, KL_P, nets, step))


def test_log_pib_as_a_reward() -> None:
    """Only the data's action counts, and the policy's loss is AWAC's."""
    nets, step = random_case(GaussianPolicy)
    cfg = brac.Config(mode="reward_awac", penalty_weight=WEIGHT)
    dist = nets.policy(step.batch.next_obs)
    log_pib = nets.extra["behaviour"](step.batch.obs).log_prob(step.batch.action)
    plain = sac.td_target(sac.Config(alpha=0.0), nets, step, dist)
    torch.testing.assert_close(brac.td_target(cfg, nets, step, dist), plain + WEIGHT * log_pib)
    capped = dataclasses.replace(cfg, value_penalty_max=5.0)
    torch.testing.assert_close(brac.td_target(capped, nets, step, dist), plain + WEIGHT * log_pib.clamp_min(-5.0))
    assert (log_pib < -5.0).any()
    for clip in (2.0, 1e-3, None):
        ours = dataclasses.replace(cfg, temperature=0.05, advantage_clip=clip)
        theirs = awac.Config(temperature=0.05, advantage_clip=clip, v_estimator="mean_action")
        assert torch.equal(policy_gradient(brac, ours, nets, step), policy_gradient(awac, theirs, nets, step))


@families
@modes
def test_the_behaviour_model_learns_by_likelihood_and_from_nothing_else(mode: Any, family: Any) -> None:
    nets, step = random_case(family)
    cfg = brac.Config(mode=mode)
    losses, metrics = brac.auxiliary_losses(cfg, nets, step)
    clone = bc.actor_loss(bc.Config(), nets, dataclasses.replace(step, policy=nets.extra["behaviour"]))[0]
    assert torch.equal(losses["behaviour"], clone)
    assert torch.equal(metrics["behaviour_log_prob"], -clone)
    assert tiny.gradient(losses["behaviour"], nets.extra["behaviour"]).any()
    assert not tiny.gradient(losses["behaviour"], nets.policy).any()
    loss, _ = brac.actor_loss(cfg, nets, step)
    assert not tiny.gradient(loss, nets.extra["behaviour"]).any()
    assert tiny.gradient(loss, nets.policy).any()


@pytest.mark.parametrize(("fit", "moves"), [("always", [1, 1]), ("offline", [1, 0]), ("frozen", [0, 0])])
def test_in_which_phases_the_behaviour_model_is_fitted(fit: str, moves: list[int]) -> None:
    learner = tiny.learner("brac", settings={"behaviour_fit": fit})
    moved = []
    for phase in ("offline", "online"):
        if phase == "online":
            tiny.switch(learner)
        before = tiny.parameters(learner)
        learner.run(2)
        moved.append(any("behaviour" in name for name in tiny.changed(before, tiny.parameters(learner))))
    assert moved == [bool(m) for m in moves]


def test_the_warm_start_leaves_out_q_for_its_updates_and_ends_at_the_switch() -> None:
    """Critics twice as large change nothing of a policy that does not look at them."""

    def policies_differ(updates: int, online: bool = False) -> bool:
        learners = [tiny.learner("brac", settings={"warm_start": 3}) for _ in range(2)]
        assert learners[1].nets.critic is not None
        with torch.no_grad():
            for p in learners[1].nets.critic.parameters():
                p *= 2
        for learner in learners:
            if online:
                tiny.switch(learner)
            learner.run(updates)
        changed = tiny.changed(*(tiny.parameters(learner) for learner in learners))
        return any(name.startswith("policy.") for name in changed)

    assert not policies_differ(3)
    assert policies_differ(4)
    assert policies_differ(1, online=True)


@pytest.mark.parametrize(
    ("start", "target", "sign"), [(1.0, -1e3, 1), (1.0, 1e3, -1), (500.0, -1e3, 0), (500.0, 1e3, -1), (0.0, 1e3, 0)]
)
def test_a_tuned_weight_rises_above_the_target_falls_below_it_and_stays_in_range(
    start: float, target: float, sign: int
) -> None:
    learner = tiny.learner("brac-v", settings={"penalty_weight": "auto", "target_divergence": target})
    dual = learner.nets.extra["penalty_weight"]
    torch.nn.init.constant_(dual.value, start)
    learner.run(1)
    assert dual().flatten().tolist() == pytest.approx([start + 1e-3 * sign] * len(tiny.SEEDS), rel=1e-6)


def test_a_tuned_weight_is_used_per_seed_and_trained_by_its_own_loss() -> None:
    dual = Dual(2, 0.1, 0.0, 500.0).double()
    with torch.no_grad():
        dual.value[1] = 5.0
    nets, step = random_case(GaussianPolicy)
    nets.extra["penalty_weight"] = dual
    cfg = brac.Config(mode="kl_policy", penalty_weight="auto", target_divergence=0.3)
    loss, logged = brac.actor_loss(cfg, nets, step)
    assert not tiny.gradient(loss, dual).any()
    for n, fixed in enumerate((0.1, 5.0)):
        alone = brac.actor_loss(brac.Config(mode="kl_policy", penalty_weight=fixed), nets, step)[0]
        torch.testing.assert_close(loss[n], alone[n])
    losses, metrics = brac.auxiliary_losses(cfg, nets, step)
    torch.testing.assert_close(metrics["penalty_weight"], torch.tensor([0.1, 5.0]).double())
    assert not tiny.gradient(losses["penalty_weight"], nets.policy).any()
    torch.testing.assert_close(tiny.gradient(losses["penalty_weight"], dual), 0.3 - logged["divergence"].detach())


@modes
@pytest.mark.parametrize("phase", ["offline", "online"])
def test_seeds_do_not_see_each_other_in_any_mode(mode: str, phase: Any) -> None:
    tuned = {} if mode == "reward_awac" else {"penalty_weight": "auto", "alpha": "auto"}
    settings = {"mode": mode, "policy_family": "squashed", **tuned}
    assert tiny.alone_against_packed("brac", phase, settings=settings) < 5e-6


@pytest.mark.parametrize(
    ("settings", "bounded"),
    [
        ({}, True),
        ({"mode": "kl_policy"}, True),
        ({"mode": "kl_value"}, False),
        ({"mode": "reward_awac"}, False),
        ({"alpha": 0.1}, False),
    ],
)
def test_q_is_bounded_only_where_it_holds_nothing_but_reward(settings: dict[str, Any], bounded: bool) -> None:
    assert (tiny.learner("brac", settings=settings, q_max=0.0).q_max == 0.0) == bounded


def test_only_brac_v_draws_several_next_actions() -> None:
    modes = ("logprob_policy", "kl_policy", "kl_value", "reward_awac")
    asked = [brac.needs(brac.Config(mode=mode, divergence_samples=3)) for mode in modes]  # type: ignore[arg-type]
    assert [a.next_action_samples for a in asked] == [1, 1, 3, 1]
    assert [a.action_samples for a in asked] == [3, 3, 3, 0]


def test_the_behaviour_model_shares_the_policys_weight_decay() -> None:
    """So heavy a decay outweighs its loss, and Adam's first step is then its step size towards zero."""
    learner = tiny.learner("brac", common={"policy_weight_decay": 1e8})
    before = tiny.parameters(learner)
    learner.run(1)
    for name, after in tiny.parameters(learner).items():
        large = before[name].abs() > 1e-5
        if name.startswith("extra.behaviour."):
            step = after[large] - before[name][large]
            torch.testing.assert_close(step, -3e-4 * before[name][large].sign(), rtol=1e-2, atol=0)


def test_the_behaviour_model_may_prefer_what_q_does() -> None:
    """N times the batch's softmax of [min Q(s, a) - min Q(s, own action)] / temperature, as in AWAC's trainer."""
    nets = tiny.random_nets(GaussianPolicy, behaviour=GaussianPolicy(2, 5, 3, (16, 16)))
    step = tiny.random_step(nets.policy, nets, samples=5)
    assert step.noise.action is not None
    cfg = brac.Config(behaviour_weights="advantage", temperature=0.4)
    loss = brac.auxiliary_losses(cfg, nets, step)[0]["behaviour"]
    batch, model = step.batch, nets.extra["behaviour"](step.batch.obs)
    own = model.mean + model.log_std.exp() * step.noise.action[:, 4]
    for s in range(2):
        q, q_own = (nets.q(batch.obs, a)[s].min(0).values.detach().numpy() for a in (batch.action, own))
        w = np.exp((q - q_own) / 0.4)
        log_prob = model.log_prob(batch.action)[s].detach().numpy()
        assert float(loss[s].detach()) == pytest.approx(-float((w / w.sum() * log_prob).sum()), rel=1e-9)
    plain = brac.auxiliary_losses(brac.Config(), nets, step)
    same = brac.auxiliary_losses(dataclasses.replace(cfg, temperature=math.inf), nets, step)
    torch.testing.assert_close(same[0]["behaviour"], plain[0]["behaviour"])
    assert torch.equal(same[1]["behaviour_log_prob"], plain[1]["behaviour_log_prob"])
    assert not tiny.gradient(loss, nets.policy).any()
    assert not tiny.gradient(loss, nets.critic).any()
    without = dataclasses.replace(step, noise=dataclasses.replace(step.noise, action=step.noise.action[:, :4]))
    divergences = [brac.actor_loss(brac.Config(), nets, s)[1]["divergence"] for s in (step, without)]
    assert torch.equal(*divergences), "its draw is one more"
    modes = ("logprob_policy", "kl_policy", "kl_value", "reward_awac")
    asked = [brac.needs(brac.Config(mode=m, behaviour_weights="advantage")).action_samples for m in modes]  # type: ignore[arg-type]
    assert asked == [5, 5, 5, 1]
    assert tiny.alone_against_packed("brac", "offline", settings={"behaviour_weights": "advantage"}) < 5e-6


def test_the_entries_of_the_registry() -> None:
    assert tiny.objective_and_config("brac")[1].mode == "logprob_policy"  # the text of AWAC's appendix
    assert tiny.objective_and_config("brac-v")[1].mode == "kl_value"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"penalty_weight": -1.0}, "penalty_weight=-1.0: must be auto or at least 0"),
        ({"alpha": -0.1}, "alpha=-0.1: must be auto or at least 0"),
        ({"temperature": 0.0}, "temperature=0.0: must be above 0"),
        ({"divergence_samples": 0}, "divergence_samples=0: must be at least 1"),
        ({"value_penalty_max": 0.0}, "value_penalty_max=0.0: must be above 0 or none"),
        ({"warm_start": -1}, "warm_start=-1: must be at least 0"),
        ({"target_entropy": -3.0}, "target_entropy contradicts a fixed alpha"),
        ({"target_divergence": 0.1}, "target_divergence contradicts a fixed penalty_weight"),
        ({"mode": "reward_awac", "alpha": 0.1}, "alpha contradicts mode=reward_awac"),
        ({"mode": "reward_awac", "warm_start": 5}, "warm_start contradicts mode=reward_awac"),
        ({"mode": "reward_awac", "penalty_weight": "auto"}, "penalty_weight=auto contradicts mode=reward_awac"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        brac.Config(**settings)
