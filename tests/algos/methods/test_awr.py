"""AWR against closed forms, its limits (cloning, RWR, MARWIL), and returns worked out by hand."""

from __future__ import annotations

import copy
import dataclasses
import math
from typing import Any

import pytest
import tiny
import torch
from torch import Tensor

from algos.contract import LearnerConfig, Step, Trajectories
from algos.learner.replay import Layout
from algos.methods import awr, bc, marwil
from algos.networks.nets import Nets, ValueNet
from algos.networks.policies import GaussianPolicy
from algos.settings import SettingError

B, K, LAM = 1.0, 2.0, 0.7  # Q(a) = B a - K a^2 / 2, data N(0, 1)
MEAN, VAR = B / (LAM + K), LAM / (LAM + K)  # of the policy that AWR's objective asks for
RAW = awr.Config(temperature=LAM, standardise=False, weight_cap=None)
GAMMA = LearnerConfig().discount


def q(a: Tensor) -> Tensor:
    return B * a - K * a.square() / 2


SPREAD = float(q(tiny.normal_grid(4001)).std(correction=0))  # of the true advantage over the data
CONFIGS = [
    RAW,
    dataclasses.replace(RAW, weight_cap=1e6),
    dataclasses.replace(RAW, baseline=False, td_lambda=1.0),
    awr.Config(temperature=LAM / SPREAD, weight_cap=None),  # standardised: in units of the spread
]
in_every_form = pytest.mark.parametrize("cfg", CONFIGS, ids=["raw", "capped", "no baseline", "standardised"])


def weights_on_the_bandit(cfg: awr.Config, action: Tensor) -> Tensor:
    """For the true advantage, given as if it were prepared: Q less a V that is the same everywhere."""
    return awr.weights(cfg, (q(action) - 0.3)[None])


def bandit(cfg: awr.Config, mean: float, var: float) -> Tensor:
    policy = tiny.constant_policy(mean, var**0.5)
    nets = tiny.stub_nets(policy, tiny.QuadraticQ(B, K))
    a = tiny.normal_grid(4001)
    step = tiny.bandit_step(policy, nets, a)
    step = tiny.staged(step, "policy", weight=weights_on_the_bandit(cfg, a), advantage=q(a)[None])
    return tiny.gradient(awr.actor_loss(cfg, nets, step)[0], policy)


@in_every_form
def test_weighted_data_has_the_moments_of_the_closed_form(cfg: awr.Config) -> None:
    a = tiny.normal_grid(20001)
    w = weights_on_the_bandit(cfg, a)[0]
    mean = (w * a).sum() / w.sum()
    var = (w * (a - mean).square()).sum() / w.sum()
    assert float(mean) == pytest.approx(MEAN, abs=1e-3)
    assert float(var) == pytest.approx(VAR, abs=1e-3)


@in_every_form
def test_the_closed_form_is_where_the_gradient_vanishes(cfg: awr.Config) -> None:
    assert bandit(cfg, MEAN, VAR).abs().max() < 1e-3 * bandit(cfg, 0.0, VAR).abs().max()
    assert bandit(cfg, MEAN, VAR).abs().max() < 1e-3 * bandit(cfg, MEAN, 0.5 * VAR).abs().max()


# limits


def problem(cfg: awr.Config, stage: Any = "policy", reward: Tensor | None = None) -> tuple[Nets, Trajectories, Step]:
    """Random networks and transitions of two seeds, with what a stage prepares from all of them."""
    nets = tiny.random_nets(GaussianPolicy, value=ValueNet(2, 5, (16, 16)))
    step = tiny.random_step(nets.policy, nets)
    if reward is not None:
        step = dataclasses.replace(step, batch=dataclasses.replace(step.batch, reward=reward))
    paths = tiny.paths_of(step.batch)
    with torch.no_grad():
        columns = awr.prepare(cfg, nets, stage, paths, step.learner)
    return nets, paths, tiny.staged(step, stage, **columns)


def both_gradients(cfg: awr.Config, **more: Any) -> tuple[Tensor, Tensor]:
    """Of AWR's policy and of cloning."""
    nets, _, step = problem(cfg, **more)
    clone, _ = bc.actor_loss(bc.Config(), nets, step)
    return tiny.gradient(awr.actor_loss(cfg, nets, step)[0], nets.policy), tiny.gradient(clone, nets.policy)


