"""ABM against closed forms and its limits: cloning, AWAC, a clone of its prior."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import tiny
import torch
from torch import Tensor, nn
from torch.distributions import Normal

from algos.contract import Step
from algos.methods import abm, awac, bc
from algos.networks.dists import Gaussian
from algos.networks.nets import Nets
from algos.networks.policies import GaussianPolicy
from algos.settings import SettingError

B, K, LAM = 1.0, 2.0, 0.7  # Q(a) = B a - K a^2 / 2
ONE = abm.Config(temperature=LAM, prior_samples=1)


def policy_gradient(cfg: abm.Config, nets: Nets, step: Step) -> Tensor:
    return tiny.gradient(abm.actor_loss(cfg, nets, step)[0], nets.policy)


def random_problem(samples: int, **extra: nn.Module) -> tuple[Nets, Step]:
    nets = tiny.random_nets(GaussianPolicy, **(extra or {"prior": GaussianPolicy(2, 5, 3, (16, 16))}))
    return nets, tiny.random_step(nets.policy, nets, samples=samples)


# the prior


def rated(cfg: abm.Config, *advantages: float) -> tuple[Nets, Step, Tensor]:
    """One state with Q = 0 everywhere but at the data's actions, which are rated as given; the prior's loss there."""
    nets = tiny.stub_nets(
        tiny.constant_policy(0.1, 0.5), tiny.ConstantQ(0.0, 0.0), prior=tiny.constant_policy(-0.2, 0.4)
    )
    action = torch.linspace(-0.5, 0.5, len(advantages)).double()
    step = tiny.bandit_step(nets.policy, nets, action, torch.zeros(cfg.prior_samples + 1, len(advantages)).double())
    q = torch.tensor(advantages).double()
    step = dataclasses.replace(step, q_data=torch.stack((q, q + 1.0))[None])
    return nets, step, abm.auxiliary_losses(cfg, nets, step)[0]["prior"]


def test_the_prior_clones_where_every_action_is_good() -> None:
    nets, step, loss = rated(ONE, 0.1, 3.0, 7.0)
    clone = -nets.extra["prior"](step.batch.obs).log_prob(step.batch.action).mean(1)
    assert torch.equal(loss, clone)


def test_the_prior_learns_only_actions_with_a_positive_advantage() -> None:
    nets, step, loss = rated(ONE, -1.0, 2.0, 0.0, 0.5)
    log_prob = nets.extra["prior"](step.batch.obs).log_prob(step.batch.action)[0]
    assert float(loss.detach()) == pytest.approx(-float((log_prob[1] + log_prob[3]).detach()) / 4)
    assert float(abm.auxiliary_losses(ONE, nets, step)[1]["prior_kept"]) == 0.5


def test_a_batch_without_good_actions_teaches_nothing() -> None:
    nets, _, loss = rated(ONE, -1.0, -2.0, 0.0)
    assert float(loss.detach()) == 0.0
    assert not tiny.gradient(loss, nets.extra["prior"]).any()


def test_the_priors_weights_may_be_the_exponential() -> None:
    cfg = dataclasses.replace(ONE, prior_weight="exp", temperature=0.5)
    nets, step, loss = rated(cfg, -1.0, 2.0, 0.0)
    log_prob = nets.extra["prior"](step.batch.obs).log_prob(step.batch.action)[0]
    w = torch.tensor([-1.0, 2.0, 0.0]).double().div(0.5).softmax(0)
    assert float(loss.detach()) == pytest.approx(-float((w * log_prob).sum().detach()))
    clipped = dataclasses.replace(cfg, advantage_clip=0.0)
    _, _, loss = rated(clipped, -1.0, 2.0, 0.0)
    w = torch.tensor([-1.0, 0.0, 0.0]).double().div(0.5).softmax(0)
    assert float(loss.detach()) == pytest.approx(-float((w * log_prob).sum().detach()))


@pytest.mark.parametrize(("v", "action"), [("sample", 0.1 + 0.5 * 0.4), ("mean_action", 0.1)])
def test_the_advantage_is_over_the_policys_own_action(v: Any, action: float) -> None:
    """Policy N(0.1, 0.5^2) with noise 0.4 in the last draw, Q(a) = a - a^2, data action 0.4."""
    cfg = dataclasses.replace(ONE, v_estimator=v)
    nets = tiny.stub_nets(tiny.constant_policy(0.1, 0.5), tiny.QuadraticQ(B, K), prior=tiny.constant_policy(0.0, 0.5))
    step = tiny.bandit_step(nets.policy, nets, torch.tensor([0.4]).double(), torch.tensor([[0.0], [0.4]]).double())
    _, metrics = abm.auxiliary_losses(cfg, nets, step)
    assert float(metrics["advantage"]) == pytest.approx((0.4 - 0.16) - (action - action**2))


# the policy


def bandit(cfg: abm.Config, mean: float, var: float) -> Tensor:
    """Gradient of the policy's loss at N(mean, var), for actions of the prior spread as N(0, 1)."""
    policy = tiny.constant_policy(mean, var**0.5)
    nets = tiny.stub_nets(policy, tiny.QuadraticQ(B, K), prior=tiny.constant_policy(0.0, 1.0))
    grid = tiny.normal_grid(4001)
    if cfg.normalise == "state":  # all samples in one state
        noise, data = torch.cat((grid, torch.zeros(1).double()))[:, None], torch.zeros(1).double()
    else:
        noise, data = torch.stack((grid, torch.zeros_like(grid))), torch.zeros_like(grid)
    return policy_gradient(cfg, nets, tiny.bandit_step(policy, nets, data, noise))


