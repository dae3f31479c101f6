"""AWAC against closed forms, its limits, and targets worked out by hand."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
import tiny
import torch
from torch import Tensor

import algos
from algos.contract import LearnerConfig, Noise
from algos.methods import awac, bc
from algos.networks.policies import GaussianPolicy
from algos.settings import SettingError

B, K, LAM = 1.0, 2.0, 0.7  # Q(a) = B a - K a^2 / 2, data N(0, 1)
MEAN, VAR = B / (LAM + K), LAM / (LAM + K)  # of the policy that AWAC's objective asks for
EXP = awac.Config(temperature=LAM, weight_norm="exp", v_estimator="mean_action")
SOFTMAX = awac.Config(temperature=LAM, v_estimator="mean_action")
either = pytest.mark.parametrize("cfg", [SOFTMAX, EXP], ids=["softmax", "exp"])


def bandit(cfg: awac.Config, mean: float, var: float, noise: Tensor | None = None) -> Tensor:
    """Gradient of AWAC's loss at the policy N(mean, var), on data spread as N(0, 1)."""
    policy = tiny.constant_policy(mean, var**0.5)
    nets = tiny.stub_nets(policy, tiny.QuadraticQ(B, K))
    step = tiny.bandit_step(policy, nets, tiny.normal_grid(4001), noise)
    return tiny.gradient(awac.actor_loss(cfg, nets, step)[0], policy)


@either
def test_weighted_data_has_the_moments_of_the_closed_form(cfg: awac.Config) -> None:
    a = tiny.normal_grid(20001)
    w = awac.weights(cfg, ((B * a - K * a.square() / 2) / LAM)[None])[0]
    mean = (w * a).sum() / w.sum()
    var = (w * (a - mean).square()).sum() / w.sum()
    assert float(mean) == pytest.approx(MEAN, rel=1e-3)
    assert float(var) == pytest.approx(VAR, rel=1e-3)


@either
def test_the_closed_form_is_where_the_gradient_vanishes(cfg: awac.Config) -> None:
    assert bandit(cfg, MEAN, VAR).abs().max() < 1e-3 * bandit(cfg, 0.0, VAR).abs().max()
    assert bandit(cfg, MEAN, VAR).abs().max() < 1e-3 * bandit(cfg, MEAN, 0.5 * VAR).abs().max()


@either
def test_dividing_by_z_changes_nothing_where_there_is_one_state(cfg: awac.Config) -> None:
    noise = torch.randn(10, 1, generator=torch.Generator().manual_seed(0)).double().expand(-1, 4001)
    with_z = dataclasses.replace(cfg, z_estimator="policy", z_samples=10)
    plain, divided = bandit(cfg, 0.2, 0.1), bandit(with_z, 0.2, 0.1, noise)
    scale = float(divided.norm() / plain.norm())  # exp weights keep the constant 1 / Z, softmax weights do not
    torch.testing.assert_close(divided, scale * plain, rtol=1e-9, atol=1e-12)
    if cfg.weight_norm == "softmax":
        assert scale == pytest.approx(1, rel=1e-9)


