"""TD3+BC against a plain implementation, closed forms, and its limits: cloning and TD3."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import tiny
import torch
from asked import resolve
from plain_td3 import COMMON, PlainTD3, difference
from torch import Tensor

from algos.contract import Step
from algos.methods import td3, td3_bc
from algos.networks.policies import DeterministicPolicy
from algos.settings import SettingError

EITHER = pytest.mark.parametrize("q_scale", ["data", "policy"])


def clone(step: Step) -> Tensor:
    """Squared distance to the data's actions, mean over rows and dimensions: [S]."""
    return (step.dist.mode - step.batch.action).square().mean(dim=(1, 2))


@EITHER
def test_updates_are_those_of_a_plain_implementation(q_scale: Any) -> None:
    def policy_loss(q: Tensor, action: Tensor, batch: dict[str, Tensor]) -> Tensor:
        weight = 2.5 / q[0].abs().mean().detach()
        return torch.nn.functional.mse_loss(action, batch["action"]) - weight * q[0].mean()

    learner = tiny.learner("td3-bc", settings={"q_scale": q_scale}, common=COMMON)
    apart = difference(learner, lambda seed: PlainTD3(learner, seed, policy_loss=policy_loss), updates=7)
    if q_scale == "policy":
        assert apart < 2e-6
    else:
        assert apart > 1e-5  # the data's actions are worth something else than the policy's


@EITHER
def test_without_q_it_is_cloning_bit_for_bit(q_scale: Any) -> None:
    nets = tiny.random_nets(DeterministicPolicy)
    step = tiny.random_step(nets.policy, nets)
    loss, metrics = td3_bc.actor_loss(td3_bc.Config(q_weight=0.0, q_scale=q_scale), nets, step)
    assert torch.equal(tiny.gradient(loss, nets.policy), tiny.gradient(clone(step), nets.policy))
    torch.testing.assert_close(metrics["mse_data"], clone(step))


@EITHER
def test_without_cloning_it_is_td3_with_a_scale_per_seed(q_scale: Any) -> None:
    nets = tiny.random_nets(DeterministicPolicy)
    step = dataclasses.replace(tiny.random_step(nets.policy, nets), age=torch.tensor(10.0))
    cfg = td3_bc.Config(q_scale=q_scale, bc_decay_floor=0.0, bc_decay_updates=10)
    loss, metrics = td3_bc.actor_loss(cfg, nets, step)
    action = step.batch.action if q_scale == "data" else step.dist.mode
    scale = nets.q(step.batch.obs, action)[:, 0].detach().abs().mean(1)
    assert scale[0] != scale[1]
    torch.testing.assert_close(metrics["q_coef"], 2.5 / scale)
    expected = tiny.gradient(2.5 / scale * td3.actor_loss(td3.Config(), nets, step)[0], nets.policy)
    torch.testing.assert_close(tiny.gradient(loss, nets.policy), expected)
    target = td3_bc.td_target(cfg, nets, step, step.dist)
    assert torch.equal(target, td3.td_target(td3.Config(), nets, step, step.dist))


@EITHER
def test_the_scale_of_rewards_does_not_matter(q_scale: Any) -> None:
    gradients = []
    for unit in (1.0, 1000.0):
        nets = tiny.stub_nets(tiny.constant_action(0.3), tiny.QuadraticQ(unit, 2 * unit))
        step = tiny.bandit_step(nets.policy, nets, tiny.normal_grid(101))
        gradients.append(tiny.gradient(td3_bc.actor_loss(td3_bc.Config(q_scale=q_scale), nets, step)[0], nets.policy))
    torch.testing.assert_close(*gradients)


@pytest.mark.slow
@EITHER
def test_the_bandit_ends_where_the_closed_form_says(q_scale: Any) -> None:
    """Q(a) = b a - k a^2 / 2 and data N(0, 1): the policy ends at c b / (c k + 2), c = q_weight / mean |Q_1|."""
    b, k, cfg = 1.0, 2.0, td3_bc.Config(q_scale=q_scale)
    data = tiny.normal_grid(4001)

    def slope(action: float) -> tuple[float, float]:
        nets = tiny.stub_nets(tiny.constant_action(action), tiny.QuadraticQ(b, k))
        step = tiny.bandit_step(nets.policy, nets, data)
        loss, metrics = td3_bc.actor_loss(cfg, nets, step)
        return float(tiny.gradient(loss, nets.policy).abs().max()), float(metrics["q_coef"])

    end = 0.3
    for _ in range(200):  # with q_scale=policy, c depends on where the policy is
        c = slope(end)[1]
        end = 0.5 * end + 0.5 * c * b / (c * k + 2)
    assert slope(end)[0] < 1e-9
    assert slope(end + 0.05)[0] > 1e-2
    if q_scale == "data":
        c = 2.5 / float((b * data - k * data.square() / 2).abs().mean())
        assert end == pytest.approx(c * b / (c * k + 2))


