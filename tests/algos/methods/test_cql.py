"""CQL and Cal-QL against a closed form, a gap worked out by hand, and the methods that are their limits."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
import tiny
import torch
from torch import Tensor, nn
from torch.distributions import Normal

import algos
from algos.contract import Noise, Phase, Step
from algos.methods import awac, bc, cql, sac
from algos.networks.nets import Nets
from algos.networks.policies import SquashedPolicy
from algos.settings import SettingError

FIXED: dict[str, Any] = {"alpha": 0.2}  # no dual variable is needed


def problem(cfg: cql.Config, seed: int = 0) -> tuple[Nets, Step]:
    """Random networks and a random step of two seeds with the draws that `cfg` asks for; float64."""
    nets = tiny.random_nets(SquashedPolicy)
    step = tiny.random_step(nets.policy, nets, samples=cql.needs(cfg).action_samples, seed=seed)
    shape = (2, cql.needs(cfg).next_action_samples, *step.batch.action.shape[1:])
    ahead = torch.randn(shape, generator=torch.Generator().manual_seed(seed + 7)).double()
    noise = dataclasses.replace(step.noise, next_action=ahead[:, 0], next_actions=ahead)
    columns = {"return_to_go": torch.zeros_like(step.batch.reward)}
    return nets, dataclasses.replace(step, noise=noise, batch=dataclasses.replace(step.batch, columns=columns))


def floored_at(step: Step, value: float) -> Step:
    """The same step on data that returned `value` from every row on."""
    columns = {"return_to_go": torch.full_like(step.batch.reward, value)}
    return dataclasses.replace(step, batch=dataclasses.replace(step.batch, columns=columns))


def penalty(cfg: cql.Config, nets: Nets, step: Step) -> Tensor:
    """What is added to the critics' loss."""
    found = cql.critic_penalty(cfg, nets, dataclasses.replace(step), nets.q(step.batch.obs, step.batch.action))
    assert found is not None
    return found[0]


def critic_gradient(loss: Tensor, nets: Nets) -> Tensor:
    assert nets.critic is not None
    return tiny.gradient(loss, nets.critic)


# the gap


@pytest.mark.parametrize("floor", [None, 0.2])
def test_the_gap_by_hand(floor: float | None) -> None:
    """Q(a) = a - a^2 of both critics, policy N(0.3, 0.5^2) everywhere; two draws of each kind, one data action."""
    normal, uniform, here, ahead, data = Normal(0.0, 1.0), [-0.3, 1.2], [0.4, -1.0], [0.1, 2.0], 0.6
    nets = tiny.stub_nets(tiny.constant_policy(0.3, 0.5), tiny.QuadraticQ(1.0, 2.0))
    step = tiny.bandit_step(nets.policy, nets, torch.tensor([data]).double())
    action = torch.tensor([9.0, *uniform, *here]).double()[None, :, None, None]
    noise = Noise(None, action, torch.tensor(ahead).double()[None, :, None, None])
    columns = {} if floor is None else {"return_to_go": torch.full((1, 1), floor).double()}
    step = dataclasses.replace(step, noise=noise, batch=dataclasses.replace(step.batch, columns=columns))
    total = 0.0
    for x in uniform:
        a = 2 * float(normal.cdf(torch.tensor(x))) - 1
        total += math.exp(a - a**2) / 0.5
    for x in here + ahead:
        a = 0.3 + 0.5 * x
        q = a - a**2 if floor is None else max(a - a**2, floor)
        total += math.exp(q) / math.exp(float(Normal(0.3, 0.5).log_prob(torch.tensor(a))))
    gap = math.log(total) - (data - data**2)
    cfg = cql.Config(**FIXED, conservative_weight=3.0, conservative_samples=2, calibrate=floor is not None)
    found = cql.critic_penalty(cfg, nets, step, nets.q(step.batch.obs, step.batch.action))
    assert found is not None
    assert float(found[0]) == pytest.approx(3 * 2 * gap, rel=1e-6)
    assert float(found[1]["conservative_gap"]) == pytest.approx(gap, rel=1e-6)
    if floor is not None:
        assert float(found[1]["floored"]) == 0.5  # a = 0.5, -0.2, 0.35, 1.3: Q = 0.25, -0.24, 0.2275, -0.39