def test_z_takes_away_the_scale_of_a_state_from_its_share_of_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two states, the second with its rewards scaled: with Z(s) each keeps half of the weights."""
    n, k = 512, 256
    policy = tiny.constant_policy(0.0, 1.0)  # the distribution of the data
    action = tiny.normal_grid(n).repeat(2)
    noise = tiny.normal_grid(k)[:, None].expand(-1, 2 * n)

    seen: list[Tensor] = []
    weights = awac.weights
    monkeypatch.setattr(awac, "weights", lambda cfg, log_weight: seen.append(weights(cfg, log_weight)) or seen[-1])

    def share_of_second(cfg: awac.Config, scale: float) -> float:
        nets = tiny.stub_nets(policy, tiny.QuadraticQ(B, K, scaled=True))
        step = tiny.bandit_step(policy, nets, action, noise)
        step.batch.obs[:, n:] = scale
        step.q_data = nets.q(step.batch.obs, step.batch.action)
        awac.actor_loss(cfg, nets, step)
        return float(seen[-1][0, n:].sum() / seen[-1].sum())

    with_z = dataclasses.replace(SOFTMAX, z_estimator="policy", z_samples=k)
    assert share_of_second(with_z, 1.0) == pytest.approx(0.5, abs=1e-6)
    assert share_of_second(with_z, 3.0) == pytest.approx(0.5, abs=1e-2)
    z = [math.exp((c * B / LAM) ** 2 / (2 * (1 + c * K / LAM))) / math.sqrt(1 + c * K / LAM) for c in (1.0, 3.0)]
    assert share_of_second(SOFTMAX, 3.0) == pytest.approx(z[1] / sum(z), abs=1e-2)  # 0.56


def actor_gradients(cfg: awac.Config, q: Any = None) -> tuple[Tensor, Tensor]:
    """Policy gradients of AWAC and of cloning on the same minibatch."""
    nets = tiny.random_nets(GaussianPolicy)
    if q is not None:
        nets = tiny.stub_nets(nets.policy, q)
    step = tiny.random_step(nets.policy, nets, samples=4)
    clone, _ = bc.actor_loss(bc.Config(), nets, step)
    return tiny.gradient(awac.actor_loss(cfg, nets, step)[0], nets.policy), tiny.gradient(clone, nets.policy)


@pytest.mark.parametrize("norm", ["softmax", "exp"])
@pytest.mark.parametrize("v", ["sample", "mean_action", "k_mean"])
def test_a_huge_temperature_is_cloning(norm: Any, v: Any) -> None:
    ours, clone = actor_gradients(awac.Config(temperature=1e8, weight_norm=norm, v_estimator=v))
    torch.testing.assert_close(ours, clone, rtol=1e-6, atol=1e-6 * float(clone.abs().max()))
    sharp, _ = actor_gradients(awac.Config(temperature=0.1, weight_norm=norm, v_estimator=v))
    assert (sharp - clone).norm() > 0.1 * clone.norm()


@pytest.mark.parametrize("norm", ["softmax", "exp"])
def test_a_constant_advantage_is_cloning(norm: Any) -> None:
    ours, clone = actor_gradients(awac.Config(temperature=0.01, weight_norm=norm), tiny.ConstantQ(-3.0, -2.0))
    torch.testing.assert_close(ours, clone)


def test_softmax_weights_sum_to_the_batch_size_for_every_seed() -> None:
    log_weight = 300 * torch.randn(4, 1024, generator=torch.Generator().manual_seed(0))
    w = awac.weights(awac.Config(), log_weight)
    torch.testing.assert_close(w.sum(1), torch.full((4,), 1024.0))
    torch.testing.assert_close(w, awac.weights(awac.Config(), log_weight + 1000))  # the batch's maximum cancels


def test_the_cap_bounds_exp_weights_before_they_overflow() -> None:
    w = awac.weights(awac.Config(weight_norm="exp", exp_cap=20.0), torch.tensor([[-1.0, 0.0, 3.5, 1e30]]))
    torch.testing.assert_close(w, torch.tensor([[math.exp(-1), 1.0, 20.0, 20.0]]))


# effective sample sizes of 1024 weights for Gaussian advantages, worked out independently of this code
ESS = [
    ({"temperature": 0.3}, 1.0, 9, 3), ({"temperature": 0.3}, 20.0, 1.1, 0.1), ({"temperature": 1.0}, 1.0, 381, 12),
    ({"temperature": 1.0}, 5.0, 3.7, 1), ({"temperature": 2.0}, 1.0, 800, 12), ({"temperature": 2.0}, 5.0, 24, 8),
    ({"temperature": 0.5, "advantage_clip": 0.5}, 1.0, 611, 12),
    ({"temperature": 0.5, "advantage_clip": 0.5}, 5.0, 534, 12),
    ({"temperature": 1.0, "weight_norm": "exp"}, 1.0, 394, 15),
    ({"temperature": 1.0, "weight_norm": "exp"}, 20.0, 447, 15),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "sd", "expected", "tolerance"), ESS)
def test_effective_sample_sizes(settings: dict[str, Any], sd: float, expected: float, tolerance: float) -> None:
    advantage = sd * torch.randn(256, 1024, generator=torch.Generator().manual_seed(1)).double()
    policy = tiny.constant_policy(0.0, 0.5, seeds=256)
    nets = tiny.stub_nets(policy, tiny.ConstantQ(0.0, 0.0))
    zeros = torch.zeros(1, 1024).double()
    step = tiny.bandit_step(policy, nets, zeros[0], zeros, seeds=256)
    step.q_data = advantage[:, None].expand(-1, 2, -1)
    _, metrics = awac.actor_loss(awac.Config(**settings), nets, step)
    assert float(1024 * metrics["weight_ess"].mean()) == pytest.approx(expected, abs=tolerance)
    assert float(metrics["advantage_std"].mean()) == pytest.approx(sd, rel=0.01)


@pytest.mark.parametrize(("critic", "expected"), [("min", -3.0), ("first", -1.0), ("mean", -2.0)])
def test_which_critic_rates_actions(critic: Any, expected: float) -> None:
    cfg = awac.Config(advantage_q=critic, v_estimator="mean_action")
    nets = tiny.stub_nets(tiny.constant_policy(0.1, 0.5), tiny.ConstantQ(-10.0, -10.0))
    step = tiny.bandit_step(nets.policy, nets, tiny.normal_grid(8))
    step.q_data = torch.tensor([-11.0, -13.0]).double()[None, :, None].expand(1, 2, 8)
    assert float(awac.actor_loss(cfg, nets, step)[1]["advantage"]) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("v", "noise", "expected"),
    [
        ("mean_action", None, 0.3 - 0.09),
        ("sample", [[0.5]], 0.55 - 0.55**2),
        ("k_mean", [[0.5], [-0.5]], ((0.55 - 0.55**2) + (0.05 - 0.05**2)) / 2),
    ],
)
def test_value_estimates_by_hand(v: Any, noise: list[list[float]] | None, expected: float) -> None:
    """Policy N(0.3, 0.5^2) and Q(a) = a - a^2."""
    nets = tiny.stub_nets(tiny.constant_policy(0.3, 0.5), tiny.QuadraticQ(1.0, 2.0))
    draws = None if noise is None else torch.tensor(noise).double().expand(-1, 8)
    step = tiny.bandit_step(nets.policy, nets, tiny.normal_grid(8), draws)
    _, metrics = awac.actor_loss(awac.Config(v_estimator=v, v_samples=2), nets, step)
    assert float(metrics["q_policy"]) == pytest.approx(expected)


def test_z_by_hand() -> None:
    """Policy N(0.3, 0.5^2) and Q(a) = a - a^2; the first draw is V's, the other two are Z's."""
    nets = tiny.stub_nets(tiny.constant_policy(0.3, 0.5), tiny.QuadraticQ(1.0, 2.0))
    noise = torch.tensor([[0.5], [-0.5], [0.2]]).double().expand(-1, 8)
    step = tiny.bandit_step(nets.policy, nets, tiny.normal_grid(8), noise)
    cfg = awac.Config(temperature=LAM, z_estimator="policy", z_samples=2)
    advantages = [a - a**2 - (0.55 - 0.55**2) for a in (0.05, 0.4)]
    expected = math.log(sum(math.exp(a / LAM) for a in advantages) / 2)
    assert float(awac.actor_loss(cfg, nets, step)[1]["log_z"]) == pytest.approx(expected)


def test_the_behaviour_model_gives_z_and_learns_by_likelihood() -> None:
    """A behaviour model equal to the policy gives the same Z; its loss is the clone's and reaches nothing else."""
    policy = tiny.constant_policy(0.2, 0.6)
    nets = tiny.stub_nets(policy, tiny.QuadraticQ(B, K), behaviour=tiny.constant_policy(0.2, 0.6))
    noise = torch.randn(11, 64, generator=torch.Generator().manual_seed(0)).double()
    step = tiny.bandit_step(policy, nets, tiny.normal_grid(64), noise)
    results = {}
    for kind in ("policy", "behaviour"):
        cfg = awac.Config(z_estimator=kind)  # type: ignore[arg-type]
        results[kind] = awac.actor_loss(cfg, nets, step)
    torch.testing.assert_close(results["policy"][0], results["behaviour"][0])
    losses, _ = awac.auxiliary_losses(awac.Config(z_estimator="behaviour"), nets, step)
    clone, _ = bc.actor_loss(bc.Config(), nets, step)
    torch.testing.assert_close(losses["behaviour"], clone)
    torch.testing.assert_close(
        tiny.gradient(losses["behaviour"], nets.extra["behaviour"]), tiny.gradient(clone, policy)
    )
    assert not tiny.gradient(losses["behaviour"], policy).any()
    learner = tiny.learner("awac-z")
    decays = {name: o.param_groups[0]["weight_decay"] for name, o in learner.optimisers.items()}
    assert decays == {"policy": 1e-4, "critic": 0.0, "behaviour": 1e-4}, "it shares the policy's, as in AWAC's code"