def test_only_the_first_critic_counts() -> None:
    nets = tiny.stub_nets(tiny.constant_action(0.1), tiny.ConstantQ(-4.0, -100.0))
    step = tiny.bandit_step(nets.policy, nets, torch.full((8,), 0.1).double())
    step.q_data = torch.tensor([-5.0, -50.0]).double()[None, :, None].expand(1, 2, 8)
    for q_scale, size in [("data", 5.0), ("policy", 4.0)]:
        loss, metrics = td3_bc.actor_loss(td3_bc.Config(q_scale=q_scale), nets, step)  # type: ignore[arg-type]
        assert float(metrics["q_coef"]) == pytest.approx(2.5 / size)
        assert loss.tolist() == pytest.approx([4 * 2.5 / size])
        assert float(metrics["q_policy"]) == -100.0


def test_values_of_zero_leave_a_finite_loss() -> None:
    nets = tiny.stub_nets(tiny.constant_action(0.1), tiny.ConstantQ(0.0, 0.0))
    step = tiny.bandit_step(nets.policy, nets, torch.zeros(4, dtype=torch.float64))
    loss, metrics = td3_bc.actor_loss(td3_bc.Config(), nets, step)
    assert loss.isfinite().all()
    assert metrics["q_coef"].isfinite().all()


@pytest.mark.parametrize(
    ("floor", "updates", "age", "expected"),
    [(0.5, 100, 0, 1.0), (0.5, 100, 25, 0.75), (0.5, 100, 50, 0.5), (0.5, 100, 99, 0.5), (0.0, 100, 200, 0.0),
     (1.0, 100, 99, 1.0)],
)  # fmt: skip
def test_the_cloning_term_decays_in_a_straight_line_to_its_floor(
    floor: float, updates: int, age: int, expected: float
) -> None:
    nets = tiny.random_nets(DeterministicPolicy)
    step = dataclasses.replace(tiny.random_step(nets.policy, nets), age=torch.tensor(age))
    assert td3_bc.bc_decay(floor, updates, step).tolist() == pytest.approx([expected] * 2)
    cfg = td3_bc.Config(q_weight=0.0, bc_decay_floor=floor, bc_decay_updates=updates)
    loss, metrics = td3_bc.actor_loss(cfg, nets, step)
    torch.testing.assert_close(loss, expected * clone(step))
    assert metrics["bc_coef"].tolist() == pytest.approx([expected] * 2)


def test_the_decay_counts_online_updates_only() -> None:
    learner = tiny.learner("td3-bc", settings={"bc_decay_floor": 0.5, "bc_decay_updates": 8})
    learner.run(4)
    assert learner.read_metrics()["bc_coef"] == pytest.approx(1.0)
    tiny.switch(learner)
    for expected in [(1.0 + 0.75) / 2, 0.5]:  # the policy steps in updates 0 and 2, then 4 and 6
        learner.run(4)
        assert learner.read_metrics()["bc_coef"] == pytest.approx(expected)


def test_observations_are_standardised_unless_one_says_otherwise() -> None:
    assert resolve("td3-bc", "door-binary", (0,)).learner.normalise_obs
    assert not resolve("td3-bc", "door-binary", (0,), overrides=["normalise_obs=false"]).learner.normalise_obs


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"q_weight": -1.0}, "q_weight=-1.0: must be at least 0"),
        ({"bc_decay_floor": 1.5}, r"bc_decay_floor=1.5: must be in \[0, 1\]; 1 is no decay"),
        ({"bc_decay_updates": 0}, "bc_decay_updates=0: must be at least 1"),
        ({"policy_every": 0}, "policy_every=0"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        td3_bc.Config(**settings)