@pytest.mark.parametrize("settings", [{}, {"weight_cap": None}, {"baseline": False}, {"standardise": False}])
def test_a_huge_temperature_is_cloning(settings: dict[str, Any]) -> None:
    ours, clone = both_gradients(awr.Config(temperature=1e8, **settings))
    torch.testing.assert_close(ours, clone, rtol=1e-6, atol=1e-6 * float(clone.abs().max()))
    sharp, _ = both_gradients(awr.Config(temperature=0.1, **settings))
    assert (sharp - clone).norm() > 0.1 * clone.norm()


def test_equal_returns_without_a_baseline_are_cloning() -> None:
    """Every reward is 0, so every return is; one reward that differs makes a difference."""
    cfg = tiny.objective_and_config("rwr")[1]
    ours, clone = both_gradients(cfg, reward=torch.zeros(2, 32).double())
    torch.testing.assert_close(ours, clone)
    ours, clone = both_gradients(cfg, reward=torch.eye(2, 32).double())
    assert (ours - clone).norm() > 0.1 * clone.norm()


def test_rwr_is_awr_on_fresh_data_without_a_baseline() -> None:
    settings = {"on_policy": True, "baseline": False, "td_lambda": 1.0}
    rwr, ours = tiny.learner("rwr", phase="online"), tiny.learner("awr", phase="online", settings=settings)
    assert not rwr.nets.extra
    for learner in (rwr, ours):
        learner.run(5)
    assert not tiny.changed(tiny.parameters(rwr), tiny.parameters(ours))


def test_rwr_weighs_by_the_exponential_of_what_was_earned() -> None:
    """A cut episode ends with nothing; the best return has weight one."""
    cfg = awr.Config(on_policy=True, baseline=False, td_lambda=1.0, standardise=False, temperature=2.0)
    _, paths, step = problem(cfg)
    w, advantage = step.batch.columns["weight"], step.batch.columns["advantage"]
    returns = written_out(paths, torch.zeros(2, 32).double(), 1.0)
    torch.testing.assert_close(advantage, returns)
    torch.testing.assert_close(w, ((returns - returns.amax(1, keepdim=True)) / 2).exp())


@pytest.mark.parametrize("name", ["rwr", "ppo", "trpo", "dapg", "awr"])
def test_without_fresh_data_methods_of_fresh_data_clone(name: str) -> None:
    objective, cfg = tiny.objective_and_config(name, **({"on_policy": True} if name == "awr" else {}))
    assert objective.stages(cfg, "offline", 40, LearnerConfig()) == ()
    nets, _, step = problem(awr.Config())
    step = dataclasses.replace(step, stage=None)
    clone = bc.actor_loss(bc.Config(), nets, step)[0]
    assert torch.equal(objective.actor_loss(cfg, nets, step)[0], clone)
    assert objective.auxiliary_losses(cfg, nets, step)[0] == {}


def test_the_entry_marwil_is_awr_with_the_returns_of_marwil() -> None:
    """Up to MARWIL's running scale: the same returns, the same advantages."""
    cfg = dataclasses.replace(tiny.objective_and_config("marwil")[1], scale_values=False)
    assert cfg == awr.Config(td_lambda=1.0, value_updates=2, policy_updates=2, scale_values=False)
    nets, paths, step = problem(cfg, "value")
    theirs = marwil.prepare(marwil.Config(), nets, "imitation", paths, LearnerConfig())["target"]
    torch.testing.assert_close(step.batch.columns["target"], theirs.detach())
    _, _, step = problem(cfg)
    advantage = theirs - nets.extra["value"](step.batch.obs)
    torch.testing.assert_close(step.batch.columns["advantage"], advantage.detach())


# weights