def test_actions_of_both_states_are_rated_at_the_first() -> None:
    """One action of each kind, rated one by one."""
    cfg = cql.Config(**FIXED, conservative_weight=1.0, conservative_samples=1)
    nets, step = problem(cfg)
    assert step.noise.action is not None
    assert step.noise.next_action is not None
    obs = step.batch.obs
    here, log_here = step.dist.sample(step.noise.action[:, 2])
    ahead, log_ahead = nets.policy(step.batch.next_obs).sample(step.noise.next_action)
    log_uniform = torch.full_like(log_here, 3 * math.log(0.5))
    kinds = [(cql.uniform(step.noise.action[:, 1]), log_uniform), (here, log_here), (ahead, log_ahead)]
    total = sum((nets.q(obs, action) - log_density[:, None]).exp() for action, log_density in kinds)
    gap = torch.as_tensor(total).log() - nets.q(obs, step.batch.action)
    torch.testing.assert_close(penalty(cfg, nets, step), gap.mean(-1).sum(1))


def test_uniform_actions_are_the_quantiles_of_normal_draws() -> None:
    p = torch.tensor([0.001, 0.25, 0.5, 0.9]).double()
    torch.testing.assert_close(cql.uniform(torch.special.ndtri(p)), 2 * p - 1)
    assert cql.uniform(torch.tensor([-40.0, 40.0])).tolist() == [-1.0, 1.0]


class Table(nn.Module):
    """Twin critics over the actions 0, 1, 2, ..., one entry each."""

    def __init__(self, q: Tensor) -> None:
        super().__init__()
        self.q = nn.Parameter(q.repeat(2, 1))

    def forward(self, obs: Tensor, action: Tensor) -> Tensor:
        return self.q[None, :, action[0, :, 0].round().long()]


