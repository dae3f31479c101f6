"""One contract that every entry of the registry must pass."""

from __future__ import annotations

import dataclasses
import io
import types
from typing import Any, Literal, NoReturn, Union, get_args, get_origin, get_type_hints

import numpy as np
import pytest
import tiny
import torch
from checks import ALONE, ALONE_NATURAL, POLICY, negated, takes_its_own_steps
from torch import Tensor

import algos
from algos.contract import Batch, LearnerConfig, Metrics, Noise, Objective, Phase, Stage, Step
from algos.learner.optimisers import gradients_of
from algos.methods import awac
from algos.settings import SettingError
from suite.record.metrics import METRICS

# what depends on an entry's numbers is checked for all entries, what a method's code does once for those that share it
of_every_entry = pytest.mark.parametrize("name", list(algos.names()))
of_every_entry_in_every_phase = pytest.mark.parametrize(("name", "phase"), tiny.cases())
of_every_algorithm = pytest.mark.parametrize("name", tiny.distinct())
in_every_phase = pytest.mark.parametrize(("name", "phase"), tiny.distinct_cases())


def test_entries_left_out_of_a_sweep_share_their_module_and_phase_with_one_that_is_in_it() -> None:
    kept = {(algos.get(name).module, phase) for name, phase in tiny.distinct_cases()}
    left_out = set(tiny.cases()) - set(tiny.distinct_cases())
    assert left_out >= tiny.SAME_CODE
    assert all((algos.get(name).module, phase) in kept for name, phase in left_out)


def step_of(learner: Any, batch: Batch, noise: Noise) -> Step:
    """What the losses are given in the first update of a phase."""
    age = torch.zeros((), dtype=torch.float64, device=batch.obs.device)
    q_data = learner.nets.q(batch.obs, batch.action).detach() if learner.needs.critics else None
    return Step(batch, noise, learner.learner, learner.nets.policy, q_data, age)


def trained_next(learner: Any) -> tuple[bool, set[str]]:
    """Whether the next update trains the policy, if not delayed, and which modules it trains."""
    if learner.iteration.stages:
        trains = {*learner.iteration.now()[0].trains}
        return "policy" in trains, trains - {"policy"}
    step = step_of(learner, *learner.draw())
    return True, set(learner.objective.auxiliary_losses(learner.cfg, learner.nets, step)[0])


@in_every_phase
@pytest.mark.parametrize("order", ["pre", "post"])
def test_a_step_moves_exactly_the_parameters_it_should(name: str, phase: Phase, order: str) -> None:
    learner = tiny.learner(name, phase=phase, common={"update_order": order, "copy_targets": False})
    needs, pace = learner.needs, learner.pace
    for turn in range(learner.iteration.updates or pace.policy_every):
        policy, modules = trained_next(learner)
        delayed = turn % pace.policy_every != 0
        expected = {f"extra.{module}" for module in modules} if turn % pace.modules_every == 0 else set()
        expected |= {"policy"} if policy and not delayed else set()
        expected |= {"critic"} if needs.critics else set()
        if turn % pace.targets_every == 0:
            expected |= {"target_critic"} if needs.critics else set()
            expected |= {"target_policy"} if needs.target_policy else set()
        before = tiny.parameters(learner)
        learner.run(1)
        after = tiny.parameters(learner)
        for parameter in before:
            should = any(parameter.startswith(f"{owner}.") for owner in expected)
            moved = (before[parameter] != after[parameter]).flatten(1).any(dim=1)
            assert moved.tolist() == [should] * len(tiny.SEEDS), (turn, parameter)


@in_every_phase
def test_targets_follow_their_networks_by_exactly_tau(name: str, phase: Phase) -> None:
    learner = tiny.learner(name, phase=phase, common={"copy_targets": False, "tau": 0.25})
    assert (learner.nets.target_critic is not None) == (learner.needs.critics > 0)
    assert (learner.nets.target_policy is not None) == learner.needs.target_policy
    before = tiny.parameters(learner)
    learner.run(1)
    after = tiny.parameters(learner)
    for target in [p for p in before if p.startswith("target_")]:
        online, old = after[target.removeprefix("target_")], before[target]
        torch.testing.assert_close(after[target], old + 0.25 * (online - old), rtol=1e-6, atol=1e-8)


