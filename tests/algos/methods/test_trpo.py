"""TRPO: steps within the bound that raise the surrogate, of each seed alone; float64."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest
import tiny
import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from algos.contract import LearnerConfig, Metrics, Step
from algos.learner.optimisers import gradients_of
from algos.methods import trpo
from algos.networks.dists import Gaussian
from algos.networks.nets import Nets, ValueNet
from algos.networks.policies import GaussianPolicy
from algos.parts.natural import as_vector, at
from algos.parts.returns import advantages
from algos.settings import SettingError

SEEDS = 2


def problem(cfg: trpo.Config) -> tuple[Nets, Step]:
    """Random networks and transitions of two seeds, with what is prepared before the step."""
    nets = tiny.random_nets(GaussianPolicy, value=ValueNet(SEEDS, 5, (16, 16)))
    step = tiny.random_step(nets.policy, nets, rows_=64)
    with torch.no_grad():
        columns = trpo.prepare(cfg, nets, "step", tiny.paths_of(step.batch), step.learner)
    return nets, tiny.staged(step, "step", **columns)


def taken(
    cfg: trpo.Config, nets: Nets, step: Step, gradient: Sequence[Tensor] | None = None
) -> tuple[Tensor, Gaussian, Metrics]:
    """The increment [S, P], the policy after it, and what is logged."""
    if gradient is None:
        gradient = gradients_of(trpo.actor_loss(cfg, nets, step)[0], nets.policy, retain=True)
    out = trpo.policy_step(cfg, nets, step, gradient)
    assert out is not None
    increment = as_vector(out[0]).detach()
    return increment, at(nets.policy, as_vector(list(nets.policy.parameters())) + increment, step.batch.obs), out[1]


def distance(old: Gaussian, new: Gaussian) -> Tensor:
    return kl_divergence(Normal(old.mean, old.std), Normal(new.mean, new.std)).sum(-1).mean(1).detach()


def surrogate(step: Step, new: Gaussian) -> Tensor:
    """Mean of ratio times advantage; that of the old policy is the mean advantage."""
    action = step.batch.action
    ratio = (new.log_prob(action) - step.dist.log_prob(action)).exp()
    return (ratio * step.batch.columns["advantage"]).mean(1).detach()


def test_what_is_prepared() -> None:
    cfg = trpo.Config(gae_lambda=0.7)
    nets, step = problem(cfg)
    v, next_v = (nets.extra["value"](x).detach() for x in (step.batch.obs, step.batch.next_obs))
    raw = advantages(tiny.paths_of(step.batch), v, next_v, 0.99, 0.7)
    torch.testing.assert_close(step.batch.columns["target"], raw + v)
    by_hand = (raw - raw.mean(1, keepdim=True)) / raw.std(1, correction=0, keepdim=True)
    torch.testing.assert_close(step.batch.columns["advantage"], by_hand, rtol=1e-3, atol=1e-4)
    assert trpo.prepare(cfg, nets, "value", tiny.paths_of(step.batch), LearnerConfig()) == {}


@pytest.mark.parametrize("max_kl", [1e-6, 1e-3, 0.01, 0.3, 5.0])
def test_a_step_raises_the_surrogate_within_the_bound(max_kl: float) -> None:
    cfg = trpo.Config(max_kl=max_kl)
    nets, step = problem(cfg)
    _, new, metrics = taken(cfg, nets, step)
    assert isinstance(step.dist, Gaussian)
    moved = distance(step.dist, new)
    torch.testing.assert_close(metrics["kl_step"], moved)
    assert (moved <= max_kl * (1 + 1e-9)).all()
    assert (moved > 0).all()
    assert (surrogate(step, new) > step.batch.columns["advantage"].mean(1)).all()
    assert {float(x) for x in metrics["step_share"]} <= {0.5**n for n in range(10)}


def test_where_the_model_is_quadratic_the_step_goes_to_the_bound() -> None:
    """Damping adds to the curvature, so that the KL stays a little below the bound; measured: 0.996 and 0.998 of it."""
    cfg = trpo.Config(max_kl=1e-6, damping=1e-3, cg_iterations=60)
    nets, step = problem(cfg)
    metrics = taken(cfg, nets, step)[2]
    assert metrics["step_share"].tolist() == [1.0, 1.0]
    assert ((metrics["kl_step"] > 0.99e-6) & (metrics["kl_step"] <= 1e-6)).all(), metrics["kl_step"]


def test_a_step_that_is_too_long_is_halved_until_it_fits() -> None:
    """Were the step ten times as long, it would be halved often enough to fit and no further."""
    cfg = trpo.Config(max_kl=5.0)
    nets, step = problem(cfg)
    increment, _, metrics = taken(cfg, nets, step)
    assert (metrics["step_share"] < 1).any(), "far out the quadratic model is wrong"
    here = as_vector(list(nets.policy.parameters()))
    for s in (metrics["step_share"] < 1).nonzero()[:, 0].tolist():
        twice = at(nets.policy, here + 2 * increment, step.batch.obs)
        assert isinstance(step.dist, Gaussian)
        gain = surrogate(step, twice)[s] - step.batch.columns["advantage"].mean(1)[s]
        assert distance(step.dist, twice)[s] > cfg.max_kl or gain <= 0


@pytest.mark.parametrize("how", ["no advantage", "wrong way"])
def test_a_seed_whose_surrogate_does_not_rise_takes_no_step_and_the_other_does(how: str) -> None:
    cfg = trpo.Config()
    nets, step = problem(cfg)
    alone = taken(cfg, nets, step)[0][1]
    gradient = None
    if how == "no advantage":
        step.batch.columns["advantage"][0] = 0.0
    else:
        gradient = list(gradients_of(trpo.actor_loss(cfg, nets, step)[0], nets.policy, retain=True))
        for g in gradient:
            g[0].neg_()
    increment, _, metrics = taken(cfg, nets, step, gradient)
    assert not increment[0].any()
    assert float(metrics["step_share"][0]) == float(metrics["kl_step"][0]) == 0.0
    assert float(metrics["step_share"][1]) > 0
    torch.testing.assert_close(increment[1], alone, rtol=1e-9, atol=1e-12)


def test_given_up_after_the_last_halving() -> None:
    """A single try at full length, far beyond the bound's reach of the quadratic model."""
    cfg = trpo.Config(max_kl=5.0, backtracks=1)
    nets, step = problem(cfg)
    metrics = taken(cfg, nets, step)[2]
    assert {float(x) for x in metrics["step_share"]} <= {0.0, 1.0}
    assert 0.0 in metrics["step_share"].tolist()