def test_the_tabular_optimum(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five actions with data shares p and targets y: Q = y - w/2 (softmax(Q) / p - 1), the TD loss being squared."""
    w, share, y = 0.8, torch.tensor([4, 3, 1, 1, 1]).double(), torch.tensor([1.0, 0.5, 2.0, -1.0, 0.0]).double()
    data = torch.repeat_interleave(torch.arange(5), share.long()).double()
    p, q = share / share.sum(), y.clone()
    for _ in range(500):
        q = 0.9 * q + 0.1 * (y - w / 2 * (torch.softmax(q, 0) / p - 1))
    every = torch.arange(5.0).double()[None, :, None, None].expand(1, 5, len(data), 1)
    monkeypatch.setattr(cql, "_candidates", lambda *_: (every, torch.zeros_like(every[..., 0])))
    cfg = cql.Config(**FIXED, conservative_weight=w)

    def slope(values: Tensor) -> float:
        nets = tiny.stub_nets(tiny.constant_policy(0.0, 0.5), Table(values))
        step = tiny.bandit_step(nets.policy, nets, data)
        q_data = nets.q(step.batch.obs, step.batch.action)
        td = (q_data - y[data.long()]).square().sum(1).mean(1)
        return float(critic_gradient(td + penalty(cfg, nets, step), nets).abs().max())

    assert slope(q) < 1e-9
    assert slope(y) > 1e-2
    assert q[2] < y[2] - 0.3, "the best action is the least supported one"


def test_drawing_every_action_twice_adds_the_logarithm_of_two_and_no_gradient() -> None:
    once, twice = (cql.Config(**FIXED, conservative_samples=n) for n in (3, 6))
    nets, step = problem(once)
    assert step.noise.action is not None
    assert step.noise.next_actions is not None
    own, uniform, here = step.noise.action.split([1, 3, 3], dim=1)
    noise = dataclasses.replace(
        step.noise,
        action=torch.cat((own, uniform, uniform, here, here), 1),
        next_actions=step.noise.next_actions.repeat(1, 2, 1, 1),
    )
    plain, doubled = penalty(once, nets, step), penalty(twice, nets, dataclasses.replace(step, noise=noise))
    torch.testing.assert_close(doubled - plain, torch.full((2,), 5.0 * 2 * math.log(2)).double())
    torch.testing.assert_close(critic_gradient(doubled, nets), critic_gradient(plain, nets))


def test_the_gap_reaches_the_critics_alone() -> None:
    cfg = cql.Config(**FIXED)
    nets, step = problem(cfg)
    assert not tiny.gradient(penalty(cfg, nets, step), nets.policy).any()


# limits


@pytest.mark.parametrize("phase", ["offline", "online"])
def test_without_weight_and_with_entropy_it_is_sac_bit_for_bit(phase: Phase) -> None:
    settings = {"conservative_weight": 0.0, "backup_entropy": True}
    ours, theirs = tiny.learner("cql", phase=phase, settings=settings), tiny.learner("sac-prior", phase=phase)
    other = tiny.learner("cql", phase=phase, settings={"backup_entropy": True})
    for learner in (ours, theirs, other):
        learner.run(3)
    assert not tiny.changed(tiny.parameters(ours), tiny.parameters(theirs))
    assert tiny.changed(tiny.parameters(other), tiny.parameters(theirs))


def test_the_target_counts_no_entropy_unless_told() -> None:
    cfg = cql.Config(**FIXED)
    nets, step = problem(cfg)
    dist = nets.policy(step.batch.next_obs)
    plain = algos.load("awac").td_target(awac.Config(), nets, step, dist)
    assert torch.equal(cql.td_target(cfg, nets, step, dist), plain)
    soft = cql.td_target(dataclasses.replace(cfg, backup_entropy=True), nets, step, dist)
    assert torch.equal(soft, sac.td_target(sac.Config(alpha=0.2), nets, step, dist))
    assert cql.needs(cfg).bounded_q
    assert not cql.needs(dataclasses.replace(cfg, backup_entropy=True)).bounded_q


def test_the_target_of_several_actions_takes_the_best() -> None:
    """Q(a) = a - a^2 peaks at 0.5; of 0.8, 0.4 and -0.2 that is 0.4."""
    nets = tiny.stub_nets(tiny.constant_policy(0.3, 0.5), tiny.QuadraticQ(1.0, 2.0))
    step = tiny.bandit_step(nets.policy, nets, torch.zeros(1, dtype=torch.float64))
    ahead = torch.tensor([1.0, 0.2, -1.0, 0.4]).double()[None, :, None, None]
    step = dataclasses.replace(step, noise=Noise(ahead[:, 0], None, ahead))
    target = cql.td_target(cql.Config(backup_samples=3), nets, step, nets.policy(step.batch.next_obs))
    assert float(target.detach()) == pytest.approx(0.99 * (0.4 - 0.16))
    assert cql.needs(cql.Config(backup_samples=12)).next_action_samples == 12


def test_a_floor_below_everything_is_cql_bit_for_bit() -> None:
    cfg = cql.Config(**FIXED)
    calibrated = dataclasses.replace(cfg, calibrate=True)
    nets, step = problem(cfg)
    assert torch.equal(penalty(calibrated, nets, floored_at(step, -math.inf)), penalty(cfg, nets, step))
    assert not torch.allclose(penalty(calibrated, nets, step), penalty(cfg, nets, step))


def test_a_floor_above_everything_takes_the_pressure_off_the_policys_actions() -> None:
    """What is left raises Q at the data: uniform actions have no share beside a floor of 1000."""
    cfg = cql.Config(**FIXED, calibrate=True)
    nets, step = problem(cfg)
    q = nets.q(step.batch.obs, step.batch.action)
    expected = critic_gradient(-5.0 * q.mean(-1).sum(1), nets)
    torch.testing.assert_close(critic_gradient(penalty(cfg, nets, floored_at(step, 1e3)), nets), expected)
    assert cql.needs(cfg).columns == ("return_to_go",)


# the policy's first updates, and the switch


@pytest.mark.parametrize(("age", "cloning"), [(0, True), (2, True), (3, False)])
def test_the_first_updates_follow_the_likelihood_of_the_data(age: int, cloning: bool) -> None:
    cfg = cql.Config(**FIXED, policy_bc_steps=3)
    nets, step = problem(cfg)
    step = dataclasses.replace(step, age=torch.tensor(float(age)))
    ours = tiny.gradient(cql.actor_loss(cfg, nets, step)[0], nets.policy)
    _, log_prob = step.sampled
    clone = 0.2 * log_prob.mean(1) + bc.actor_loss(bc.Config(), nets, step)[0]
    plain, _ = sac.soft_actor_loss(0.2, nets, step)
    torch.testing.assert_close(ours, tiny.gradient(clone if cloning else plain, nets.policy))
    switched = cql.on_phase(cfg, "online")
    torch.testing.assert_close(
        tiny.gradient(cql.actor_loss(switched, nets, step)[0], nets.policy), tiny.gradient(plain, nets.policy)
    )


def test_a_learner_counts_its_first_updates() -> None:
    """For two updates the policy does not depend on what the critics say."""
    policies = []
    for scale in (1.0, 50.0):
        learner = tiny.learner("cql", settings={"policy_bc_steps": 2, "alpha": 0.1})
        assert learner.nets.critic is not None
        with torch.no_grad():
            for p in learner.nets.critic.parameters():
                p.mul_(scale)
        states = []
        for _ in range(3):
            learner.run(1)
            states.append({k: v for k, v in tiny.parameters(learner).items() if k.startswith("policy.")})
        policies.append(states)
    assert [bool(tiny.changed(a, b)) for a, b in zip(*policies, strict=True)] == [False, False, True]


def test_the_weight_after_the_switch() -> None:
    for online, expected in ((None, 4.0), (0.0, 0.0), (1.5, 1.5)):
        cfg = cql.Config(conservative_weight=4.0, online_weight=online)
        assert cql.on_phase(cfg, "offline").conservative_weight == 4.0
        assert cql.on_phase(cfg, "online").conservative_weight == expected
    assert cql.needs(cql.Config(conservative_weight=0.0)).action_samples == 1
    assert cql.needs(cql.Config(conservative_weight=0.0, online_weight=1.0)).action_samples == 21


# the dual variable


@pytest.mark.parametrize(("aim", "way"), [(0.0, 1.0), (50.0, -1.0)])
def test_the_multiplier_grows_while_the_gap_is_too_large(aim: float, way: float) -> None:
    learner = tiny.learner("cql", settings={"lagrange_gap": aim})
    learner.run(1)
    moved = learner.nets.extra["log_multiplier"].value.detach().clone()
    torch.testing.assert_close(moved, torch.full_like(moved, math.copysign(3e-4, way)), rtol=1e-3, atol=0)
    metrics = learner.read_metrics()
    assert metrics["conservative_coef"] == pytest.approx(5.0)
    learner.run(1)
    assert learner.read_metrics()["conservative_coef"] == pytest.approx(5 * math.exp(float(moved[0])), rel=1e-6)


def test_the_multiplier_learns_at_the_critics_rate() -> None:
    learner = tiny.learner("cql", settings={"lagrange_gap": 1.0}, common={"policy_lr": 1e-5, "critic_lr": 1e-2})
    learner.run(1)
    first_step = learner.nets.extra["log_multiplier"]().abs()  # Adam's is as long as its rate
    torch.testing.assert_close(first_step, torch.full_like(first_step, 1e-2), rtol=1e-3, atol=0)


def test_the_multiplier_by_hand() -> None:
    """The critics' loss is m w (gap_1 + gap_2 - 2 aim); the multiplier's has the opposite sign and reaches it alone."""
    cfg = cql.Config(**FIXED, conservative_weight=3.0, lagrange_gap=2.0)
    nets, step = problem(cfg)
    nets.extra["log_multiplier"] = cql.needs(cfg).modules["log_multiplier"](2, 5, 3, (16, 16)).double()
    with torch.no_grad():
        nets.extra["log_multiplier"].value.copy_(torch.tensor([[0.5], [-0.2]]))
    plain = dataclasses.replace(cfg, lagrange_gap=None)
    gaps = penalty(plain, nets, step) / 3  # of both critics
    m = torch.tensor([0.5, -0.2]).double().exp()
    torch.testing.assert_close(penalty(cfg, nets, step), m * 3 * (gaps - 4))
    loss = cql.auxiliary_losses(cfg, nets, dataclasses.replace(step))[0]["log_multiplier"]
    torch.testing.assert_close(loss, -m * 3 * (gaps / 2 - 2))
    assert not critic_gradient(loss, nets).any()
    assert not tiny.gradient(penalty(cfg, nets, step), nets.extra["log_multiplier"]).any()
    torch.testing.assert_close(tiny.gradient(loss, nets.extra["log_multiplier"]), -m * 3 * (gaps / 2 - 2))


def test_an_update_draws_its_actions_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[None] = []
    real = cql._candidates
    monkeypatch.setattr(cql, "_candidates", lambda *args: (calls.append(None), real(*args))[1])
    for order in ("pre", "post"):
        tiny.learner("cql", settings={"lagrange_gap": 5.0}, common={"update_order": order}).run(1)
    assert len(calls) == 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"conservative_weight": -1.0}, "conservative_weight=-1.0: must be at least 0"),
        ({"online_weight": -1.0}, "online_weight=-1.0: must be at least 0"),
        ({"policy_bc_steps": -1}, "policy_bc_steps=-1: must be at least 0"),
        ({"conservative_samples": 0}, "conservative_samples=0: must be at least 1"),
        ({"backup_samples": 0}, "backup_samples=0: must be at least 1"),
        ({"backup_samples": 2, "backup_entropy": True}, "backup_entropy contradicts backup_samples > 1"),
        ({"alpha": -0.1}, "alpha=-0.1: must be auto or at least 0"),
        ({"alpha": 0.1, "target_entropy": -3.0}, "target_entropy contradicts a fixed alpha"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        cql.Config(**settings)


def test_a_temperature_makes_the_gap_of_values_in_other_units_the_same() -> None:
    """Where values are c Q + d, weight 1 and temperature 1 there are weight c and temperature 1 / c of ours."""
    c, d = 5.05, 5.0
    cfg = cql.Config(**FIXED, conservative_weight=c, conservative_temperature=1 / c)
    nets, step = problem(cfg)
    ours = penalty(cfg, nets, step)

    class Theirs(nn.Module):
        def __init__(self, critic: nn.Module) -> None:
            super().__init__()
            self.critic = critic

        def forward(self, obs: Tensor, action: Tensor) -> Tensor:
            value: Tensor = c * self.critic(obs, action) + d
            return value

    nets.critic = Theirs(nets.critic)
    theirs = penalty(cql.Config(**FIXED, conservative_weight=1.0), nets, step)
    torch.testing.assert_close(c * ours / c, theirs, rtol=1e-9, atol=1e-9)
    hot = penalty(dataclasses.replace(cfg, conservative_temperature=1.0), nets, step)
    assert not torch.allclose(hot, theirs)