@in_every_phase
def test_weight_decay_is_adams_l2_on_the_policy_alone(name: str, phase: Phase) -> None:
    """So heavy a decay outweighs every loss, and Adam's first step is then its step size towards zero."""
    plain, heavy = (tiny.learner(name, phase=phase, common={"policy_weight_decay": w}) for w in (0.0, 1e8))
    before = tiny.parameters(heavy)
    for learner in (plain, heavy):
        learner.run(tiny.until(learner, "policy"))
    ours, theirs = tiny.parameters(heavy), tiny.parameters(plain)
    if takes_its_own_steps(heavy):
        assert not tiny.changed(ours, theirs)
        return
    decayed = (*POLICY, *(f"extra.{module}." for module in heavy.needs.module_decay))
    assert all(parameter.startswith(decayed) for parameter in tiny.changed(ours, theirs))
    for parameter in [p for p in before if p.startswith("policy.")]:
        large = before[parameter].abs() > 1e-5
        step = ours[parameter] - before[parameter]
        torch.testing.assert_close(step[large], -3e-4 * before[parameter][large].sign(), rtol=1e-2, atol=0)


@in_every_phase
@pytest.mark.parametrize(("hook", "owner"), [("actor_loss", POLICY), ("auxiliary_losses", ("extra.",))])
def test_a_loss_reaches_only_its_own_parameters(name: str, phase: Phase, hook: str, owner: tuple[str, ...]) -> None:
    def after_one_update(turned: bool) -> dict[str, Tensor]:
        learner = tiny.learner(name, phase=phase)
        if turned:
            objective = learner.objective
            learner.objective = dataclasses.replace(objective, **{hook: negated(getattr(objective, hook))})
        learner.run(tiny.until(learner, "policy" if hook == "actor_loss" else "modules"))
        return tiny.parameters(learner)

    plain, turned = after_one_update(False), after_one_update(True)
    assert all(parameter.startswith(owner) for parameter in tiny.changed(plain, turned))
    if hook == "actor_loss":
        assert tiny.changed(plain, turned), "negating the loss had no effect at all"


@in_every_phase
def test_the_critic_loss_reaches_only_the_critics(name: str, phase: Phase) -> None:
    def penalty(cfg: Any, nets: Any, step: Any, q: Tensor) -> tuple[Tensor, Metrics]:
        return 100 * q.mean(dim=(1, 2)), {}

    learners = [tiny.learner(name, phase=phase) for _ in range(2)]
    learners[1].objective = dataclasses.replace(learners[1].objective, critic_penalty=penalty)
    for learner in learners:
        learner.run(1)
    different = tiny.changed(*(tiny.parameters(learner) for learner in learners))
    assert all(parameter.startswith(("critic.", "target_critic.")) for parameter in different)
    assert bool(different) == bool(learners[0].needs.critics)


@in_every_phase
def test_packed_seeds_equal_each_seed_alone(name: str, phase: Phase) -> None:
    natural = takes_its_own_steps(tiny.learner(name, phase=phase))
    assert tiny.alone_against_packed(name, phase) < (ALONE_NATURAL if natural else ALONE)


def test_the_packed_comparison_would_notice_a_softmax_over_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    def over_seeds(cfg: awac.Config, log_weight: Tensor) -> Tensor:
        return torch.softmax(log_weight, dim=0) * log_weight.shape[0]

    monkeypatch.setattr(awac, "weights", over_seeds)
    assert tiny.alone_against_packed("awac", "offline") > 10 * ALONE


@of_every_algorithm
def test_the_order_of_the_seeds_does_not_matter(name: str) -> None:
    phase = tiny.phases(name)[0]
    forward, backward = (tiny.learner(name, seeds, phase) for seeds in (tiny.SEEDS, tiny.SEEDS[::-1]))
    forward.run(3)
    backward.run(3)
    turned = {k: v.flip(0) for k, v in tiny.parameters(backward).items()}
    assert tiny.largest_difference(tiny.parameters(forward), turned) < ALONE