@pytest.mark.parametrize("cfg", [ONE, abm.Config(temperature=LAM, prior_samples=4001, normalise="state")])
def test_the_bandit_ends_where_awac_does_with_the_prior_for_its_data(cfg: abm.Config) -> None:
    mean, var = B / (LAM + K), LAM / (LAM + K)
    assert bandit(cfg, mean, var).abs().max() < 1e-3 * bandit(cfg, 0.0, var).abs().max()
    assert bandit(cfg, mean, var).abs().max() < 1e-3 * bandit(cfg, mean, 0.5 * var).abs().max()


class Data(nn.Module):
    """In place of the prior: its actions are the data's."""

    def __init__(self, action: Tensor) -> None:
        super().__init__()
        self.action = action

    def forward(self, obs: Tensor) -> Gaussian:
        return Gaussian(self.action, torch.full_like(self.action[:, :1], -torch.inf))


@pytest.mark.parametrize("clip", [None, 0.1])
def test_with_the_datas_actions_in_place_of_the_priors_it_is_awac(clip: float | None) -> None:
    nets, step = random_problem(samples=2)
    assert step.noise.action is not None
    step.noise.action[:, 1] = step.noise.action[:, 0]  # AWAC takes its action for V from the first draw
    nets.extra["prior"] = Data(step.batch.action)
    loss, metrics = abm.actor_loss(dataclasses.replace(ONE, advantage_clip=clip), nets, step)
    theirs, expected = awac.actor_loss(awac.Config(temperature=LAM, advantage_clip=clip), nets, step)
    torch.testing.assert_close(loss, theirs)
    torch.testing.assert_close(tiny.gradient(loss, nets.policy), tiny.gradient(theirs, nets.policy))
    for name in ("weight_ess", "weight_max", "q_policy"):
        torch.testing.assert_close(metrics[name], expected[name])


def test_a_huge_temperature_clones_the_prior() -> None:
    cfg = abm.Config(temperature=1e8, prior_samples=3)
    nets, step = random_problem(samples=4)
    assert step.noise.action is not None
    prior = nets.extra["prior"](step.batch.obs)
    actions = [prior.sample(step.noise.action[:, k])[0].detach() for k in range(3)]
    of_each = [dataclasses.replace(step, batch=dataclasses.replace(step.batch, action=a)) for a in actions]
    clones = [tiny.gradient(bc.actor_loss(bc.Config(), nets, s)[0], nets.policy) for s in of_each]
    clone = torch.stack(clones).mean(0)
    torch.testing.assert_close(policy_gradient(cfg, nets, step), clone, rtol=1e-6, atol=1e-6 * float(clone.abs().max()))


