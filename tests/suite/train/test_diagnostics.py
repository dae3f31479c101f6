"""What the record tells of a method beside its scores: values, weights, duals, and the likelihood of behaviour."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
import toy_run
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

import algos
from algos.contract import Objective, Phase
from algos.learner import actor_critic
from algos.learner.actor_critic import ActorCritic
from algos.networks.nets import Dual
from algos.parts.entropy import LogAlpha
from suite.record.folders import read_run
from suite.record.metrics import METRICS
from suite.train.cell import run_folder


@pytest.fixture(scope="module", autouse=True)
def _toy() -> Iterator[None]:
    with toy_run.registered():
        yield


Case = tuple[str, dict[str, Any]]
# settings other than an entry's own that train one more dual, weigh by advantages, or model the behaviour
VARIANTS: list[Case] = [
    ("brac", {"mode": "reward_awac"}),
    ("brac", {"penalty_weight": "auto", "alpha": "auto"}),
    ("cql", {"lagrange_gap": 5.0}),
    ("sac-bc", {"alpha": "auto"}),
    ("mpo", {"weight": "advantage"}),
]
CASES: list[Case] = [*((name, {}) for name in algos.names()), *VARIANTS]


def cases_in_phases(chosen: list[Case]) -> list[tuple[str, dict[str, Any], Phase]]:
    return [(name, settings, phase) for name, settings in chosen for phase in tiny.phases(name)]


in_every_case = pytest.mark.parametrize(("name", "settings", "phase"), cases_in_phases(CASES))


def logged(learner: ActorCritic) -> dict[str, Any]:
    """What a few updates log; all that is delayed happens at least once."""
    learner.run(learner.iteration.updates or learner.pace.policy_every)
    return learner.read_metrics()


# values, weights and duals

# they imitate weighted actions; without fresh data, RWR only clones
WEIGHTED = {"abm", "awac", "awac-z", "awr", "iql", "marwil", "marwil-rllib", "mpo", "mpo-acme", "rwr", "xql"}


@in_every_case
def test_methods_with_critics_log_q_of_the_data_and_of_the_policy(
    name: str, settings: dict[str, Any], phase: Phase
) -> None:
    learner = tiny.learner(name, phase=phase, settings=settings)
    metrics = logged(learner)
    for metric in ("q_data", "q_policy", "td_target", "critic_loss"):
        assert (metric in metrics) == bool(learner.needs.critics), metric


@in_every_case
def test_methods_of_weighted_imitation_log_how_concentrated_their_weights_are(
    name: str, settings: dict[str, Any], phase: Phase
) -> None:
    metrics = logged(tiny.learner(name, phase=phase, settings=settings))
    weighs = (name in WEIGHTED and (name, phase) != ("rwr", "offline")) or settings.get("mode") == "reward_awac"
    assert ("weight_ess" in metrics) == ("weight_max" in metrics) == weighs
    if weighs:
        assert (metrics["weight_ess"] > 0).all()
        assert (metrics["weight_ess"] <= 1 + 1e-6).all()


def same(x: Tensor) -> Tensor:
    return x


# module -> the metric that tells its value, and how it follows from the module's numbers
DUALS: dict[str, tuple[str, Callable[[Tensor], Tensor]]] = {
    "log_alpha": ("entropy_coef", torch.exp),
    "penalty_weight": ("penalty_weight", same),
    "temperature": ("mpo_temperature", F.softplus),
    "alpha_mean": ("alpha_mean", F.softplus),
    "alpha_std": ("alpha_std", F.softplus),
    "penalty_temperature": ("penalty_temperature", F.softplus),
}
MULTIPLIERS = {  # entry -> the metric, and what the multiplier multiplies in it
    "bear": ("mmd_multiplier", 1.0),
    "bear-loose": ("mmd_multiplier", 1.0),
    "cql": ("conservative_coef", 5.0),
}


def dual_value(name: str, module: str, number: Tensor) -> tuple[str, Tensor]:
    """The metric that tells of a dual, and the value it must have: [S]."""
    if module == "log_multiplier":
        metric, times = MULTIPLIERS[name]
        return metric, times * number[:, 0].exp()
    metric, read = DUALS[module]
    return metric, read(number.view(len(tiny.SEEDS), -1)).mean(-1)


@in_every_case
def test_every_dual_that_is_trained_has_its_value_logged(name: str, settings: dict[str, Any], phase: Phase) -> None:
    learner = tiny.learner(name, phase=phase, settings=settings)
    duals = {k: m for k, m in learner.nets.extra.items() if isinstance(m, Dual | LogAlpha)}
    before = {k: dual_value(name, k, m.value.detach().clone()) for k, m in duals.items()}
    metrics = logged(learner)
    trained = {k for k in duals if not torch.equal(dual_value(name, k, duals[k].value.detach())[1], before[k][1])}
    assert trained == (set(duals) if duals and not clones(learner) else set())
    for metric, value in (before[k] for k in trained):
        np.testing.assert_allclose(metrics[metric], value.numpy(), rtol=1e-5, err_msg=metric)


def clones(learner: ActorCritic) -> bool:
    """Whether SAC's pretrained start leaves alpha alone for now."""
    return getattr(learner.cfg, "policy_loss", "") == "bc"