@of_every_entry_in_every_phase
@pytest.mark.parametrize("reward", [0.0, -1.0])
def test_extreme_inputs_leave_everything_finite(name: str, phase: Phase, reward: float) -> None:
    cfg = tiny.objective_and_config(name)[1]
    settings = {"temperature": 1e-6} if hasattr(cfg, "temperature") else {}
    n, layout = 128, tiny.learner(name).layout
    obs = torch.tensor([-1e3, 1e3])[torch.arange(n * layout.obs_dim) % 2].view(n, -1)
    action = torch.tensor([-1.4, -1.0, 1.0, 1.4])[torch.arange(n * layout.action_dim) % 4].view(n, -1)
    offline = tiny.packed(layout, obs, action, torch.full((n,), reward), -obs, torch.arange(n) % 2 == 0)
    learner = tiny.learner(name, phase=phase, settings=settings, offline=offline)
    learner.run(5)
    assert learner.finite().all()
    for moment in learner._moving():  # an infinite second moment would hold its parameter still for good
        assert moment.isfinite().all()
    for metric, values in learner.read_metrics().items():
        assert np.isfinite(values).all(), metric


@in_every_phase
def test_a_saved_learner_continues_bit_equal(name: str, phase: Phase) -> None:
    learner = tiny.learner(name, phase=phase)
    learner.run(3)
    file = io.BytesIO()
    torch.save(learner.state(), file)
    file.seek(0)
    copy = tiny.learner(name, phase=phase)
    copy.set_phase("offline")
    copy.load_state(torch.load(file, weights_only=True))
    assert (copy.updates, copy.phase, copy.cfg) == (learner.updates, learner.phase, learner.cfg)
    learner.run(3)
    copy.run(3)
    assert not tiny.changed(tiny.parameters(learner), tiny.parameters(copy))
    ours, theirs = learner.read_metrics(), copy.read_metrics()
    assert ours.keys() == theirs.keys()
    assert all(np.array_equal(ours[metric], theirs[metric]) for metric in ours)


@in_every_phase
def test_metrics_are_declared_and_per_seed(name: str, phase: Phase) -> None:
    learner = tiny.learner(name, phase=phase)
    assert learner.read_metrics() == {}
    learner.run(2)
    metrics = learner.read_metrics()
    undeclared = metrics.keys() - METRICS.keys() - learner.objective.metrics.keys()
    assert not undeclared
    assert {values.shape for values in metrics.values()} == {(len(tiny.SEEDS),)}
    assert learner.read_metrics() == {}


@of_every_algorithm
def test_metrics_are_means_since_the_last_reading(name: str) -> None:
    twice, split = (tiny.learner(name, phase=tiny.phases(name)[0]) for _ in range(2))
    cycle = twice.pace.policy_every
    twice.run(2 * cycle)
    split.run(cycle)
    first = split.read_metrics()
    split.run(cycle)
    second = split.read_metrics()
    for metric, values in twice.read_metrics().items():
        np.testing.assert_allclose(values, (first[metric] + second[metric]) / 2, rtol=1e-5, atol=1e-6)


@of_every_entry
def test_the_switch_runs(name: str) -> None:
    learner = tiny.learner(name, phase="offline")
    if "offline" in tiny.phases(name):
        learner.run(2)
    tiny.switch(learner)
    if not learner.needs.offline_only:
        learner.run(2)
    assert learner.phase == "online"
    assert learner.finite().all()


@in_every_phase
def test_an_update_never_asks_the_host(name: str, phase: Phase, monkeypatch: pytest.MonkeyPatch) -> None:
    learner = tiny.learner(name, phase=phase, q_max=0.0)
    learner.run(1)  # the first step makes the optimisers' state

    def refuse(self: Tensor, *args: Any, **kwargs: Any) -> NoReturn:
        raise AssertionError("an update read a tensor on the host")

    with monkeypatch.context() as patch:
        for method in ("item", "tolist", "numpy", "cpu", "__bool__", "__float__", "__int__", "__index__", "nonzero"):
            patch.setattr(Tensor, method, refuse)
        # numbers of the host that become a tensor are copied to the device, which no recorded graph can repeat
        patch.setattr(Tensor, "new_tensor", refuse)
        for maker in ("tensor", "as_tensor", "asarray", "from_numpy"):
            patch.setattr(torch, maker, refuse)
        learner.run(2)
    assert learner.finite().all()


