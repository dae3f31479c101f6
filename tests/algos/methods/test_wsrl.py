"""WSRL against a plain recomputation, what changes at the switch, and runs that keep nothing of their offline data."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
import toy_run
from asked import resolve
from numpy.typing import NDArray

from algos.contract import Noise, Phase, Step
from algos.learner.actor_critic import ActorCritic
from algos.methods import cql, wsrl
from algos.networks.nets import MLP, Nets, TwinQ
from algos.networks.policies import SquashedPolicy
from algos.parts.entropy import LogAlpha
from algos.settings import SettingError

Array = NDArray[np.float64]
CFG = wsrl.Config(critics=4, conservative_samples=3, backup_samples=3, conservative_weight=0.7, policy_every=2)
ROWS = 12


def normal(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).double()


def problem() -> tuple[Nets, Step]:
    """Two seeds with four normalised critics, and the draws that `CFG` asks for; double precision."""
    o, a = tiny.LAYOUT.obs_dim, tiny.LAYOUT.action_dim
    policy, critic = SquashedPolicy(2, o, a, (16, 16)), TwinQ(2, 4, o, a, (16, 16), layer_norm=True)
    nets = Nets(policy, critic, {"log_alpha": LogAlpha(2)}, None)
    nets.init([torch.Generator().manual_seed(s) for s in range(2)], copy_targets=False)
    with torch.no_grad():
        for p in policy.body.layers[-1].parameters():
            p.mul_(300)
        nets.extra["log_alpha"].value.copy_(torch.tensor([[0.3], [-0.9]]))
    nets = nets.double()
    step = tiny.random_step(policy, nets, rows_=ROWS, samples=wsrl.needs(CFG).action_samples)
    ahead = normal(2, 3, ROWS, a, seed=7)
    draws = torch.tensor([[0.9, 0.1, 0.5, 0.3], [0.2, 0.8, 0.7, 0.4]])  # subsets: critics 1, 3 and 0, 3
    noise = Noise(ahead[:, 0], step.noise.action, ahead, draws)
    columns = {"return_to_go": normal(2, ROWS, seed=9)}
    return nets, dataclasses.replace(step, noise=noise, batch=dataclasses.replace(step.batch, columns=columns))


def plain(mlp: Any, member: tuple[int, ...], *parts: Array) -> Array:
    """One member's network on rows [B, inputs], layer by layer."""
    assert isinstance(mlp, MLP)
    x = np.concatenate(parts, 1)
    for n, layer in enumerate(mlp.layers):
        weight, bias = (p[member].detach().numpy() for p in (layer.weight, layer.bias))
        x = x @ weight + bias
        if n < len(mlp.layers) - 1:
            if mlp.norms is not None:
                x = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)
            x = np.maximum(x, 0.0)
    return x


def plain_q(critic: Any, seed: int, obs: Array, action: Array) -> Array:
    return np.stack([plain(critic.body, (seed, e), obs, action)[:, 0] for e in range(4)])  # [E, B]


def plain_sample(policy: Any, seed: int, obs: Array, noise: Array) -> tuple[Array, Array]:
    """A squashed action of given noise, and its log-density: [B, A], [B]."""
    mean, log_std = np.split(plain(policy.body, (seed,), obs), 2, axis=1)
    log_std = np.clip(log_std, -20, 2)
    u = mean + np.exp(log_std) * noise
    density = -0.5 * noise**2 - log_std - 0.5 * math.log(2 * math.pi) - np.log(1 - np.tanh(u) ** 2)
    return np.tanh(u), density.sum(1)


