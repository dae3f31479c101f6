"""ReBRAC against a plain implementation, hand-made targets, and its limit: TD3."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import tiny
import torch
from plain_td3 import COMMON, PlainTD3, difference
from torch import Tensor

from algos.contract import Step
from algos.methods import rebrac, td3, td3_bc
from algos.networks.nets import Nets
from algos.networks.policies import DeterministicPolicy
from algos.settings import SettingError


def rebrac_step(nets: Nets) -> Step:
    """A random step whose every third row has no next data action."""
    step = tiny.random_step(nets.policy, nets)
    g = torch.Generator().manual_seed(5)
    columns = {
        "next_action": torch.randn(step.batch.action.shape, generator=g).double(),
        "has_next": (torch.arange(step.batch.action.shape[1]) % 3 > 0).double().expand(2, -1),
    }
    return dataclasses.replace(step, batch=dataclasses.replace(step.batch, columns=columns))


@pytest.mark.slow
@pytest.mark.parametrize("layer_norm", [True, False])
def test_updates_are_those_of_a_plain_implementation(layer_norm: bool) -> None:
    def policy_loss(q: Tensor, action: Tensor, batch: dict[str, Tensor]) -> Tensor:
        smaller = q.min(0).values
        far = ((action - batch["action"]) ** 2).sum(1)
        return (0.2 * far - smaller / smaller.abs().mean().detach()).mean()

    def penalty(action: Tensor, batch: dict[str, Tensor]) -> Tensor:
        return 0.7 * ((action - batch["next_action"]) ** 2).sum(1) * batch["has_next"]

    settings = {"actor_bc_weight": 0.2, "critic_bc_weight": 0.7, "layer_norm": layer_norm}
    for given, limit in [(penalty, (0.0, 2e-6)), (lambda *x: 0.0 * penalty(*x), (1e-5, 1.0))]:
        learner = tiny.learner("rebrac", settings=settings, common=COMMON)
        shuffle_norms(learner)
        plain = {seed: PlainTD3(learner, seed, policy_loss=policy_loss, penalty=given) for seed in range(3)}
        assert limit[0] <= difference(learner, plain.__getitem__, updates=7) < limit[1]


def shuffle_norms(learner: Any) -> None:
    """Other scales and shifts than one and zero, per seed and critic."""
    g = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, p in learner.nets.critic.named_parameters():
            if "norms" in name:
                p.add_(0.3 * torch.randn(p.shape, generator=g))
    learner.reset_parts(["targets"])


def test_the_target_by_hand() -> None:
    """Q(a) = a - a^2 and the target policy does 0.6, 0.4 away from the data's next action and with beta_2 = 0.5."""
    nets = tiny.stub_nets(tiny.constant_action(0.6), tiny.QuadraticQ(1.0, 2.0))
    step = tiny.bandit_step(nets.policy, nets, torch.zeros(3, dtype=torch.float64))
    columns = {
        "next_action": torch.tensor([1.0, 0.0, 1.0]).double()[None, :, None],  # zero where there is none
        "has_next": torch.tensor([[1.0, 0.0, 1.0]]).double(),
    }
    batch = dataclasses.replace(step.batch, columns=columns, terminated=torch.tensor([[0.0, 0.0, 1.0]]).double())
    step = dataclasses.replace(step, batch=batch)
    cfg = rebrac.Config(critic_bc_weight=0.5, target_noise=0.0)
    out = rebrac.td_target(cfg, nets, step, step.dist).detach()[0]
    q = 0.6 - 0.36
    assert out.tolist() == pytest.approx([0.99 * (q - 0.5 * 0.16), 0.99 * q, 0.0])


def test_the_penalty_is_on_the_smoothed_action() -> None:
    nets = tiny.stub_nets(tiny.constant_action(0.6), tiny.ConstantQ(0.0, 0.0))
    step = tiny.bandit_step(nets.policy, nets, torch.zeros(1, dtype=torch.float64))
    assert step.noise.next_action is not None
    step.noise.next_action.fill_(1.0)
    columns = {"next_action": torch.zeros(1, 1, 1).double(), "has_next": torch.ones(1, 1).double()}
    step = dataclasses.replace(step, batch=dataclasses.replace(step.batch, columns=columns))
    out = rebrac.td_target(rebrac.Config(critic_bc_weight=1.0), nets, step, step.dist)
    assert float(out.detach()) == pytest.approx(-0.99 * 0.8**2)


def test_without_its_penalties_the_target_is_td3s_bit_for_bit() -> None:
    nets = tiny.random_nets(DeterministicPolicy)
    step = rebrac_step(nets)
    plain = td3.td_target(td3.Config(), nets, step, step.dist)
    assert torch.equal(rebrac.td_target(rebrac.Config(critic_bc_weight=0.0), nets, step, step.dist), plain)
    penalised = rebrac.td_target(rebrac.Config(critic_bc_weight=0.1), nets, step, step.dist)
    has_next = step.batch.columns["has_next"] * (1 - step.batch.terminated) > 0
    assert torch.equal(penalised[~has_next], plain[~has_next])
    assert (penalised[has_next] < plain[has_next]).all()