@in_every_phase
def test_an_update_works_in_the_same_memory_every_time(name: str, phase: Phase) -> None:
    """A recorded graph reads and writes where it did when it was recorded."""
    learner = tiny.learner(name, phase=phase)
    whole = learner.iteration.updates or 1
    learner.run(whole)  # makes the optimisers' state, the metric sums and the prepared columns

    def places() -> dict[str, int]:
        kept = {f"nets.{k}": v for k, v in learner.nets.state_dict().items()}
        for part, optimiser in learner.optimisers.items():
            for n, state in enumerate(optimiser.state.values()):
                kept |= {f"{part}.{n}.{k}": v for k, v in state.items()}
        kept |= {f"sums.{k}": v for sums in learner.state()["sums"].values() for k, v in sums.items()}
        iteration = learner.iteration
        kept |= {**iteration.columns, **iteration.orders, "index": iteration.index, "cursor": iteration.cursor}
        return {k: v.data_ptr() for k, v in kept.items()}

    before = places()
    learner.run(2 * whole)
    learner.read_metrics()
    learner.run(2 * whole)
    assert places() == before


@in_every_phase
def test_losses_need_no_values_at_all(name: str, phase: Phase) -> None:
    """On the meta device tensors have shapes and no numbers: whatever looks at a number raises."""
    learner = tiny.learner(name, phase=phase)
    drawn = [(stage, *tiny.moved_to(batch, noise, device="meta")) for stage, batch, noise in tiny.draws(learner)]
    learner.nets.to("meta")
    for stage, batch, noise in drawn:
        check_losses_without_values(learner, stage, batch, noise)


def check_losses_without_values(learner: Any, stage: Stage | None, batch: Batch, noise: Noise) -> None:
    objective, cfg, nets = learner.objective, learner.cfg, learner.nets
    step = step_of(learner, batch, noise)
    step.stage = None if stage is None else stage.name
    shape = batch.reward.shape
    if learner.needs.critics:
        ahead = nets.policy(batch.next_obs)
        target = objective.td_target(cfg, nets, step, ahead)
        assert target.shape == shape
        q = nets.q(batch.obs, batch.action)
        step.q_data = q.detach()
        critic_loss, logged = objective.critic_loss(cfg, nets, step, q, target, ahead)
        assert {x.shape for x in (critic_loss, *logged.values())} == {shape[:1]}
        penalty = objective.critic_penalty(cfg, nets, step, q)
        assert penalty is None or penalty[0].shape == shape[:1]
    found: list[Tensor] = []
    if stage is None or "policy" in stage.trains:
        loss, metrics = objective.actor_loss(cfg, nets, step)
        found += [loss, *metrics.values()]
        own = objective.policy_step(cfg, nets, step, gradients_of(loss, nets.policy, retain=True))
        if own is not None:
            assert [x.shape for x in own[0]] == [p.shape for p in nets.policy.parameters()]
            found += own[1].values()
    losses, more = objective.auxiliary_losses(cfg, nets, step)
    assert {x.shape for x in (*found, *losses.values(), *more.values())} == {shape[:1]}


def choices(declared: Any) -> list[Any]:
    """Every value of a Literal or bool type, also inside a union; a number for `auto | number`."""
    origin, args = get_origin(declared), get_args(declared)
    if declared is bool:
        return [True, False]
    if origin is Literal:
        return list(args)
    if origin in (Union, types.UnionType) and any(get_origin(a) is Literal for a in args):
        return [c for a in args for c in (choices(a) or ([0.1, 0.0] if a is float else []))]
    return []


