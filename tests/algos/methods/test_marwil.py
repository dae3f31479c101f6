"""MARWIL in its own form: cloning at beta 0, the running scale, weights by hand."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
import tiny
import torch
from torch import Tensor, nn

from algos.contract import Step
from algos.methods import bc, marwil
from algos.networks.nets import Nets, ValueNet
from algos.networks.policies import GaussianPolicy
from algos.settings import SettingError


def problem(cfg: marwil.Config, value: nn.Module | None = None) -> tuple[Nets, Step]:
    """Random networks and transitions of two seeds, with their returns; c^2 is 4 and 0.25."""
    scale = marwil.Scale(2, 1.0)
    with torch.no_grad():
        scale.square.copy_(torch.tensor([[4.0], [0.25]]))
    nets = tiny.random_nets(GaussianPolicy, value=value or ValueNet(2, 5, (16, 16)), scale=scale)
    step = tiny.random_step(nets.policy, nets)
    with torch.no_grad():
        columns = marwil.prepare(cfg, nets, "imitation", tiny.paths_of(step.batch), step.learner)
    return nets, tiny.staged(step, "imitation", **columns)


def test_beta_zero_is_cloning() -> None:
    nets, step = problem(marwil.Config(beta=0.0))
    ours, clone = (
        marwil.actor_loss(marwil.Config(beta=0.0), nets, step)[0],
        bc.actor_loss(bc.Config(), nets, step)[0],
    )
    assert torch.equal(ours, clone)
    assert torch.equal(tiny.gradient(ours, nets.policy), tiny.gradient(clone, nets.policy))
    other = marwil.actor_loss(marwil.Config(beta=1.0), nets, step)[0]
    assert not torch.allclose(tiny.gradient(other, nets.policy), tiny.gradient(clone, nets.policy), rtol=0.1)


@pytest.mark.parametrize(("cap", "largest"), [(None, math.inf), (0.5, 0.5)])
def test_weights_are_the_exponential_of_the_scaled_advantage_and_capped(cap: float | None, largest: float) -> None:
    """V(s) is the first entry of s."""
    cfg = marwil.Config(beta=0.5, weight_cap=cap)
    nets, step = problem(cfg, tiny.FirstEntry())
    advantage = step.batch.columns["target"] - step.batch.obs[..., 0]
    w = (0.5 * advantage / torch.tensor([[2.0], [0.5]])).exp().clamp_max(largest)
    assert cap is None or 0 < float((w == largest).double().mean()) < 1
    loss, metrics = marwil.actor_loss(cfg, nets, step)
    torch.testing.assert_close(loss, -(w * step.dist.log_prob(step.batch.action)).mean(1), rtol=1e-6, atol=0)
    torch.testing.assert_close(metrics["advantage"], advantage.mean(1))
    torch.testing.assert_close(metrics["advantage_scale"], torch.tensor([2.0, 0.5]).double())
    torch.testing.assert_close(metrics["weight_max"], w.amax(1) / w.mean(1), rtol=1e-6, atol=0)


def test_what_an_optimiser_keeps_of_weights_without_a_cap_never_leaves_float32() -> None:
    cfg = marwil.Config(weight_cap=None)
    nets, step = problem(cfg)
    with torch.no_grad():
        nets.extra["scale"].square.fill_(1e-12)  # type: ignore[union-attr, operator]
    nets.float()
    obs, action = step.batch.obs.float(), step.batch.action.float()
    batch = dataclasses.replace(step.batch, obs=obs, action=action, columns={"target": 1e6 * torch.ones(2, 32)})
    step = dataclasses.replace(step, batch=batch)
    gradient = tiny.gradient(marwil.actor_loss(cfg, nets, step)[0], nets.policy)
    assert gradient.any()
    assert gradient.square().isfinite().all()


def test_the_gradient_reaches_the_policy_through_the_likelihood_alone() -> None:
    nets, step = problem(marwil.Config())
    loss, _ = marwil.actor_loss(marwil.Config(), nets, step)
    losses, _ = marwil.auxiliary_losses(marwil.Config(), nets, step)
    assert not tiny.gradient(loss, nets.extra).any()
    assert not tiny.gradient(losses["value"] + losses["scale"], nets.policy).any()
    assert not tiny.gradient(losses["scale"], nets.extra["value"]).any()


def test_v_learns_returns_and_stands_for_what_follows_a_cut() -> None:
    """V(s) is the first entry of s, and the discounted sum ends with that of the last next state."""
    nets, step = problem(marwil.Config(), tiny.FirstEntry())
    batch, paths = step.batch, tiny.paths_of(step.batch)
    for s in range(2):
        after = torch.tensor(0.0)
        for t in reversed(range(32)):
            follows = batch.next_obs[s, t, 0] if paths.ends[s, t] else after
            after = batch.reward[s, t] + 0.99 * (1 - batch.terminated[s, t]) * follows
            assert float(batch.columns["target"][s, t]) == pytest.approx(float(after), abs=1e-9)
    losses, _ = marwil.auxiliary_losses(marwil.Config(), nets, step)
    error = batch.columns["target"] - batch.obs[..., 0]
    torch.testing.assert_close(losses["value"], 0.5 * error.square().mean(1))


def test_the_scale_is_a_running_mean_of_squared_advantages() -> None:
    """c^2 += rate (mean A^2 - c^2), with the advantages of before the update."""
    learner = tiny.learner("marwil-rllib", settings={"scale_rate": 0.2, "scale_start": 9.0})
    expected = torch.full((len(tiny.SEEDS), 1), 9.0)
    update = learner.update

    def watched(batch: Any, *more: Any) -> None:
        with torch.no_grad():
            square = (batch.columns["target"] - learner.nets.extra["value"](batch.obs)).square()
        expected.add_(0.2 * (square.mean(1, keepdim=True) - expected))
        update(batch, *more)

    learner.update = watched  # type: ignore[method-assign]
    for _ in range(7):
        learner.run(1)
        got: Tensor = learner.nets.extra["scale"].square.detach()  # type: ignore[union-attr, operator]
        torch.testing.assert_close(got, expected, rtol=1e-5, atol=0)
    assert (expected - 9.0).abs().min() > 1
    assert (expected[0] - expected[1]).abs() > 1e-3, "every seed has its own"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"beta": -1.0}, "beta=-1.0: must be at least 0"),
        ({"scale_start": 0.0}, "scale_start=0.0: must be above 0"),
        ({"weight_cap": 0.0}, "weight_cap=0.0: must be above 0"),
        ({"scale_rate": 2.0}, r"scale_rate=2.0: must be in \[0, 1\]"),
        ({"updates": 0}, "updates=0: must be at least 1"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        marwil.Config(**settings)