def test_the_cap_is_on_the_weight_and_the_share_at_it_is_told() -> None:
    cfg = awr.Config(temperature=0.5, standardise=False)
    advantage = torch.tensor([[-1.0, 0.0, 1.49, 1.51, 1e30], [0.0, 0.1, 0.2, 0.3, 0.4]])
    w = awr.weights(cfg, advantage)
    torch.testing.assert_close(w[0], torch.tensor([math.exp(-2), 1.0, math.exp(2.98), 20.0, 20.0]))
    nets = tiny.stub_nets(tiny.constant_policy(0.1, 0.5, seeds=2), tiny.ConstantQ(0.0))
    step = tiny.bandit_step(nets.policy, nets, tiny.normal_grid(5), seeds=2)
    metrics = awr.actor_loss(cfg, nets, tiny.staged(step, "policy", weight=w, advantage=advantage))[1]
    torch.testing.assert_close(metrics["weight_capped"], torch.tensor([0.4, 0.0]))
    assert float(metrics["weight_max"][0]) == pytest.approx(20 / float(w[0].mean()))


def test_standardised_advantages_forget_scale_and_offset_per_seed() -> None:
    advantage = torch.randn(2, 500, generator=torch.Generator().manual_seed(0)).double()
    other = advantage * torch.tensor([[100.0], [0.1]]) + torch.tensor([[7.0], [-3.0]])
    torch.testing.assert_close(
        awr.weights(awr.Config(), other), awr.weights(awr.Config(), advantage), rtol=1e-3, atol=1e-3
    )
    by_hand = ((advantage - advantage.mean(1, keepdim=True)) / advantage.std(1, correction=0, keepdim=True)).exp()
    torch.testing.assert_close(awr.weights(awr.Config(), advantage), by_hand.clamp_max(20), rtol=1e-4, atol=0)
    raw = awr.Config(standardise=False)
    assert not torch.allclose(awr.weights(raw, other), awr.weights(raw, advantage), rtol=0.5)


def test_without_a_cap_large_advantages_stay_finite() -> None:
    advantage = torch.tensor([[1e4, 1e4 - 1.0, 0.0], [-7.0, -8.0, -9.0]])
    w = awr.weights(awr.Config(weight_cap=None, standardise=False), advantage)
    torch.testing.assert_close(w, torch.tensor([[1.0, math.exp(-1), 0.0], [1.0, math.exp(-1), math.exp(-2)]]))


# returns


def written_out(paths: Trajectories, next_value: Tensor, trace: float) -> Tensor:
    """TD(lambda) returns by their recursion, row by row."""
    out = torch.zeros_like(paths.reward)
    for s in range(len(out)):
        for t in reversed(range(out.shape[1])):
            v = next_value[s, t]
            mixed = v if paths.ends[s, t] else (1 - trace) * v + trace * out[s, t + 1]
            out[s, t] = paths.reward[s, t] + GAMMA * (1 - paths.terminated[s, t]) * mixed
    return out


@pytest.mark.parametrize("trace", [0.0, 0.95, 1.0])
@pytest.mark.parametrize("scaled", [True, False])
def test_v_learns_returns_times_one_minus_the_discount(trace: float, scaled: bool) -> None:
    """V's output is in its own units, the policy's advantages are in those of the reward."""
    cfg = awr.Config(td_lambda=trace, scale_values=scaled)
    scale = 1 - GAMMA if scaled else 1.0
    nets, paths, step = problem(cfg, "value")
    value, next_value = (nets.extra["value"](x).detach() / scale for x in (step.batch.obs, step.batch.next_obs))
    returns = written_out(paths, next_value, trace)
    torch.testing.assert_close(step.batch.columns["target"], scale * returns)
    _, _, step = problem(cfg, "policy")
    torch.testing.assert_close(step.batch.columns["advantage"], returns - value)
    losses, metrics = awr.auxiliary_losses(cfg, nets, problem(cfg, "value")[2])
    torch.testing.assert_close(losses["value"], 0.5 * (scale * (value - returns)).square().mean(1))
    torch.testing.assert_close(metrics["value"], value.mean(1))


def test_returns_without_a_baseline_may_still_be_those_of_v() -> None:
    cfg = awr.Config(baseline=False, td_lambda=0.5, scale_values=False)
    nets, paths, step = problem(cfg)
    assert awr.needs(cfg).modules.keys() == {"value"}
    returns = written_out(paths, nets.extra["value"](step.batch.next_obs).detach(), 0.5)
    torch.testing.assert_close(step.batch.columns["advantage"], returns)


