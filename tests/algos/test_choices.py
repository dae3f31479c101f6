"""Methods on discrete actions: the contract of `test_contract` where choices make a difference, and closed forms."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pytest
import tiny
import torch
from checks import ALONE, ALONE_NATURAL, POLICY, negated, takes_its_own_steps
from torch import Tensor, nn

import algos
from algos.contract import Batch, LearnerConfig, Noise, Phase, Step
from algos.methods import awac, awr, bc
from algos.networks.nets import Nets
from algos.networks.policies import CategoricalPolicy
from algos.settings import SettingError

ABLE = [name for name in algos.names() if algos.load(name).default_needs.actions == "any"]
of_every_entry_in_every_phase = pytest.mark.parametrize(("name", "phase"), [c for c in tiny.cases() if c[0] in ABLE])
in_every_phase = pytest.mark.parametrize(("name", "phase"), [c for c in tiny.distinct_cases() if c[0] in ABLE])
CHOICES = dataclasses.replace(tiny.LAYOUT, discrete=True)


def test_methods_whose_losses_never_look_through_an_action_take_choices() -> None:
    able = "abm awac awac-z awr bc bc-demos dapg iql marwil marwil-rllib mpo ppo rwr trpo xql"
    assert set(able.split()) == set(ABLE)


@pytest.mark.parametrize("name", sorted(set(algos.names()) - set(ABLE)))
def test_the_others_are_refused(name: str) -> None:
    with pytest.raises(SettingError, match=f"{name} needs continuous actions, not one of 3 choices"):
        tiny.learner(name, discrete=True)


@pytest.mark.parametrize(("name", "settings"), [("bc", {"bc_loss": "mse"}), ("mpo", {"mode": "acme"})])
def test_so_are_settings_whose_loss_needs_a_mean(name: str, settings: dict[str, str]) -> None:
    with pytest.raises(SettingError, match="needs continuous actions"):
        tiny.learner(name, settings=settings, discrete=True)


@in_every_phase
def test_packed_seeds_equal_each_seed_alone(name: str, phase: Phase) -> None:
    """A policy that has not chosen yet has tiny curvatures: at DAPG's damping of 1e-4, roundings reach its step."""
    natural = takes_its_own_steps(tiny.learner(name, phase=phase, discrete=True))
    settings = {"damping": 1e-2} if natural else {}
    difference = tiny.alone_against_packed(name, phase, discrete=True, settings=settings)
    assert difference < (ALONE_NATURAL if natural else ALONE)


@in_every_phase
def test_the_policys_loss_reaches_the_policy_alone(name: str, phase: Phase) -> None:
    def after_one_update(turned: bool) -> dict[str, Tensor]:
        learner = tiny.learner(name, phase=phase, discrete=True)
        if turned:
            objective = learner.objective
            learner.objective = dataclasses.replace(objective, actor_loss=negated(objective.actor_loss))
        learner.run(tiny.until(learner, "policy"))
        return tiny.parameters(learner)

    changed = tiny.changed(after_one_update(False), after_one_update(True))
    assert changed
    assert all(parameter.startswith(POLICY) for parameter in changed)


@of_every_entry_in_every_phase
def test_extreme_inputs_leave_everything_finite(name: str, phase: Phase) -> None:
    cfg = tiny.objective_and_config(name)[1]
    settings = {"temperature": 1e-6} if hasattr(cfg, "temperature") else {}
    n, layout = 128, tiny.learner(name, discrete=True).layout
    obs = torch.tensor([-1e3, 1e3])[torch.arange(n * layout.obs_dim) % 2].view(n, -1)
    action = torch.eye(layout.action_dim)[torch.arange(n) % layout.action_dim]
    offline = tiny.packed(layout, obs, action, -torch.ones(n), -obs, torch.arange(n) % 2 == 0)
    learner = tiny.learner(name, phase=phase, settings=settings, offline=offline, discrete=True)
    learner.run(5)
    assert learner.finite().all()
    for metric, values in learner.read_metrics().items():
        assert np.isfinite(values).all(), metric


@in_every_phase
def test_a_saved_learner_continues_bit_equal(name: str, phase: Phase) -> None:
    learner, copy = (tiny.learner(name, phase=phase, discrete=True) for _ in range(2))
    learner.run(3)
    file = io.BytesIO()
    torch.save(learner.state(), file)
    file.seek(0)
    copy.load_state(torch.load(file, weights_only=True))
    for one in (learner, copy):
        one.run(3)
    assert not tiny.changed(tiny.parameters(learner), tiny.parameters(copy))


@pytest.mark.parametrize("name", ABLE)
def test_actions_are_one_hot_and_the_mode_without_noise(name: str) -> None:
    learner = tiny.learner(name, phase=tiny.phases(name)[-1], discrete=True)
    assert isinstance(learner.nets.policy, CategoricalPolicy)
    learner.run(2)
    rng = np.random.default_rng(0)
    obs, noise = (rng.standard_normal((len(tiny.SEEDS), 30, n)).astype(np.float32) for n in (5, 3))
    mode, sampled = learner.act(obs), learner.act(obs, noise)
    assert np.array_equal(mode, learner.act(obs, np.zeros_like(noise)))
    for action in (mode, sampled):
        assert action.shape == noise.shape
        assert set(np.unique(action)) == {0.0, 1.0}
        assert (action.sum(-1) == 1).all()
    assert (sampled != mode).any()


