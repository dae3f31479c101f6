"""DAPG: the natural policy gradient written out, the weight of demonstrations, and how far a step goes; float64."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest
import tiny
import torch
from torch import Tensor

from algos.contract import Metrics, Step
from algos.learner.optimisers import gradients_of
from algos.methods import dapg
from algos.networks.dists import Gaussian
from algos.networks.nets import Nets, ValueNet
from algos.networks.policies import GaussianPolicy
from algos.parts.natural import as_vector, at, kl
from algos.parts.returns import advantages
from algos.settings import SettingError

SEEDS, S = 2, len(tiny.SEEDS)


def problem(cfg: dapg.Config, iteration: int = 0, hidden: tuple[int, ...] = (16, 16)) -> tuple[Nets, Step]:
    """Random networks, transitions and demonstrations of two seeds, with what is prepared before the step."""
    nets = tiny.random_nets(GaussianPolicy, value=ValueNet(SEEDS, 5, (16, 16)))
    if hidden != (16, 16):
        nets.policy = GaussianPolicy(SEEDS, 5, 3, hidden).double()
        with torch.no_grad():
            for n, p in enumerate(nets.policy.parameters()):
                p.copy_(0.4 * torch.randn(p.shape, generator=torch.Generator().manual_seed(n), dtype=torch.float64))
    step = tiny.random_step(nets.policy, nets, rows_=64)
    with torch.no_grad():
        columns = dapg.prepare(cfg, nets, "step", tiny.paths_of(step.batch, iteration), step.learner)
    return nets, tiny.staged(step, "step", **columns)


def gradient_of(cfg: dapg.Config, nets: Nets, step: Step) -> Sequence[Tensor]:
    return gradients_of(dapg.actor_loss(cfg, nets, step)[0], nets.policy, retain=True)


def taken(cfg: dapg.Config, nets: Nets, step: Step, gradient: Sequence[Tensor] | None = None) -> tuple[Tensor, Metrics]:
    """The increment [S, P] and what is logged."""
    out = dapg.policy_step(cfg, nets, step, gradient_of(cfg, nets, step) if gradient is None else gradient)
    assert out is not None
    return as_vector(out[0]).detach(), out[1]


@pytest.mark.parametrize("demo_weight", [0.0, 0.3])
def test_a_step_is_the_natural_gradient_written_out(demo_weight: float) -> None:
    """theta += sqrt(delta / (g' F^-1 g)) F^-1 g with F as a matrix; without demonstrations g is A's alone."""
    cfg = dapg.Config(demo_weight=demo_weight, cg_iterations=200, damping=1e-2)
    nets, step = problem(cfg, hidden=(4,))
    increment, _ = taken(cfg, nets, step)
    batch, policy = step.batch, nets.policy
    assert batch.demo is not None
    rise = (batch.columns["advantage"] * policy(batch.obs).log_prob(batch.action)).sum(1)
    rise = rise + demo_weight * policy(batch.demo.obs).log_prob(batch.demo.action).sum(1)
    g = as_vector(gradients_of(rise, policy)) / batch.obs.shape[1]
    centre = as_vector(list(policy.parameters())).detach()
    assert isinstance(step.dist, Gaussian)
    old = Gaussian(step.dist.mean.detach(), step.dist.log_std.detach())
    for s in range(SEEDS):

        def of_seed(x: Tensor, s: int = s) -> Tensor:
            return kl(old, at(policy, torch.cat((centre[:s], x[None], centre[s + 1 :])), batch.obs))[s]

        fisher = torch.autograd.functional.hessian(of_seed, centre[s])
        assert isinstance(fisher, Tensor)
        direction = torch.linalg.solve(fisher + 1e-2 * torch.eye(len(fisher)), g[s])
        expected = (cfg.step_size / (g[s] @ direction)).sqrt() * direction
        torch.testing.assert_close(increment[s], expected, rtol=1e-6, atol=1e-8)


def test_how_large_the_advantages_are_does_not_matter() -> None:
    cfg = dapg.Config()
    nets, step = problem(cfg)
    gradient = gradient_of(cfg, nets, step)
    increment, _ = taken(cfg, nets, step, gradient)
    factor = torch.tensor([1e-3, 1e3]).double()
    other, _ = taken(cfg, nets, step, [g * factor.view(-1, *[1] * (g.ndim - 1)) for g in gradient])
    torch.testing.assert_close(other, increment, rtol=1e-6, atol=1e-12)


def test_a_seed_without_a_gradient_stays_where_it_is() -> None:
    cfg = dapg.Config()
    nets, step = problem(cfg)
    gradient = list(gradient_of(cfg, nets, step))
    for g in gradient:
        g[0] = 0.0
    increment, metrics = taken(cfg, nets, step, gradient)
    assert not increment[0].any()
    assert float(metrics["kl_step"][0]) == 0.0
    assert increment[1].any()


@pytest.mark.parametrize("step_size", [1e-6, 1e-4])
def test_the_kl_of_a_short_step_is_half_of_its_size(step_size: float) -> None:
    """Measured: 0.998 and 0.996 of that for the shorter step, 1.022 and 0.986 for the other."""
    cfg = dapg.Config(step_size=step_size, damping=1e-3, cg_iterations=60)
    nets, step = problem(cfg)
    increment, metrics = taken(cfg, nets, step)
    torch.testing.assert_close(metrics["kl_step"], torch.full((2,), step_size / 2).double(), rtol=0.05, atol=0)
    assert isinstance(step.dist, Gaussian)
    new = at(nets.policy, as_vector(list(nets.policy.parameters())) + increment, step.batch.obs)
    torch.testing.assert_close(metrics["kl_step"], kl(step.dist, new).detach())


# the demonstrations


def test_the_loss_sums_over_both_as_in_the_equation() -> None:
    """Per on-policy row: sum of A log pi, and w for every demonstration."""
    cfg = dapg.Config(demo_weight=0.3)
    nets, step = problem(cfg)
    demo = step.batch.demo
    assert demo is not None
    fresh = (step.batch.columns["advantage"] * step.dist.log_prob(step.batch.action)).sum(1)
    shown = 0.3 * nets.policy(demo.obs).log_prob(demo.action).sum(1)
    loss, metrics = dapg.actor_loss(cfg, nets, step)
    torch.testing.assert_close(loss, -(fresh + shown) / 64)
    torch.testing.assert_close(metrics["demo_weight"], torch.full((2,), 0.3).double())


@pytest.mark.parametrize(("decay", "expected"), [(0.95, [0.4, 0.38, 0.361]), (0.0, [0.4, 0.0, 0.0]), (1.0, [0.4] * 3)])
def test_the_weight_of_demonstrations_decays_with_the_iterations(decay: float, expected: list[float]) -> None:
    """Counted by the learner, from the switch; where nothing is kept, they are for the first iteration only."""
    learner = tiny.learner("dapg", settings={"demo_weight": 0.4, "demo_decay": decay})
    learner.run(3)
    tiny.switch(learner)
    got = []
    for _ in range(3):
        learner.read_metrics()
        learner.run(learner.iteration.updates)
        got.append(learner.read_metrics()["demo_weight"])
    for one, value in zip(got, expected, strict=True):
        assert one == pytest.approx([value] * S, abs=1e-6)


def test_the_weight_may_be_times_the_largest_advantage() -> None:
    cfg = dapg.Config(demo_weight=0.3, demo_scale="max_adv")
    nets, step = problem(cfg, iteration=2)
    largest = step.batch.columns["advantage"].amax(1)
    assert (largest > 1.2).all()
    weight = dapg.actor_loss(cfg, nets, step)[1]["demo_weight"]
    torch.testing.assert_close(weight, 0.3 * 0.95**2 * largest)


def test_what_is_prepared() -> None:
    cfg = dapg.Config(gae_lambda=0.7)
    nets, step = problem(cfg)
    v, next_v = (nets.extra["value"](x).detach() for x in (step.batch.obs, step.batch.next_obs))
    raw = advantages(tiny.paths_of(step.batch), v, next_v, 0.99, 0.7)
    torch.testing.assert_close(step.batch.columns["target"], raw + v)
    by_hand = (raw - raw.mean(1, keepdim=True)) / raw.std(1, correction=0, keepdim=True)
    torch.testing.assert_close(step.batch.columns["advantage"], by_hand, rtol=1e-3, atol=1e-4)
    step = dataclasses.replace(step, stage="value")
    loss = dapg.auxiliary_losses(cfg, nets, step)[0]["value"]
    torch.testing.assert_close(loss, 0.5 * (nets.extra["value"](step.batch.obs) - raw - v).square().mean(1))


def marked(learner: Any) -> Any:
    """Give every row of the replay its number for a reward."""
    at_ = learner.layout.offset("reward")
    learner.replay.rows[:, at_] = torch.arange(len(learner.replay.rows), dtype=torch.float32)
    return learner


def test_demonstrations_are_all_that_is_cloned() -> None:
    learner = marked(tiny.learner("dapg"))
    drawn = torch.cat([learner.draw()[0].reward for _ in range(20)], dim=1)
    assert set(drawn.flatten().tolist()) == set(range(tiny.DEMOS))


def test_a_clone_may_keep_the_deviation_of_the_demonstrations() -> None:
    """Squared error leaves it where it starts; a learned one moves with the mean's."""
    spread = {"log_std_range": (-3.0, 2.0), "policy_weight_decay": 0.0}
    for kind, stays in (("demos", True), ("learned", False)):
        learner = tiny.learner("dapg", settings={"clone_std": kind}, common=spread)
        replay, policy = learner.replay, learner.nets.policy
        assert replay is not None
        start = replay.layout.offset("action")
        actions = replay.rows[: tiny.DEMOS, start : start + 3].numpy()
        learner.run(5)
        std = policy(learner.draw()[0].obs).std.detach().expand(S, 1, 3)
        assert torch.allclose(std, torch.from_numpy(actions.std(axis=0)).expand(S, 1, 3), rtol=1e-4) == stays
        tiny.switch(learner)
        learner.run(1)
        assert (policy(learner.draw()[0].obs).std != std).all(), "the policy gradient moves it"


def test_v_has_a_weight_decay_of_its_own() -> None:
    for decay in (0.0, 0.3):
        learner = tiny.learner("dapg", settings={"value_weight_decay": decay}, common={"policy_weight_decay": 0.1})
        assert learner.optimisers["value"].param_groups[0]["weight_decay"] == decay
        assert learner.optimisers["policy"].param_groups[0]["weight_decay"] == 0.1


def test_the_step_sees_all_fresh_rows_and_all_demonstrations_once() -> None:
    learner = marked(tiny.learner("dapg", phase="online"))
    found = {stage.name: batch for stage, batch, _ in tiny.draws(learner) if stage is not None}
    fresh, demo = found["step"].reward, found["step"].demo
    assert demo is not None
    assert demo.reward.tolist() == [list(range(tiny.DEMOS))] * S
    for s in range(S):
        first = tiny.OFFLINE + s * tiny.CAPACITY
        assert sorted(fresh[s].tolist()) == list(range(first, first + tiny.ONLINE))
    assert found["value"].demo is None
    assert found["value"].reward.min() >= tiny.OFFLINE


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"step_size": 0.0}, "step_size=0.0: must be above 0"),
        ({"damping": -1.0}, "damping=-1.0: must be above 0"),
        ({"demo_weight": -0.1}, "demo_weight=-0.1: must be at least 0"),
        ({"demo_decay": 1.1}, r"demo_decay=1.1: must be in \[0, 1\]"),
        ({"value_passes": 0}, "value_passes=0: must be at least 1"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        dapg.Config(**settings)