def test_the_behaviour_model_may_prefer_what_q_does() -> None:
    """Data actions 0.2 and 0.5 against the model's own 0.1 and 0.4, by Q(a) = B a - K a^2 / 2.

    V's draw comes first, then those for Z(s), then the model's own.
    """
    policy = tiny.constant_policy(0.3, 0.6)
    nets = tiny.stub_nets(policy, tiny.QuadraticQ(B, K), behaviour=tiny.constant_policy(0.0, 1.0 - 1e-9))
    noise = torch.tensor([[0.7, 0.7], [-0.2, 0.3], [0.1, 0.4]]).double()
    step = tiny.bandit_step(policy, nets, torch.tensor([0.2, 0.5]).double(), noise)
    plain, weighted = (
        awac.Config(temperature=LAM, z_estimator="behaviour", z_samples=1, behaviour_weights=kind)  # type: ignore[arg-type]
        for kind in ("none", "advantage")
    )
    assert [awac.needs(cfg).action_samples for cfg in (plain, weighted)] == [2, 3]
    q = {a: B * a - K * a**2 / 2 for a in (0.2, 0.5, 0.1, 0.4)}
    w = [math.exp((q[0.2] - q[0.1]) / LAM), math.exp((q[0.5] - q[0.4]) / LAM)]
    log_prob = [-0.5 * a**2 - 0.5 * math.log(2 * math.pi) for a in (0.2, 0.5)]
    expected = -sum(x * y for x, y in zip(w, log_prob, strict=True)) / sum(w)
    loss = awac.auxiliary_losses(weighted, nets, step)[0]["behaviour"]
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-5)
    two = tiny.bandit_step(policy, nets, torch.tensor([0.2, 0.5]).double(), noise[:2])
    assert torch.equal(awac.actor_loss(weighted, nets, step)[0], awac.actor_loss(plain, nets, two)[0])