def test_the_policy_moves_in_its_stage_by_one_step_and_v_in_its_own() -> None:
    learner = tiny.learner("trpo", phase="online", settings={"value_passes": 3})
    before = tiny.parameters(learner)
    learner.run(1)
    after = tiny.parameters(learner)
    assert {name.partition(".")[0] for name in tiny.changed(before, after)} == {"policy"}
    metrics = learner.read_metrics()
    assert (metrics["kl_step"] <= 0.01 + 1e-6).all()
    learner.run(learner.iteration.updates - 1)
    assert {name.rpartition(".body")[0] for name in tiny.changed(after, tiny.parameters(learner))} == {"extra.value"}
    assert learner.iteration.updates == 1 + 3 * 4
    assert learner.iteration.number == 1


def test_v_learns_the_returns_from_before_the_step() -> None:
    cfg = trpo.Config()
    nets, step = problem(cfg)
    assert trpo.auxiliary_losses(cfg, nets, step)[0] == {}
    step = dataclasses.replace(step, stage="value")
    v = nets.extra["value"](step.batch.obs)
    loss = trpo.auxiliary_losses(cfg, nets, step)[0]["value"]
    torch.testing.assert_close(loss, 0.5 * (v - step.batch.columns["target"]).square().mean(1))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_kl": 0.0}, "max_kl=0.0: must be above 0"),
        ({"damping": 0.0}, "damping=0.0: must be above 0"),
        ({"cg_iterations": 0}, "cg_iterations=0: must be at least 1"),
        ({"backtracks": 0}, "backtracks=0: must be at least 1"),
        ({"gae_lambda": 2.0}, r"gae_lambda=2.0: must be in \[0, 1\]"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        trpo.Config(**settings)
