"""Gradients and steps of stacked networks, against torch's own on the network of one seed."""

from __future__ import annotations

from typing import Any

import pytest
import tiny
import torch
from torch import Tensor, nn

from algos.contract import row_mean
from algos.learner.optimisers import clipped, gradients_of, make_optimiser, per_seed
from algos.networks.nets import MLP

SEEDS = 3


def stack() -> MLP:
    out = MLP((SEEDS,), (4, 8, 2))
    for layer in out.layers:
        layer.init([torch.Generator().manual_seed(s) for s in range(SEEDS)])  # type: ignore[operator]
    return out.double()


def some(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def norms(gradients: Any) -> Tensor:
    """Of each seed over all parts: [S]."""
    return torch.cat([g.flatten(1) for g in gradients], dim=1).norm(dim=1)


def test_every_seeds_gradient_is_scaled_to_exactly_the_norm_where_it_is_longer() -> None:
    gradients = [some(SEEDS, 4, 8), some(SEEDS, 1, 8, seed=1), some(SEEDS, 2, seed=2)]
    for g in gradients:
        g.mul_(per_seed(torch.tensor([1e6, 1e-3, 1.0]).double(), g))
    after = clipped(gradients, 0.5)
    assert norms(gradients)[2] > 0.5
    torch.testing.assert_close(norms(after)[[0, 2]], torch.full((2,), 0.5).double(), rtol=1e-9, atol=0)
    for g, h in zip(gradients, after, strict=True):
        assert torch.equal(h[1], g[1]), "a short one is left as it is, whatever its neighbour's is"
        share = 0.5 / norms(gradients)[0]
        torch.testing.assert_close(h[0], g[0] * share, rtol=1e-9, atol=0)


def test_a_gradient_of_zero_stays_zero() -> None:
    assert not clipped([torch.zeros(2, 3)], 0.5)[0].any()


def test_clipping_is_torchs_on_one_seed() -> None:
    parameters = [nn.Parameter(some(1, 4, 8)), nn.Parameter(some(1, 1, 8))]
    gradients = [some(1, 4, 8, seed=3), some(1, 1, 8, seed=4)]
    for p, g in zip(parameters, gradients, strict=True):
        p.grad = g.clone()
    nn.utils.clip_grad_norm_(parameters, 0.7)
    for p, g in zip(parameters, clipped(gradients, 0.7), strict=True):
        torch.testing.assert_close(g, p.grad, rtol=1e-5, atol=0)  # torch adds 1e-6 to the norm


@pytest.mark.parametrize(("momentum", "decay"), [(None, 0.0), (None, 1e-2), (0.0, 0.0), (0.9, 0.0), (0.9, 1e-2)])
def test_steps_are_torchs_own_on_every_seeds_network(momentum: float | None, decay: float) -> None:
    stacked = stack()
    singles = [tiny.plain(stacked, s) for s in range(SEEDS)]
    ours = make_optimiser(stacked, 0.05, decay, momentum)
    theirs: list[torch.optim.Optimizer] = [
        torch.optim.Adam(single.parameters(), 0.05, weight_decay=decay)
        if momentum is None
        else torch.optim.SGD(single.parameters(), 0.05, momentum, weight_decay=decay)
        for single in singles
    ]
    for n in range(5):
        x, y = some(SEEDS, 6, 4, seed=n), some(SEEDS, 6, 2, seed=100 + n)
        loss = row_mean((stacked(x) - y).square().mean(-1))
        for p, g in zip(stacked.parameters(), gradients_of(loss, stacked), strict=True):
            p.grad = g
        ours.step()
        for s, (single, optimiser) in enumerate(zip(singles, theirs, strict=True)):
            optimiser.zero_grad()
            (single(x[s]) - y[s]).square().mean().backward()
            optimiser.step()
    obs = some(SEEDS, 10, 4, seed=7)
    for s, single in enumerate(singles):
        torch.testing.assert_close(stacked(obs)[s], single(obs[s]), rtol=1e-9, atol=1e-9)


def test_a_module_that_a_loss_does_not_reach_has_a_gradient_of_zero() -> None:
    near, far = stack(), stack()
    loss = row_mean(near(some(SEEDS, 6, 4)).square().sum(-1))
    assert not any(g.any() for g in gradients_of(loss, far, retain=True))
    assert all(g.flatten(1).any(dim=1).all() for g in gradients_of(loss, near))


def test_momentum_is_of_the_networks_that_ask_for_it() -> None:
    learner = tiny.learner("awr", settings={"momentum": 0.9, "value_lr": 0.01})
    kinds = {name: type(o).__name__ for name, o in learner.optimisers.items()}
    assert kinds == {"policy": "SGD", "value": "SGD"}
    assert learner.optimisers["value"].param_groups[0]["lr"] == 0.01
    assert learner.optimisers["policy"].param_groups[0]["momentum"] == 0.9
    assert {type(o).__name__ for o in tiny.learner("awr").optimisers.values()} == {"Adam"}


def test_a_learner_clips_each_network_of_each_seed() -> None:
    """PPO's first steps with plain gradients: no seed's policy moves further than the norm allows."""
    learner = tiny.learner("ppo", phase="online", settings={"max_grad_norm": 1e-3}, common={"policy_weight_decay": 0.0})
    for name in ("policy", "value"):
        module = learner.nets.policy if name == "policy" else learner.nets.extra["value"]
        learner.optimisers[name] = make_optimiser(module, 1.0, momentum=0.0)
    before = tiny.parameters(learner)
    learner.run(1)
    after = tiny.parameters(learner)
    for owner in ("policy.", "extra.value."):
        moved = norms([(after[p] - before[p]).double() for p in before if p.startswith(owner)])
        torch.testing.assert_close(moved, torch.full((3,), 1e-3).double(), rtol=2e-3, atol=0)