@pytest.mark.parametrize(("name", "model"), [("abm", "prior"), ("awac-z", "behaviour")])
def test_models_of_the_data_are_of_the_policys_family(name: str, model: str) -> None:
    assert isinstance(tiny.learner(name, discrete=True).nets.extra[model], CategoricalPolicy)


# a bandit of four arms, one state: the likeliest policy of weighted choices

Q = torch.tensor([1.0, 0.2, -0.5, 0.8]).double()
COUNTS = torch.tensor([100, 500, 300, 100])  # of each arm in the data
LAM = 0.7
BEST = COUNTS * torch.exp(Q / LAM) / (COUNTS * torch.exp(Q / LAM)).sum()  # mu(a) exp(Q(a) / lambda) / Z


class Table(nn.Module):
    """Critics that know what each arm pays."""

    def forward(self, obs: Tensor, action: Tensor) -> Tensor:
        return (action @ Q)[:, None].expand(-1, 2, -1)


def bandit(policy: nn.Module) -> tuple[Nets, Step]:
    """A step on all of the data, one-hot choices in a single state."""
    action = torch.eye(4).double().repeat_interleave(COUNTS, 0)[None]  # [1, B, 4]
    obs, zero = torch.ones_like(action[..., :1]), torch.zeros_like(action[..., 0])
    # one draw for V, ten for Z
    noise = torch.randn(1, 11, 1, 4, generator=torch.Generator().manual_seed(0)).double()
    nets = tiny.stub_nets(policy, Table())
    batch = Batch(obs, action, zero, obs.clone(), zero.clone())
    draws = Noise(None, noise.expand(-1, -1, action.shape[1], -1))
    return nets, Step(batch, draws, LearnerConfig(), policy, nets.q(obs, action).detach())


@torch.no_grad()
def constant(p: Tensor) -> CategoricalPolicy:
    """A policy that takes the arms with these probabilities."""
    policy = CategoricalPolicy(1, 1, 4, (3,)).double()
    *rest, last_bias = policy.parameters()
    for parameter in rest:
        parameter.zero_()
    last_bias.copy_(p.log())
    return policy


def fitted(loss: Callable[[Nets, Step], Tensor]) -> Tensor:
    """Probabilities of the arms under the policy that minimises a loss."""
    policy = constant(torch.full((4,), 0.25).double())
    *_, last_bias = policy.parameters()
    optimiser = torch.optim.LBFGS([last_bias], max_iter=100, tolerance_grad=1e-10, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        value = loss(*bandit(policy)).sum()
        value.backward()
        return value

    optimiser.step(closure)  # type: ignore[arg-type]
    probabilities: Tensor = bandit(policy)[1].dist.log_probs.exp()[0, 0].detach()  # type: ignore[attr-defined]
    return probabilities


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, {"z_estimator": "policy"}, {"v_estimator": "mean_action"}])
def test_awac_finds_the_closed_form_on_a_bandit(settings: dict[str, Any]) -> None:
    cfg = awac.Config(temperature=LAM, **settings)
    found = fitted(lambda nets, step: awac.actor_loss(cfg, nets, step)[0])
    torch.testing.assert_close(found, BEST, rtol=0, atol=1e-3)


@pytest.mark.parametrize("norm", ["softmax", "exp"])
def test_the_closed_form_is_where_awacs_gradient_vanishes(norm: Literal["softmax", "exp"]) -> None:
    cfg = awac.Config(temperature=LAM, weight_norm=norm, v_estimator="mean_action")

    def slope(p: Tensor) -> Tensor:
        policy = constant(p)
        nets, step = bandit(policy)
        return tiny.gradient(awac.actor_loss(cfg, nets, step)[0], policy).abs().max()

    assert slope(BEST) < 1e-6 * slope(torch.full((4,), 0.25).double())


def test_awr_finds_the_closed_form_on_a_bandit() -> None:
    cfg = awr.Config(temperature=LAM, standardise=False, weight_cap=None)

    def loss(nets: Nets, step: Step) -> Tensor:
        advantage = step.batch.action @ Q - 0.3  # V is the same everywhere and drops out
        weight = awr.weights(cfg, advantage)
        return awr.actor_loss(cfg, nets, tiny.staged(step, "policy", weight=weight, advantage=advantage))[0]

    torch.testing.assert_close(fitted(loss), BEST, rtol=0, atol=1e-3)


def test_cloning_finds_the_shares_of_the_data() -> None:
    found = fitted(lambda nets, step: bc.actor_loss(bc.Config(), nets, step)[0])
    torch.testing.assert_close(found, COUNTS / COUNTS.sum().double(), rtol=0, atol=1e-3)