def test_the_policys_returns_are_computed_anew_with_v_as_it_has_become() -> None:
    learner = tiny.learner("awr")
    before = copy.deepcopy(learner.nets)
    learner.run(3)  # two of V, the first of the policy
    iteration, paths = learner.iteration, learner.sampler.trajectories(learner.iteration)
    got = iteration.columns["advantage"][:, : iteration.rows]
    with torch.no_grad():
        new, old = (
            awr.prepare(learner.cfg, nets, "policy", paths, learner.learner)["advantage"]
            for nets in (learner.nets, before)
        )
    assert torch.equal(got, new)
    assert not torch.allclose(got, old, rtol=1e-3)


# the policy's deviation


def test_a_fixed_deviation_never_moves() -> None:
    settings = {"policy_std": 0.4}
    for phase in tiny.phases("awr"):
        learner = tiny.learner("awr", phase=phase, settings=settings, common={"policy_weight_decay": 1.0})
        before = tiny.parameters(learner)
        learner.run(12)
        moved = tiny.changed(before, tiny.parameters(learner))
        assert "policy.log_std_logits" not in moved
        assert "policy.mean.layers.0.weight" in moved
        std = learner.nets.policy(torch.zeros(len(tiny.SEEDS), 1, 5)).std
        torch.testing.assert_close(std, torch.full((len(tiny.SEEDS), 1, 3), 0.4))
    free = tiny.learner("awr")
    free.run(12)
    assert (free.nets.policy.log_std_logits.detach() != 0).all()


# learning


def chain(n: int = 64) -> Tensor:
    """Episodes of two steps: the first action, +0.5 or -0.5, decides what the second step is paid."""
    layout = Layout(5, 3, ("ends",))
    good = (torch.arange(n) % 2 == 0).float()
    start, middle, end = torch.zeros(n, 5), torch.zeros(n, 5), torch.zeros(n, 5)
    start[:, 0], middle[:, 1], middle[:, 2] = 1.0, 1.0, good
    g = torch.Generator().manual_seed(0)
    first, second = ((torch.rand(n, 3, generator=g) - 0.5) * 0.2 for _ in range(2))
    first[:, 0] += good - 0.5
    nothing, ones = torch.zeros(n), torch.ones(n)
    steps = (
        layout.pack(start, first, nothing, middle, nothing, ends=nothing),
        layout.pack(middle, second, good - 1.0, end, ones, ends=ones),
    )
    return torch.stack(steps, dim=1).flatten(0, 1)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["awr", "marwil", "marwil-rllib", "bc"])
def test_the_policy_learns_the_action_that_is_paid_for_later(name: str) -> None:
    """Cloning stays between both."""
    settings = {"awr": {"value_updates": 50, "policy_updates": 50}, "marwil-rllib": {"scale_start": 0.01}}
    offline = chain() if name != "bc" else chain()[:, :-1]
    learner = tiny.learner(name, settings=settings.get(name), offline=offline, common={"policy_lr": 3e-3})
    learner.run(400)
    start = torch.zeros(len(tiny.SEEDS), 1, 5)
    start[..., 0] = 1.0
    mean = learner.nets.policy(start).mean[:, 0, 0].detach()
    if name == "bc":
        assert (mean.abs() < 0.1).all()
    else:
        assert (mean > 0.25).all(), mean


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": 0.0}, "temperature=0.0: must be above 0"),
        ({"weight_cap": -1.0}, "weight_cap=-1.0: must be above 0"),
        ({"policy_std": 0.0}, "policy_std=0.0: must be above 0"),
        ({"td_lambda": 1.5}, r"td_lambda=1.5: must be in \[0, 1\]"),
        ({"value_updates": 0}, "value_updates=0: must be at least 1"),
        ({"replay_size": 0}, "replay_size=0: must be at least 1"),
        ({"momentum": 1.0}, r"momentum=1.0: must be in \[0, 1\) or none"),
        ({"on_policy": True, "replay_size": 100}, "replay_size contradicts on_policy"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        awr.Config(**settings)
