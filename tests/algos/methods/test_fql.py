"""FQL against a plain recomputation of its losses, flows whose end is known, and the limits of its policy."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.distributions import Normal

from algos.contract import LearnerConfig, Noise, Step
from algos.learner.actor_critic import ActorCritic
from algos.learner.actors import acting
from algos.learner.replay import Layout, Replay
from algos.methods import fql
from algos.networks.nets import MLP, Nets, TwinQ
from algos.settings import SettingError

Array = NDArray[np.float64]
O, A = tiny.LAYOUT.obs_dim, tiny.LAYOUT.action_dim  # noqa: E741


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).double()


def random_problem() -> tuple[Nets, Step]:
    """Two seeds in double precision; some of the policy's actions are beyond the bounds."""
    policy, flow = fql.OneStep(2, O, A, (16, 16)), fql.Field(2, O, A, (16, 16))
    nets = Nets(policy, TwinQ(2, 2, O, A, (16, 16), layer_norm=True), {"flow": flow}, None)
    nets.init([torch.Generator().manual_seed(s) for s in range(2)], copy_targets=False)
    with torch.no_grad():
        for p in policy.body.layers[-1].parameters():
            p.mul_(6)
    nets = nets.double()
    step = tiny.random_step(policy, nets, samples=3)
    return nets, step


def plain(mlp: Any, member: tuple[int, ...], *parts: Array) -> Array:
    """One member's network on rows [B, inputs], layer by layer, each normalised before its ReLU where it is."""
    assert isinstance(mlp, MLP)
    x = np.concatenate(parts, 1)
    for n, layer in enumerate(mlp.layers):
        weight, bias = (p[member].detach().numpy() for p in (layer.weight, layer.bias))
        x = x @ weight + bias
        if n == len(mlp.layers) - 1:
            return x
        if mlp.norms is not None:
            norm: Any = mlp.norms[n]
            x = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)
            x = x * norm.scale[member].detach().numpy() + norm.shift[member].detach().numpy()
        x = np.maximum(x, 0.0)
    return x


def plain_q(critic: Any, seed: int, obs: Array, action: Array) -> Array:
    """Both critics of a seed: [E, B]."""
    return np.stack([plain(critic.body, (seed, e), obs, action)[:, 0] for e in range(2)])


@pytest.mark.parametrize("cfg", [fql.Config(), fql.Config(3.0, 4, "min", normalise_q=True)])
def test_losses_are_those_of_a_plain_recomputation(cfg: fql.Config) -> None:
    nets, step = random_problem()
    batch, noise = step.batch, step.noise
    assert noise.action is not None
    assert noise.next_action is not None
    policy: Any = nets.policy
    flow: Any = nets.extra["flow"]
    loss, metrics = fql.actor_loss(cfg, nets, step)
    fit, _ = fql.auxiliary_losses(cfg, nets, step)
    target = fql.td_target(cfg, nets, step, policy(batch.next_obs)).detach()
    for s in range(2):
        obs, data = batch.obs[s].numpy(), batch.action[s].numpy()
        z, start, u = (noise.action[s, k].numpy() for k in range(3))
        x = z
        for n in range(cfg.flow_steps):
            x = x + plain(flow.body, (s,), obs, x, np.full((len(x), 1), n / cfg.flow_steps)) / cfg.flow_steps
        action = plain(policy.body, (s,), obs, z)
        assert (np.abs(action) > 1).any()
        distil = ((action - np.clip(x, -1, 1)) ** 2).mean()
        q = plain_q(nets.critic, s, obs, np.clip(action, -1, 1)).mean(0)
        scale = 1 / np.abs(q).mean() if cfg.normalise_q else 1.0
        assert float(loss[s].detach()) == pytest.approx(cfg.distil_weight * distil - scale * q.mean(), rel=1e-9)
        assert float(metrics["distil_loss"][s].detach()) == pytest.approx(distil, rel=1e-9)
        t = Normal(0.0, 1.0).cdf(torch.from_numpy(u[:, :1])).numpy()
        velocity = plain(flow.body, (s,), obs, (1 - t) * start + t * data, t)
        assert float(fit["flow"][s].detach()) == pytest.approx(((velocity - (data - start)) ** 2).mean(), rel=1e-9)
        after = batch.next_obs[s].numpy()
        ahead = np.clip(plain(policy.body, (s,), after, noise.next_action[s].numpy()), -1, 1)
        next_q = plain_q(nets.target_critic, s, after, ahead)
        next_q = next_q.mean(0) if cfg.q_aggregate == "mean" else next_q.min(0)
        y = batch.reward[s].numpy() + 0.99 * (1 - batch.terminated[s].numpy()) * next_q
        np.testing.assert_allclose(target[s].numpy(), y, rtol=1e-9)


class Known(nn.Module):
    """The velocity that carries N(0, 1) to N(mean, std^2): what the flow must learn of such data, by its conditional
    expectation of a - x_0 at x_t."""

    def __init__(self, mean: float, std: float) -> None:
        super().__init__()
        self.mean, self.std = mean, std

    def forward(self, obs: Tensor, point: Tensor, time: Tensor) -> Tensor:
        variance = (1 - time).square() + (time * self.std).square()
        share = (time * self.std**2 - (1 - time)) / variance
        return self.mean + share * (point - time * self.mean)