def test_bear_logs_its_discrepancy_with_the_floor_of_its_estimate() -> None:
    for name in ("bear", "bear-loose"):
        assert {"mmd", "mmd_floor"} <= logged(tiny.learner(name)).keys()


# the likelihood of behaviour

MODELLED: list[Case] = [
    *((name, {}) for name in ("abm", "awac-z", "bcq", "bear", "bear-loose", "brac", "brac-v", "spot")),
    ("brac", {"policy_family": "squashed"}),
]
with_a_model = pytest.mark.parametrize(("name", "settings", "phase"), cases_in_phases(MODELLED))


@torch.no_grad()
def of_each_row(learner: ActorCritic, obs: Tensor, action: Tensor) -> Tensor:
    """What the objective's hook says of rows: [S, n]."""
    out = learner.objective.behaviour_log_prob(learner.cfg, learner.nets, obs, action)
    assert out is not None
    return out


def trained(name: str, settings: dict[str, Any], phase: Phase, seeds: Any = tiny.SEEDS) -> ActorCritic:
    learner = tiny.learner(name, seeds, phase, settings)
    learner.run(3)
    return learner


@with_a_model
def test_the_likelihood_of_each_row(name: str, settings: dict[str, Any], phase: Phase) -> None:
    learner = trained(name, settings, phase)
    rows = tiny.LAYOUT.batch(torch.stack([tiny.rows(9, seed=s) for s in learner.seeds]))
    each = of_each_row(learner, rows.obs, rows.action)
    assert each.shape == (len(tiny.SEEDS), 9)
    assert each.isfinite().all()
    for n, seed in enumerate(tiny.SEEDS):
        part = slice(n, n + 1)
        alone = of_each_row(trained(name, settings, phase, [seed]), rows.obs[part], rows.action[part])
        torch.testing.assert_close(alone, each[part], rtol=1e-4, atol=1e-4)
    far = of_each_row(learner, rows.obs, 10 + rows.action)
    assert (far <= each).all(), "no model of actions within [-1, 1] prefers 10"


@pytest.mark.slow
@with_a_model
def test_the_model_of_the_data_finds_them_likelier_as_it_learns(
    name: str, settings: dict[str, Any], phase: Phase
) -> None:
    learner = tiny.learner(name, phase=phase, settings=settings, common={"policy_lr": 1e-2})
    first = learner.behaviour_log_prob("offline")
    learner.run(60)
    last = learner.behaviour_log_prob("offline")
    assert first is not None
    assert last is not None
    if (name, phase) == ("spot", "online"):  # whose model is fitted offline and then stays as it is
        assert (last == first).all()
    else:
        assert (last > first).all()


