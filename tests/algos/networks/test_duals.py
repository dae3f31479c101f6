"""Dual variables stay within bounds without getting stuck there; modules have step sizes and decay of their own."""

from __future__ import annotations

import pytest
import tiny
import torch

from algos.networks.nets import Dual


def test_a_dual_variable_comes_back_from_its_bound() -> None:
    dual = Dual(2, 9.95, low=-5.0, high=10.0)
    optimiser = torch.optim.Adam(dual.parameters(), 0.1)
    for towards, bound in [(1.0, 10.0), (-1.0, -5.0)]:
        for _ in range(200):
            dual.value.grad = torch.full_like(dual.value, -towards)
            optimiser.step()
            dual.project()
        assert (dual() == bound).all()
    dual.value.grad = torch.full_like(dual.value, -1.0)
    for _ in range(20):
        optimiser.step()
        dual.project()
    assert (dual() > -5.0).all()


def test_the_learner_puts_it_back_after_every_step() -> None:
    for eps, start, bound in [(0.0011, 9.9, 10.0), (50.0, -4.9, -5.0)]:  # below what any policy reaches; far above
        learner = tiny.learner("bear", settings={"multiplier_lr": 1.0, "eps_offline": eps})
        multiplier = learner.nets.extra["log_multiplier"]
        torch.nn.init.constant_(multiplier.value, start)
        learner.run(1)
        assert (multiplier.value == bound).all()


def test_a_module_steps_by_its_own_step_size() -> None:
    """Adam's first step is its step size, whatever the gradient."""
    learner = tiny.learner("bear", settings={"multiplier_lr": 0.02, "vae_lr": 7e-3})
    before = tiny.parameters(learner)
    learner.run(1)
    steps = {name: (p - before[name]).abs().max() for name, p in tiny.parameters(learner).items()}
    assert float(steps["extra.log_multiplier.value"]) == pytest.approx(0.02, rel=1e-3)
    assert float(steps["extra.vae.decoder.layers.0.weight"]) == pytest.approx(7e-3, rel=1e-3)
    assert float(steps["policy.body.layers.0.weight"]) == pytest.approx(3e-4, rel=1e-3)


def test_only_modules_that_ask_for_it_share_the_policys_decay() -> None:
    plain, heavy = (tiny.learner("abm", common={"policy_weight_decay": w}) for w in (0.0, 1e8))
    plain.run(1)
    heavy.run(1)
    changed = tiny.changed(tiny.parameters(plain), tiny.parameters(heavy))
    assert {name.partition(".mean")[0] for name in changed if "mean" in name} == {"policy", "extra.prior"}
    plain, heavy = (tiny.learner("bear", common={"policy_weight_decay": w}) for w in (0.0, 1e8))
    plain.run(1)
    heavy.run(1)
    assert all(p.startswith("policy.") for p in tiny.changed(tiny.parameters(plain), tiny.parameters(heavy)))
