"""What the skeleton offers beside the plain update: draws, delays, targets of the policy, standardised observations."""

from __future__ import annotations

import copy
import dataclasses
import importlib
from collections.abc import Callable
from functools import cached_property
from typing import Any

import pytest
import tiny
import torch
from torch import Tensor

from algos.contract import Metrics, Phase, Step
from algos.learner.actor_critic import ActorCritic
from algos.learner.replay import COLUMNS
from algos.networks.policies import GaussianPolicy

OBS, ACT = tiny.LAYOUT.obs_dim, tiny.LAYOUT.action_dim
S, B = len(tiny.SEEDS), tiny.SMALL["batch_size"]


def asking(name: str, monkeypatch: pytest.MonkeyPatch, **asked: Any) -> Callable[..., ActorCritic]:
    """Makes learners of an algorithm that asks for other things than it does."""
    module = importlib.import_module(f"algos.methods.{name}")
    needs = module.needs
    monkeypatch.setattr(module, "needs", lambda cfg: dataclasses.replace(needs(cfg), **asked))
    return lambda **more: tiny.learner(name, **more)


# draws


def test_a_learner_draws_what_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {
        "action_samples": 2,
        "next_action_samples": 3,
        "critics": 4,
        "critic_draws": True,
        "initial_batch": 6,
        "demo_batch": 7,
        "columns": tuple(COLUMNS),
    }
    batch, noise = asking("awac", monkeypatch, **asked)(phase="online").draw()
    assert noise.action is not None
    assert noise.action.shape == (S, 2, B, ACT)
    assert noise.next_actions is not None
    assert noise.next_actions.shape == (S, 3, B, ACT)
    assert noise.next_action is not None
    assert torch.equal(noise.next_action, noise.next_actions[:, 0])
    assert noise.critics is not None
    assert noise.critics.shape == (S, 4)
    assert ((noise.critics >= 0) & (noise.critics < 1)).all()
    assert batch.initial_obs is not None
    assert batch.initial_obs.shape == (S, 6, OBS)
    assert batch.demo is not None
    assert batch.demo.obs.shape == (S, 7, OBS)
    for part in (batch, batch.demo):
        rows = part.obs.shape[1]
        shapes = {"action": (S, rows, ACT), "number": (S, rows)}
        assert {name: column.shape for name, column in part.columns.items()} == {
            name: shapes[kind] for name, kind in COLUMNS.items()
        }
        lasting = part.columns["has_next"] > 0
        assert lasting.any()
        assert not (part.columns["ends"][lasting] > 0).any()
        assert not part.columns["next_action"][~lasting].any()
    drawn = [noise.action, noise.next_actions, noise.critics, batch.initial_obs, batch.obs]
    assert not any(torch.equal(part[0], part[1]) for part in drawn)  # every seed from its own stream


def test_nothing_is_drawn_that_was_not_asked_for() -> None:
    batch, noise = tiny.learner("bc").draw()
    assert (noise.action, noise.next_action, noise.next_actions, noise.critics) == (None, None, None, None)
    assert (batch.demo, batch.initial_obs, dict(batch.columns)) == (None, None, {})


def test_first_states_come_from_where_episodes_began(monkeypatch: pytest.MonkeyPatch) -> None:
    learner = asking("bc", monkeypatch, initial_batch=200, offline_only=False)(phase="online")
    assert learner.replay is not None
    batch, _ = learner.draw()
    assert batch.initial_obs is not None
    began = learner.replay.rows[: tiny.OFFLINE : tiny.EPISODE, :OBS]
    rows = learner.replay.rows[tiny.OFFLINE :].view(S, tiny.CAPACITY, -1)
    for s in range(S):
        known = {tuple(x) for x in torch.cat((began, rows[s, : tiny.ONLINE : tiny.EPISODE, :OBS])).tolist()}
        assert {tuple(x) for x in batch.initial_obs[s].tolist()} == known
    learner.replay.initial = None
    with pytest.raises(RuntimeError, match="needs first states of episodes"):
        learner.draw()


# delays and targets


def recorded(learner: ActorCritic, hook: str, seen: list[Any]) -> None:
    """Let a learner's hook tell what it returned."""
    original = getattr(learner.objective, hook)

    def wrapped(*args: Any) -> Any:
        out = original(*args)
        seen.append(out)
        return out

    learner.objective = dataclasses.replace(learner.objective, **{hook: wrapped})