@with_a_model
def test_replayed_rows_are_looked_at_without_leaving_a_trace(
    name: str, settings: dict[str, Any], phase: Phase, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = trained(name, settings, phase)
    before = tiny.parameters(learner)
    streams = [generator.get_state() for generator in learner.generators]
    offline, online = learner.behaviour_log_prob("offline"), learner.behaviour_log_prob("online")
    assert all(torch.equal(a, g.get_state()) for a, g in zip(streams, learner.generators, strict=True))
    assert not tiny.changed(before, tiny.parameters(learner))
    assert (online is None) == (phase == "offline"), "there are no online rows yet"
    assert learner.replay is not None
    packed = len(tiny.SEEDS)
    shared = learner.replay.rows[: tiny.OFFLINE].expand(packed, -1, -1)
    own = learner.replay.rows[tiny.OFFLINE :].view(packed, tiny.CAPACITY, -1)[:, : tiny.ONLINE]
    for kept, found in ((shared, offline), (own, online)):
        rows = tiny.LAYOUT.batch(kept)
        if found is not None:
            expected = of_each_row(learner, rows.obs, rows.action).double().mean(1)
            np.testing.assert_allclose(found, expected.numpy(), rtol=1e-6)
    monkeypatch.setattr(actor_critic, "LIKELIHOOD_CHUNK", 7)
    again = learner.behaviour_log_prob("offline")
    assert again is not None
    np.testing.assert_allclose(again, offline, rtol=1e-6)


def test_methods_without_a_model_say_nothing() -> None:
    modelled = {name for name, settings in MODELLED if not settings}
    for name in algos.names():
        hook = algos.load(name).behaviour_log_prob
        assert (hook is not Objective.behaviour_log_prob) == (name in modelled | {"awac"})
        if name not in modelled:
            learner = tiny.learner(name, phase=tiny.phases(name)[-1])
            assert learner.behaviour_log_prob("offline") is None
            assert learner.behaviour_log_prob("online") is None


def test_observations_are_standardised_as_in_updates() -> None:
    learner = trained("brac", {}, "offline")
    plain = learner.behaviour_log_prob("offline")
    learner.sampler.obs_mean, learner.sampler.obs_std = torch.full((5,), 0.5), torch.full((5,), 2.0)
    assert learner.replay is not None
    rows = tiny.LAYOUT.batch(learner.replay.rows[: tiny.OFFLINE].expand(len(tiny.SEEDS), -1, -1))
    each = of_each_row(learner, (rows.obs - 0.5) / 2.0, rows.action)
    found = learner.behaviour_log_prob("offline")
    np.testing.assert_allclose(found, each.double().mean(1).numpy(), rtol=1e-6)
    assert not np.allclose(found, plain, rtol=1e-6)


def test_every_evaluation_records_the_likelihood(tmp_path: Path) -> None:
    """Of offline actions from the first evaluation on, of online ones as soon as there are any."""
    cell = toy_run.experiment("brac")
    toy_run.train(cell, tmp_path)
    rows = read_run(run_folder(cell, tmp_path)).rows
    for seed in cell.seeds:
        at = {m: [r.env_step for r in rows if r.seed == seed and r.metric == m] for m in ("success", *LIKELIHOODS)}
        assert at["behaviour_log_prob_offline"] == at["success"] == [-7, -3, 0, 32, 64]
        assert at["behaviour_log_prob_online"] == [32, 64]
    plain = toy_run.experiment("awac")
    toy_run.train(plain, tmp_path)
    assert not {r.metric for r in read_run(run_folder(plain, tmp_path)).rows} & set(LIKELIHOODS)


LIKELIHOODS = ("behaviour_log_prob_offline", "behaviour_log_prob_online")


def test_likelihoods_are_declared() -> None:
    assert set(LIKELIHOODS) <= METRICS.keys()