def test_the_policy_may_learn_good_actions_alike() -> None:
    cfg = dataclasses.replace(ONE, policy_weight="step")
    nets = tiny.stub_nets(tiny.constant_policy(0.3, 0.5), tiny.QuadraticQ(B, K), prior=tiny.constant_policy(0.0, 0.5))
    noise = torch.tensor([[1.0, 0.8, -0.4, 1.6], [0.0, 0.0, 0.0, 0.0]]).double()  # actions 0.5, 0.4, -0.2, 0.8
    step = tiny.bandit_step(nets.policy, nets, torch.zeros(4).double(), noise)
    loss, _ = abm.actor_loss(cfg, nets, step)  # V = Q(0.3), and Q peaks at 0.5: the last two are worse
    expected = -Normal(0.3, 0.5).log_prob(torch.tensor([0.5, 0.4])).sum() / 4
    assert float(loss.detach()) == pytest.approx(float(expected), rel=1e-6)


def test_weights_have_mean_one_over_what_they_are_normalised() -> None:
    advantage = 30 * torch.randn(2, 5, 16, generator=torch.Generator().manual_seed(0))
    over_batch = abm.weights("exp", advantage, 1.0, 2)
    torch.testing.assert_close(over_batch.mean(dim=(1, 2)), torch.ones(2))
    over_samples = abm.weights("exp", advantage, 1.0, 1)
    torch.testing.assert_close(over_samples.mean(1), torch.ones(2, 16))
    lifted = advantage + 100 * torch.randn(2, 1, 16, generator=torch.Generator().manual_seed(1))  # per state
    torch.testing.assert_close(abm.weights("exp", lifted, 1.0, 1), over_samples, rtol=1e-3, atol=1e-4)


def test_each_loss_reaches_only_its_own_network() -> None:
    nets, step = random_problem(samples=5)
    loss, _ = abm.actor_loss(abm.Config(), nets, step)
    losses, _ = abm.auxiliary_losses(abm.Config(), nets, step)
    assert tiny.gradient(loss, nets.policy).any()
    assert not tiny.gradient(loss, nets.extra["prior"]).any()
    assert tiny.gradient(losses["prior"], nets.extra["prior"]).any()
    assert not tiny.gradient(losses["prior"], nets.policy).any()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": 0.0}, "temperature=0.0: must be above 0"),
        ({"prior_samples": 0}, "prior_samples=0: must be at least 1"),
        ({"prior_samples": 1, "normalise": "state"}, "needs prior_samples of 2 or more"),
        ({"normalise": "state", "policy_weight": "step"}, "normalise=state contradicts policy_weight=step"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        abm.Config(**settings)


def test_the_priors_own_action_can_be_the_baseline() -> None:
    """Its advantage is then Q(s, a) - Q(s, u), u of the prior, whatever the policy does, and is never clipped."""
    learner = tiny.learner("abm", settings={"prior_baseline": "prior", "advantage_clip": 0.0, "prior_weight": "step"})
    batch, noise = learner.draw()
    nets, cfg = learner.nets, learner.cfg
    step = Step(batch, noise, learner.learner, nets.policy, q_data=nets.q(batch.obs, batch.action).detach())
    _, metrics = learner.objective.auxiliary_losses(cfg, nets, step)
    own, _ = nets.extra["prior"](batch.obs).sample(noise.action[:, 0])
    advantage = (step.q_data.amin(1) - nets.q(batch.obs, own).amin(1)).detach()
    torch.testing.assert_close(metrics["advantage"], advantage.mean(1))
    torch.testing.assert_close(metrics["prior_kept"], (advantage > 0).float().mean(1))
    assert (advantage > 0).any()