def flow_nets(flow: nn.Module) -> Nets:
    return Nets(fql.OneStep(1, 1, 1, (4,)).double(), None, {"flow": flow}, None)


@pytest.mark.parametrize(("steps", "error"), [(10, 0.1), (1000, 1e-3)])
def test_the_flow_carries_noise_to_where_the_data_are(steps: int, error: float) -> None:
    """Data N(0.2, 0.1^2): the end of z is 0.2 + 0.1 z; Euler's error falls with the steps."""
    z = torch.linspace(-2, 2, 9).double()[None, :, None]
    out = fql.flow_actions(flow_nets(Known(0.2, 0.1)), torch.zeros_like(z), z, steps)
    worst = float((out - (0.2 + 0.1 * z)).abs().max())
    assert error / 10 < worst < error


def test_the_loss_of_the_flow_is_least_at_the_velocity_that_does_so() -> None:
    """On 20,000 rows of such data, among velocities to another mean, another deviation, and the right one."""
    n = 20_000
    nets = flow_nets(Known(0.2, 0.1))
    action = 0.2 + 0.1 * normal(n, seed=3)
    step = tiny.bandit_step(lambda obs: None, tiny.stub_nets(nets.policy, tiny.ConstantQ(0.0, 0.0)), action)  # type: ignore[arg-type]
    step = dataclasses.replace(step, noise=Noise(None, normal(1, 3, n, 1, seed=4)))

    def loss(mean: float, std: float) -> float:
        return float(fql.auxiliary_losses(fql.Config(), flow_nets(Known(mean, std)), step)[0]["flow"])

    right = loss(0.2, 0.1)
    assert right < min(loss(0.3, 0.1), loss(0.1, 0.1), loss(0.2, 0.3), loss(0.2, 0.03))


def test_an_action_beyond_the_bounds_is_pulled_back_by_the_flow_alone() -> None:
    """Q rises with the action; beyond 1 no more of that reaches the policy."""
    nets, step = random_problem()
    nets.critic = nets.target_critic = None
    policy: Any = nets.policy
    with torch.no_grad():
        for p in policy.parameters():
            p.zero_()
        list(policy.parameters())[-1].fill_(1.5)
    rising = tiny.stub_nets(policy, tiny.QuadraticQ(1.0, 0.0), flow=nets.extra["flow"])
    loss, _ = fql.actor_loss(fql.Config(distil_weight=0.0), rising, step)
    assert not tiny.gradient(loss, policy).any()
    pulled, _ = fql.actor_loss(fql.Config(distil_weight=1.0), rising, step)
    assert (tiny.gradient(pulled, policy)[-1] > 0).all(), "down again"


def test_without_a_weight_on_q_the_policy_becomes_the_flow() -> None:
    """The distance of equal noise is all that is left where the critics are level."""
    nets, step = random_problem()
    level = tiny.stub_nets(nets.policy, tiny.ConstantQ(2.0, 4.0), flow=nets.extra["flow"])
    loss, metrics = fql.actor_loss(fql.Config(distil_weight=5.0), level, step)
    torch.testing.assert_close(loss, 5.0 * metrics["distil_loss"] - 3.0)
    assert not tiny.gradient(loss, nets.extra["flow"]).any(), "no gradient passes through the flow"


def test_it_acts_by_one_network_and_noise() -> None:
    nets, _ = random_problem()
    obs, z = normal(2, 7, O, seed=1), normal(2, 7, A, seed=2)
    for drawn, given in ((z, z), (None, torch.zeros_like(z))):
        out = fql.act(fql.Config(), nets, obs, drawn).detach()
        for s in range(2):
            expected = np.clip(plain(nets.policy.body, (s,), obs[s].numpy(), given[s].numpy()), -1, 1)
            np.testing.assert_allclose(out[s].numpy(), expected, rtol=1e-9)


@pytest.mark.slow
def test_a_trained_learner_clones_two_ways_at_once() -> None:
    """Data at -0.6 and 0.6 in one state, all of equal value: drawn actions are near both, and hardly between."""
    objective, cfg = tiny.objective_and_config("fql", distil_weight=10.0)
    layout = Layout(1, 1)
    n = 256
    action = torch.where(torch.arange(n) % 2 == 0, -0.6, 0.6)[:, None]
    zero = torch.zeros(n)
    rows = layout.pack(torch.ones(n, 1), action, zero, torch.ones(n, 1), zero)
    replay = Replay(layout, rows, demos=0, seeds=1, capacity=1, device=torch.device("cpu"))
    learner = ActorCritic(
        objective,
        cfg,
        learner=LearnerConfig(hidden=(32, 32), batch_size=128, policy_lr=3e-3, critic_lr=3e-3),
        seeds=(0,),
        layout=layout,
        replay=replay,
    )
    learner.run(800)
    drawn = acting(objective, learner.cfg, learner.nets, 1, None)(torch.ones(1, 400, 1))
    with torch.no_grad():
        a = drawn.sample(torch.randn(1, 400, 1, generator=torch.Generator().manual_seed(0)))[0].flatten().numpy()
    assert 0.3 < float((a > 0).mean()) < 0.7
    assert float((np.abs(np.abs(a) - 0.6) < 0.25).mean()) > 0.7


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"distil_weight": -1.0}, "distil_weight=-1.0: must be at least 0"),
        ({"flow_steps": 0}, "flow_steps=0: must be at least 1"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        fql.Config(**settings)