# the skeleton's critic update, which is AWAC's


def target(reward: list[float], terminated: list[float], **common: Any) -> list[float]:
    """The default target where both critics are constant: 3 and 5."""
    nets = tiny.stub_nets(tiny.constant_policy(0.0, 0.5), tiny.ConstantQ(3.0, 5.0))
    step = tiny.bandit_step(nets.policy, nets, torch.zeros(len(reward), dtype=torch.float64))
    batch = dataclasses.replace(
        step.batch, reward=torch.tensor([reward]).double(), terminated=torch.tensor([terminated]).double()
    )
    step = dataclasses.replace(step, batch=batch, learner=LearnerConfig(**common))
    out: Tensor = algos.load("awac").td_target(awac.Config(), nets, step, nets.policy(batch.next_obs))
    return [float(x) for x in out[0]]


def test_only_a_true_end_stops_the_bootstrap() -> None:
    """A time limit is a row like any other: the packed row knows only `terminated`."""
    assert target([-1.0, 0.0, -1.0], [0.0, 0.0, 1.0]) == pytest.approx([-1 + 0.99 * 3, 0.99 * 3, -1.0])
    assert target([-1.0], [1.0], bootstrap_through_terminals=True) == pytest.approx([-1 + 0.99 * 3])
    assert target([-1.0], [0.0], discount=0.5) == pytest.approx([0.5])


def test_the_target_draws_the_next_action_from_the_policy_at_the_next_state() -> None:
    """Q(a) = a - a^2 under N(0.3, 0.5^2) with noise 0.5."""
    nets = tiny.stub_nets(tiny.constant_policy(0.3, 0.5), tiny.QuadraticQ(1.0, 2.0))
    step = tiny.bandit_step(nets.policy, nets, torch.zeros(1, dtype=torch.float64))
    step = dataclasses.replace(step, noise=Noise(torch.full((1, 1, 1), 0.5).double(), None))
    out = algos.load("awac").td_target(awac.Config(), nets, step, nets.policy(step.batch.next_obs))
    assert float(out.detach()) == pytest.approx(0.99 * (0.55 - 0.55**2))