def setting_cases() -> list[tuple[str, str, str, Any]]:
    plainest_last = sorted(algos.names().items(), key=lambda item: -len(item[1].settings))
    modules = {entry.module: name for name, entry in plainest_last}
    out = [
        ("settings", name, field, value)
        for name in modules.values()
        for field, declared in get_type_hints(algos.load(name).Config).items()
        for value in choices(declared)
    ]
    common = get_type_hints(LearnerConfig)
    return out + [("common", "awac", field, v) for field in common for v in choices(common[field])]


# settings that mean something beside another alone
TOGETHER: dict[tuple[str, str], dict[str, Any]] = {("awac", "behaviour_weights"): {"z_estimator": "behaviour"}}


@pytest.mark.slow
@pytest.mark.parametrize(("where", "name", "field", "value"), setting_cases())
def test_every_choice_of_every_setting_takes_a_step(
    where: str, name: str, field: str, value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if field == "compile":  # the compiler itself takes a minute, and is tested with the compiled updates
        monkeypatch.setattr("torch._inductor.compile", lambda module, inputs: module)
    chosen = {field: value, **TOGETHER.get((name, field), {})}
    for phase in tiny.phases(name):
        learner = tiny.learner(name, phase=phase, q_max=0.0, **{where: chosen})
        before = tiny.parameters(learner)
        learner.run(1 + tiny.until(learner, "policy"))
        assert learner.finite().all()
        assert any(p.startswith("policy.") for p in tiny.changed(before, tiny.parameters(learner)))


@in_every_phase
def test_a_seed_that_is_not_a_number_leaves_the_others_alone(name: str, phase: Phase) -> None:
    healthy, sick = (tiny.learner(name, phase=phase) for _ in range(2))
    with torch.no_grad():
        next(sick.nets.policy.parameters())[1] = torch.nan
    healthy.run(3)
    sick.run(3)
    assert sick.finite().tolist() == [True, False, True]
    ours, theirs = tiny.parameters(healthy), tiny.parameters(sick)
    assert not tiny.changed({k: v[[0, 2]] for k, v in ours.items()}, {k: v[[0, 2]] for k, v in theirs.items()})


@of_every_algorithm
def test_acting_is_per_seed_and_follows_mode_or_noise(name: str) -> None:
    learner = tiny.learner(name, phase=tiny.phases(name)[-1])
    learner.run(2)
    rng = np.random.default_rng(0)
    obs = rng.standard_normal((len(tiny.SEEDS), 4, tiny.LAYOUT.obs_dim)).astype(np.float32)
    mode = learner.act(obs)
    assert mode.shape == (len(tiny.SEEDS), 4, tiny.LAYOUT.action_dim)
    assert (np.abs(mode) < 1).all()
    noise = rng.standard_normal(mode.shape).astype(np.float32)
    sampled = learner.act(obs, noise)
    if learner.objective.act is Objective.act:
        assert np.array_equal(mode, learner.act(obs, np.zeros_like(mode)))  # every family: no noise is the mode
        assert (np.sign(sampled - mode) == np.sign(noise)).all()
    else:
        assert np.array_equal(mode, learner.act(obs))
        assert (sampled != mode).any(axis=(1, 2)).all()
    obs[1] += 1
    noise[1] += 1
    assert np.array_equal(learner.act(obs)[[0, 2]], mode[[0, 2]])
    assert np.array_equal(learner.act(obs, noise)[[0, 2]], sampled[[0, 2]])


def standardised(name: str) -> Any:
    """A learner whose observations, far from standard, are standardised; None where it sees no data to do it by."""
    needs = tiny.objective_and_config(name)[0].needs(tiny.objective_and_config(name)[1])
    if not needs.offline_data:
        return None
    layout = dataclasses.replace(tiny.LAYOUT, columns=tuple(needs.columns))
    rows = tiny.rows(tiny.OFFLINE, seed=1, layout=layout)
    width = layout.obs_dim
    for first in (0, layout.offset("next_obs")):
        rows[:, first : first + width] = 30 * rows[:, first : first + width] + 100
    return tiny.learner(name, phase=tiny.phases(name)[-1], offline=rows, common={"normalise_obs": True})


@of_every_algorithm
def test_standardised_observations_are_part_of_what_acts(name: str) -> None:
    """What is saved takes them as they are, and does with them what the learner does."""
    learner = standardised(name)
    if learner is None:
        return
    learner.run(max(2, learner.iteration.updates))
    assert learner.finite().all()
    draws = np.random.default_rng(0).standard_normal((2, len(tiny.SEEDS), 4, tiny.LAYOUT.obs_dim)).astype(np.float32)
    obs, noise = 100 + 30 * draws[0], draws[1, ..., : tiny.LAYOUT.action_dim]
    actor = learner.actor()
    with torch.no_grad():
        found = actor(torch.from_numpy(obs))
        mode, sampled = found.mode.numpy(), found.sample(torch.from_numpy(noise))[0].numpy()
        raw = learner.objective.act(learner.cfg, learner.nets, torch.from_numpy(obs), None).numpy()
    np.testing.assert_allclose(mode, learner.act(obs), atol=2e-5)
    np.testing.assert_allclose(sampled, learner.act(obs, noise), atol=2e-5)
    assert np.abs(raw - mode).max() > 1e-3, "and not what the networks do with them unscaled"


@of_every_algorithm
@pytest.mark.parametrize("part", ["networks", "targets", "optimisers", "duals"])
def test_parts_are_reset_alone(name: str, part: str) -> None:
    learner = tiny.learner(name, phase=tiny.phases(name)[-1])
    learner.run(max(2, learner.iteration.updates))
    before = tiny.parameters(learner)
    learner.reset_parts([part])
    numbers = {name for name, module in learner.nets.extra.items() if not any(p.ndim > 2 for p in module.parameters())}
    extra = {
        name: tuple(f"extra.{own}." for own in names)
        for name, names in (("duals", numbers), ("networks", learner.nets.extra.keys() - numbers))
    }
    owners = {"networks": ("policy.", "critic.", *extra["networks"]), "targets": ("target_",), "duals": extra["duals"]}
    different = tiny.changed(before, tiny.parameters(learner))
    assert all(parameter.startswith(owners.get(part, ())) for parameter in different)
    if part == "networks":
        layers = {parameter for parameter in before if parameter.startswith(extra["networks"])}
        assert layers <= different, "networks of values and behaviour begin anew as well"
    assert all(bool(o.state) == (part != "optimisers") for o in learner.optimisers.values() if own(learner, o))
    if part == "networks":
        assert any(parameter.startswith("policy.") for parameter in different)
    if part == "targets":
        for online, target in learner.nets.targets():
            assert not tiny.changed(online.state_dict(), target.state_dict())


def own(learner: Any, optimiser: torch.optim.Optimizer) -> bool:
    """Whether this optimiser has anything to do in the learner's phase."""
    stages = learner.iteration.stages
    trained = {part for stage in stages for part in stage.trains} if stages else trained_next(learner)[1] | {"policy"}
    idle = learner.nets.extra.keys() - trained | ({"policy"} if takes_its_own_steps(learner) else set())
    idle |= {part for part, momentum in learner.needs.momentum.items() if not momentum}  # plain SGD remembers nothing
    return id(optimiser) not in {id(learner.optimisers[name]) for name in idle}


def test_an_unknown_part_is_refused_by_name() -> None:
    with pytest.raises(SettingError, match="cannot reset actors; parts are networks, targets, optimisers, duals"):
        tiny.learner("awac").reset_parts(["actors"])


def test_demonstrations_that_are_missing_are_said_to_be_missing() -> None:
    for name in ("bc-demos", "sac-bc"):
        with pytest.raises(SettingError, match=f"{name} learns from demonstrations, but the dataset marks none"):
            tiny.learner(name, offline=tiny.rows(0, seed=0))


def test_unknown_algorithms_get_the_nearest_name() -> None:
    with pytest.raises(SettingError, match="unknown algorithm 'awca'; did you mean 'awac'"):
        algos.get("awca")
    with pytest.raises(SettingError, match=r"known: abm, .*awac, awac-z, .*bc, bc-demos"):
        algos.get("zzz")