@pytest.mark.parametrize("phase", ["offline", "online"])
def test_losses_are_those_of_a_plain_recomputation(phase: Phase) -> None:
    nets, step = problem()
    cfg, batch, noise = wsrl.on_phase(CFG, phase), step.batch, step.noise
    assert noise.action is not None
    assert noise.next_actions is not None
    target = wsrl.td_target(cfg, nets, step, nets.policy(batch.next_obs)).detach()
    found = wsrl.critic_penalty(cfg, nets, step, nets.q(batch.obs, batch.action))
    policy, _ = wsrl.actor_loss(cfg, nets, step)
    dual, _ = wsrl.auxiliary_losses(cfg, nets, step)
    assert (found is None) == (phase == "online")
    for s, subset in enumerate(([1, 3], [0, 3])):
        obs, after = batch.obs[s].numpy(), batch.next_obs[s].numpy()
        alpha = math.exp((0.3, -0.9)[s])
        ahead = [plain_sample(nets.policy, s, after, noise.next_actions[s, k].numpy()) for k in range(3)]
        several = ahead if phase == "offline" else ahead[:1]
        rated = [plain_q(nets.target_critic, s, after, action)[subset].min(0) for action, _ in several]
        y = batch.reward[s].numpy() + 0.99 * (1 - batch.terminated[s].numpy()) * np.max(rated, 0)
        np.testing.assert_allclose(target[s].numpy(), y, rtol=1e-6)
        here, log_prob = plain_sample(nets.policy, s, obs, noise.action[s, 0].numpy())
        least = plain_q(nets.critic, s, obs, here).min(0)
        assert float(policy[s].detach()) == pytest.approx((alpha * log_prob - least).mean(), rel=1e-6)
        expected = -(0.3, -0.9)[s] * (log_prob - 3.0).mean()
        assert float(dual["log_alpha"][s].detach()) == pytest.approx(expected, rel=1e-6)
        if found is not None:
            assert float(found[0][s].detach()) == pytest.approx(plain_penalty(nets, step, s, ahead), rel=1e-6)


def plain_penalty(nets: Nets, step: Step, s: int, ahead: list[tuple[Array, Array]]) -> float:
    """0.7 times Cal-QL's gap, summed over the critics: T log sum exp(Q / T) / density, less Q of the data."""
    assert step.noise.action is not None
    obs, temperature = step.batch.obs[s].numpy(), CFG.conservative_temperature
    floor = step.batch.columns["return_to_go"][s].numpy()
    terms = []
    for k in range(3):
        uniform = np.vectorize(math.erf)(step.noise.action[s, 1 + k].numpy() / math.sqrt(2))
        terms.append(plain_q(nets.critic, s, obs, uniform) / temperature + 3 * math.log(2))
        own, density = plain_sample(nets.policy, s, obs, step.noise.action[s, 4 + k].numpy())
        for action, log_density in ((own, density), ahead[k]):
            terms.append(np.maximum(plain_q(nets.critic, s, obs, action), floor) / temperature - log_density)
    soft = temperature * np.log(np.exp(np.stack(terms)).sum(0))
    return 0.7 * float((soft - plain_q(nets.critic, s, obs, step.batch.action[s].numpy())).mean(1).sum())


def test_every_setting_that_cal_ql_has_too_reaches_it() -> None:
    own = {"conservative_weight": 0.7, "conservative_temperature": 0.3, "conservative_samples": 3, "calibrate": False}
    own |= {"lagrange_gap": 0.8, "backup_samples": 4, "alpha": 0.1, "target_entropy": None}
    shared = {f.name for f in dataclasses.fields(cql.Config)} & {f.name for f in dataclasses.fields(wsrl.Config)}
    assert own.keys() == shared
    assert wsrl._cal_ql(wsrl.Config(**own)) == cql.Config(**own)


def test_the_gap_offline_is_cal_qls() -> None:
    nets, step = problem()
    q = nets.q(step.batch.obs, step.batch.action)
    theirs = cql.Config(conservative_weight=0.7, conservative_temperature=0.198, conservative_samples=3, calibrate=True)
    ours, plain_ = (
        m.critic_penalty(c, nets, dataclasses.replace(step), q)  # type: ignore[attr-defined]
        for m, c in ((wsrl, CFG), (cql, theirs))
    )
    assert ours is not None
    assert plain_ is not None
    assert torch.equal(ours[0], plain_[0])