def test_without_its_penalties_the_policy_is_td3s_with_a_scale_per_seed() -> None:
    """Where both critics are the same: TD3 takes the first, ReBRAC the smaller."""
    nets = tiny.random_nets(DeterministicPolicy)
    assert nets.critic is not None
    with torch.no_grad():
        for p in nets.critic.parameters():
            p[:, 1] = p[:, 0]
    step = rebrac_step(nets)
    loss, metrics = rebrac.actor_loss(rebrac.Config(actor_bc_weight=0.0), nets, step)
    scale = nets.q(step.batch.obs, step.dist.mode)[:, 0].detach().abs().mean(1)
    torch.testing.assert_close(metrics["q_coef"], 1 / scale)
    expected = tiny.gradient(td3.actor_loss(td3.Config(), nets, step)[0] / scale, nets.policy)
    torch.testing.assert_close(tiny.gradient(loss, nets.policy), expected)


def test_the_policy_maximises_the_smaller_critic_near_the_data() -> None:
    nets = tiny.random_nets(DeterministicPolicy)
    step = rebrac_step(nets)
    action = step.dist.mode
    smaller = nets.q(step.batch.obs, action).amin(1)
    far = (action - step.batch.action).square().sum(-1)
    by_hand = 0.3 * far.mean(1) - smaller.mean(1) / smaller.detach().abs().mean(1)
    loss, metrics = rebrac.actor_loss(rebrac.Config(actor_bc_weight=0.3), nets, step)
    torch.testing.assert_close(tiny.gradient(loss, nets.policy), tiny.gradient(by_hand, nets.policy))
    theirs = td3_bc.actor_loss(td3_bc.Config(), nets, step)[1]["mse_data"]  # a mean over the three dimensions
    torch.testing.assert_close(metrics["mse_data"], theirs)
    torch.testing.assert_close(far.mean(1), 3 * theirs)


def test_the_bandit_ends_where_the_closed_form_says() -> None:
    """Q(a) = b a - k a^2 / 2 and data N(0, 1): the policy ends at c b / (c k + 2 beta_1), c = 1 / |Q(pi)|."""
    b, k, beta = 1.0, 2.0, 0.4
    end = 0.3
    for _ in range(200):
        c = 1 / abs(b * end - k * end**2 / 2)
        end = 0.5 * end + 0.5 * c * b / (c * k + 2 * beta)
    for action, at_rest in [(end, True), (end + 0.05, False)]:
        nets = tiny.stub_nets(tiny.constant_action(action), tiny.QuadraticQ(b, k))
        step = tiny.bandit_step(nets.policy, nets, tiny.normal_grid(101))
        loss, _ = rebrac.actor_loss(rebrac.Config(actor_bc_weight=beta), nets, step)
        assert (tiny.gradient(loss, nets.policy).abs().max() < 1e-9) == at_rest


def test_online_the_target_is_free_and_the_policys_penalty_decays_to_half() -> None:
    cfg = rebrac.Config(actor_bc_weight=0.2, critic_bc_weight=0.5, bc_decay_updates=100)
    offline, online = rebrac.on_phase(cfg, "offline"), rebrac.on_phase(cfg, "online")
    assert (offline.critic_bc_weight, online.critic_bc_weight) == (0.5, 0.0)
    nets = tiny.random_nets(DeterministicPolicy)
    for age, left in [(0, 1.0), (30, 0.7), (50, 0.5), (1000, 0.5)]:
        step = dataclasses.replace(rebrac_step(nets), age=torch.tensor(age))
        for phase, expected in [(offline, 0.2), (online, 0.2 * left)]:
            assert rebrac.actor_loss(phase, nets, step)[1]["bc_coef"].tolist() == pytest.approx([expected] * 2)


def test_a_learner_decays_with_its_updates_and_goes_on_where_it_was_saved() -> None:
    settings = {"actor_bc_weight": 1.0, "bc_decay_updates": 16}
    learner = tiny.learner("rebrac", settings=settings)
    learner.run(5)
    tiny.switch(learner)
    learner.run(3)
    learner.read_metrics()
    other = tiny.learner("rebrac", settings=settings)
    other.load_state(learner.state())
    assert learner.replay is not None
    other.replay = learner.replay
    for one in (learner, other):
        one.run(4)  # the policy steps in the fourth and sixth update online
        assert one.read_metrics()["bc_coef"] == pytest.approx(1 - (3 + 5) / 2 / 16)


def test_what_it_asks_for() -> None:
    needs = rebrac.needs(rebrac.Config())
    assert needs.layer_norm
    assert needs.columns == ("next_action", "has_next")
    assert needs.bounded_q  # penalties only lower values


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"actor_bc_weight": -0.1}, "actor_bc_weight=-0.1: must be at least 0"),
        ({"critic_bc_weight": -0.1}, "critic_bc_weight=-0.1: must be at least 0"),
        ({"online_critic_bc_weight": -0.1}, "online_critic_bc_weight=-0.1: must be at least 0"),
        ({"bc_decay_floor": -0.1}, "bc_decay_floor=-0.1"),
        ({"target_noise_clip": 0.0}, "target_noise_clip=0.0"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        rebrac.Config(**settings)