def optimistic(q_bound: str, value: float = 5.0) -> Any:
    """A learner whose critics and targets say `value` everywhere, on rewards of 0 with no ends, Q being at most 0."""
    offline = tiny.rows(tiny.OFFLINE, seed=1)
    offline[:, [-1, tiny.LAYOUT.obs_dim + tiny.LAYOUT.action_dim]] = 0.0
    learner = tiny.learner("awac", common={"q_bound": q_bound}, offline=offline, q_max=0.0)
    assert learner.nets.critic is not None
    with torch.no_grad():
        *_, weight, bias = learner.nets.critic.parameters()
        weight.zero_()
        bias.fill_(value)
    learner.reset_parts(["targets"])
    return learner


@pytest.mark.parametrize(("q_bound", "expected"), [("none", 0.99 * 5), ("target", 0.0), ("output", 0.0)])
def test_q_bounds(q_bound: str, expected: float) -> None:
    learner = optimistic(q_bound)
    before = tiny.parameters(learner)
    learner.run(1)
    metrics = learner.read_metrics()
    assert metrics["td_target"] == pytest.approx(expected)
    assert metrics["q_data"] == pytest.approx(0.0 if q_bound == "output" else 5.0)
    learnt = any(p.startswith("critic.") for p in tiny.changed(before, tiny.parameters(learner)))
    assert learnt == (q_bound != "output")  # a clamped output has no gradient: such a critic never comes down


def test_a_bounded_target_leaves_values_below_the_bound_alone() -> None:
    for q_bound in ("none", "target", "output"):
        learner = optimistic(q_bound, value=-2.0)
        learner.run(1)
        assert learner.read_metrics()["td_target"] == pytest.approx(-0.99 * 2)


def test_the_critic_loss_sums_both_critics() -> None:
    """Constant critics at 5 with the target at 0.99 * 5: each is 0.05 off."""
    learner = optimistic("none")
    learner.run(1)
    assert learner.read_metrics()["critic_loss"] == pytest.approx(2 * 0.05**2, rel=1e-3)


def test_the_update_order_decides_which_critic_the_policy_sees() -> None:
    """Before the step Q is 5 everywhere and no advantage differs; after it the rows differ."""
    spread = {}
    for order in ("pre", "post"):
        learner = optimistic("none")
        learner.learner = dataclasses.replace(learner.learner, update_order=order, critic_lr=0.1)
        learner.optimisers = learner._optimisers(learner.nets)
        learner.run(1)
        spread[order] = float(learner.read_metrics()["advantage_std"].max())
    assert spread["pre"] == 0.0
    assert spread["post"] > 1e-3


@pytest.mark.parametrize("order", ["pre", "post"])
def test_the_critics_values_of_the_batch_are_those_the_policy_sees(order: str) -> None:
    learner = optimistic("none")
    learner.learner = dataclasses.replace(learner.learner, update_order=order)
    batch, noise = learner.draw()
    seen = []
    for _ in range(2):
        seen.append(learner.nets.q(batch.obs, batch.action).detach().amin(1).mean(1).numpy())
        learner.learn(batch, noise)
    assert seen[0] != pytest.approx(seen[1], abs=1e-5)
    first = optimistic("none")
    first.learner = learner.learner
    first.learn(batch, noise)
    assert first.read_metrics()["q_data"] == pytest.approx(seen[0 if order == "pre" else 1], abs=1e-6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": 0.0}, "temperature=0.0: must be above 0"),
        ({"exp_cap": -1.0}, "exp_cap=-1.0: must be above 0"),
        ({"z_samples": 0}, "z_samples=0: must be at least 1"),
        ({"advantage_clip": 0.5, "z_estimator": "policy"}, "advantage_clip contradicts z_estimator"),
        ({"behaviour_weights": "advantage", "z_estimator": "policy"}, "behaviour_weights is of the model that only"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        awac.Config(**settings)