@pytest.mark.parametrize("every", [1, 2, 3])
def test_metrics_of_a_delayed_policy_are_means_over_its_steps(every: int) -> None:
    learner = tiny.learner("td3", settings={"policy_every": every})
    policy: list[tuple[Tensor, Metrics]] = []
    targets: list[Tensor] = []
    recorded(learner, "actor_loss", policy)
    recorded(learner, "td_target", targets)
    first = 0
    for updates in (6, 5, 1, 1, 7):  # readings need not fall on whole cycles
        learner.run(updates)
        assert len(targets) == updates
        assert len(policy) == sum(n % every == 0 for n in range(first, first + updates))
        metrics = learner.read_metrics()
        assert metrics["td_target"] == pytest.approx(torch.stack(targets).mean(dim=(0, 2)).numpy(), rel=1e-5)
        assert ("actor_loss" in metrics) == ("q_policy" in metrics) == bool(policy)
        if policy:
            losses = torch.stack([loss.detach() for loss, _ in policy])
            q_policy = torch.stack([logged["q_policy"].detach() for _, logged in policy])
            assert metrics["actor_loss"] == pytest.approx(losses.mean(0).numpy(), rel=1e-5)
            assert metrics["q_policy"] == pytest.approx(q_policy.mean(0).numpy(), rel=1e-5)
        first += updates
        policy.clear()
        targets.clear()


def test_a_delay_goes_on_over_the_switch_and_after_a_resume() -> None:
    learner = tiny.learner("td3")
    steps: list[Any] = []
    learner.run(3)
    saved = copy.deepcopy(learner.state())
    for one in (learner, tiny.learner("td3")):
        one.load_state(saved)
        tiny.switch(one)
        steps.clear()
        recorded(one, "actor_loss", steps)
        one.run(1)
        assert not steps  # the fourth update of a delay of two
        one.run(1)
        assert len(steps) == 1