def test_the_policy_steps_with_the_critics_offline_and_less_often_online() -> None:
    learner = tiny.learner("wsrl", settings={"policy_every": 4})
    for phase, every in (("offline", 1), ("online", 4)):
        if phase == "online":
            tiny.switch(learner)
        moved = []
        for _ in range(8):
            before = tiny.parameters(learner)
            learner.run(1)
            moved.append(any(p.startswith("policy.") for p in tiny.changed(before, tiny.parameters(learner))))
        assert moved == [n % every == 0 for n in range(8)]
        assert "actor_loss" in learner.read_metrics()


def test_nothing_holds_the_critics_down_online() -> None:
    learner = tiny.learner("wsrl")
    learner.run(2)
    assert {"conservative_gap", "floored"} <= learner.read_metrics().keys()
    tiny.switch(learner)
    learner.run(4)
    assert not {"conservative_gap", "floored"} & learner.read_metrics().keys()


# the protocol


def test_a_warm_start_drops_the_data_and_collects_by_the_policy_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No update in the warm-up, and none from an offline row after it."""
    seen: list[tuple[str, int, int]] = []
    real = ActorCritic.update

    def update(self: ActorCritic, *arguments: Any) -> None:
        assert self.replay is not None
        seen.append((self.phase, int(self.replay.offline_in_use), int(self.replay.online_filled)))
        real(self, *arguments)

    monkeypatch.setattr(ActorCritic, "update", update)
    with toy_run.registered():
        toy_run.train(
            toy_run.experiment("awac", prior_data="warm", warmup_steps=2 * toy_run.SIZES["steps_per_iteration"]),
            tmp_path,
        )
    steps = toy_run.SIZES["steps_per_iteration"]
    online = [row for row in seen if row[0] == "online"]
    assert {row[1] for row in seen if row[0] == "offline"} != {0}
    assert {row[1] for row in online} == {0}
    assert online[0][2] == 3 * steps, "two iterations of the warm-up, and the first of learning"


@pytest.mark.parametrize(
    ("algo", "sets", "message"),
    [
        ("awac", [], "prior_data=warm needs warmup_steps, .* WSRL: 5000"),
        ("awac", ["warmup_steps=1000", "warmup_actions=uniform"], "contradicts warmup_actions=uniform"),
        ("bc", ["warmup_steps=1000"], "prior_data=warm contradicts bc, which does not learn online"),
        ("rlpd", ["warmup_steps=1000", "offline_fraction=none"], "rlpd, which has no offline phase to start from"),
        ("rebrac", ["warmup_steps=1000"], "offline_fraction contradicts prior_data=warm"),
        ("sac-bc", ["warmup_steps=1000"], "sac-bc, which learns from demonstrations online too"),
        (
            "awac",
            ["warmup_steps=1000", "keep_offline_data=true"],
            "--set keep_offline_data: prior_data=warm keeps none",
        ),
        ("sac-scratch", ["warmup_steps=1000"], "--set prior_data: sac-scratch never sees prior data"),
    ],
)
def test_what_cannot_start_warm_says_so(algo: str, sets: list[str], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        resolve(algo, "door-binary", (0,), "quick", ["prior_data=warm", *sets])


@pytest.mark.parametrize("algo", ["wsrl", "awac", "iql", "cal-ql", "spot", "fql", "algae-dice", "awr"])
def test_other_methods_start_warm_too(algo: str) -> None:
    sets = ["prior_data=warm", "warmup_steps=1000", "offline_fraction=none"]
    made = resolve(algo, "door-binary", (0,), "quick", sets)
    assert made.protocol.replays_offline_data is False
    assert made.needs.offline_data


def test_first_states_of_the_data_are_dropped_with_their_rows() -> None:
    learner = tiny.learner("algae-dice", phase="online")
    assert learner.replay is not None
    assert learner.replay.initial is not None
    learner.replay.drop_offline()
    learner.run(2)
    drawn = learner.draw()[0].initial_obs
    known = learner.replay.initial.online[:, : learner.replay.initial.inserted]
    assert drawn is not None
    for s in range(len(tiny.SEEDS)):
        assert all(any(torch.equal(x, y) for y in known[s]) for x in drawn[s])


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"subset": 11}, "subset=11 is more than there are: critics=10"), ({"policy_every": 0}, "must be at least 1")],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        wsrl.Config(**settings)