@pytest.mark.parametrize(("name", "phase"), [("awr", "offline"), ("trpo", "online"), ("rlpd", "online")])
def test_updates_that_move_no_policy_evaluate_none_at_the_batch(
    name: str, phase: Phase, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = tiny.learner(name, phase=phase)
    moved: list[bool] = []
    asked: list[int] = []
    update, at_the_batch = learner.update, Step.__dict__["dist"].func

    def noted(*args: Any) -> None:
        before = tiny.parameters(learner)
        update(*args)
        changed = tiny.changed(before, tiny.parameters(learner))
        moved.append(any(parameter.startswith("policy.") for parameter in changed))

    dist = cached_property(lambda step: (asked.append(len(moved)), at_the_batch(step))[1])
    dist.__set_name__(Step, "dist")
    monkeypatch.setattr(Step, "dist", dist)
    monkeypatch.setattr(learner, "update", noted)
    learner.run(learner.iteration.updates or 2 * learner.pace.policy_every)
    assert 0 < sum(moved) < len(moved)
    assert asked == [number for number, it_moved in enumerate(moved) if it_moved]


def test_what_is_first_asked_for_without_gradient_has_one_all_the_same() -> None:
    nets = tiny.random_nets(GaussianPolicy)
    step = tiny.random_step(nets.policy, nets)
    with torch.no_grad():
        _ = step.sampled
    assert step.sampled[0].requires_grad
    assert step.dist.log_prob(step.batch.action).requires_grad


@pytest.mark.parametrize("slow", [True, False])
def test_targets_are_given_the_slow_policy_where_there_is_one(slow: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    learner = asking("td3", monkeypatch, target_policy=slow)(common={"copy_targets": False})
    batch, noise = learner.draw()
    seen = []
    original = learner.objective.td_target
    learner.objective = dataclasses.replace(
        learner.objective,
        td_target=lambda cfg, nets, step, ahead: seen.append(ahead) or original(cfg, nets, step, ahead),
    )
    policy, target = learner.nets.policy, learner.nets.target_policy
    assert (target is not None) == slow
    expected = (target if target is not None else policy)(batch.next_obs).mode.detach()
    learner.learn(batch, noise)
    assert torch.equal(seen[0].mode, expected)


def test_the_age_counts_the_updates_of_a_phase() -> None:
    learner = tiny.learner("td3")
    ages: list[float] = []
    original = learner.objective.actor_loss

    def noted(cfg: Any, nets: Any, step: Any) -> Any:
        ages.append(float(step.age))
        return original(cfg, nets, step)

    learner.objective = dataclasses.replace(learner.objective, actor_loss=noted)
    learner.run(5)
    tiny.switch(learner)
    learner.run(4)
    learner.learn(*learner.draw())
    learner.load_state(learner.state())
    learner.run(1)
    assert ages == [0, 2, 4, 1, 3, 5]


def test_the_age_stays_where_a_recorded_graph_reads_it() -> None:
    learner = tiny.learner("td3")
    place = learner._age.data_ptr()
    learner.run(2)
    tiny.switch(learner)
    learner.load_state(learner.state())
    learner.run(2)
    assert learner._age.data_ptr() == place
    assert float(learner._age) == 2


# standardised observations


def far_off(n: int = tiny.OFFLINE, seed: int = 1) -> Tensor:
    """Offline rows whose observations have other means and deviations than 0 and 1, and one that never changes."""
    rows = tiny.rows(n, seed)
    scale, shift = torch.tensor([0.1, 3.0, 20.0, 1.0, 0.0]), torch.tensor([5.0, -2.0, 100.0, 0.0, 7.0])
    for first in (0, OBS + ACT + 1):
        rows[:, first : first + OBS] = rows[:, first : first + OBS] * scale + shift
    return rows


FAMILIES = ["gaussian", "squashed", "deterministic"]


def standardising(monkeypatch: pytest.MonkeyPatch, family: Any = "gaussian", **asked: Any) -> ActorCritic:
    makes = asking("bc", monkeypatch, policy=family, **asked)
    return makes(offline=far_off(), common={"normalise_obs": True})


def test_batches_are_standardised_by_the_offline_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    learner = standardising(monkeypatch, demo_batch=9, initial_batch=9)
    assert learner.replay is not None
    raw = learner.replay.rows[: tiny.OFFLINE, :OBS]
    mean, std = raw.mean(0), raw.std(0, correction=0) + 1e-3
    plain = copy.copy(learner)
    plain.sampler = copy.copy(learner.sampler)
    plain.sampler.obs_mean = plain.sampler.obs_std = None
    states = [g.get_state() for g in learner.generators]
    batch, _ = learner.draw()
    for generator, state in zip(learner.generators, states, strict=True):
        generator.set_state(state)
    same, _ = plain.draw()
    assert batch.demo is not None
    assert same.demo is not None
    pairs = [
        (batch.obs, same.obs),
        (batch.next_obs, same.next_obs),
        (batch.demo.obs, same.demo.obs),
        (batch.demo.next_obs, same.demo.next_obs),
        (batch.initial_obs, same.initial_obs),
    ]
    for scaled, before in pairs:
        assert scaled is not None
        assert before is not None
        torch.testing.assert_close(scaled, (before - mean) / std)
    assert torch.equal(batch.action, same.action)
    whole = learner.sampler.scaled(raw)
    torch.testing.assert_close(whole.mean(0), torch.zeros(OBS), atol=1e-3, rtol=0)
    torch.testing.assert_close(whole.std(0, correction=0)[:4], torch.ones(4), atol=0.02, rtol=0)
    assert whole[:, 4].abs().max() < 1e-3  # what never changes stays near zero


def test_the_scale_stays_as_it_is_online() -> None:
    learner = tiny.learner("td3-bc", offline=far_off(), common={"normalise_obs": True})
    assert learner.sampler.obs_mean is not None
    before = learner.sampler.obs_mean.clone()
    tiny.switch(learner)
    learner.run(2)
    assert torch.equal(learner.sampler.obs_mean, before)


def test_without_prior_data_nothing_is_standardised() -> None:
    learner = tiny.learner("sac", phase="online", offline=tiny.rows(0, seed=1), common={"normalise_obs": True})
    assert learner.sampler.obs_mean is None
    learner.run(1)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_actor_acts_on_observations_as_they_are(family: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same actions as the learner's own, to the last digits of float64."""
    learner = standardising(monkeypatch, family)
    assert learner.sampler.obs_mean is not None
    assert learner.sampler.obs_std is not None
    learner.nets.double()
    learner.sampler.obs_mean, learner.sampler.obs_std = (
        learner.sampler.obs_mean.double(),
        learner.sampler.obs_std.double(),
    )
    with torch.no_grad():
        for p in learner.nets.policy.parameters():
            p.add_(0.1 * torch.randn(p.shape, generator=torch.Generator().manual_seed(0)))
    before = {name: p.clone() for name, p in learner.nets.policy.named_parameters()}
    obs = far_off(40, seed=5)[:, :OBS].double().expand(S, -1, -1)
    final = learner.actor()
    ours, theirs = learner.nets.policy(learner.sampler.scaled(obs)), final(obs)
    torch.testing.assert_close(theirs.mode, ours.mode, rtol=0, atol=1e-11)
    torch.testing.assert_close(theirs.std, ours.std, rtol=1e-11, atol=0)
    assert (final(learner.sampler.scaled(obs)).mode - ours.mode).abs().max() > 0.1
    assert all(torch.equal(before[name], p) for name, p in learner.nets.policy.named_parameters())
    expected = torch.from_numpy(learner.act(obs.numpy()))  # type: ignore[arg-type]
    torch.testing.assert_close(theirs.mode, expected, rtol=0, atol=1e-11)


def test_the_actor_is_the_policy_where_nothing_is_standardised() -> None:
    learner = tiny.learner("td3")
    assert learner.actor() is learner.nets.policy
